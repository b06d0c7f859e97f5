/* For SQL that people type: the authorizer is asked about each thing a statement would do, before
 * it runs; a progress handler stops what takes too long; limits bound what one value may hold. */
#include "common/base/base.h"

#include "common/db/sqlite_driver.h"

#include <strings.h>

#define STEPS_BETWEEN_LOOKS 1000

static const struct {
    int limit;
    int value;
} limits[] = {
    {SQLITE_LIMIT_LENGTH, 4 * 1024 * 1024}, /* printf('%1000000000s'), randomblob(1e9) */
    {SQLITE_LIMIT_SQL_LENGTH, 64 * 1024},
    {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000},
    {SQLITE_LIMIT_ATTACHED, 0},
    {SQLITE_LIMIT_COMPOUND_SELECT, 100},
    {SQLITE_LIMIT_EXPR_DEPTH, 200},
};

/* What reads or writes outside the database, or changes how it reads. */
static const char *const functions_denied[] = {"load_extension", "readfile", "writefile", "edit",
                                               "fts3_tokenizer"};

/* Ours are for triggers: they remember things. */
static bool is_ours(const struct sqlite *db, const char *name)
{
    const struct defined *d = db->defined;
    while (d != NULL && strcasecmp(name, d->name) != 0) {
        d = d->next;
    }
    return d != NULL;
}

static int may_call(const struct sqlite *db, const char *name)
{
    for (size_t i = 0; i < count_of(functions_denied); i++) {
        if (strcasecmp(name, functions_denied[i]) == 0) {
            return SQLITE_DENY;
        }
    }
    return is_ours(db, name) ? SQLITE_DENY : SQLITE_OK;
}

static int hide(struct guard_state *g, const char *table)
{
    g->hid_table = true;
    snprintf(g->table, sizeof g->table, "%s", table);
    return SQLITE_DENY;
}

static int may_read(struct sqlite *db, const char *table)
{
    struct guard_state *g = &db->guard;
    for (const char *const *name = g->rules.denied; name != NULL && *name != NULL; name++) {
        if (strcasecmp(table, *name) == 0) {
            return hide(g, table);
        }
    }
    return is_ours(db, table) ? hide(g, table) : SQLITE_OK;
}

static int on_question(void *context, int action, const char *a, const char *b, const char *base,
                       const char *inner)
{
    struct sqlite *db = context;
    (void)base;
    (void)inner;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_READ:
        return may_read(db, a);
    case SQLITE_FUNCTION:
        return may_call(db, b);
    default: /* writes, PRAGMA, ATTACH, transactions, temp tables, and what SQLite may yet add */
        return SQLITE_DENY;
    }
}

static int on_progress(void *context)
{
    struct guard_state *g = context;
    g->steps += STEPS_BETWEEN_LOOKS;
    if (g->rules.steps_max > 0 && g->steps > g->rules.steps_max) {
        g->stopped = "the query takes too many steps";
    } else if (g->rules.deadline_ms > 0 && g->rules.now_ms() > g->rules.deadline_ms) {
        g->stopped = "the query takes too long";
    }
    return g->stopped != NULL;
}

struct err db_guard_on(struct db *base, const struct db_guard *guard)
{
    struct sqlite *db = sqlite_of(base);
    assert(!db->guard.on);
    db->guard = (struct guard_state){.rules = *guard, .on = true};
    for (size_t i = 0; i < count_of(limits); i++) {
        db->guard.limits[limits[i].limit] =
            sqlite3_limit(db->handle, limits[i].limit, limits[i].value);
    }
    sqlite3_progress_handler(db->handle, STEPS_BETWEEN_LOOKS, on_progress, &db->guard);
    int rc = sqlite3_set_authorizer(db->handle, on_question, db);
    if (rc != SQLITE_OK) {
        struct err err = sqlite_failed(db, rc, "db_guard_on");
        db_guard_off(base);
        return err;
    }
    return err_ok();
}

void db_guard_off(struct db *base)
{
    struct sqlite *db = sqlite_of(base);
    if (!db->guard.on) {
        return;
    }
    sqlite3_set_authorizer(db->handle, NULL, NULL);
    sqlite3_progress_handler(db->handle, 0, NULL, NULL);
    for (size_t i = 0; i < count_of(limits); i++) {
        sqlite3_limit(db->handle, limits[i].limit, db->guard.limits[limits[i].limit]);
    }
    db->guard.on = false;
}
