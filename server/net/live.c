/* See live.h. The list of streams belongs to the hub's thread alone; what others bring waits under
 * the mutex until the hub takes it. */
#include "server/net/live.h"

#include "common/base/base.h"
#include "protocol/codec.h"
#include "server/net/limits.h"
#include "server/net/touches.h"
#include "server/store/machine.h"

#define DEVICES_MAX      ((uint32_t)1 << 20)
#define SYNCED_NEVER     UINT64_MAX
#define LOOK_MS          1000
#define SCOPES_ARENA_MAX ((size_t)1024 * 1024)

struct stream {
    struct exchange *exchange;
    char key_id[SIGNATURE_KEYID_MAX + 1];
    uint32_t device_number;
    size_t scope_count;
    struct scope_id *scopes;
    uint64_t since; /* touches that the device's last sync knew; SYNCED_NEVER */
    int64_t sent_ms;
    bool advanced; /* a hint is due that found older bytes still queued */
    bool over;
};

struct live {
    struct counters *counters;
    struct db *db;
    struct store store;
    bool has_store, has_thread;
    pthread_t thread;

    pthread_mutex_t mutex; /* guards down to `ending` */
    pthread_cond_t news;
    struct stream *incoming;
    size_t incoming_count, incoming_room;
    struct touches touches;
    uint64_t *synced; /* by device number */
    size_t synced_room;
    bool changed, closing, ending;

    struct stream *streams; /* the hub's alone, as all below */
    size_t stream_count, stream_room;
    struct touches view;    /* a copy of `touches` */
    uint64_t seen;          /* up to here they were hinted */
    int64_t *counters_seen; /* by scope number */
    size_t counters_room;
};

static void stream_release(struct live *l, struct stream *s)
{
    exchange_end(s->exchange);
    exchange_drop(s->exchange);
    free(s->scopes);
    count_less(&l->counters->live_streams, 1);
}

/* Reads anew what the device holds; one that is no longer admitted is over. */
static struct err refresh(struct live *l, struct stream *s)
{
    struct store_device device;
    struct err err = store_device_by_key(&l->store, s->key_id, &device);
    if (err.code == ERR_NOT_FOUND || (err.code == ERR_OK && device.revoked)) {
        s->over = true;
        return err_ok();
    }
    struct arena arena;
    arena_init(&arena, SCOPES_ARENA_MAX);
    struct scope_id *scopes = NULL;
    size_t count = 0;
    if (err.code == ERR_OK) {
        err = store_device_scopes(&l->store, s->device_number, &arena, &scopes, &count);
    }
    struct scope_id *own = err.code == ERR_OK ? calloc(count + 1, sizeof *own) : NULL;
    if (own != NULL) {
        if (count > 0) {
            memcpy(own, scopes, count * sizeof *own);
        }
        touches_sort(own, count);
        free(s->scopes);
        s->scopes = own;
        s->scope_count = count;
    }
    arena_release(&arena);
    return err;
}

static void send_hint(struct live *l, struct stream *s, bool advanced, int64_t now_ms)
{
    struct message m = {.kind = MESSAGE_HINT,
                        .hint = {.server_ms = machine_wall_ms(), .advanced = advanced}};
    struct buf bytes;
    buf_init(&bytes, ROW_BYTES_MAX);
    if (message_encode(&m, &bytes) == WIRE_OK && exchange_hint(s->exchange, buf_bytes(&bytes))) {
        s->sent_ms = now_ms;
        s->advanced = false;
        count(&l->counters->hints);
    }
    buf_release(&bytes);
}

/* Under the mutex. */
static void take_touches(struct live *l)
{
    l->seen = l->view.count;
    if (l->touches.count > l->seen || l->incoming_count > 0) {
        l->view = l->touches;
    }
}

/* Under the mutex. */
static void take_incoming(struct live *l)
{
    for (size_t i = 0; i < l->incoming_count; i++) {
        if (l->stream_count == l->stream_room) {
            size_t room = l->stream_room == 0 ? 64 : l->stream_room * 2;
            struct stream *more = realloc(l->streams, room * sizeof *more);
            if (more == NULL) {
                stream_release(l, &l->incoming[i]);
                continue;
            }
            l->streams = more;
            l->stream_room = room;
        }
        l->streams[l->stream_count++] = l->incoming[i];
    }
    l->incoming_count = 0;
}

static bool remember_counter(struct live *l, size_t no, int64_t now_at, bool *moved)
{
    if (no >= l->counters_room) {
        size_t room = no * 2 + 64;
        int64_t *more = realloc(l->counters_seen, room * sizeof *more);
        if (more == NULL) {
            return false;
        }
        memset(more + l->counters_room, 0, (room - l->counters_room) * sizeof *more);
        l->counters_seen = more;
        l->counters_room = room;
    }
    *moved = now_at > l->counters_seen[no];
    l->counters_seen[no] = now_at;
    return true;
}

/* Scopes that moved since the last look, whoever moved them, become touches of nobody's. */
static struct err compare_counters(struct live *l, bool first)
{
    struct stmt st;
    struct err err = db_use(l->db, "SELECT no, kind, id, counter FROM scope", &st);
    if (err.code != ERR_OK) {
        return err;
    }
    while (db_step_row(&st)) {
        struct scope_id scope = {.kind = (uint8_t)col_int(&st, 1)};
        bool moved;
        if (!remember_counter(l, (size_t)col_int(&st, 0), col_int(&st, 3), &moved) ||
            !col_id(&st, 2, scope.id)) {
            stmt_reset(&st);
            return err_make(ERR_NOMEM, 0, "compare_counters");
        }
        if (moved && !first) {
            live_touched(l, &scope, 1, 0);
        }
    }
    return stmt_err(&st, "compare_counters");
}

/* The newest stream of a device stays; those that ended or were replaced go. */
static void sweep_streams(struct live *l, int64_t now_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->stream_count; i++) {
        struct stream *s = &l->streams[i];
        if (s->over || exchange_is_cancelled(s->exchange)) {
            stream_release(l, s);
            continue;
        }
        if (s->advanced || now_ms - s->sent_ms >= LIVE_KEEPALIVE_MS) {
            send_hint(l, s, s->advanced, now_ms);
        }
        l->streams[kept++] = *s;
    }
    l->stream_count = kept;
}

static void end_replaced(struct live *l, size_t from)
{
    for (size_t i = from; i < l->stream_count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (l->streams[j].device_number == l->streams[i].device_number) {
                l->streams[j].over = true;
            }
        }
    }
}

/* `known` streams were there before; the others have just come. `all` are read anew. */
static void look(struct live *l, size_t known, bool all)
{
    int64_t now_ms = machine_mono_ms();
    all = all || touches_have(&l->view, l->seen, SCOPE_COMPANY);
    end_replaced(l, known);
    for (size_t i = 0; i < l->stream_count; i++) {
        struct stream *s = &l->streams[i];
        if (all || i >= known) {
            struct err err = refresh(l, s);
            s->advanced = s->advanced || err.code != ERR_OK; /* a needless sync does no harm */
        }
        uint64_t since = i < known ? l->seen : s->since;
        s->advanced = s->advanced ||
                      touches_concern(&l->view, since, s->device_number, s->scopes, s->scope_count);
    }
    sweep_streams(l, now_ms);
}

/* Under the mutex. */
static bool has_news(const struct live *l)
{
    return l->closing || l->ending || l->changed || l->incoming_count > 0 ||
           l->touches.count > l->view.count;
}

static void *hub(void *context)
{
    struct live *l = context;
    for (;;) {
        (void)pthread_mutex_lock(&l->mutex);
        if (!has_news(l)) {
            struct timespec at = machine_deadline(LOOK_MS);
            (void)pthread_cond_timedwait(&l->news, &l->mutex, &at);
        }
        size_t known = l->stream_count;
        take_touches(l);
        take_incoming(l);
        bool closing = l->closing, ending = l->ending || closing, changed = l->changed;
        l->ending = l->changed = false;
        (void)pthread_mutex_unlock(&l->mutex);
        for (size_t i = 0; ending && i < l->stream_count; i++) {
            l->streams[i].over = true;
        }
        if (changed) { /* what moved comes back as touches, in the next round */
            struct err err = compare_counters(l, false);
            changed = err.code == ERR_OK;
        }
        look(l, known, changed);
        if (closing) {
            return NULL;
        }
    }
}

static struct err start(struct live *l, const char *store_path)
{
    const struct db_options options = {.mode = DB_READ, .busy_timeout_ms = 5000};
    struct err err = db_open(&l->db, store_path, &options);
    if (err.code == ERR_OK) {
        struct host host = machine_host();
        err = store_open(&l->store, l->db, &host, false);
        l->has_store = err.code == ERR_OK;
    }
    if (err.code == ERR_OK) {
        err = compare_counters(l, true);
    }
    if (err.code == ERR_OK) {
        int rc = pthread_create(&l->thread, NULL, hub, l);
        l->has_thread = rc == 0;
        err = rc == 0 ? err_ok() : err_make(ERR_NOMEM, rc, "pthread_create");
    }
    return err;
}

struct err live_open(struct live **out, const char *store_path, struct counters *counters)
{
    *out = NULL;
    struct live *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return err_make(ERR_NOMEM, 0, "live_open");
    }
    l->counters = counters;
    (void)pthread_mutex_init(&l->mutex, NULL);
    (void)pthread_cond_init(&l->news, NULL);
    struct err err = start(l, store_path);
    if (err.code != ERR_OK) {
        live_close(l);
        return err;
    }
    *out = l;
    return err_ok();
}

void live_close(struct live *l)
{
    if (l == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&l->mutex);
    l->closing = true;
    (void)pthread_cond_signal(&l->news);
    (void)pthread_mutex_unlock(&l->mutex);
    if (l->has_thread) {
        (void)pthread_join(l->thread, NULL);
    }
    for (size_t i = 0; i < l->incoming_count; i++) { /* came after the hub's last look */
        stream_release(l, &l->incoming[i]);
    }
    if (l->has_store) {
        store_close(&l->store);
    }
    db_close(l->db);
    free(l->incoming);
    free(l->streams);
    free(l->counters_seen);
    free(l->synced);
    (void)pthread_cond_destroy(&l->news);
    (void)pthread_mutex_destroy(&l->mutex);
    free(l);
}

/* Under the mutex. */
static bool push_incoming(struct live *l, const struct stream *s)
{
    if (l->incoming_count == l->incoming_room) {
        size_t room = l->incoming_room == 0 ? 16 : l->incoming_room * 2;
        struct stream *more = realloc(l->incoming, room * sizeof *more);
        if (more == NULL) {
            return false;
        }
        l->incoming = more;
        l->incoming_room = room;
    }
    l->incoming[l->incoming_count++] = *s;
    return true;
}

bool live_add(struct live *l, struct exchange *x, const struct store_device *device)
{
    struct stream s = {.exchange = x,
                       .device_number = device->number,
                       .since = SYNCED_NEVER,
                       .sent_ms = machine_mono_ms()};
    signature_keyid(device->public_key, s.key_id);
    (void)pthread_mutex_lock(&l->mutex);
    if (device->number < l->synced_room) {
        s.since = l->synced[device->number];
    }
    bool room = !l->closing && count_get(&l->counters->live_streams) < LIVE_STREAMS_MAX &&
                push_incoming(l, &s);
    if (room) {
        count(&l->counters->live_streams);
        (void)exchange_hold(x);
        (void)pthread_cond_signal(&l->news);
    }
    (void)pthread_mutex_unlock(&l->mutex);
    return room;
}

/* Under the mutex. */
static bool make_synced_room(struct live *l, uint32_t device_number)
{
    if (device_number < l->synced_room) {
        return true;
    }
    size_t room = (size_t)device_number * 2 + 64;
    uint64_t *more = device_number >= DEVICES_MAX ? NULL : realloc(l->synced, room * sizeof *more);
    if (more == NULL) {
        return false;
    }
    memset(more + l->synced_room, 0xff, (room - l->synced_room) * sizeof *more); /* SYNCED_NEVER */
    l->synced = more;
    l->synced_room = room;
    return true;
}

void live_synced(struct live *l, uint32_t device_number)
{
    (void)pthread_mutex_lock(&l->mutex);
    if (make_synced_room(l, device_number)) {
        l->synced[device_number] = l->touches.count;
    }
    (void)pthread_mutex_unlock(&l->mutex);
}

void live_touched(struct live *l, const struct scope_id *scopes, size_t count, uint32_t author)
{
    (void)pthread_mutex_lock(&l->mutex);
    for (size_t i = 0; i < count; i++) {
        touches_add(&l->touches, &scopes[i], author);
    }
    if (count > 0) {
        (void)pthread_cond_signal(&l->news);
    }
    (void)pthread_mutex_unlock(&l->mutex);
}

void live_changed(struct live *l)
{
    (void)pthread_mutex_lock(&l->mutex);
    l->changed = true;
    (void)pthread_cond_signal(&l->news);
    (void)pthread_mutex_unlock(&l->mutex);
}

void live_end_all(struct live *l)
{
    (void)pthread_mutex_lock(&l->mutex);
    l->ending = true;
    (void)pthread_cond_signal(&l->news);
    (void)pthread_mutex_unlock(&l->mutex);
}
