/* Messages with fixed content; see vector_set.h. Between them they use every field, every column
 * encoding and every outcome. */
#include "tests/support/vector_set.h"

#include "protocol/hello_names.h"

#include <float.h>
#include <stdlib.h>

#define NOW_MS  INT64_C(1764000000000)
#define TABLE_A 15 /* tables and columns stand for themselves: the codec knows no catalogue */
#define TABLE_B 9

static void *take(struct arena *a, size_t count, size_t size)
{
    void *at = arena_array(a, count, size);
    if (at == NULL) {
        abort();
    }
    return at;
}

/* An id as devices make them: 48 bits of time, then what a counter gives in place of chance. */
static void id_of(uint8_t id[16], int64_t ms, uint32_t n)
{
    for (size_t i = 0; i < 6; i++) {
        id[i] = (uint8_t)(ms >> (40 - 8 * i));
    }
    for (size_t i = 6; i < 16; i++) {
        n = n * 1664525u + 1013904223u;
        id[i] = (uint8_t)(n >> 24);
    }
    id[6] = (uint8_t)(0x70 | (id[6] & 0x0f));
    id[8] = (uint8_t)(0x80 | (id[8] & 0x3f));
}

static struct bytes id_bytes(struct arena *a, uint32_t n)
{
    uint8_t *id = take(a, 1, 16);
    id_of(id, NOW_MS + (int64_t)n * 60000, n);
    return bytes_of(id, 16);
}

static struct scope_id scope_of(enum scope_kind kind, uint32_t n)
{
    struct scope_id scope = {.kind = (uint8_t)kind};
    id_of(scope.id, NOW_MS - 86400000, 1000 + n);
    return scope;
}

static void fill(uint8_t *to, size_t size, uint8_t with)
{
    memset(to, with, size);
}

/* ---- greetings ---- */

static void make_hello_first(struct arena *a, struct message *out)
{
    (void)a;
    out->kind = MESSAGE_HELLO;
    struct hello *h = &out->hello;
    *h = (struct hello){
        .protocol = 1, .catalogue = 1, .epoch = 1, .wall_ms = NOW_MS, .mono_ms = 86400000};
    id_of(h->device, NOW_MS, 1);
    fill(h->token, 16, 0x11);
    fill(h->boot, 16, 0x22);
}

static struct cursor cursor_of(enum scope_kind kind, uint8_t seed, int64_t done, int64_t pos,
                               int64_t goal)
{
    return (struct cursor){.scope = scope_of(kind, seed), .done = done, .pos = pos, .goal = goal};
}

static void make_hello(struct arena *a, struct message *out)
{
    make_hello_first(a, out);
    struct hello *h = &out->hello;
    h->cursors_under = 1;
    h->mask = 1;
    h->timeline.counter = 2;
    fill(h->timeline.id, 16, 0x33);
    h->verdict_seen = 300;
    h->flags = HELLO_MORE | HELLO_DIGEST;
    h->cursor_count = 3;
    h->cursors = take(a, 3, sizeof *h->cursors);
    h->cursors[0] = cursor_of(SCOPE_COMPANY, 0, 10, 10, 0);
    h->cursors[1] = cursor_of(SCOPE_BOOK, 1, 1000, 3000, 70000);
    h->cursors[2] = cursor_of(SCOPE_PRIVATE, 2, 0, 0, 0);
}

/* As to a server that is known to speak protocol 2. */
static void make_hello_short(struct arena *a, struct message *out)
{
    make_hello(a, out);
    struct hello *h = &out->hello;
    h->protocol = 2;
    hello_leave_out(h, h->cursors[2].scope.id);
}

static void make_answer_short(struct arena *a, struct message *out)
{
    (void)a;
    out->kind = MESSAGE_ANSWER;
    struct answer *n = &out->answer;
    *n = (struct answer){
        .protocol = 2, .catalogue = 2, .server_ms = NOW_MS + 250, .epoch = 1, .mask = 1};
    n->timeline.counter = 2;
    fill(n->token, 16, 0x44);
}

static void make_answer(struct arena *a, struct message *out)
{
    out->kind = MESSAGE_ANSWER;
    struct answer *n = &out->answer;
    *n = (struct answer){.protocol = 1,
                         .catalogue = 1,
                         .server_ms = NOW_MS + 250,
                         .epoch = 1,
                         .mask = 1,
                         .mark_count = 1};
    n->timeline.counter = 2;
    fill(n->timeline.id, 16, 0x33);
    fill(n->token, 16, 0x44);
    n->marks = take(a, 1, sizeof *n->marks);
    n->marks[0] = cursor_of(SCOPE_BOOK, 1, 900, 900, 0);
}

static void make_answer_courier(struct arena *a, struct message *out)
{
    make_answer(a, out);
    fill(out->answer.courier_key, sizeof out->answer.courier_key, 0x55);
}

static void make_answer_new_epoch(struct arena *a, struct message *out)
{
    make_answer(a, out);
    out->answer.status = ANSWER_NEW_EPOCH;
    out->answer.epoch = 5;
    out->answer.mark_count = 0;
}

static void make_end(struct arena *a, struct message *out)
{
    (void)a;
    out->kind = MESSAGE_END;
}

/* ---- batches ---- */

static struct cell cell_of(uint8_t column, struct value value)
{
    return (struct cell){.column = column, .value = value};
}

static void start_transaction(struct transaction *tx, uint64_t device_seq, const char *intent)
{
    *tx = (struct transaction){
        .device_seq = device_seq, .catalogue = 1, .intent = bytes_text(intent)};
    tx->written = (struct clocks){.wall_ms = NOW_MS + (int64_t)device_seq * 1000,
                                  .mono_ms = 86400000 + (int64_t)device_seq * 1000,
                                  .seen_ms = NOW_MS - 3600000};
    fill(tx->written.boot, 16, 0x22);
}

static struct change *add_change(struct arena *a, struct transaction *tx, size_t change_max)
{
    if (tx->changes == NULL) {
        tx->changes = take(a, change_max, sizeof *tx->changes);
    }
    return &tx->changes[tx->change_count++];
}

static void make_batch_update(struct arena *a, struct message *out)
{
    out->kind = MESSAGE_BATCH;
    out->batch.count = 1;
    out->batch.transactions = take(a, 1, sizeof *out->batch.transactions);
    struct transaction *tx = out->batch.transactions;
    start_transaction(tx, 42, "customer.set");
    struct change *c = add_change(a, tx, 1);
    *c = (struct change){.table = TABLE_B, .op = CHANGE_UPDATE, .base = 77, .cell_count = 1};
    id_of(c->id, NOW_MS, 7);
    c->cells = take(a, 1, sizeof *c->cells);
    c->cells[0] = cell_of(19, value_text(bytes_text("下周再来 follow up")));
}

/* An insert, an update with the old set beside the new, a delete, in this order, then twice more;
 * then a transaction that was discarded after it was frozen. */
void vector_transactions(struct arena *a, struct batch *out)
{
    out->count = 4;
    out->transactions = take(a, 4, sizeof *out->transactions);
    for (uint32_t i = 0; i < 3; i++) {
        struct transaction *tx = &out->transactions[i];
        start_transaction(tx, 100 + 2 * i, "visit.finish");
        struct change *c = add_change(a, tx, 3);
        *c = (struct change){.table = TABLE_A, .op = CHANGE_INSERT, .cell_count = 3};
        id_of(c->id, tx->written.wall_ms, i);
        c->cells = take(a, 3, sizeof *c->cells);
        c->cells[0] = cell_of(1, value_blob(id_bytes(a, 50)));
        c->cells[1] = cell_of(5, value_int(tx->written.wall_ms));
        c->cells[2] = cell_of(8, value_real(31.2 + i));
        c = add_change(a, tx, 3);
        *c = (struct change){.table = TABLE_B, .op = CHANGE_UPDATE, .base = 5 + i, .cell_count = 2};
        id_of(c->id, NOW_MS, 50);
        c->cells = take(a, 2, sizeof *c->cells);
        c->cells[0] = cell_of(0, value_null());
        c->cells[1] = cell_of(7, value_text(bytes_text("[\"a\",\"b\"]")));
        c->cells[1].has_old = true;
        c->cells[1].old = i == 0 ? value_null() : value_text(bytes_text("[\"a\"]"));
        c = add_change(a, tx, 3);
        *c = (struct change){.table = TABLE_A, .op = CHANGE_DELETE, .base = 9 + i};
        id_of(c->id, NOW_MS, 60 + i);
    }
    out->transactions[2].rest_count = 2;
    out->transactions[2].rests_on = take(a, 2, sizeof(uint64_t));
    out->transactions[2].rests_on[0] = 102;
    out->transactions[2].rests_on[1] = 98;
    start_transaction(&out->transactions[3], 200, "");
}

static void make_batch_mixed(struct arena *a, struct message *out)
{
    out->kind = MESSAGE_BATCH;
    vector_transactions(a, &out->batch);
}

/* ---- verdicts ---- */

static void make_verdicts_accepted(struct arena *a, struct message *out)
{
    out->kind = MESSAGE_VERDICTS;
    out->verdicts.count = 20;
    out->verdicts.verdicts = take(a, 20, sizeof *out->verdicts.verdicts);
    for (uint32_t i = 0; i < 20; i++) {
        struct verdict *v = &out->verdicts.verdicts[i];
        v->number = 301 + i;
        v->epoch = 1;
        v->device_seq = 100 + i;
        v->row_count = 1;
        v->rows = take(a, 1, sizeof *v->rows);
        v->rows->table = TABLE_A;
        id_of(v->rows->id, NOW_MS + (int64_t)i * 60000, i);
        v->rows->scope = scope_of(SCOPE_BOOK, 1);
        v->rows->seq = 70001 + (int64_t)i;
    }
}

static void make_verdicts_mixed(struct arena *a, struct message *out)
{
    out->kind = MESSAGE_VERDICTS;
    out->verdicts.count = 4;
    struct verdict *v = out->verdicts.verdicts = take(a, 4, sizeof *v);
    for (uint32_t i = 0; i < 4; i++) {
        v[i] = (struct verdict){
            .number = 7 + i, .epoch = 3, .device_seq = 20 + i, .outcome = (uint8_t)i};
    }
    v[0].row_count = 1;
    v[0].rows = take(a, 1, sizeof *v[0].rows);
    *v[0].rows = (struct verdict_row){
        .table = TABLE_B, .scope = scope_of(SCOPE_BOOK, 1), .seq = 81, .unseen_count = 2};
    id_of(v[0].rows->id, NOW_MS, 50);
    v[0].rows->unseen = take(a, 2, sizeof(struct cell));
    v[0].rows->unseen[0] = cell_of(1, value_text(bytes_text("C-000001")));
    v[0].rows->unseen[1] = cell_of(24, value_null());
    v[1].row_count = 1;
    v[1].rows = take(a, 1, sizeof *v[1].rows);
    *v[1].rows = *v[0].rows;
    v[1].rows->seq = 82;
    v[1].loser_count = 1;
    v[1].losers = take(a, 1, sizeof *v[1].losers);
    *v[1].losers = (struct loser){.table = TABLE_B,
                                  .column = 2,
                                  .kept = value_text(bytes_text("Old Mill")),
                                  .winner = value_text(bytes_text("老磨坊")),
                                  .winner_at_ms = NOW_MS + 1};
    id_of(v[1].losers->id, NOW_MS, 50);
    id_of(v[1].losers->kept_id, NOW_MS, 51);
    id_of(v[1].losers->winner_person, NOW_MS, 52);
    memcpy(v[2].code, "not_found", 9);
    memcpy(v[2].field, "visit.customer_id", 17);
    memcpy(v[3].code, "price_below_list", 16);
    memcpy(v[3].field, "order_line.unit_price", 21);
    v[3].detail = bytes_text("18.00");
}

/* ---- rows ---- */

#define ROWS    40
#define COLUMNS 12

/* One value of each column, so that each of the encodings is chosen somewhere. */
static void fill_row(struct arena *a, uint32_t i, struct value *v)
{
    static const char *const words[] = {"客户反馈", "库存不足", "follow up", "price too high"};
    char *note = take(a, 1, 64);
    size_t size = 0;
    for (uint32_t n = 0; n < i % 5; n++) {
        const char *word = words[(i + n) % 4];
        memcpy(note + size, word, strlen(word));
        size += strlen(word);
    }
    v[0] = value_null();                                         /* constant */
    v[1] = value_blob(id_bytes(a, 50 + i % 3));                  /* few different */
    v[2] = value_blob(id_bytes(a, 200 + i));                     /* planes */
    v[3] = value_int(NOW_MS + (int64_t)i * 60000);               /* differences */
    v[4] = value_int((int64_t)(i * 7919u % 400u) - 100);         /* offsets */
    v[5] = value_real(31.200001 + (double)i / 1000000);          /* decimals, if rounding allows */
    v[6] = value_real((double)((int64_t)i - 20) / 1000);         /* decimals */
    v[7] = value_text(bytes_of(note, size));                     /* texts */
    v[8] = i % 4 == 0 ? value_int(480) : value_null();           /* nulls over a constant */
    v[9] = value_text(bytes_text(i % 2 ? "order" : "no_order")); /* few different */
    v[10] = value_real(1.0 / (double)(3 + i));                   /* plain: no decimals */
    v[11] = i % 3 == 0   ? value_int(i % 2 ? INT64_MIN : INT64_MAX)
            : i % 3 == 1 ? value_text(bytes_text("mixed"))
                         : value_blob(bytes_text("mixed")); /* plain: kinds differ */
}

static void make_rows(struct arena *a, struct message *out)
{
    out->kind = MESSAGE_ROWS;
    struct rows *r = &out->rows;
    r->scope = scope_of(SCOPE_BOOK, 1);
    r->table = TABLE_A;
    r->whole = true;
    r->column_count = COLUMNS;
    for (uint8_t c = 0; c < COLUMNS; c++) {
        r->columns[c] = (uint8_t)(c * 3);
    }
    r->count = ROWS;
    r->rows = take(a, ROWS, sizeof *r->rows);
    for (uint32_t i = 0; i < ROWS; i++) {
        id_of(r->rows[i].id, NOW_MS + (int64_t)i * 60000, i);
        r->rows[i].seq = 70001 + (int64_t)i * 3;
        r->rows[i].values = take(a, COLUMNS, sizeof(struct value));
        fill_row(a, i, r->rows[i].values);
    }
}

/* A row that nobody but this device is known to hold. */
static void make_witness(struct arena *a, struct message *out)
{
    make_rows(a, out);
    out->kind = MESSAGE_WITNESS;
    out->rows.count = 1;
}

/* The numbers that decoders get wrong. */
static void make_rows_edges(struct arena *a, struct message *out)
{
    static const double reals[] = {0.0, 1.0,     -4.1,     65504.0, 100000.0, 5.960464477539063e-8,
                                   0.1, DBL_MAX, -DBL_MAX, 1.5};
    static const int64_t ints[] = {0,     23,    24,         255,        256,
                                   65535, 65536, 4294967295, 4294967296, -INT64_MAX - 1};
    out->kind = MESSAGE_ROWS;
    struct rows *r = &out->rows;
    r->scope = scope_of(SCOPE_COMPANY, 0);
    r->table = 11;
    r->column_count = 20;
    for (uint8_t c = 0; c < 20; c++) {
        r->columns[c] = (uint8_t)(c + 1);
    }
    r->count = 1;
    r->rows = take(a, 1, sizeof *r->rows);
    id_of(r->rows->id, NOW_MS, 9);
    r->rows->seq = 1;
    r->rows->values = take(a, 20, sizeof(struct value));
    for (size_t i = 0; i < 10; i++) {
        r->rows->values[i] = value_real(reals[i]);
        r->rows->values[10 + i] = value_int(ints[i]);
    }
}

static void make_rows_deleted(struct arena *a, struct message *out)
{
    out->kind = MESSAGE_ROWS;
    struct rows *r = &out->rows;
    r->scope = scope_of(SCOPE_BOOK, 1);
    r->table = TABLE_A;
    r->column_count = 1; /* column 0: when it was deleted */
    r->count = 2;
    r->rows = take(a, 2, sizeof *r->rows);
    for (uint32_t i = 0; i < 2; i++) {
        id_of(r->rows[i].id, NOW_MS, 70 + i);
        r->rows[i].seq = 90 + i;
        r->rows[i].values = take(a, 1, sizeof(struct value));
        r->rows[i].values[0] = value_int(NOW_MS + i);
    }
}

/* ---- the rest ---- */

static void make_scope_enter(struct arena *a, struct message *out)
{
    (void)a;
    out->kind = MESSAGE_SCOPE_ENTER;
    out->scope = scope_of(SCOPE_BOOK, 1);
}

static void make_scope_leave(struct arena *a, struct message *out)
{
    (void)a;
    out->kind = MESSAGE_SCOPE_LEAVE;
    out->scope = scope_of(SCOPE_TEAM, 3);
}

static void make_departure(struct arena *a, struct message *out)
{
    (void)a;
    out->kind = MESSAGE_DEPARTURE;
    out->departure =
        (struct departure){.scope = scope_of(SCOPE_BOOK, 1), .seq = 70100, .table = TABLE_B};
    id_of(out->departure.id, NOW_MS, 50);
}

/* The end of a pass, with the head of the scope's change log. */
static void make_checkpoint_head(struct arena *a, struct message *out)
{
    (void)a;
    out->kind = MESSAGE_CHECKPOINT;
    out->checkpoint.cursor = cursor_of(SCOPE_BOOK, 1, 3000, 3000, 0);
    out->checkpoint.cursor.head_no = 4711;
    fill(out->checkpoint.cursor.head, 16, 0x77);
}

static void make_checkpoint(struct arena *a, struct message *out)
{
    (void)a;
    out->kind = MESSAGE_CHECKPOINT;
    out->checkpoint.cursor = cursor_of(SCOPE_BOOK, 1, 1000, 3000, 70000);
}

static void make_digest(struct arena *a, struct message *out)
{
    out->kind = MESSAGE_DIGEST;
    out->digest.entry_count = 2;
    out->digest.entries = take(a, 2, sizeof *out->digest.entries);
    out->digest.entries[0] = (struct digest_entry){.scope = scope_of(SCOPE_BOOK, 1), .rows = 91};
    fill(out->digest.entries[0].sum, 16, 0x5a);
    out->digest.entries[1] =
        (struct digest_entry){.scope = scope_of(SCOPE_BOOK, 1), .rows = 7, .table = TABLE_A};
    fill(out->digest.entries[1].sum, 16, 0xa5);
}

static void make_fault(struct arena *a, struct message *out)
{
    (void)a;
    out->kind = MESSAGE_FAULT;
    memcpy(out->fault.code, "clock", 5);
    out->fault.server_ms = NOW_MS;
}

static void make_fault_limit(struct arena *a, struct message *out)
{
    (void)a;
    out->kind = MESSAGE_FAULT;
    memcpy(out->fault.code, "too_large", 9);
    out->fault.detail = bytes_text("body");
    out->fault.limit = (int64_t)PUSH_BYTES_MAX;
}

static void make_hint(struct arena *a, struct message *out)
{
    (void)a;
    out->kind = MESSAGE_HINT;
    out->hint = (struct hint){.server_ms = NOW_MS, .advanced = true};
}

static void make_enrol(struct arena *a, struct message *out)
{
    (void)a;
    out->kind = MESSAGE_ENROL;
    fill(out->enrol.secret, sizeof out->enrol.secret, 0x66);
    fill(out->enrol.public_key, sizeof out->enrol.public_key, 0x77);
    out->enrol.name = bytes_text("小王的手机");
    out->enrol.app = bytes_text("legwork 0.1.0");
}

static void make_enrol_former(struct arena *a, struct message *out)
{
    make_enrol(a, out);
    id_of(out->enrol.former, NOW_MS, 1);
    out->enrol.former_epoch = 3;
}

static void make_enrolled(struct arena *a, struct message *out)
{
    (void)a;
    out->kind = MESSAGE_ENROLLED;
    struct enrolled *e = &out->enrolled;
    *e = (struct enrolled){
        .device_number = 7, .login = bytes_text("wang"), .epoch = 1, .server_ms = NOW_MS};
    e->timeline.counter = 1;
    id_of(e->device, NOW_MS, 1);
    id_of(e->person, NOW_MS, 2);
    fill(e->token, 16, 0x11);
    fill(e->timeline.id, 16, 0x33);
    fill(e->digest_key, 16, 0x88);
}

static void make_enrolled_certificate(struct arena *a, struct message *out)
{
    make_enrolled(a, out);
    out->enrolled.certificate = bytes_text("the server's word");
}

static void make_enrol_again(struct arena *a, struct message *out)
{
    make_enrol(a, out);
    fill(out->enrol.secret, sizeof out->enrol.secret, 0);
    out->enrol.protocol = 2;
    out->enrol.certificate = bytes_text("the server's word");
}

/* Three transactions; the second one's row isn't held any more. */
static void make_offer(struct arena *a, struct message *out)
{
    static const size_t counts[] = {2, 0, 1};
    out->kind = MESSAGE_OFFER;
    struct reoffer *o = &out->offer;
    o->received_ms = NOW_MS;
    fill(o->mac, sizeof o->mac, 0x4d);
    o->count = 3;
    o->entries = take(a, 3, sizeof *o->entries);
    int64_t seq = 101;
    for (size_t i = 0; i < o->count; i++) {
        fill(o->entries[i].identity, sizeof o->entries[i].identity, (uint8_t)(0xa1 + i));
        o->entries[i].seq_count = counts[i];
        o->entries[i].seqs = take(a, counts[i], sizeof(int64_t));
        for (size_t k = 0; k < counts[i]; k++) {
            o->entries[i].seqs[k] = seq++;
        }
    }
}

static void make_verdicts_mac(struct arena *a, struct message *out)
{
    make_verdicts_accepted(a, out);
    fill(out->verdicts.mac, sizeof out->verdicts.mac, 0x4d);
}

static void make_end_sum(struct arena *a, struct message *out)
{
    (void)a;
    out->kind = MESSAGE_END;
    out->end.told = true;
    fill(out->end.sum, sizeof out->end.sum, 0x3c);
}

static void make_ask(struct arena *a, struct message *out)
{
    out->kind = MESSAGE_ASK;
    out->ask.count = 3;
    out->ask.parts = take(a, 3, sizeof *out->ask.parts);
    out->ask.parts[0] = (struct part_name){.scope = scope_of(SCOPE_USER, 1)};
    out->ask.parts[1] = (struct part_name){.scope = scope_of(SCOPE_BOOK, 1), .table = TABLE_A};
    out->ask.parts[2] =
        (struct part_name){.scope = scope_of(SCOPE_BOOK, 1), .table = TABLE_A, .bucket = 256};
}

static void make_ask_contents(struct arena *a, struct message *out)
{
    (void)a;
    out->kind = MESSAGE_ASK;
    out->ask.contents = true;
}

static void make_parts(struct arena *a, struct message *out)
{
    const struct part_name name = {
        .scope = scope_of(SCOPE_BOOK, 1), .table = TABLE_A, .bucket = 16};
    out->kind = MESSAGE_PARTS;
    out->parts.count = 2;
    out->parts.parts = take(a, 2, sizeof *out->parts.parts);
    out->parts.parts[0] = (struct digest_part){.name = name, .listed = 1, .rows = 2};
    fill(out->parts.parts[0].sum, 16, 0x5a);
    out->parts.parts[1] =
        (struct digest_part){.name = {.scope = scope_of(SCOPE_USER, 1)}, .rows = 40};
    fill(out->parts.parts[1].sum, 16, 0xa5);
    out->parts.row_count = 2;
    out->parts.rows = take(a, 2, sizeof *out->parts.rows);
    for (size_t i = 0; i < 2; i++) {
        fill(out->parts.rows[i].id, 16, (uint8_t)(0x0f + 0x10 * i));
        out->parts.rows[i].seq = 71000 + (int64_t)i;
    }
}

static void make_want(struct arena *a, struct message *out)
{
    out->kind = MESSAGE_WANT;
    out->want.count = 2;
    out->want.rows = take(a, 2, sizeof *out->want.rows);
    for (size_t i = 0; i < 2; i++) {
        out->want.rows[i].table = TABLE_A;
        fill(out->want.rows[i].id, 16, (uint8_t)(0x0f + 0x10 * i));
    }
}

const struct valid_vector valid_vectors[] = {
    {"hello_first", make_hello_first},
    {"hello", make_hello},
    {"hello_short", make_hello_short},
    {"answer_short", make_answer_short},
    {"answer", make_answer},
    {"answer_courier", make_answer_courier},
    {"answer_new_epoch", make_answer_new_epoch},
    {"end", make_end},
    {"batch_update", make_batch_update},
    {"batch_mixed", make_batch_mixed},
    {"verdicts_accepted", make_verdicts_accepted},
    {"verdicts_mixed", make_verdicts_mixed},
    {"rows", make_rows},
    {"rows_edges", make_rows_edges},
    {"rows_deleted", make_rows_deleted},
    {"scope_enter", make_scope_enter},
    {"scope_leave", make_scope_leave},
    {"departure", make_departure},
    {"checkpoint", make_checkpoint},
    {"checkpoint_head", make_checkpoint_head},
    {"digest", make_digest},
    {"fault", make_fault},
    {"fault_limit", make_fault_limit},
    {"hint", make_hint},
    {"enrol", make_enrol},
    {"enrol_again", make_enrol_again},
    {"enrolled", make_enrolled},
    {"enrolled_certificate", make_enrolled_certificate},
    {"enrol_former", make_enrol_former},
    {"offer", make_offer},
    {"verdicts_mac", make_verdicts_mac},
    {"witness", make_witness},
    {"end_sum", make_end_sum},
    {"ask", make_ask},
    {"ask_contents", make_ask_contents},
    {"parts", make_parts},
    {"want", make_want},
    {NULL, NULL},
};

/* ---- what must be refused ---- */

#define SCOPE_HEX "5103000102030405060708090a0b0c0d0e0f"
#define ID_HEX    "50000102030405060708090a0b0c0d0e0f"

const struct invalid_vector invalid_vectors[] = {
    {"empty", "", "cut", "no byte at all"},
    {"cut_in_head", "19", "cut", "two bytes of the number are missing"},
    {"cut_in_array", "820c", "cut", "one of two elements is missing"},
    {"cut_in_text", "820c65636c6f63", "cut", "text of 5 bytes, 4 are here"},
    {"not_an_array", "0c", "malformed", "a message is an array"},
    {"empty_array", "80", "malformed", "no kind"},
    {"kind_zero", "8100", "malformed", "kinds count from 1"},
    {"kind_unknown", "811863", "malformed", "kind 99"},
    {"kind_text", "816468656c6c6f", "malformed", "a kind is a number"},
    {"number_too_long", "82180d00", "malformed", "13 in two bytes"},
    {"number_in_eight_bytes", "821b000000000000000d00", "malformed", "13 in nine bytes"},
    {"length_too_long", "820c7800", "malformed", "an empty text with its length in two bytes"},
    {"indefinite_array", "9f03ff", "malformed", "an array without its length"},
    {"indefinite_text", "820c7f6161ff", "malformed", "a text in pieces"},
    {"reserved_length", "821c", "malformed", "28 stands for no length"},
    {"tag", "82c00c", "malformed", "no tags"},
    {"map", "820ca0", "malformed", "no maps"},
    {"undefined", "820df7", "malformed", "undefined"},
    {"simple_value", "820de0", "malformed", "a simple value"},
    {"break_alone", "ff", "malformed", "an end of nothing"},
    {"text_of_4_gigabytes", "820c7affffffff", "too_large", "refused before the text arrives"},
    {"text_of_2_to_63", "820c7b8000000000000000", "too_large", "refused before the text arrives"},
    {"array_of_2_to_32", "9b0000000100000000", "too_large", "refused before its elements arrive"},
    {"utf8_cut", "820c61c3", "malformed", "half a character"},
    {"utf8_overlong", "820c62c0af", "malformed", "a slash in two bytes"},
    {"utf8_surrogate", "820c63eda080", "malformed", "half of a pair of UTF-16"},
    {"utf8_too_high", "820c64f4908080", "malformed", "beyond U+10FFFF"},
    {"deep", "818181818181818181818100", "malformed", "11 arrays within each other"},
    {"end_with_field", "820300", "malformed", "a field more than the message has"},
    {"code_with_space", "820c636120 62", "malformed", "codes are printable and have no space"},
    {"code_too_long", "820c78206161616161616161616161616161616161616161616161616161616161616161",
     "too_large", "32 characters"},
    {"hint_number_for_bool", "830d0001", "malformed", "true and false aren't numbers"},
    {"scope_of_16_bytes", "8206" ID_HEX, "malformed", "a scope is a kind and an id"},
    {"scope_kind_zero", "82065100000102030405060708090a0b0c0d0e0f", "malformed",
     "no kind of scope"},
    {"hello_scope_of_zeros",
     "900102004000000040400040000000008181510300000000000000000000000000000000", "malformed",
     "a scope's id of zeros is left out"},
    {"hello_scope_unknown", "9001020040000000404000400000000081814107", "malformed",
     "there is no seventh kind"},
    {"cursor_falls", "840a" SCOPE_HEX "0a20", "malformed", "pos is given above done"},
    {"cursor_overflows", "840a" SCOPE_HEX "1b7fffffffffffffff01", "malformed",
     "done + pos beyond 63 bits"},
    {"enrol_short_secret", "820e4166", "malformed", "a secret has 20 bytes"},
    {"answer_status_5", "820405", "malformed", "a status that isn't there"},
    {"batch_10001", "8202192711", "too_large", "more transactions than a request may have"},
    {"batch_seq_falls", "83020283000201", "malformed", "device_seq doesn't rise"},
    {"batch_column_short", "8302028200 01", "malformed", "a column of one value for two rows"},
    {"batch_changes_without_shape", "8a0201010000 00" ID_HEX "006001", "malformed",
     "a change of a shape that isn't there"},
    {"verdict_row_without_scope", "8905010101010001 09" ID_HEX, "malformed",
     "of a row's fields the scope can't be left out"},
    {"offer_identities_short", "8510 00 40 01 4161", "malformed", "an identity has 32 bytes"},
    {"rows_columns_fall", "8708" SCOPE_HEX "0ff5420201 00 f6", "malformed", "columns must rise"},
    {"rows_column_64", "8708" SCOPE_HEX "0ff54140 00 f6", "malformed", "columns end at 63"},
    {"rows_columns_missing", "8808" SCOPE_HEX "0ff5410101 " ID_HEX "01", "malformed",
     "one column is named, none is there"},
    {"rows_unknown_encoding", "8908" SCOPE_HEX "0ff5410101 " ID_HEX "01 81 8208f6", "malformed",
     "encoding 8"},
    {"rows_planes_odd", "8908" SCOPE_HEX "0ff5410102 " ID_HEX "01 81 820343010203", "malformed",
     "3 bytes for 2 rows"},
    {"rows_index_beyond", "8908" SCOPE_HEX "0ff5410102 " ID_HEX "01 81 840501 00 83000001",
     "malformed", "index 1 of one value"},
    {"rows_nested_too_deep",
     "8908" SCOPE_HEX "0ff5410101 " ID_HEX "01 81 8304410183044101830441018304410182000 0",
     "malformed", "columns within columns"},
    {"rows_not_a_number", "8908" SCOPE_HEX "0ff5410101 " ID_HEX "01 81 f97e00", "malformed", "NaN"},
    {"rows_infinity", "8908" SCOPE_HEX "0ff5410101 " ID_HEX "01 81 f97c00", "malformed",
     "infinity"},
    {"rows_minus_zero", "8908" SCOPE_HEX "0ff5410101 " ID_HEX "01 81 f98000", "malformed",
     "minus zero"},
    {"rows_float_too_long", "8908" SCOPE_HEX "0ff5410101 " ID_HEX "01 81 fa3f800000", "malformed",
     "1.0 in four bytes, two would do"},
    {"rows_integer_beyond_63_bits",
     "8908" SCOPE_HEX "0ff5410101 " ID_HEX "01 81 1b8000000000000000", "malformed",
     "integers have a sign and 63 bits"},
    {NULL, NULL, NULL, NULL},
};
