/* Scopes: small numbers for (kind, id), and the counters that give rows their numbers. The counters
 * of the scopes that a connection works with are kept in memory between transactions; they are read
 * again after a rollback, or once another connection has written (store_refresh).
 *
 * A refused transaction leaves gaps in the numbers. Nothing needs them to be dense. */
#include "common/changelog/server/store_internal.h"

#define SCOPES_CACHED_MAX ((size_t)1 << 20)
#define HEAD_BYTES_MAX    64

static bool make_room(struct store_cache *cache, size_t no)
{
    if (no < cache->scope_room) {
        return true;
    }
    size_t room = cache->scope_room == 0 ? 64 : cache->scope_room;
    while (room <= no) {
        room *= 2;
    }
    struct scope *scopes =
        room > SCOPES_CACHED_MAX ? NULL : realloc(cache->scopes, room * sizeof *scopes);
    if (scopes == NULL) {
        return false;
    }
    memset(&scopes[cache->scope_room], 0, (room - cache->scope_room) * sizeof *scopes);
    cache->scopes = scopes;
    cache->scope_room = room;
    return true;
}

struct err scope_get(struct store *st, int64_t no, struct scope **out)
{
    if (no <= 0 || !make_room(st->cache, (size_t)no)) {
        return err_make(no <= 0 ? ERR_CORRUPT : ERR_NOMEM, 0, "scope_get");
    }
    struct scope *scope = &st->cache->scopes[no];
    *out = scope;
    if (scope->no == no) {
        return err_ok();
    }
    struct stmt q;
    struct err err = db_use(st->db, "SELECT kind, id, counter, head FROM scope WHERE no = ?1", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, no);
    if (!db_step_row(&q)) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_CORRUPT, 0, "scope_get");
    }
    scope->no = no;
    scope->id.kind = (uint8_t)col_int(&q, 0);
    scope->counter = col_int(&q, 2);
    bool good = col_id(&q, 1, scope->id.id) && chain_take_head(col_bytes(&q, 3), &scope->head);
    stmt_reset(&q);
    return good ? err_ok() : err_make(ERR_CORRUPT, 0, "scope_get");
}

struct err store_scope(struct store *st, const struct scope_id *id, bool make, int64_t *no)
{
    struct stmt q;
    struct err err = db_use(st->db, "SELECT no FROM scope WHERE kind = ?1 AND id = ?2", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, id->kind);
    bind_id(&q, 2, id->id);
    if (db_step_row(&q)) {
        *no = col_int(&q, 0);
        stmt_reset(&q);
        return err_ok();
    }
    if (q.err.code != ERR_OK || !make) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_NOT_FOUND, 0, "store_scope");
    }
    err = db_use(st->db, "INSERT INTO scope (kind, id, counter) VALUES (?1, ?2, ?3) RETURNING no",
                 &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, id->kind);
    bind_id(&q, 2, id->id);
    /* a lost part may have had it: none of its numbers is given twice */
    bind_int(&q, 3, timeline_start(st->timeline.counter));
    if (!db_step_row(&q)) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_INTERNAL, 0, "store_scope");
    }
    *no = col_int(&q, 0);
    return db_step_done(&q, "store_scope");
}

struct err scope_next(struct store *st, int64_t no, int64_t at_least, int64_t *seq)
{
    struct scope *scope = NULL;
    struct err err = scope_get(st, no, &scope);
    if (err.code != ERR_OK) {
        return err;
    }
    at_least = planted(NUMBER_FALLS) ? 0 : at_least;
    scope->counter = (scope->counter > at_least ? scope->counter : at_least) + 1;
    scope->raised = true;
    scope->touched = true;
    *seq = scope->counter;
    return err_ok();
}

struct err scope_head(void *store, int64_t no, struct scope_id *id, struct chain_head *head)
{
    struct scope *scope = NULL;
    struct err err = scope_get(store, no, &scope);
    if (err.code == ERR_OK) {
        *id = scope->id;
        *head = scope->head;
    }
    return err;
}

struct err scope_chain(struct store *st, int64_t no, const struct chain_head *head)
{
    struct scope *scope = NULL;
    struct err err = scope_get(st, no, &scope);
    if (err.code == ERR_OK) {
        assert(head->no > scope->head.no && head->index == scope->head.index + 1);
        scope->head = *head;
        scope->raised = true;
    }
    return err;
}

static struct err scope_save(struct store *st, struct scope *scope)
{
    struct stmt q;
    struct buf head;
    struct err err = db_use(st->db, "UPDATE scope SET counter = ?2, head = ?3 WHERE no = ?1", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    buf_init(&head, HEAD_BYTES_MAX);
    bind_int(&q, 1, scope->no);
    bind_int(&q, 2, scope->counter);
    if (scope->head.index != 0) {
        err = chain_put_part(&head, scope->head.no, &scope->head);
        bind_blob(&q, 3, buf_bytes(&head));
    }
    scope->raised = false;
    struct err saved = db_step_done(&q, "scope_save");
    buf_release(&head);
    return err.code == ERR_OK ? saved : err;
}

struct err scopes_save(struct store *st)
{
    struct store_cache *cache = st->cache;
    struct err err = err_ok();
    for (size_t i = 0; i < cache->scope_room && err.code == ERR_OK; i++) {
        if (cache->scopes[i].raised) {
            err = scope_save(st, &cache->scopes[i]);
        }
    }
    return err.code == ERR_OK ? sums_save(&cache->sums, st->db) : err;
}

void scopes_clear_touched(struct store *st)
{
    for (size_t i = 0; i < st->cache->scope_room; i++) {
        st->cache->scopes[i].touched = false;
    }
}

struct err scopes_take_touched(struct store *st, struct arena *arena, struct scope_id **out,
                               size_t *count)
{
    struct store_cache *cache = st->cache;
    *count = 0;
    for (size_t i = 0; i < cache->scope_room; i++) {
        *count += cache->scopes[i].touched;
    }
    *out = arena_array(arena, *count, sizeof **out);
    if (*out == NULL) {
        return err_make(ERR_NOMEM, 0, "scopes_take_touched");
    }
    size_t at = 0;
    for (size_t i = 0; i < cache->scope_room; i++) {
        if (cache->scopes[i].touched) {
            cache->scopes[i].touched = false;
            (*out)[at++] = cache->scopes[i].id;
        }
    }
    return err_ok();
}

bool table_lives_in(const struct table *t, enum scope_kind kind)
{
    switch (t->scope) {
    case SCOPED_COMPANY:
        return kind == SCOPE_COMPANY;
    case SCOPED_BOOK:
        return kind == SCOPE_BOOK;
    case SCOPED_USER:
        return kind == SCOPE_USER;
    case SCOPED_PRIVATE:
        return kind == SCOPE_PRIVATE;
    case SCOPED_VIA:
        return table_lives_in(catalogue_table(table_scope_column(t)->ref), kind);
    case SCOPED_SERVER:
        return true;
    }
    abort(); /* our own bug: a rule without a kind */
}
