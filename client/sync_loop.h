/* Feeds the sync session with a network: does what common/sync says, and decides when to try
 * again. One sync at a time runs on a replica, held by sync.lock. Belongs to one thread. */
#ifndef CLIENT_SYNC_LOOP_H
#define CLIENT_SYNC_LOOP_H

#include "client/home.h"
#include "client/net/http.h"
#include "common/sync/client_session.h"

#define SYNC_TRIES          3 /* of one `legwork sync`; --watch goes on for ever */
#define SYNC_BACKOFF_MS     500
#define SYNC_BACKOFF_MS_MAX 60000
#define SYNC_PATIENCE_S     10    /* a longer Retry-After ends the sync; its work is saved */
#define SYNC_INTERVAL_MS    50    /* between the beginnings of two syncs of --watch */
#define LIVE_POLL_MS        30000 /* between syncs where no live stream can be had */
#define LIVE_SILENCE_MS     90000 /* a live stream says something more often than that */

struct sync_result {
    struct client_tally tally;
    struct http_traffic traffic; /* of this sync */
    char code[CODE_BYTES_MAX];   /* why it failed, as the protocol names it; or "" */
    bool stranger;               /* something else answered in the server's place */
    int status;                  /* of the last answer, 0: none came */
};

struct sync_watcher {
    void *context;
    bool (*cancelled)(void *context);
    void (*progress)(void *context, const struct client_tally *tally,
                     struct http_traffic traffic); /* or NULL */
};

struct sync_loop;
/* ERR_BUSY: another process syncs this replica. `home` is open and outlives the loop. */
MUST_USE struct err sync_loop_open(struct sync_loop **out, struct home *home,
                                   const struct sync_watcher *watcher);
/* The same beside whoever syncs: for single requests, not for sync_once and sync_wait. */
MUST_USE struct err sync_loop_open_beside(struct sync_loop **out, struct home *home,
                                          const struct sync_watcher *watcher);
void sync_loop_close(struct sync_loop *loop);

/* One sync with its retries. ERR_NETWORK: the server can't be reached, nothing is lost. */
MUST_USE struct err sync_once(struct sync_loop *loop, bool verify, int tries,
                              struct sync_result *out);
/* One signed request, once more with the server's time where the clock is far off. `fault` is what
 * an answer other than 200 says, its code "" where it says nothing. `answer` is to be released. */
struct sync_fault {
    char code[CODE_BYTES_MAX + 1];
    int64_t limit;
};
MUST_USE struct err sync_request(struct sync_loop *loop, struct http_request *request,
                                 struct http_answer *answer, struct sync_fault *fault);
bool sync_is_cancelled(const struct sync_loop *loop);
/* Returns when there is reason to sync again: the server's data moved, work was saved here, the
 * poll's time has come, or the watcher cancelled. */
void sync_wait(struct sync_loop *loop);

#endif
