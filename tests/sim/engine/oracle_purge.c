/* When a deleted row may be forgotten: nothing that still stands points to it, and each device that
 * holds its scope, isn't revoked and was heard of within 400 days has shown that it knows. */
#include "tests/sim/engine/oracle_internal.h"

#define SILENT_MS_MAX (INT64_C(400) * 24 * 3600 * 1000)

static struct oracle_holder *holder_of(struct oracle *o, uint32_t device)
{
    assert(device < ORACLE_AUTHORS_MAX);
    return &o->holders[device];
}

static void note_cursor(struct oracle_holder *h, const struct scope_id *scope, int64_t done)
{
    if (h->count < ORACLE_SCOPES_MAX) {
        h->scopes[h->count] = *scope;
        h->dones[h->count++] = done;
    }
}

void oracle_load_holders(struct oracle *o, struct db *db)
{
    static const char sql[] =
        "SELECT k.number, max(k.hello_ms, k.enrolled_at), s.kind, s.id, h.done FROM device_key k"
        " JOIN device_scope h ON h.device = k.number JOIN scope s ON s.no = h.scope"
        " WHERE h.held = 1";
    struct stmt q;
    if (db_use(db, sql, &q).code != ERR_OK) {
        abort();
    }
    while (db_step_row(&q)) {
        struct oracle_holder *h = holder_of(o, (uint32_t)col_int(&q, 0));
        struct scope_id scope = {.kind = (uint8_t)col_int(&q, 2)};
        (void)col_id(&q, 3, scope.id);
        h->heard_ms = col_int(&q, 1);
        note_cursor(h, &scope, col_int(&q, 4));
    }
}

void oracle_show(struct oracle *o, uint32_t device, int64_t at_ms, const struct cursor *cursors,
                 size_t count)
{
    struct oracle_holder *h = holder_of(o, device);
    h->count = 0;
    h->heard_ms = at_ms;
    h->unsure = false;
    for (size_t i = 0; i < count; i++) {
        note_cursor(h, &cursors[i].scope, cursors[i].done);
    }
}

void oracle_unsure(struct oracle *o, uint32_t device)
{
    holder_of(o, device)->unsure = true;
}

void oracle_retire(struct oracle *o, uint32_t device)
{
    holder_of(o, device)->retired = true;
}

static bool is_pointed_to(const struct oracle *o, const struct oracle_row *row)
{
    for (size_t i = 0; i < o->row_count; i++) {
        const struct oracle_row *child = o->rows[i];
        for (size_t k = 0; k < child->table->column_count && child->purged == ORACLE_STAYS; k++) {
            const struct column *c = &child->table->columns[k];
            const struct value *v = &child->values[c->number];
            if (c->ref == row->table->number && v->kind == VALUE_BLOB && v->b.size == 16 &&
                memcmp(v->b.at, row->id, 16) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* Whether a device that counts hasn't shown that it knows of the row's end. */
static bool is_waited_for(const struct oracle *o, const struct oracle_row *row, int64_t now_ms,
                          bool unsure_count)
{
    for (size_t i = 0; i < ORACLE_AUTHORS_MAX; i++) {
        const struct oracle_holder *h = &o->holders[i];
        bool counts = !h->retired && h->heard_ms >= now_ms - SILENT_MS_MAX;
        if (counts && h->unsure && unsure_count) {
            return true;
        }
        for (size_t k = 0; k < h->count && counts && !h->unsure; k++) {
            if (scope_equal(&h->scopes[k], &row->scope) && h->dones[k] < row->seq) {
                return true;
            }
        }
    }
    return false;
}

bool oracle_may_purge(const struct oracle *o, const struct oracle_row *row, int64_t now_ms)
{
    return row->deleted_at != 0 && !is_pointed_to(o, row) && !is_waited_for(o, row, now_ms, false);
}

bool oracle_must_purge(const struct oracle *o, const struct oracle_row *row, int64_t now_ms)
{
    return row->deleted_at != 0 && !is_pointed_to(o, row) && !is_waited_for(o, row, now_ms, true);
}
