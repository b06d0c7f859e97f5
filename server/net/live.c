/* See live.h. Here streams come in, and news; what becomes of them is the hub's (live_hub.c). */
#include "server/net/live.h"

#include <sodium.h>

#include "common/base/base.h"
#include "server/net/live_internal.h"
#include "server/store/machine.h"

#define DEVICES_MAX ((uint32_t)1 << 20)
#define TOUCHES_MAX ((size_t)8192) /* between two turns; beyond that all are hinted */

/* ---- opening, closing ---- */

static struct err start(struct live *l)
{
    const struct db_options options = {.mode = DB_READ, .busy_timeout_ms = 5000};
    struct err err = db_open(&l->db, l->options.store_path, &options);
    if (err.code == ERR_OK) {
        struct host host = machine_host();
        err = store_open(&l->store, l->db, &host, false);
        l->has_store = err.code == ERR_OK;
    }
    if (err.code == ERR_OK) {
        err = live_compare(l, true);
    }
    if (err.code == ERR_OK) {
        int rc = pthread_create(&l->thread, NULL, live_hub, l);
        l->has_thread = rc == 0;
        err = rc == 0 ? err_ok() : err_make(ERR_NOMEM, rc, "pthread_create");
    }
    return err;
}

static bool make_lists(struct live *l)
{
    struct ring *const heads[] = {&l->incoming, &l->gone, &l->silent, &l->fresh,
                                  &l->stale,    &l->now,  &l->crowd,  &l->stuck};
    uint8_t key[16];
    for (size_t i = 0; i < count_of(heads); i++) {
        ring_init(heads[i]);
    }
    randombytes_buf(key, sizeof key);
    l->touches.list = calloc(TOUCHES_MAX, sizeof *l->touches.list);
    l->taken.list = calloc(TOUCHES_MAX, sizeof *l->taken.list);
    l->has_audience = audience_init(&l->audience, key);
    return l->touches.list != NULL && l->taken.list != NULL && l->has_audience;
}

struct err live_open(struct live **out, const struct live_options *options)
{
    *out = NULL;
    struct live *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return err_make(ERR_NOMEM, 0, "live_open");
    }
    l->options = *options;
    (void)pthread_mutex_init(&l->mutex, NULL);
    (void)pthread_cond_init(&l->news, NULL);
    struct err err = make_lists(l) ? start(l) : err_make(ERR_NOMEM, 0, "live_open");
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
    assert(ring_is_alone(&l->incoming)); /* live_add takes nothing once it is closing */
    if (l->has_audience) {
        audience_release(&l->audience);
    }
    if (l->has_store) {
        store_close(&l->store);
    }
    db_close(l->db);
    free(l->touches.list);
    free(l->taken.list);
    free(l->counters_seen);
    free(l->synced);
    (void)pthread_cond_destroy(&l->news);
    (void)pthread_mutex_destroy(&l->mutex);
    free(l);
}

/* ---- what others bring ---- */

void live_stream_free(struct stream *s)
{
    struct live *l = s->live;
    exchange_end(s->exchange);
    exchange_drop(s->exchange);
    free(s);
    count_less(&l->options.counters->live_streams, 1);
}

static bool take_place(struct live *l)
{
    uint64_t taken = atomic_fetch_add(&l->options.counters->live_streams, 1);
    if (taken >= l->options.streams_max) {
        count_less(&l->options.counters->live_streams, 1);
        return false;
    }
    return true;
}

static struct stream *stream_new(struct live *l, struct exchange *x,
                                 const struct store_device *device)
{
    struct stream *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->live = l;
    s->exchange = exchange_hold(x);
    s->listener.device_number = device->number;
    s->since = SYNCED_NEVER;
    s->said_ms = machine_mono_ms();
    signature_keyid(device->public_key, s->key_id);
    ring_init(&s->reading);
    ring_init(&s->turn);
    ring_init(&s->silent);
    ring_init(&s->gone);
    return s;
}

bool live_add(struct live *l, struct exchange *x, const struct store_device *device)
{
    static const struct answer_head head = {.status = 200, .type = "application/cbor-seq"};
    if (!take_place(l)) {
        return false;
    }
    struct stream *s = stream_new(l, x, device);
    if (s == NULL) {
        count_less(&l->options.counters->live_streams, 1);
        return false;
    }
    struct err err = exchange_start(x, &head);
    (void)pthread_mutex_lock(&l->mutex);
    bool taken = err.code == ERR_OK && !l->closing;
    if (device->number < l->synced_room) {
        s->since = l->synced[device->number];
    }
    if (taken) {
        ring_put(&l->incoming, &s->reading);
        (void)pthread_cond_signal(&l->news);
    }
    (void)pthread_mutex_unlock(&l->mutex);
    if (!taken) { /* the client left, or the server is about to */
        live_stream_free(s);
    }
    return true;
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
        l->synced[device_number] = l->touches.last;
    }
    (void)pthread_mutex_unlock(&l->mutex);
}

void live_touched(struct live *l, const struct scope_id *scopes, size_t count, uint32_t author)
{
    (void)pthread_mutex_lock(&l->mutex);
    struct touches *t = &l->touches;
    for (size_t i = 0; i < count; i++) {
        t->last++;
        if (t->count < TOUCHES_MAX) {
            t->list[t->count++] = (struct touch){.scope = scopes[i], .author = author};
        } else {
            t->lost = true;
        }
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
