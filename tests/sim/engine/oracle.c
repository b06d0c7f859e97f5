/* The oracle's memory: rows, where they were when, who may hold what. Judging is in
 * oracle_judge.c. */
#include "tests/sim/engine/oracle_internal.h"

#define ORACLE_BYTES_MAX ((size_t)256 * 1024 * 1024)

void oracle_init(struct oracle *o)
{
    memset(o, 0, sizeof *o);
    arena_init(&o->arena, ORACLE_BYTES_MAX);
}

void oracle_release(struct oracle *o)
{
    arena_release(&o->arena);
}

void oracle_author(struct oracle *o, uint32_t number, const uint8_t device[16])
{
    assert(number < ORACLE_AUTHORS_MAX);
    memcpy(o->authors[number], device, 16);
}

bool scope_equal(const struct scope_id *a, const struct scope_id *b)
{
    return a->kind == b->kind && memcmp(a->id, b->id, sizeof a->id) == 0;
}

static size_t bucket_of(const uint8_t id[16])
{
    uint32_t h = 2166136261u;
    for (int i = 0; i < 16; i++) {
        h = (h ^ id[i]) * 16777619u;
    }
    return h % 4096;
}

struct oracle_row *oracle_find(const struct oracle *o, uint16_t table, const uint8_t id[16])
{
    for (size_t b = bucket_of(id); o->buckets[b] != 0; b = (b + 1) % 4096) {
        struct oracle_row *row = o->rows[o->buckets[b] - 1];
        if (row->table->number == table && memcmp(row->id, id, 16) == 0) {
            return row;
        }
    }
    return NULL;
}

struct oracle_row *oracle_add(struct oracle *o, const struct table *t, const uint8_t id[16])
{
    size_t room = (size_t)t->columns[t->column_count - 1].number + 1;
    struct oracle_row *row = arena_alloc(&o->arena, sizeof *row);
    if (row == NULL || o->row_count + 1 >= ORACLE_ROWS_MAX) {
        abort();
    }
    row->table = t;
    memcpy(row->id, id, 16);
    row->values = arena_array(&o->arena, room, sizeof *row->values);
    row->versions = arena_array(&o->arena, room, sizeof *row->versions);
    o->rows[o->row_count++] = row;
    size_t b = bucket_of(id);
    while (o->buckets[b] != 0) {
        b = (b + 1) % 4096;
    }
    o->buckets[b] = (uint16_t)o->row_count;
    return row;
}

struct value oracle_keep(struct oracle *o, const struct value *v)
{
    struct value copy = *v;
    if (v->kind == VALUE_TEXT || v->kind == VALUE_BLOB) {
        copy.b = arena_copy(&o->arena, v->b);
    }
    return copy;
}

void oracle_note_place(struct oracle *o, struct oracle_row *row)
{
    if (row->place_count == ORACLE_PLACES_MAX) {
        memmove(&row->places[0], &row->places[1], sizeof row->places - sizeof row->places[0]);
        row->place_count--;
    }
    row->places[row->place_count++] = (struct oracle_place){
        .commit = o->commit, .scope = row->scope, .deleted_at = row->deleted_at, .seq = row->seq};
}

const struct oracle_place *oracle_place_at(const struct oracle_row *row, int64_t commit)
{
    for (size_t i = row->place_count; i > 0; i--) {
        if (row->places[i - 1].commit <= commit) {
            return &row->places[i - 1];
        }
    }
    return NULL;
}

static int64_t *head_of(struct oracle *o, const struct scope_id *scope)
{
    for (size_t i = 0; i < o->head_count; i++) {
        if (scope_equal(&o->heads[i].scope, scope)) {
            return &o->heads[i].seq;
        }
    }
    assert(o->head_count < ORACLE_SCOPES_MAX);
    o->heads[o->head_count].scope = *scope;
    return &o->heads[o->head_count++].seq;
}

void oracle_raise(struct oracle *o, const struct scope_id *scope, int64_t seq)
{
    int64_t *head = head_of(o, scope);
    *head = seq > *head ? seq : *head;
}

int64_t oracle_head(const struct oracle *o, const struct scope_id *scope)
{
    for (size_t i = 0; i < o->head_count; i++) {
        if (scope_equal(&o->heads[i].scope, scope)) {
            return o->heads[i].seq;
        }
    }
    return 0;
}

/* ---- where a run begins ---- */

static void load_row(struct oracle *o, const struct table *t, struct stmt *q)
{
    uint8_t id[16];
    (void)col_id(q, 0, id);
    struct oracle_row *row = oracle_add(o, t, id);
    row->scope.kind = (uint8_t)col_int(q, 1);
    (void)col_id(q, 2, row->scope.id);
    row->seq = col_int(q, 3);
    row->entered = col_int(q, 4);
    row->deleted_at = col_int(q, 5);
    oracle_raise(o, &row->scope, row->seq);
    if (t->number == TABLE_company) {
        memcpy(o->company, id, 16);
    }
    for (size_t i = 0; i < t->column_count; i++) {
        struct value v = col_value(q, (int)(6 + i));
        uint8_t number = t->columns[i].number;
        row->values[number] = oracle_keep(o, &v);
        row->versions[number].seq = row->seq;
    }
    oracle_note_place(o, row);
}

void oracle_load(struct oracle *o, struct db *db)
{
    if (db_one_int(db, "SELECT max(enrolled_at) FROM device_key", &o->enrolled_ms).code != ERR_OK) {
        abort();
    }
    for (size_t i = 0; i < catalogue_table_count(); i++) {
        const struct table *t = catalogue_table_at(i);
        struct buf sql;
        struct stmt q;
        buf_init(&sql, 8192);
        buf_printf(&sql, "SELECT r.id, s.kind, s.id, r._seq, r._entered, r._deleted_at");
        for (size_t k = 0; k < t->column_count; k++) {
            buf_printf(&sql, ", r.%s", t->columns[k].name);
        }
        buf_printf(&sql, " FROM %s r JOIN scope s ON s.no = r._scope ORDER BY r.id", t->name);
        if (db_prepare(db, buf_text(&sql), &q, NULL).code != ERR_OK) {
            abort();
        }
        while (db_step_row(&q)) {
            load_row(o, t, &q);
        }
        stmt_close(&q);
        buf_release(&sql);
    }
}
