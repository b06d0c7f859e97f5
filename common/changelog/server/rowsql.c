/* One text for each table, kind and set of columns. Names come from the catalogue alone. */
#include "common/changelog/server/rowsql.h"

#define TEXT_BYTES_MAX ((size_t)16 * 1024)
#define TEXTS_MAX      1024 /* sets of columns that programs write together are few */

enum { KIND_SELECT, KIND_GLANCE, KIND_SCAN, KIND_ALL, KIND_INSERT, KIND_UPDATE, KIND_SET_CHECK };

void rowsql_init(struct rowsql *s)
{
    *s = (struct rowsql){0};
}

void rowsql_release(struct rowsql *s)
{
    for (size_t i = 0; i < count_of(s->texts); i++) {
        for (struct rowsql_text *at = s->texts[i], *next; at != NULL; at = next) {
            next = at->next;
            free(at);
        }
    }
    rowsql_init(s);
}

static void put_columns(struct buf *b, const struct table *t)
{
    buf_put_text(b, "id, _scope, _seq, _deleted_at, _entered, _made, _cols");
    for (size_t i = 0; i < t->column_count; i++) {
        buf_printf(b, ", %s", t->columns[i].name);
    }
}

/* The id is known to be free. OR FAIL, here and in the change log, because a statement that could
 * abort makes SQLite copy every page before it is written; whoever fails ends the transaction. */
static void put_insert(struct buf *b, const struct table *t)
{
    buf_printf(b, "INSERT OR FAIL INTO %s (", t->name);
    put_columns(b, t);
    buf_put_text(b, ", _check) VALUES (?1");
    for (int i = 1; i <= rowsql_check_at(t); i++) {
        buf_printf(b, ", ?%d", i + 1);
    }
    buf_put_text(b, ")");
}

static void put_update(struct buf *b, const struct table *t, uint64_t mask)
{
    buf_printf(b, "UPDATE %s SET _seq = ?2, _deleted_at = ?3, _cols = ?4, _check = ?5", t->name);
    if ((mask & ROWSQL_MOVED) != 0) {
        buf_put_text(b, ", _scope = ?6, _entered = ?7");
    }
    int parameter = (mask & ROWSQL_MOVED) != 0 ? 8 : 6; /* without a gap */
    for (size_t i = 0; i < t->column_count; i++) {
        if ((mask >> t->columns[i].number & 1) != 0) {
            buf_printf(b, ", %s = ?%d", t->columns[i].name, parameter++);
        }
    }
    buf_put_text(b, " WHERE id = ?1");
}

static void compose(struct buf *b, const struct table *t, int kind, uint64_t mask)
{
    switch (kind) {
    case KIND_SELECT:
    case KIND_SCAN:
    case KIND_ALL:
        buf_put_text(b, "SELECT ");
        put_columns(b, t);
        buf_printf(b, "%s FROM %s WHERE %s", kind == KIND_SCAN ? "" : ", _check", t->name,
                   kind == KIND_SELECT ? "id = ?1"
                   : kind == KIND_SCAN ? "_scope = ?1 AND _seq > ?2 ORDER BY _seq"
                                       : "id > ?1 ORDER BY id LIMIT ?2");
        return;
    case KIND_GLANCE:
        buf_printf(b, "SELECT _scope, _deleted_at FROM %s WHERE id = ?1", t->name);
        return;
    case KIND_INSERT:
        put_insert(b, t);
        return;
    case KIND_UPDATE:
        put_update(b, t, mask);
        return;
    case KIND_SET_CHECK:
        buf_printf(b, "UPDATE %s SET _check = ?2 WHERE id = ?1", t->name);
        return;
    }
    abort(); /* our own bug */
}

static const char *text_of(struct rowsql *s, const struct table *t, uint8_t kind, uint64_t mask)
{
    uint64_t hash = (mask ^ mask >> 29) * UINT64_C(0x9e3779b97f4a7c15) + t->number * 7u + kind;
    struct rowsql_text **slot = &s->texts[(hash >> 32 ^ hash) % count_of(s->texts)];
    for (struct rowsql_text *at = *slot; at != NULL; at = at->next) {
        if (at->table == t->number && at->kind == kind && at->mask == mask) {
            return at->text;
        }
    }
    struct buf b;
    buf_init(&b, TEXT_BYTES_MAX);
    compose(&b, t, kind, mask);
    const char *text = buf_text(&b);
    struct rowsql_text *made = b.bad ? NULL : malloc(sizeof *made + b.size + 1);
    if (made != NULL) {
        *made = (struct rowsql_text){.next = *slot, .table = t->number, .kind = kind, .mask = mask};
        memcpy(made->text, text, b.size + 1);
        *slot = made;
        s->count++;
    }
    buf_release(&b);
    return made != NULL ? made->text : NULL;
}

const char *rowsql_select(struct rowsql *s, const struct table *t)
{
    return text_of(s, t, KIND_SELECT, 0);
}

const char *rowsql_glance(struct rowsql *s, const struct table *t)
{
    return text_of(s, t, KIND_GLANCE, 0);
}

const char *rowsql_scan(struct rowsql *s, const struct table *t)
{
    return text_of(s, t, KIND_SCAN, 0);
}

const char *rowsql_all(struct rowsql *s, const struct table *t)
{
    return text_of(s, t, KIND_ALL, 0);
}

const char *rowsql_set_check(struct rowsql *s, const struct table *t)
{
    return text_of(s, t, KIND_SET_CHECK, 0);
}

const char *rowsql_insert(struct rowsql *s, const struct table *t)
{
    return text_of(s, t, KIND_INSERT, 0);
}

const char *rowsql_update(struct rowsql *s, const struct table *t, uint64_t *mask)
{
    if (s->count >= TEXTS_MAX) {
        *mask = ~UINT64_C(0);
    }
    return text_of(s, t, KIND_UPDATE, *mask);
}
