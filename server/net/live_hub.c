/* The hub of the live streams. See live.h and live_internal.h. A turn: what others brought is taken
 * under the mutex, touches find their holders, hints go out; then scopes are read for a moment. */
#include "server/net/live_internal.h"

#include "common/base/base.h"
#include "protocol/codec.h"
#include "server/net/limits.h"
#include "server/store/machine.h"

#define SCOPES_ARENA_MAX ((size_t)8 * 1024 * 1024)
#define LOOK_MS          250  /* keep-alives go in batches of so long */
#define TURN_MS          20   /* while a crowd waits for its turn */
#define READ_SLICE_MS    10   /* scopes are read so long, then hints have their turn */
#define STORE_LOOK_MS    100  /* between looks at what other processes did */
#define STUCK_MS         1000 /* a hint that found older bytes is tried again then */

/* What the hub took from the others, at the beginning of a turn. */
struct news {
    bool changed; /* another process wrote */
    bool look;    /* at the store: that, or who isn't admitted any more */
    bool closing, ending;
    struct ring incoming, gone;
};

/* ---- a stream's end ---- */

static void on_gone(void *context)
{
    struct stream *s = context;
    struct live *l = s->live;
    (void)pthread_mutex_lock(&l->mutex);
    ring_put(&l->gone, &s->gone);
    (void)pthread_cond_signal(&l->news);
    (void)pthread_mutex_unlock(&l->mutex);
}

static void stream_end(struct stream *s)
{
    struct live *l = s->live;
    (void)exchange_watch(s->exchange, NULL, NULL); /* from here on nobody puts it among the gone */
    (void)pthread_mutex_lock(&l->mutex);
    ring_out(&s->gone);
    (void)pthread_mutex_unlock(&l->mutex);
    audience_leave(&l->audience, &s->listener);
    ring_out(&s->reading);
    ring_out(&s->turn);
    ring_out(&s->silent);
    live_stream_free(s);
}

static void end_gone(struct ring *gone)
{
    while (!ring_is_alone(gone)) {
        stream_end(container_of(gone->next, struct stream, gone));
    }
}

static void end_all(struct live *l)
{
    while (!ring_is_alone(&l->silent)) {
        stream_end(container_of(l->silent.next, struct stream, silent));
    }
}

/* Devices that were revoked, and those of people who aren't active any more. */
static struct err end_refused(struct live *l)
{
    struct arena arena;
    uint32_t *refused;
    size_t count;
    arena_init(&arena, SCOPES_ARENA_MAX);
    struct err err = store_devices_refused(&l->store, &arena, &refused, &count);
    for (size_t i = 0; err.code == ERR_OK && i < count; i++) {
        struct listener *found = audience_find(&l->audience, refused[i]);
        if (found != NULL) {
            stream_end(container_of(found, struct stream, listener));
        }
    }
    arena_release(&arena);
    return err;
}

/* ---- hints ---- */

static bool send_hint(struct live *l, struct stream *s, bool advanced, int64_t now_ms)
{
    struct message m = {.kind = MESSAGE_HINT,
                        .hint = {.server_ms = machine_wall_ms(), .advanced = advanced}};
    struct buf bytes;
    buf_init(&bytes, ROW_BYTES_MAX);
    bool sent =
        message_encode(&m, &bytes) == WIRE_OK && exchange_hint(s->exchange, buf_bytes(&bytes));
    buf_release(&bytes);
    if (sent) {
        count(&l->options.counters->hints);
    }
    s->said_ms = now_ms; /* where older bytes wait, they keep the line alive */
    ring_put(&l->silent, &s->silent);
    return sent;
}

static void say_advanced(struct live *l, struct stream *s, int64_t now_ms)
{
    if (send_hint(l, s, true, now_ms)) {
        ring_out(&s->turn);
    } else {
        s->stuck_ms = now_ms;
        ring_put(&l->stuck, &s->turn);
    }
}

/* An audience_tell. */
static void mark(void *context, struct listener *listener, size_t crowd)
{
    struct live *l = context;
    struct stream *s = container_of(listener, struct stream, listener);
    if (crowd <= LIVE_CROWD) {
        ring_put(&l->now, &s->turn);
    } else if (ring_is_alone(&s->turn)) {
        ring_put(&l->crowd, &s->turn);
    }
}

static void say_hints(struct live *l)
{
    int64_t now_ms = machine_mono_ms();
    while (!ring_is_alone(&l->now)) {
        say_advanced(l, container_of(l->now.next, struct stream, turn), now_ms);
    }
    for (int i = 0; now_ms >= l->crowd_ms && i < LIVE_CROWD_HINTS_S * TURN_MS / 1000 &&
                    !ring_is_alone(&l->crowd);
         i++) {
        say_advanced(l, container_of(l->crowd.next, struct stream, turn), now_ms);
    }
    l->crowd_ms = now_ms >= l->crowd_ms ? now_ms + TURN_MS : l->crowd_ms;
    while (!ring_is_alone(&l->stuck)) {
        struct stream *s = container_of(l->stuck.next, struct stream, turn);
        if (now_ms - s->stuck_ms < STUCK_MS) {
            break;
        }
        say_advanced(l, s, now_ms);
    }
    while (!ring_is_alone(&l->silent)) {
        struct stream *s = container_of(l->silent.next, struct stream, silent);
        if (now_ms - s->said_ms < l->options.keepalive_ms) {
            break;
        }
        (void)send_hint(l, s, false, now_ms);
    }
}

/* ---- who holds what ---- */

/* False: the store failed, and the stream waits for another turn. One that isn't admitted any more
 * is ended. */
static bool read_scopes(struct live *l, struct stream *s)
{
    struct store_device device;
    struct err err = store_device_by_key(&l->store, s->key_id, &device);
    if (err.code == ERR_NOT_FOUND || (err.code == ERR_OK && device.revoked)) {
        stream_end(s);
        return true;
    }
    struct arena arena;
    struct scope_id *scopes = NULL;
    size_t count = 0;
    bool all = false;
    arena_init(&arena, SCOPES_ARENA_MAX);
    if (err.code == ERR_OK) {
        err =
            store_device_hears(&l->store, s->listener.device_number, &arena, &scopes, &count, &all);
    }
    bool good = err.code == ERR_OK && audience_hold(&l->audience, &s->listener, scopes, count, all);
    arena_release(&arena);
    if (!good) {
        return false;
    }
    ring_out(&s->reading);
    if (!s->known && (s->since == SYNCED_NEVER || s->since < l->forgotten ||
                      audience_missed(&s->listener, s->since))) {
        ring_put(&l->now, &s->turn);
    }
    s->known = true;
    return true;
}

/* Newcomers first: until then nothing reaches them. */
static void read_some(struct live *l)
{
    int64_t end_ms = machine_mono_ms() + READ_SLICE_MS;
    do {
        struct ring *from = !ring_is_alone(&l->fresh) ? &l->fresh : &l->stale;
        if (ring_is_alone(from)) {
            return;
        }
        struct stream *s = container_of(from->next, struct stream, reading);
        if (!read_scopes(l, s)) {
            ring_put(&l->stale, &s->reading); /* others first */
            return;
        }
    } while (machine_mono_ms() < end_ms);
}

static void enter(struct live *l, struct stream *s)
{
    struct listener *old;
    bool room = audience_enter(&l->audience, &s->listener, &old);
    ring_put(&l->silent, &s->silent);
    ring_put(&l->fresh, &s->reading);
    if (old != NULL) {
        stream_end(container_of(old, struct stream, listener));
    }
    if (!exchange_watch(s->exchange, on_gone, s) || !room) {
        stream_end(s);
    }
}

/* ---- what moved ---- */

static void spread_touches(struct live *l)
{
    struct touches *t = &l->taken;
    bool lost = t->lost, company = false;
    for (size_t i = 0; i < t->count; i++) {
        const struct touch *touch = &t->list[i];
        uint64_t number = t->last - t->count + 1 + i;
        company = company || touch->scope.kind == SCOPE_COMPANY;
        lost = !audience_touch(&l->audience, &touch->scope, touch->author, number, mark, l) || lost;
    }
    if (lost) {
        l->forgotten = t->last;
    }
    for (struct ring *r = l->silent.next; (lost || company) && r != &l->silent; r = r->next) {
        struct stream *s = container_of(r, struct stream, silent);
        if (lost) {
            mark(l, &s->listener, SIZE_MAX);
        }
        if (s->known) {
            ring_put(&l->stale, &s->reading);
        }
    }
    l->look_again = l->look_again || lost || company;
    t->count = 0;
    t->lost = false;
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

struct err live_compare(struct live *l, bool first)
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
            return err_make(ERR_NOMEM, 0, "live_compare");
        }
        if (moved && !first) {
            live_touched(l, &scope, 1, 0);
        }
    }
    return stmt_err(&st, "live_compare");
}

/* What moved comes back as touches, in the next turn. */
static void look_at_store(struct live *l, bool changed)
{
    struct err err = changed ? live_compare(l, false) : err_ok();
    struct err refused = end_refused(l);
    l->looked_ms = machine_mono_ms();
    l->look_again = refused.code != ERR_OK;
    if (err.code != ERR_OK) {
        live_changed(l);
    }
}

/* ---- the hub ---- */

/* Under the mutex. How long it may sleep: 0: there are news. */
static int64_t patience_ms(struct live *l)
{
    if (l->closing || l->ending || l->touches.count > 0 || l->touches.lost ||
        !ring_is_alone(&l->incoming) || !ring_is_alone(&l->gone)) {
        return 0;
    }
    bool busy = !ring_is_alone(&l->fresh) || !ring_is_alone(&l->stale) || !ring_is_alone(&l->crowd);
    int64_t most_ms = busy ? TURN_MS : LOOK_MS;
    int64_t look_ms = l->looked_ms + STORE_LOOK_MS - machine_mono_ms();
    if ((!l->changed && !l->look_again) || look_ms > most_ms) {
        return most_ms;
    }
    return look_ms > 0 ? look_ms : 0;
}

static void wait_for_news(struct live *l, struct news *out)
{
    ring_init(&out->incoming);
    ring_init(&out->gone);
    (void)pthread_mutex_lock(&l->mutex);
    int64_t wait_ms = patience_ms(l);
    if (wait_ms > 0) {
        struct timespec at = machine_deadline(wait_ms);
        (void)pthread_cond_timedwait(&l->news, &l->mutex, &at);
    }
    struct touches empty = {.list = l->taken.list, .last = l->touches.last};
    l->taken = l->touches;
    l->touches = empty;
    ring_move(&out->incoming, &l->incoming);
    ring_move(&out->gone, &l->gone);
    out->closing = l->closing;
    out->ending = l->ending || l->closing;
    bool may_look = machine_mono_ms() >= l->looked_ms + STORE_LOOK_MS;
    out->changed = l->changed && may_look;
    out->look = (l->changed || l->look_again) && may_look;
    l->changed = l->changed && !out->changed;
    l->ending = false;
    (void)pthread_mutex_unlock(&l->mutex);
}

void *live_hub(void *context)
{
    struct live *l = context;
    struct news news;
    do {
        wait_for_news(l, &news);
        end_gone(&news.gone);
        while (!ring_is_alone(&news.incoming)) {
            enter(l, container_of(news.incoming.next, struct stream, reading));
        }
        if (news.ending) {
            end_all(l);
        }
        spread_touches(l);
        say_hints(l); /* before what may take a while */
        if (news.look) {
            look_at_store(l, news.changed);
        }
        read_some(l);
        say_hints(l);
    } while (!news.closing);
    return NULL;
}
