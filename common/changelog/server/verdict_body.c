/* See verdict_body.h. */
#include "common/changelog/server/verdict_body.h"

#include "protocol/codec.h"

#define SCOPE_SIZE  17
#define ROW_SIZE    (1 + 17 + 18 + 1 + 1) /* at least; with their heads */
#define CELL_SIZE   2                     /* at least */
#define IS_ARRAY(b) (((b) >> 5) == 4)

static void put(struct buf *out, struct value v)
{
    out->bad = value_encode(&v, out) != WIRE_OK || out->bad;
}

static void put_row(struct buf *out, const struct verdict_row *row)
{
    uint8_t scope[SCOPE_SIZE] = {row->scope.kind};
    memcpy(scope + 1, row->scope.id, sizeof row->scope.id);
    put(out, value_int(row->table));
    put(out, value_blob(bytes_of(row->id, sizeof row->id)));
    put(out, value_blob(bytes_of(scope, sizeof scope)));
    put(out, value_int(row->seq));
    put(out, value_int((int64_t)row->unseen_count));
    for (size_t i = 0; i < row->unseen_count; i++) {
        put(out, value_int(row->unseen[i].column));
        put(out, row->unseen[i].value);
    }
}

struct err verdict_body_put(const struct verdict *v, struct buf *out)
{
    if (v->outcome == OUTCOME_ACCEPTED && v->row_count > 0 && v->loser_count == 0) {
        for (size_t i = 0; i < v->row_count; i++) {
            put_row(out, &v->rows[i]);
        }
        return out->bad ? err_make(ERR_NOMEM, 0, "verdict_body_put") : err_ok();
    }
    struct verdict copy = *v;
    const struct message m = {.kind = MESSAGE_VERDICTS,
                              .verdicts = {.count = 1, .verdicts = &copy}};
    return message_encode(&m, out) == WIRE_OK ? err_ok()
                                              : err_make(ERR_LIMIT, 0, "verdict_body_put");
}

/* Reads straight through; `bad` is looked at once, at the end. */
struct taking {
    struct bytes in;
    struct arena *arena;
    bool bad;
};

static struct value take(struct taking *t, enum value_kind kind)
{
    struct value v = value_null();
    size_t used = 0;
    if (t->bad || value_decode(t->in, &v, &used) != WIRE_OK || v.kind != kind) {
        t->bad = true;
        return (struct value){.kind = kind};
    }
    t->in = bytes_of(t->in.at + used, t->in.size - used);
    return v;
}

static void take_bytes(struct taking *t, uint8_t *to, size_t size)
{
    struct value v = take(t, VALUE_BLOB);
    t->bad = t->bad || v.b.size != size;
    if (!t->bad) {
        memcpy(to, v.b.at, size);
    }
}

static int64_t take_count(struct taking *t, int64_t max)
{
    int64_t n = take(t, VALUE_INT).i;
    t->bad = t->bad || n < 0 || n > max;
    return t->bad ? 0 : n;
}

static void take_cell(struct taking *t, struct cell *cell)
{
    size_t used = 0;
    *cell = (struct cell){.column = (uint8_t)take_count(t, COLUMNS_MAX)};
    t->bad = t->bad || value_decode(t->in, &cell->value, &used) != WIRE_OK;
    if (t->bad) {
        return;
    }
    t->in = bytes_of(t->in.at + used, t->in.size - used);
    if (cell->value.kind == VALUE_TEXT || cell->value.kind == VALUE_BLOB) {
        cell->value.b = arena_copy(t->arena, cell->value.b);
        t->bad = cell->value.b.at == NULL;
    }
}

static void take_row(struct taking *t, struct verdict_row *row)
{
    uint8_t scope[SCOPE_SIZE] = {0};
    *row = (struct verdict_row){.table = (uint16_t)take_count(t, UINT16_MAX)};
    take_bytes(t, row->id, sizeof row->id);
    take_bytes(t, scope, sizeof scope);
    row->seq = take(t, VALUE_INT).i;
    row->scope.kind = scope[0];
    memcpy(row->scope.id, scope + 1, sizeof row->scope.id);
    row->unseen_count = (size_t)take_count(t, (int64_t)(t->in.size / CELL_SIZE));
    row->unseen = arena_array(t->arena, row->unseen_count, sizeof *row->unseen);
    t->bad = t->bad || row->unseen == NULL;
    for (size_t i = 0; i < row->unseen_count && !t->bad; i++) {
        take_cell(t, &row->unseen[i]);
    }
}

static struct err take_rows(struct bytes body, struct arena *arena, struct verdict *v)
{
    struct taking t = {.in = body, .arena = arena};
    v->rows = arena_array(arena, body.size / ROW_SIZE, sizeof *v->rows);
    if (v->rows == NULL) {
        return err_make(ERR_LIMIT, 0, "verdict_body_take");
    }
    while (t.in.size >= ROW_SIZE && !t.bad) {
        take_row(&t, &v->rows[v->row_count++]);
    }
    if (arena->full) {
        return err_make(ERR_LIMIT, 0, "verdict_body_take");
    }
    return t.bad || t.in.size > 0 ? err_make(ERR_CORRUPT, 0, "verdict_body_take") : err_ok();
}

struct err verdict_body_take(struct bytes body, struct arena *arena, struct verdict *v)
{
    struct message m;
    size_t used = 0;
    if (body.size > 0 && !IS_ARRAY(body.at[0])) {
        return take_rows(body, arena, v);
    }
    struct bytes own = arena_copy(arena, body);
    if (own.at == NULL) {
        return err_make(ERR_LIMIT, 0, "verdict_body_take");
    }
    if (message_decode(own, arena, &m, &used) != WIRE_OK || m.kind != MESSAGE_VERDICTS ||
        m.verdicts.count != 1) {
        return err_make(ERR_CORRUPT, 0, "verdict_body_take");
    }
    *v = m.verdicts.verdicts[0];
    return err_ok();
}
