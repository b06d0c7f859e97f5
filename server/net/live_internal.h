/* What live.c (streams come, others bring news) and live_hub.c (the thread that hints) share. A
 * stream belongs to the hub's thread from `incoming` on. Where it stands says what is due to it:
 *
 *   live_add ─► incoming ─► fresh ─ scopes read ─► listening: silent, who was so longest first
 *                           stale ─ read again ──►    + now, crowd or stuck where a hint is due
 *   its client leaves ─► gone ─► freed */
#ifndef SERVER_NET_LIVE_INTERNAL_H
#define SERVER_NET_LIVE_INTERNAL_H

#include "server/net/audience.h"
#include "server/net/live.h"

#define SYNCED_NEVER UINT64_MAX

struct touch {
    struct scope_id scope;
    uint32_t author; /* device number; 0: another process */
};

/* Touches up to number `last`, in order, with those that found no room left out. */
struct touches {
    struct touch *list;
    size_t count;
    uint64_t last;
    bool lost;
};

struct stream {
    struct listener listener;
    struct exchange *exchange;
    char key_id[SIGNATURE_KEYID_MAX + 1];
    bool known;     /* its scopes were read once */
    uint64_t since; /* touches that the device's last sync knew; SYNCED_NEVER */
    int64_t said_ms;
    int64_t stuck_ms;
    struct ring reading; /* incoming, then fresh or stale */
    struct ring turn;    /* now, crowd or stuck */
    struct ring silent;
    struct ring gone; /* under the mutex */
    struct live *live;
};

struct live {
    struct live_options options;
    struct db *db;
    struct store store;
    bool has_store, has_thread, has_audience;
    pthread_t thread;

    pthread_mutex_t mutex; /* guards down to `ending` */
    pthread_cond_t news;
    struct ring incoming, gone;
    struct touches touches;
    uint64_t *synced; /* by device number */
    size_t synced_room;
    bool changed, closing, ending;

    struct audience audience; /* the hub's alone, as all below */
    struct ring silent, fresh, stale, now, crowd, stuck;
    struct touches taken;
    uint64_t forgotten;     /* touches up to it may be unknown to the audience */
    int64_t *counters_seen; /* by scope number */
    size_t counters_room;
    bool look_again; /* at the store: the last look failed */
    int64_t looked_ms, crowd_ms;
};

/* The thread's function. Ends once `closing` is set, with all streams ended. */
void *live_hub(void *live);
/* Scopes that moved since the last look, whoever moved them, become touches of nobody's; at the
 * first look nothing is news. */
MUST_USE struct err live_compare(struct live *l, bool first);
/* Of one that the hub doesn't have (any more). */
void live_stream_free(struct stream *s);

#endif
