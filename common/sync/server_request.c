/* See server_request.h. */
#include "common/sync/server_request.h"

#include "protocol/codec.h"

#define DECODE_ARENA_BYTES_MAX ((size_t)128 * 1024 * 1024)
#define RETRY_S                1
#define EXTRAS_MAX             ((size_t)10000) /* offers, witnesses */

/* What may come next. */
enum expected { EXPECT_HELLO, EXPECT_BATCH_OR_END, EXPECT_END, EXPECT_NOTHING };

struct reading {
    struct arena *arena;
    struct server_request *out;
    struct server_refusal *why;
    struct buf row_form; /* of the transaction that is being taken */
    enum expected expected;
};

static struct err refuse_request(struct reading *r, int status, const char *code, int64_t limit)
{
    *r->why = (struct server_refusal){.status = status, .code = code, .limit = limit};
    return err_make(status == 413 ? ERR_LIMIT : ERR_PROTOCOL, status, code);
}

static struct err malformed(struct reading *r)
{
    return refuse_request(r, 400, "malformed", 0);
}

static struct err too_large(struct reading *r, size_t limit)
{
    return refuse_request(r, 413, "too_large", (int64_t)limit);
}

static struct err no_memory(struct reading *r)
{
    (void)refuse_request(r, 503, "busy", RETRY_S);
    return err_make(ERR_NOMEM, 0, "server_request");
}

static struct err take_hello(struct reading *r, const struct hello *hello)
{
    struct hello *out = &r->out->hello;
    *out = *hello;
    out->cursors = arena_array(r->arena, hello->cursor_count, sizeof *out->cursors);
    if (out->cursors == NULL) {
        return no_memory(r);
    }
    if (hello->cursor_count > 0) {
        memcpy(out->cursors, hello->cursors, hello->cursor_count * sizeof *out->cursors);
    }
    return err_ok();
}

static struct err take_transaction(struct reading *r, const struct transaction *tx)
{
    struct push *push = &r->out->pushes[r->out->push_count];
    if (r->out->push_count > 0 && tx->device_seq <= push[-1].device_seq) {
        return malformed(r);
    }
    buf_clear(&r->row_form);
    enum wire_error wire = transaction_encode(tx, &r->row_form);
    if (wire != WIRE_OK) {
        return wire == WIRE_LIMIT ? too_large(r, TX_BYTES_MAX) : no_memory(r);
    }
    uint64_t *rests = arena_array(r->arena, tx->rest_count, sizeof *rests);
    *push = (struct push){.device_seq = tx->device_seq,
                          .rest_count = tx->rest_count,
                          .rests_on = rests,
                          .row_form = arena_copy(r->arena, buf_bytes(&r->row_form)),
                          .effective_ms = -1};
    if (rests == NULL || push->row_form.at == NULL) {
        return too_large(r, PUSH_PLAIN_BYTES_MAX);
    }
    if (tx->rest_count > 0) {
        memcpy(rests, tx->rests_on, tx->rest_count * sizeof *rests);
    }
    transaction_identity(push->row_form, push->identity);
    r->out->push_count++;
    return err_ok();
}

static struct err take_batch(struct reading *r, const struct batch *batch)
{
    size_t before = r->out->push_count;
    if (batch->count > PUSH_TX_MAX - before) {
        return too_large(r, PUSH_TX_MAX);
    }
    struct push *pushes = arena_array(r->arena, before + batch->count, sizeof *pushes);
    if (pushes == NULL) {
        return too_large(r, PUSH_PLAIN_BYTES_MAX);
    }
    if (before > 0) {
        memcpy(pushes, r->out->pushes, before * sizeof *pushes);
    }
    r->out->pushes = pushes;
    struct err err = err_ok();
    for (size_t i = 0; i < batch->count && err.code == ERR_OK; i++) {
        err = take_transaction(r, &batch->transactions[i]);
    }
    return err;
}

static void *copy_of(struct reading *r, const void *from, size_t count, size_t size)
{
    void *to = arena_array(r->arena, count, size);
    if (to != NULL && count > 0) {
        memcpy(to, from, count * size);
    }
    return to;
}

/* One more in an array of `count`; the old copy stays behind in the arena. */
static void *one_more(struct reading *r, const void *from, size_t count, size_t size)
{
    uint8_t *to = arena_array(r->arena, count + 1, size);
    if (to != NULL && count > 0) {
        memcpy(to, from, count * size);
    }
    return to;
}

static struct err take_offer(struct reading *r, const struct reoffer *offer)
{
    struct server_request *out = r->out;
    if (out->offer_count == EXTRAS_MAX) {
        return too_large(r, EXTRAS_MAX);
    }
    struct reoffer *offers = one_more(r, out->offers, out->offer_count, sizeof *offers);
    struct offered *entries = copy_of(r, offer->entries, offer->count, sizeof *entries);
    if (offers == NULL || entries == NULL) {
        return too_large(r, PUSH_PLAIN_BYTES_MAX);
    }
    for (size_t i = 0; i < offer->count; i++) {
        entries[i].seqs =
            copy_of(r, entries[i].seqs, entries[i].seq_count, sizeof *entries[i].seqs);
        if (entries[i].seqs == NULL) {
            return too_large(r, PUSH_PLAIN_BYTES_MAX);
        }
    }
    offers[out->offer_count] = *offer;
    offers[out->offer_count++].entries = entries;
    out->offers = offers;
    return err_ok();
}

static bool own_row(struct reading *r, const struct rows *rows, struct row *row)
{
    row->values = copy_of(r, row->values, rows->column_count, sizeof *row->values);
    for (size_t i = 0; row->values != NULL && i < rows->column_count; i++) {
        struct value *v = &row->values[i];
        if (v->kind == VALUE_TEXT || v->kind == VALUE_BLOB) {
            v->b = arena_copy(r->arena, v->b);
            if (v->b.at == NULL) {
                return false;
            }
        }
    }
    return row->values != NULL;
}

static struct err take_witness(struct reading *r, const struct rows *rows)
{
    struct server_request *out = r->out;
    if (out->witness_count == EXTRAS_MAX) {
        return too_large(r, EXTRAS_MAX);
    }
    struct rows *witnesses = one_more(r, out->witnesses, out->witness_count, sizeof *witnesses);
    struct row *own = copy_of(r, rows->rows, rows->count, sizeof *own);
    bool good = witnesses != NULL && own != NULL;
    for (size_t i = 0; i < rows->count && good; i++) {
        good = own_row(r, rows, &own[i]);
    }
    if (!good) {
        return too_large(r, PUSH_PLAIN_BYTES_MAX);
    }
    witnesses[out->witness_count] = *rows;
    witnesses[out->witness_count++].rows = own;
    out->witnesses = witnesses;
    return err_ok();
}

static struct err take_ask(struct reading *r, const struct ask *ask)
{
    r->out->asks = true;
    r->out->ask = *ask;
    r->out->ask.parts = arena_array(r->arena, ask->count, sizeof *ask->parts);
    if (r->out->ask.parts == NULL) {
        return no_memory(r);
    }
    if (ask->count > 0) {
        memcpy(r->out->ask.parts, ask->parts, ask->count * sizeof *ask->parts);
    }
    return err_ok();
}

static struct err take_want(struct reading *r, const struct want *want)
{
    r->out->wants = true;
    r->out->want.count = want->count;
    r->out->want.rows = arena_array(r->arena, want->count, sizeof *want->rows);
    if (r->out->want.rows == NULL) {
        return no_memory(r);
    }
    if (want->count > 0) {
        memcpy(r->out->want.rows, want->rows, want->count * sizeof *want->rows);
    }
    return err_ok();
}

static struct err take(struct reading *r, const struct message *m)
{
    if (r->expected == EXPECT_HELLO && m->kind == MESSAGE_HELLO) {
        r->expected = EXPECT_BATCH_OR_END;
        return take_hello(r, &m->hello);
    }
    if (r->expected == EXPECT_BATCH_OR_END && m->kind == MESSAGE_BATCH) {
        return take_batch(r, &m->batch);
    }
    bool extra = r->expected == EXPECT_BATCH_OR_END && r->out->hello.protocol >= 2;
    if (extra && m->kind == MESSAGE_OFFER) {
        return take_offer(r, &m->offer);
    }
    if (extra && m->kind == MESSAGE_WITNESS) {
        return take_witness(r, &m->rows);
    }
    bool open = r->expected == EXPECT_BATCH_OR_END || r->expected == EXPECT_END;
    bool asks = r->out->hello.protocol >= 2 && open && !r->out->wants;
    if (asks && m->kind == MESSAGE_ASK && !r->out->asks) {
        r->expected = EXPECT_END;
        return take_ask(r, &m->ask);
    }
    if (asks && m->kind == MESSAGE_WANT) {
        r->expected = EXPECT_END;
        return take_want(r, &m->want);
    }
    if (open && m->kind == MESSAGE_END) {
        r->expected = EXPECT_NOTHING;
        return err_ok();
    }
    return malformed(r);
}

static struct err of_wire(struct reading *r, enum wire_error wire)
{
    switch (wire) {
    case WIRE_LIMIT:
        return too_large(r, PUSH_PLAIN_BYTES_MAX);
    case WIRE_NOMEM:
        return no_memory(r);
    case WIRE_OK:
    case WIRE_MORE: /* the end is missing */
    case WIRE_MALFORMED:
        break;
    }
    return malformed(r);
}

static struct err take_all(struct reading *r, struct unpacker *unpacker)
{
    struct arena arena; /* of one message */
    arena_init(&arena, DECODE_ARENA_BYTES_MAX);
    struct err err = err_ok();
    while (err.code == ERR_OK && r->expected != EXPECT_NOTHING) {
        struct message m;
        arena_clear(&arena);
        enum wire_error wire = unpacker_next(unpacker, &arena, &m);
        err = wire == WIRE_OK ? take(r, &m) : of_wire(r, wire);
    }
    if (err.code == ERR_OK && !unpacker_is_complete(unpacker)) {
        err = malformed(r);
    }
    arena_release(&arena);
    return err;
}

struct err server_request_read(struct bytes body, struct arena *arena, struct server_request *out,
                               struct server_refusal *why)
{
    struct reading r = {.arena = arena, .out = out, .why = why, .expected = EXPECT_HELLO};
    *out = (struct server_request){.push_count = 0};
    *why = (struct server_refusal){.status = 0};
    if (body.size > PUSH_BYTES_MAX) {
        return too_large(&r, PUSH_BYTES_MAX);
    }
    struct unpacker *unpacker = unpacker_new(PUSH_PLAIN_BYTES_MAX);
    if (unpacker == NULL) {
        return no_memory(&r);
    }
    buf_init(&r.row_form, TX_BYTES_MAX);
    enum wire_error wire = unpacker_feed(unpacker, body);
    struct err err =
        wire == WIRE_OK || wire == WIRE_MORE ? take_all(&r, unpacker) : of_wire(&r, wire);
    buf_release(&r.row_form);
    unpacker_free(unpacker);
    return err;
}
