/* See passes.h. */
#include "common/changelog/server/passes.h"

#define FILL_ROWS_MAX 20000

uint64_t sight_before(const struct hello *hello, const struct table *t)
{
    return table_visible(t, hello->mask, hello->cursors_under);
}

uint64_t sight_now(const struct permit *permit, const struct hello *hello, const struct table *t)
{
    return table_visible(t, permit->role, hello->catalogue);
}

/* Another role, or a newer catalogue, sees other columns of some table of this kind of scope. */
static bool sees_otherwise(const struct permit *permit, const struct hello *hello,
                           enum scope_kind kind)
{
    for (size_t i = 0; i < catalogue_table_count(); i++) {
        const struct table *t = catalogue_table_at(i);
        if (table_lives_in(t, kind) && sight_before(hello, t) != sight_now(permit, hello, t)) {
            return true;
        }
    }
    return false;
}

static const struct cursor *cursor_of(const struct hello *hello, const struct scope_id *id)
{
    for (size_t i = 0; i < hello->cursor_count; i++) {
        if (hello->cursors[i].scope.kind == id->kind &&
            memcmp(hello->cursors[i].scope.id, id->id, sizeof id->id) == 0) {
            return &hello->cursors[i];
        }
    }
    return NULL;
}

/* What the device says of its cursor is taken as far as it can be true. */
static void start_cursor(struct pass *p, const struct cursor *said)
{
    p->is_new = said == NULL;
    p->cursor = (struct cursor){.scope = p->id};
    if (said != NULL && said->done >= 0 && said->done <= p->head) {
        p->cursor.done = said->done;
        p->cursor.pos = said->pos >= said->done && said->pos <= p->head ? said->pos : said->done;
        p->cursor.goal = said->goal > 0 && said->goal <= p->head ? said->goal : 0;
    }
    if (p->cursor.goal == 0) {
        p->cursor.pos = p->cursor.done;
    }
}

/* Rows of the scope whose columns differ; counted no further than it matters. */
static struct err count_rows(struct store *st, const struct pass *p, const struct permit *permit,
                             const struct hello *hello, int64_t *count)
{
    struct err err = err_ok();
    *count = 0;
    for (size_t i = 0; i < catalogue_table_count() && err.code == ERR_OK; i++) {
        const struct table *t = catalogue_table_at(i);
        char sql[160];
        struct stmt q;
        if (!table_lives_in(t, (enum scope_kind)p->id.kind) ||
            sight_before(hello, t) == sight_now(permit, hello, t)) {
            continue;
        }
        (void)snprintf(sql, sizeof sql,
                       "SELECT count(*) FROM (SELECT 1 FROM %s WHERE _scope = ?1 LIMIT ?2) r",
                       t->name);
        err = db_prepare(st->db, sql, &q, NULL);
        if (err.code != ERR_OK) {
            break;
        }
        bind_int(&q, 1, p->no);
        bind_int(&q, 2, FILL_ROWS_MAX + 1);
        *count += db_step_row(&q) ? col_int(&q, 0) : 0;
        err = stmt_err(&q, "passes: count_rows");
        stmt_close(&q);
    }
    return err;
}

/* The columns that came or went are sent alone, and from the start again if the line breaks. Where
 * that may be too much for a bad line, the scope begins anew, which goes on where it was cut. */
static struct err see_otherwise(struct store *st, struct pass *p, const struct permit *permit,
                                const struct hello *hello)
{
    int64_t count = 0;
    struct err err = count_rows(st, p, permit, hello, &count);
    if (count <= FILL_ROWS_MAX) {
        p->fill_to = p->cursor.pos;
    } else if (p->cursor.done > 0) {
        p->is_reset = true;
        p->cursor = (struct cursor){.scope = p->id};
    }
    return err;
}

static struct err add(struct store *st, const struct permit *permit, const struct hello *hello,
                      const struct permit_scope *held, bool otherwise, struct passes *out)
{
    struct pass *p = &out->at[out->count];
    struct scope *scope = NULL;
    struct err err = scope_get(st, held->no, &scope);
    if (err.code != ERR_OK) {
        return err;
    }
    *p = (struct pass){.id = held->id, .no = held->no, .head = scope->counter};
    start_cursor(p, cursor_of(hello, &held->id));
    if (otherwise && !p->is_new && p->cursor.pos > 0) {
        err = see_otherwise(st, p, permit, hello);
    }
    bool nothing = p->cursor.done == p->head && p->cursor.goal == 0 && p->fill_to == 0;
    out->count += p->is_new || p->is_reset || !nothing;
    return err;
}

/* What every page needs first, what is large last. */
struct err passes_make(struct store *st, const struct permit *permit, const struct hello *hello,
                       struct arena *arena, struct passes *out)
{
    static const enum scope_kind order[] = {SCOPE_COMPANY, SCOPE_USER, SCOPE_PRIVATE,
                                            SCOPE_TEAM,    SCOPE_BOOK, SCOPE_POOL};
    *out = (struct passes){.at = arena_array(arena, permit->scope_count, sizeof *out->at)};
    struct err err = out->at == NULL ? err_make(ERR_NOMEM, 0, "passes_make") : err_ok();
    for (size_t k = 0; k < count_of(order); k++) {
        bool otherwise = sees_otherwise(permit, hello, order[k]);
        for (size_t i = 0; i < permit->scope_count && err.code == ERR_OK; i++) {
            const struct permit_scope *held = &permit->scopes[i];
            if (held->id.kind == order[k] && held->no != 0) {
                err = add(st, permit, hello, held, otherwise, out);
            }
        }
    }
    return err;
}
