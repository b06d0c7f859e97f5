/* See row_verify.h. */
#include "common/changelog/server/row_verify.h"

#include "common/changelog/server/row_damage.h"
#include "common/changelog/server/work.h"

#define ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct damaged { /* a row whose check doesn't fit */
    const struct table *table;
    uint8_t id[16];
};

struct looking {
    struct store *st;
    struct arena arena; /* of one row */
    size_t count;
    size_t listed;
    struct damaged rows[ROWS_FOUND_MAX];
};

static struct err look_init(struct looking **out, struct store *st)
{
    struct looking *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return err_make(ERR_NOMEM, 0, "rows_verify");
    }
    l->st = st;
    arena_init(&l->arena, ARENA_BYTES_MAX);
    *out = l;
    return err_ok();
}

static void look_release(struct looking *l)
{
    arena_release(&l->arena);
    free(l);
}

static struct err look_row(struct looking *l, const struct table *t, const struct stmt *q)
{
    struct value values[COLUMNS_MAX + 1];
    struct row_image row;
    uint8_t id[16] = {0};
    int64_t check = 0;
    bool has_id = row_image_read(q, t, id, values, &row);
    if (!row_check(l->st->digest_key, &row, &l->st->cache->image, &check)) {
        return err_make(ERR_NOMEM, 0, "rows_verify");
    }
    bool fits =
        has_id && !col_is_null(q, rowsql_check_at(t)) && col_int(q, rowsql_check_at(t)) == check;
    if (!fits) {
        l->count++;
    }
    if (!fits && l->listed < ROWS_FOUND_MAX) {
        struct damaged *d = &l->rows[l->listed++];
        d->table = t;
        memcpy(d->id, id, sizeof d->id);
    }
    return err_ok();
}

static struct err look_table(struct looking *l, const struct table *t)
{
    const char *sql = rowsql_all(&l->st->cache->sql, t);
    struct stmt q;
    struct err err =
        sql == NULL ? err_make(ERR_NOMEM, 0, "rows_verify") : db_use(l->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, (const uint8_t[16]){0}); /* ids are never all zero */
    bind_int(&q, 2, INT64_MAX);
    while (err.code == ERR_OK && db_step_row(&q)) {
        err = look_row(l, t, &q);
    }
    if (err.code == ERR_OK) {
        return stmt_err(&q, "rows_verify");
    }
    stmt_reset(&q);
    return err;
}

static struct err look(struct looking *l)
{
    struct err err = err_ok();
    store_refresh(l->st);
    for (size_t i = 0; i < catalogue_table_count() && err.code == ERR_OK; i++) {
        err = look_table(l, catalogue_table_at(i));
    }
    return err;
}

static struct err explain_all(struct looking *l, row_found found, void *context)
{
    struct err err = look(l);
    for (size_t i = 0; i < l->listed && err.code == ERR_OK; i++) {
        struct row_finding finding;
        arena_clear(&l->arena);
        err = row_damage_explain(l->st, l->rows[i].table, l->rows[i].id, &l->arena, &finding);
        if (err.code == ERR_OK) {
            found(context, &finding);
        }
    }
    return err;
}

/* Of one moment, beside a server that goes on writing. */
struct err rows_verify(struct store *st, row_found found, void *context, size_t *count)
{
    struct looking *l = NULL;
    bool alone = !db_in_transaction(st->db);
    struct err err = look_init(&l, st);
    *count = 0;
    if (err.code != ERR_OK) {
        return err;
    }
    err = alone ? db_begin(st->db, DB_LOCK_READ) : err;
    if (err.code == ERR_OK) {
        err = explain_all(l, found, context);
        err = alone ? db_end(st->db, err) : err;
    }
    *count = l->count;
    look_release(l);
    return err;
}

/* ---- mending ---- */

static struct err set_field(struct store *st, const struct row_finding *f)
{
    char sql[160];
    struct stmt q;
    (void)snprintf(sql, sizeof sql, "UPDATE %s SET %s = ?2 WHERE id = ?1", f->table->name,
                   f->field);
    struct err err = db_prepare(st->db, sql, &q, NULL);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, f->id);
    bind_value(&q, 2, &f->was);
    err = db_step_done(&q, "rows_mend");
    stmt_close(&q);
    return err;
}

/* What the check says now. */
static struct err set_check(struct store *st, const struct row_finding *f, struct arena *arena)
{
    int64_t check = 0;
    struct stmt q;
    const char *sql = rowsql_set_check(&st->cache->sql, f->table);
    struct err err = row_damage_check(st, f->table, f->id, arena, &check);
    if (err.code == ERR_OK) {
        err = sql == NULL ? err_make(ERR_NOMEM, 0, "rows_mend") : db_use(st->db, sql, &q);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, f->id);
    bind_int(&q, 2, check);
    return db_step_done(&q, "rows_mend");
}

/* Writes columns again as they stand, as of when they were written: an edit that waits somewhere
 * is judged as if nothing had happened, and devices get what they may have wrong. */
static void send_again(struct work *w, struct work_row *row, const struct column *only)
{
    w->by.effective_ms = only == NULL ? 0 : rowmeta_of(&row->meta, only->number)->effective_ms;
    for (size_t i = 0; i < row->table->column_count; i++) {
        const struct column *c = &row->table->columns[i];
        if (only != NULL && only != c) {
            continue;
        }
        int64_t made_ms = rowmeta_of(&row->meta, c->number)->effective_ms;
        w->by.effective_ms = made_ms > w->by.effective_ms ? made_ms : w->by.effective_ms;
        work_set(row, c->number, &row->values[c->number]);
    }
}

static struct err log_again(struct work *w)
{
    struct work_entry entry = {.outcome = OUTCOME_ACCEPTED,
                               .code = "",
                               .intent = bytes_text("verify"),
                               .body = bytes_of("", 0)};
    int64_t no = 0;
    w->st->host.random(w->st->host.context, entry.identity, sizeof entry.identity);
    return work_log(w, &entry, true, &no);
}

static struct err write_again(struct looking *l, const struct row_finding *f,
                              const struct column *only, int64_t now_ms)
{
    const struct version by = {.author = 0};
    struct work_row *row = NULL;
    struct work w;
    work_init(&w, l->st, &l->arena, &by);
    w.received_ms = now_ms;
    struct err err = work_find(&w, f->table, f->id, &row);
    if (err.code == ERR_OK && row != NULL && row->deleted_at == 0) {
        send_again(&w, row, only);
        err = work_put(&w, row);
        if (err.code == ERR_OK) {
            err = log_again(&w);
        }
    }
    work_release(&w);
    return err;
}

static struct err mend_row(struct looking *l, const struct row_finding *f, bool accept,
                           int64_t now_ms)
{
    bool of_check = f->field != NULL && strcmp(f->field, "_check") == 0;
    const struct column *c = f->field == NULL ? NULL : table_column_named(f->table, f->field);
    struct err err = f->proven && !of_check ? set_field(l->st, f) : set_check(l->st, f, &l->arena);
    bool sent = accept || c != NULL; /* not what devices can't see */
    return err.code == ERR_OK && sent ? write_again(l, f, f->proven ? c : NULL, now_ms) : err;
}

struct err rows_mend(struct store *st, enum row_mending how, int64_t now_ms, row_found found,
                     void *context, size_t *left)
{
    struct looking *l = NULL;
    struct err err = look_init(&l, st);
    *left = 0;
    if (err.code != ERR_OK) {
        return err;
    }
    err = look(l);
    *left = l->count;
    for (size_t i = 0; i < l->listed && err.code == ERR_OK; i++) {
        struct row_finding f;
        arena_clear(&l->arena);
        err = row_damage_explain(st, l->rows[i].table, l->rows[i].id, &l->arena, &f);
        if (err.code != ERR_OK || (!f.proven && how != MEND_ACCEPT)) {
            continue;
        }
        err = mend_row(l, &f, !f.proven, now_ms);
        if (err.code == ERR_OK) {
            found(context, &f);
            (*left)--;
        }
    }
    if (err.code == ERR_OK) {
        err = scopes_save(st);
    }
    look_release(l);
    return err;
}
