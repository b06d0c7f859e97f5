/* See client_request.h. Whether all fits is known only once it is packed, but hello stands first:
 * where it doesn't fit, the request is packed again with HELLO_MORE. */
#include "common/sync/client_request.h"

#include "common/changelog/device/apply.h"
#include "common/changelog/device/freeze.h"
#include "common/changelog/device/outbox.h"
#include "common/changelog/device/sent.h"
#include "protocol/hello_names.h"

#define REQUEST_ARENA_MAX (8 * TX_BYTES_MAX)
#define BATCH_BYTES       ((size_t)512 * 1024) /* of row form, in one message */
#define HEADS_EACH_MS     (INT64_C(20) * 3600 * 1000)
#define WITNESS_BYTES     ((size_t)512 * 1024) /* of rows handed in by one request */
#define OLD_SERVER_MS     INT64_C(86400000)
#define ROOM_LEFT_OVER    ((size_t)16 * 1024) /* below it no further batch is begun */

void client_request_init(struct client_request *q, struct replica *r)
{
    *q = (struct client_request){.r = r};
    arena_init(&q->arena, REQUEST_ARENA_MAX);
    arena_init(&q->witness_arena, REQUEST_ARENA_MAX);
    buf_init(&q->body, PUSH_PLAIN_BYTES_MAX);
}

void client_request_release(struct client_request *q)
{
    arena_release(&q->arena);
    arena_release(&q->witness_arena);
    buf_release(&q->body);
}

/* Most syncs find nothing new, and then write nothing. */
static struct err freeze(struct client_request *q)
{
    int64_t some = 0;
    struct err err = db_one_int(q->r->db,
                                "SELECT coalesce((SELECT max(tx) FROM outbox), 0) >"
                                " coalesce((SELECT max(tx) FROM sent), 0)",
                                &some);
    if (err.code != ERR_OK || some == 0) {
        return err;
    }
    err = db_begin(q->r->db, DB_LOCK_WRITE);
    if (err.code != ERR_OK) {
        return err;
    }
    err = db_end(q->r->db, freeze_all(q->r));
    if (err.code != ERR_OK) {
        outbox_reset(q->r);
    }
    return err;
}

/* What the server's change log came to is shown to it once a day: enough to notice one that was cut
 * or replaced, little enough to pay for. */
static struct err choose_heads(struct client_request *q, const struct hello *hello)
{
    int64_t shown_at = 0;
    struct err err = db_one_int(q->r->db, "SELECT heads_at FROM device_state", &shown_at);
    int64_t age_ms = replica_now_ms(q->r) - shown_at;
    q->shows_heads = hello->protocol >= 2 && (age_ms < 0 || age_ms >= HEADS_EACH_MS);
    return err;
}

static struct err read_cursors(struct client_request *q, struct hello *hello)
{
    static const char sql[] = "SELECT s.kind, s.id, c.done, c.pos, c.goal, c.head_no,"
                              " iif(c.head_timeline = d.timeline, c.head, NULL)"
                              " FROM device_state d CROSS JOIN scope s"
                              " JOIN cursor c ON c.scope = s.no WHERE s.held = 1 ORDER BY s.no";
    struct stmt st;
    size_t room = 0;
    struct err err = db_use(q->r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    while (hello->cursor_count < SCOPES_MAX && db_step_row(&st)) {
        void *at = arena_more(&q->arena, hello->cursors, hello->cursor_count, &room,
                              sizeof(struct cursor));
        if (at == NULL) {
            stmt_reset(&st);
            return err_make(ERR_NOMEM, 0, "client_request");
        }
        hello->cursors = at;
        struct cursor *c = &hello->cursors[hello->cursor_count++];
        *c = (struct cursor){.scope = {.kind = (uint8_t)col_int(&st, 0)},
                             .done = col_int(&st, 2),
                             .pos = col_int(&st, 3),
                             .goal = col_int(&st, 4)};
        (void)col_id(&st, 1, c->scope.id);
        if (q->shows_heads && col_id(&st, 6, c->head)) {
            c->head_no = col_int(&st, 5);
        }
    }
    stmt_reset(&st);
    return stmt_err(&st, "client_request");
}

/* What goes out after a restore has no words in version 1. */
static bool is_bringing_back(const struct client_request *q)
{
    return q->step == RECOVERY_OFFERING || q->step == RECOVERY_WITNESSING;
}

bool client_request_may_be_older(const struct client_request *q)
{
    return q->protocol > PROTOCOL_VERSION_OLDEST && !is_bringing_back(q);
}

/* This program's own versions, or what an older server was found to speak; that is asked anew once
 * a day, and at once where the server must know more: a request that was cut on its way is
 * answered like one of a version that isn't known. */
static void choose_versions(struct client_request *q, uint32_t protocol, uint32_t catalogue,
                            int64_t since_ms)
{
    bool older =
        protocol != 0 && !is_bringing_back(q) && replica_now_ms(q->r) - since_ms < OLD_SERVER_MS;
    q->server_catalogue = older ? catalogue : 0;
    q->protocol = older && protocol < PROTOCOL_VERSION ? protocol : PROTOCOL_VERSION;
    q->catalogue =
        older && catalogue != 0 && catalogue < CATALOGUE_VERSION ? catalogue : CATALOGUE_VERSION;
}

static struct err read_state(struct client_request *q, struct hello *hello)
{
    static const char sql[] = "SELECT epoch, token, timeline, timeline_id, verdict_seen, mask,"
                              " cursors_under, server_protocol, server_catalogue, server_older_at,"
                              " courier_key IS NULL FROM device_state";
    struct stmt st;
    struct err err = db_use(q->r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    if (!db_step_row(&st)) {
        err = stmt_err(&st, "client_request");
        return err.code != ERR_OK ? err : err_make(ERR_CORRUPT, 0, "client_request");
    }
    hello->epoch = (uint32_t)col_int(&st, 0);
    hello->timeline.counter = (uint32_t)col_int(&st, 2);
    bool whole = col_id(&st, 1, hello->token) && col_id(&st, 3, hello->timeline.id);
    hello->verdict_seen = (uint64_t)col_int(&st, 4);
    hello->mask = (uint32_t)col_int(&st, 5);
    hello->cursors_under = (uint32_t)col_int(&st, 6);
    choose_versions(q, (uint32_t)col_int(&st, 7), (uint32_t)col_int(&st, 8), col_int(&st, 9));
    q->is_known = col_int(&st, 7) == 0 && col_int(&st, 8) != 0;
    hello->flags = col_int(&st, 10) != 0 ? HELLO_COURIER : 0;
    stmt_reset(&st);
    return whole ? err_ok() : err_make(ERR_CORRUPT, 0, "client_request: state");
}

static struct err make_hello(struct client_request *q, struct hello *hello)
{
    struct clocks now = {0};
    q->r->host.now(q->r->host.context, &now);
    *hello = (struct hello){.wall_ms = now.wall_ms, .mono_ms = now.mono_ms};
    memcpy(hello->boot, now.boot, sizeof hello->boot);
    memcpy(hello->device, q->r->device, sizeof hello->device);
    struct err err = read_state(q, hello);
    hello->protocol = q->protocol;
    hello->catalogue = q->catalogue;
    if (hello->cursors_under > hello->catalogue) { /* what an older server can't know wasn't lost */
        hello->cursors_under = hello->catalogue;
    }
    q->epoch = hello->epoch;
    q->timeline = hello->timeline;
    if (err.code == ERR_OK) {
        err = choose_heads(q, hello);
    }
    if (err.code == ERR_OK) {
        err = read_cursors(q, hello);
    }
    if (err.code == ERR_OK && q->is_known) {
        hello_leave_out(hello, q->r->person);
    }
    return err;
}

static struct err wire(enum wire_error e)
{
    switch (e) {
    case WIRE_OK:
        return err_ok();
    case WIRE_LIMIT:
        return err_make(ERR_LIMIT, 0, "client_request");
    case WIRE_NOMEM:
        return err_make(ERR_NOMEM, 0, "client_request");
    case WIRE_MORE:
    case WIRE_MALFORMED:
        break;
    }
    return err_make(ERR_INTERNAL, (int)e, "client_request");
}

struct filling {
    int64_t waiting; /* transactions, 0: not known */
    int64_t after;   /* local number of the last transaction put in */
    size_t count;
    size_t plain;
};

/* The server's word on what is about to be offered again. */
static struct err pack_proofs(struct client_request *q, struct packer *packer,
                              const struct batch *batch)
{
    int64_t after = 0;
    struct err err = err_ok();
    while (err.code == ERR_OK) {
        struct message m = {.kind = MESSAGE_OFFER};
        arena_clear(&q->witness_arena);
        err = recovery_next_proof(q->r, batch->transactions[0].device_seq,
                                  batch->transactions[batch->count - 1].device_seq, &after,
                                  &q->witness_arena, &m.offer);
        if (err.code == ERR_OK) {
            err = wire(packer_put(packer, &m, &q->body));
        }
    }
    return err.code == ERR_NOT_FOUND ? err_ok() : err;
}

static struct err pack_witnesses(struct client_request *q, struct packer *packer)
{
    arena_clear(&q->witness_arena);
    struct err err = recovery_witnesses(q->r, WITNESS_BYTES, &q->witness_arena, &q->witnesses);
    for (size_t i = 0; i < q->witnesses.message_count && err.code == ERR_OK; i++) {
        const struct message m = {.kind = MESSAGE_WITNESS, .rows = q->witnesses.messages[i]};
        err = wire(packer_put(packer, &m, &q->body));
    }
    return err;
}

static struct err load_batch(struct client_request *q, const struct client_request_options *o,
                             struct filling *f, size_t bytes, struct batch *out)
{
    size_t room = o->tx_max - f->count;
    if (q->step == RECOVERY_OFFERING) {
        return sent_load_offered(q->r, q->epoch, &f->after, room, bytes / 2, &q->arena, out);
    }
    return sent_load(q->r, q->epoch, &f->after, room, bytes, &q->arena, out);
}

/* Batches until the request is full or nothing waits. */
static struct err pack_batches(struct client_request *q, struct packer *packer,
                               const struct client_request_options *o, struct filling *f)
{
    struct err err = err_ok();
    for (;;) {
        size_t room = o->bytes_max > q->body.size ? o->bytes_max - q->body.size : 0;
        size_t bytes = room > ROOM_LEFT_OVER ? room - ROOM_LEFT_OVER : 0;
        bytes = bytes < BATCH_BYTES ? bytes : BATCH_BYTES;
        bool full = f->count >= o->tx_max || f->plain + bytes > PUSH_PLAIN_BYTES_MAX - TX_BYTES_MAX;
        if (f->count > 0 && (full || bytes < ROOM_LEFT_OVER)) {
            return err;
        }
        struct message m = {.kind = MESSAGE_BATCH};
        arena_clear(&q->arena);
        err = load_batch(q, o, f, bytes, &m.batch);
        if (err.code != ERR_OK || m.batch.count == 0) {
            return err;
        }
        bool again = q->step == RECOVERY_OFFERING;
        if (again) {
            err = pack_proofs(q, packer, &m.batch);
            if (err.code != ERR_OK) {
                return err;
            }
        }
        q->fresh += !again && f->after > q->sent_to ? (int64_t)m.batch.count : 0;
        f->count += m.batch.count;
        f->plain += bytes;
        err = wire(packer_put(packer, &m, &q->body));
        bool all = (int64_t)f->count == f->waiting;
        if (err.code == ERR_OK && !all) {
            err = wire(packer_flush(packer, &q->body)); /* so that the size so far is known */
        }
        if (err.code != ERR_OK || all) {
            return err;
        }
    }
}

static struct err pack_repair(struct client_request *q, struct packer *packer,
                              const struct client_request_options *o)
{
    struct message m = {.kind = MESSAGE_ASK};
    struct err err = err_ok();
    if (o->ask != NULL && q->protocol >= 2) {
        m.ask = *o->ask;
        err = wire(packer_put(packer, &m, &q->body));
    }
    if (o->want != NULL && q->protocol >= 2 && err.code == ERR_OK) {
        m = (struct message){.kind = MESSAGE_WANT, .want = *o->want};
        err = wire(packer_put(packer, &m, &q->body));
    }
    return err;
}

static struct err pack(struct client_request *q, const struct client_request_options *o,
                       struct filling *f)
{
    struct message hello = {.kind = MESSAGE_HELLO};
    const struct message end = {.kind = MESSAGE_END};
    struct packer *packer = packer_new(o->level);
    if (packer == NULL) {
        return err_make(ERR_NOMEM, 0, "client_request");
    }
    *f = (struct filling){.waiting = f->waiting, .after = o->after};
    q->fresh = 0;
    buf_clear(&q->body);
    arena_clear(&q->arena);
    struct err err = make_hello(q, &hello.hello);
    bool digest = (o->digest || q->step != RECOVERY_NOT_NEEDED) && hello.hello.protocol < 2;
    hello.hello.flags |= q->more ? HELLO_MORE : digest ? HELLO_DIGEST : 0;
    if (err.code == ERR_OK) {
        err = wire(packer_put(packer, &hello, &q->body));
    }
    if (err.code == ERR_OK) {
        err = q->step == RECOVERY_WITNESSING ? pack_witnesses(q, packer)
                                             : pack_batches(q, packer, o, f);
    }
    if (err.code == ERR_OK && !q->more) {
        err = pack_repair(q, packer, o);
    }
    if (err.code == ERR_OK) {
        err = wire(packer_put(packer, &end, &q->body));
    }
    if (err.code == ERR_OK) {
        err = wire(packer_end(packer, &q->body));
    }
    packer_free(packer);
    return err;
}

struct err client_request_build(struct client_request *q, const struct client_request_options *o)
{
    int64_t waiting = 0;
    struct filling f = {0};
    struct err err = freeze(q);
    if (err.code == ERR_OK) {
        err = recovery_step(q->r, &q->step);
    }
    if (err.code == ERR_OK && is_bringing_back(q)) {
        q->more = true;
        return pack(q, o, &f);
    }
    if (err.code == ERR_OK) {
        err = sent_waiting(q->r, o->after, &waiting);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    q->more = waiting > (int64_t)o->tx_max;
    f.waiting = waiting;
    err = pack(q, o, &f);
    if (err.code == ERR_OK && !q->more && (int64_t)f.count < waiting) {
        q->more = true;
        err = pack(q, o, &f);
    }
    if (err.code == ERR_OK && f.after > q->sent_to) {
        q->sent_to = f.after;
    }
    return err;
}
