/* Random messages; see random_message.h. Columns get the shapes that real ones have (constant,
 * rising, few different, partly NULL), so that every encoding is used. */
#include "tests/support/random_message.h"

#include <stdlib.h>

uint64_t random_next(struct random_source *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t random_below(struct random_source *r, uint64_t n)
{
    return n == 0 ? 0 : random_next(r) % n;
}

static void *take(struct random_source *r, size_t count, size_t size)
{
    void *at = arena_array(r->arena, count, size);
    if (at == NULL) {
        abort();
    }
    return at;
}

static void fill(struct random_source *r, uint8_t *to, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        to[i] = (uint8_t)random_next(r);
    }
}

static struct bytes random_text(struct random_source *r, size_t parts_max)
{
    static const char *const parts[] = {"order", " ",  "上海", "é",   "😀",
                                        "visit", "\"", "\n",   "经理"};
    char text[256];
    size_t size = 0;
    for (size_t n = random_below(r, parts_max + 1); n > 0; n--) {
        const char *part = parts[random_below(r, sizeof parts / sizeof parts[0])];
        memcpy(text + size, part, strlen(part));
        size += strlen(part);
    }
    return arena_copy(r->arena, bytes_of(text, size));
}

static void random_code(struct random_source *r, char *to, size_t room)
{
    size_t size = random_below(r, 2) ? random_below(r, room) : 0;
    for (size_t i = 0; i < size; i++) {
        to[i] = (char)('a' + random_below(r, 26));
    }
    to[size] = 0;
}

static int64_t random_int(struct random_source *r)
{
    return (int64_t)random_next(r) >> random_below(r, 64);
}

static int64_t random_positive(struct random_source *r)
{
    return (int64_t)(random_next(r) >> (1 + random_below(r, 63)));
}

static uint32_t random_u32(struct random_source *r)
{
    return (uint32_t)(random_next(r) >> (32 + random_below(r, 32)));
}

static double random_real(struct random_source *r)
{
    int64_t thousandths = (int64_t)random_below(r, 360000) - 180000;
    return random_below(r, 2) ? (double)thousandths / 1000 : 1.0 / (double)(1 + thousandths * 2);
}

struct value random_value(struct random_source *r)
{
    struct bytes b = random_text(r, 20);
    switch (random_below(r, 5)) {
    case 0:
        return value_null();
    case 1:
        return value_int(random_int(r));
    case 2:
        return value_real(random_real(r));
    case 3:
        return value_text(b);
    default:
        return value_blob(b);
    }
}

/* `count` values of one column, `stride` bytes apart. */
static void random_column(struct random_source *r, struct value *first, size_t stride, size_t count)
{
    uint64_t kind = random_below(r, 9);
    struct value few[5];
    for (size_t i = 0; i < 5; i++) {
        few[i] = kind == 3 ? value_text(random_text(r, 9)) : random_value(r);
    }
    int64_t rising = random_int(r) / 2;
    uint8_t *ids = take(r, count, 16);
    fill(r, ids, count * 16);
    for (size_t i = 0; i < count; i++) {
        struct value *v = (struct value *)(void *)((char *)first + i * stride);
        bool null = (kind & 1) != 0 && random_below(r, 4) == 0;
        rising += (int64_t)random_below(r, 1000);
        *v = null        ? value_null()
             : kind == 0 ? few[0]
             : kind <= 2 ? value_int(rising)
             : kind == 3 ? few[random_below(r, 5)]
             : kind == 4 ? value_blob(bytes_of(ids + i * 16, 16))
             : kind == 5 ? value_text(random_text(r, 20))
             : kind == 6 ? value_int(random_int(r))
             : kind == 7 ? value_real((double)((int64_t)random_below(r, 360000) - 180000) / 1000)
                         : random_value(r);
    }
}

static void random_scope(struct random_source *r, struct scope_id *out)
{
    out->kind = (uint8_t)(1 + random_below(r, SCOPE_POOL));
    fill(r, out->id, 16);
}

static void random_timeline(struct random_source *r, struct timeline *out)
{
    out->counter = random_u32(r);
    fill(r, out->id, 16);
}

static void random_cursor(struct random_source *r, struct cursor *out)
{
    random_scope(r, &out->scope);
    out->done = random_positive(r) / 2;
    out->pos = out->done + random_positive(r) / 2;
    out->goal = random_positive(r);
    out->head_no = random_positive(r);
    fill(r, out->head, sizeof out->head);
}

static struct cursor *random_cursors(struct random_source *r, size_t count)
{
    struct cursor *cursors = take(r, count, sizeof *cursors);
    for (size_t i = 0; i < count; i++) {
        random_cursor(r, &cursors[i]);
    }
    return cursors;
}

static void random_hello(struct random_source *r, size_t size, struct hello *out)
{
    *out = (struct hello){.protocol = PROTOCOL_VERSION,
                          .catalogue = random_u32(r),
                          .cursors_under = random_u32(r),
                          .mask = random_u32(r),
                          .epoch = random_u32(r),
                          .wall_ms = random_int(r),
                          .mono_ms = random_int(r),
                          .verdict_seen = (uint64_t)random_positive(r),
                          .flags = (uint32_t)random_below(r, 4)};
    fill(r, out->device, 16);
    fill(r, out->token, 16);
    fill(r, out->boot, 16);
    random_timeline(r, &out->timeline);
    out->cursor_count = random_below(r, size + 1);
    out->cursors = random_cursors(r, out->cursor_count);
}

static void random_answer(struct random_source *r, size_t size, struct answer *out)
{
    *out = (struct answer){.status = (uint8_t)random_below(r, ANSWER_UPGRADE + 1),
                           .protocol = PROTOCOL_VERSION,
                           .catalogue = random_u32(r),
                           .server_ms = random_int(r),
                           .epoch = random_u32(r),
                           .mask = random_u32(r)};
    fill(r, out->token, 16);
    random_timeline(r, &out->timeline);
    out->mark_count = random_below(r, size + 1);
    out->marks = random_cursors(r, out->mark_count);
    if (random_below(r, 2) != 0) {
        fill(r, out->courier_key, sizeof out->courier_key);
    }
}

/* ---- a batch: each change of one of a few shapes, each shape's columns as real ones ---- */

struct shape {
    uint16_t table;
    uint8_t op;
    uint8_t columns[8];
    bool old[8];
    size_t column_count;
};

static void random_shape(struct random_source *r, struct shape *out)
{
    *out = (struct shape){.table = (uint16_t)random_below(r, 30),
                          .op = (uint8_t)(1 + random_below(r, 3))};
    for (uint8_t c = 0; c <= COLUMNS_MAX && out->column_count < 8; c++) {
        if (out->op != CHANGE_DELETE && random_below(r, 10) == 0) {
            out->old[out->column_count] = random_below(r, 8) == 0;
            out->columns[out->column_count++] = c;
        }
    }
}

static void random_change(struct random_source *r, const struct shape *shape, struct change *out)
{
    *out = (struct change){.table = shape->table,
                           .op = shape->op,
                           .base = random_below(r, 2) ? random_positive(r) : 0,
                           .cell_count = shape->column_count};
    fill(r, out->id, 16);
    out->cells = take(r, out->cell_count, sizeof *out->cells);
    for (size_t i = 0; i < out->cell_count; i++) {
        struct cell *cell = &out->cells[i];
        cell->column = shape->columns[i];
        cell->has_old = shape->old[i];
        cell->old = cell->has_old ? random_value(r) : value_null();
        random_column(r, &cell->value, sizeof *cell, 1);
    }
}

static void random_batch(struct random_source *r, size_t size, struct batch *out)
{
    struct shape shapes[4];
    uint64_t device_seq = 1 + random_below(r, 1u << 20);
    for (size_t i = 0; i < 4; i++) {
        random_shape(r, &shapes[i]);
    }
    out->count = random_below(r, size + 1);
    out->transactions = take(r, out->count, sizeof *out->transactions);
    for (size_t i = 0; i < out->count; i++) {
        struct transaction *tx = &out->transactions[i];
        *tx = (struct transaction){.device_seq = device_seq,
                                   .rest_count = random_below(r, 3),
                                   .catalogue = random_u32(r),
                                   .intent = random_text(r, 3),
                                   .change_count = random_below(r, 4)};
        tx->written = (struct clocks){
            .wall_ms = random_int(r), .mono_ms = random_int(r), .seen_ms = random_int(r)};
        fill(r, tx->written.boot, 16);
        tx->rests_on = take(r, tx->rest_count, sizeof *tx->rests_on);
        for (size_t k = 0; k < tx->rest_count; k++) {
            tx->rests_on[k] = random_below(r, device_seq);
        }
        tx->changes = take(r, tx->change_count, sizeof *tx->changes);
        for (size_t k = 0; k < tx->change_count; k++) {
            random_change(r, &shapes[random_below(r, 4)], &tx->changes[k]);
        }
        device_seq += 1 + random_below(r, 3);
    }
}

/* ---- verdicts and rows ---- */

static void random_verdict_row(struct random_source *r, struct verdict_row *out)
{
    out->table = (uint16_t)random_below(r, 30);
    fill(r, out->id, 16);
    random_scope(r, &out->scope);
    out->seq = random_positive(r);
    out->unseen_count = random_below(r, 3);
    out->unseen = take(r, out->unseen_count, sizeof *out->unseen);
    for (size_t i = 0; i < out->unseen_count; i++) {
        out->unseen[i].column = (uint8_t)random_below(r, COLUMNS_MAX + 1);
        out->unseen[i].value = random_value(r);
    }
}

static void random_loser(struct random_source *r, struct loser *out)
{
    out->table = (uint16_t)random_below(r, 30);
    fill(r, out->id, 16);
    out->column = (uint8_t)random_below(r, COLUMNS_MAX + 1);
    fill(r, out->kept_id, 16);
    out->kept = random_value(r);
    out->winner = random_value(r);
    fill(r, out->winner_person, 16);
    out->winner_at_ms = random_int(r);
}

static void random_verdicts(struct random_source *r, size_t size, struct verdicts *out)
{
    uint64_t number = random_below(r, 1000);
    out->count = random_below(r, size + 1);
    out->verdicts = take(r, out->count, sizeof *out->verdicts);
    bool plain = random_below(r, 2) == 0; /* all accepted */
    for (size_t i = 0; i < out->count; i++) {
        struct verdict *v = &out->verdicts[i];
        v->number = ++number;
        v->epoch = 1;
        v->device_seq = (uint64_t)random_positive(r);
        v->outcome = plain ? OUTCOME_ACCEPTED : (uint8_t)random_below(r, 4);
        if (!plain) {
            random_code(r, v->code, sizeof v->code);
            random_code(r, v->field, sizeof v->field);
            v->detail = random_text(r, 5);
            v->loser_count = random_below(r, 3);
        }
        v->losers = take(r, v->loser_count, sizeof *v->losers);
        for (size_t k = 0; k < v->loser_count; k++) {
            random_loser(r, &v->losers[k]);
        }
        v->row_count = random_below(r, 4);
        v->rows = take(r, v->row_count, sizeof *v->rows);
        for (size_t k = 0; k < v->row_count; k++) {
            random_verdict_row(r, &v->rows[k]);
        }
    }
}

static void random_rows(struct random_source *r, size_t size, struct rows *out)
{
    random_scope(r, &out->scope);
    out->table = (uint16_t)random_below(r, 1000);
    out->whole = random_below(r, 2) != 0;
    for (uint8_t c = 0; c <= COLUMNS_MAX; c++) {
        if (random_below(r, 4) == 0) {
            out->columns[out->column_count++] = c;
        }
    }
    out->count = random_below(r, size + 1);
    out->rows = take(r, out->count, sizeof *out->rows);
    struct value *values = take(r, out->count * out->column_count, sizeof *values);
    for (size_t c = 0; c < out->column_count; c++) {
        random_column(r, values + c, out->column_count * sizeof *values, out->count);
    }
    for (size_t i = 0; i < out->count; i++) {
        fill(r, out->rows[i].id, 16);
        out->rows[i].seq = random_positive(r);
        out->rows[i].values = values + i * out->column_count;
    }
}

static void random_digest(struct random_source *r, size_t size, struct digest *out)
{
    out->entry_count = random_below(r, size + 1);
    out->entries = take(r, out->entry_count, sizeof *out->entries);
    for (size_t i = 0; i < out->entry_count; i++) {
        random_scope(r, &out->entries[i].scope);
        out->entries[i].table = (uint16_t)random_below(r, 30);
        out->entries[i].rows = random_below(r, 100000);
        fill(r, out->entries[i].sum, 16);
    }
}

static void random_enrolled(struct random_source *r, struct enrolled *out)
{
    *out = (struct enrolled){.device_number = random_u32(r),
                             .login = random_text(r, 3),
                             .epoch = random_u32(r),
                             .server_ms = random_int(r)};
    fill(r, out->device, 16);
    fill(r, out->person, 16);
    fill(r, out->token, 16);
    fill(r, out->digest_key, 16);
    random_timeline(r, &out->timeline);
    out->certificate = random_text(r, 6);
}

static void random_offer(struct random_source *r, size_t size, struct reoffer *out)
{
    out->received_ms = random_int(r);
    fill(r, out->mac, sizeof out->mac);
    out->count = random_below(r, size + 1);
    out->entries = take(r, out->count, sizeof *out->entries);
    for (size_t i = 0; i < out->count; i++) {
        struct offered *e = &out->entries[i];
        fill(r, e->identity, sizeof e->identity);
        e->seq_count = random_below(r, 4);
        e->seqs = take(r, e->seq_count, sizeof *e->seqs);
        for (size_t k = 0; k < e->seq_count; k++) {
            e->seqs[k] = random_positive(r);
        }
    }
}

static void random_part_name(struct random_source *r, struct part_name *out)
{
    random_scope(r, &out->scope);
    out->table = (uint16_t)random_below(r, 30);
    out->bucket = (uint16_t)random_below(r, 257);
}

static void random_ask(struct random_source *r, size_t size, struct ask *out)
{
    out->contents = random_below(r, 2) != 0;
    out->count = random_below(r, size + 1);
    out->parts = take(r, out->count, sizeof *out->parts);
    for (size_t i = 0; i < out->count; i++) {
        random_part_name(r, &out->parts[i]);
    }
}

static void random_parts(struct random_source *r, size_t size, struct parts *out)
{
    out->count = random_below(r, size + 1);
    out->parts = take(r, out->count, sizeof *out->parts);
    for (size_t i = 0; i < out->count; i++) {
        struct digest_part *p = &out->parts[i];
        random_part_name(r, &p->name);
        p->listed = (uint8_t)random_below(r, 2);
        p->rows = (uint32_t)random_below(r, 4);
        fill(r, p->sum, 16);
        out->row_count += p->listed != 0 ? p->rows : 0;
    }
    out->rows = take(r, out->row_count, sizeof *out->rows);
    for (size_t i = 0; i < out->row_count; i++) {
        fill(r, out->rows[i].id, 16);
        out->rows[i].seq = random_positive(r);
        fill(r, out->rows[i].sum, 16);
    }
}

static void random_want(struct random_source *r, size_t size, struct want *out)
{
    out->count = random_below(r, size + 1);
    out->rows = take(r, out->count, sizeof *out->rows);
    for (size_t i = 0; i < out->count; i++) {
        out->rows[i].table = (uint16_t)random_below(r, 30);
        fill(r, out->rows[i].id, 16);
    }
}

void random_message(struct random_source *r, enum message_kind kind, size_t size,
                    struct message *out)
{
    memset(out, 0, sizeof *out);
    out->kind = kind;
    switch (kind) {
    case MESSAGE_HELLO:
        random_hello(r, size, &out->hello);
        return;
    case MESSAGE_BATCH:
        random_batch(r, size, &out->batch);
        return;
    case MESSAGE_END:
        out->end.told = random_below(r, 2) != 0;
        if (out->end.told) {
            fill(r, out->end.sum, sizeof out->end.sum);
        }
        return;
    case MESSAGE_ANSWER:
        random_answer(r, size, &out->answer);
        return;
    case MESSAGE_VERDICTS:
        random_verdicts(r, size, &out->verdicts);
        return;
    case MESSAGE_SCOPE_ENTER:
    case MESSAGE_SCOPE_LEAVE:
        random_scope(r, &out->scope);
        return;
    case MESSAGE_ROWS:
    case MESSAGE_WITNESS:
        random_rows(r, size, &out->rows);
        return;
    case MESSAGE_DEPARTURE:
        random_scope(r, &out->departure.scope);
        out->departure.seq = random_positive(r);
        out->departure.table = (uint16_t)random_below(r, 1000);
        fill(r, out->departure.id, 16);
        return;
    case MESSAGE_CHECKPOINT:
        random_cursor(r, &out->checkpoint.cursor);
        return;
    case MESSAGE_DIGEST:
        random_digest(r, size, &out->digest);
        return;
    case MESSAGE_FAULT:
        random_code(r, out->fault.code, sizeof out->fault.code);
        out->fault.detail = random_text(r, 10);
        out->fault.server_ms = random_int(r);
        out->fault.limit = random_int(r);
        return;
    case MESSAGE_HINT:
        out->hint.server_ms = random_int(r);
        out->hint.advanced = random_below(r, 2) != 0;
        return;
    case MESSAGE_ENROL:
        fill(r, out->enrol.secret, sizeof out->enrol.secret);
        fill(r, out->enrol.public_key, sizeof out->enrol.public_key);
        out->enrol.name = random_text(r, 5);
        out->enrol.app = random_text(r, 5);
        out->enrol.protocol = (uint32_t)random_below(r, 3);
        out->enrol.certificate = random_text(r, 6);
        if (random_below(r, 2) != 0) {
            fill(r, out->enrol.former, sizeof out->enrol.former);
            out->enrol.former_epoch = random_u32(r);
        }
        return;
    case MESSAGE_ENROLLED:
        random_enrolled(r, &out->enrolled);
        return;
    case MESSAGE_OFFER:
        random_offer(r, size, &out->offer);
        return;
    case MESSAGE_ASK:
        random_ask(r, size, &out->ask);
        return;
    case MESSAGE_PARTS:
        random_parts(r, size, &out->parts);
        return;
    case MESSAGE_WANT:
        random_want(r, size, &out->want);
        return;
    }
}
