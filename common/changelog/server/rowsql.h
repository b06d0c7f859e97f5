/* Statements over whole rows of the consolidated store, composed from the catalogue and kept as
 * long as their connection, which knows prepared statements by their text's address. */
#ifndef CHANGELOG_SERVER_ROWSQL_H
#define CHANGELOG_SERVER_ROWSQL_H

#include "common/catalogue/catalogue.h"

/* In a mask of columns: the row also changes its scope. No catalogue column has this number. */
#define ROWSQL_MOVED (UINT64_C(1) << 63)

/* Columns of every select, in this order; the table's own columns follow by rising number, and
 * behind them, where it is told, `_check`. */
enum {
    ROWSQL_ID,
    ROWSQL_SCOPE,
    ROWSQL_SEQ,
    ROWSQL_DELETED,
    ROWSQL_ENTERED,
    ROWSQL_MADE,
    ROWSQL_COLS,
    ROWSQL_OWN
};

static inline int rowsql_check_at(const struct table *t)
{
    return ROWSQL_OWN + (int)t->column_count;
}

struct rowsql_text {
    struct rowsql_text *next;
    uint16_t table;
    uint8_t kind;
    uint64_t mask;
    char text[];
};

struct rowsql {
    struct rowsql_text *texts[64]; /* by a hash of the three */
    size_t count;
};

void rowsql_init(struct rowsql *s);
void rowsql_release(struct rowsql *s);

/* All give NULL without memory.
 * select: ?1 id; with _check.   glance: ?1 id; gives _scope and _deleted_at alone.
 * scan: ?1 scope, ?2 rows with a greater _seq, by rising _seq; without _check.
 * all: ?1 rows of a greater id, by rising id, ?2 at most so many; with _check.
 * insert: parameters in the order of a select.
 * update: ?1 id, ?2 _seq, ?3 _deleted_at, ?4 _cols, ?5 _scope, ?6 _entered (those two only count
 * with ROWSQL_MOVED), ?7 _check, then from ?8 the columns of `*mask` by rising number. Once there
 * are very many texts, `*mask` is widened to all columns instead of making another.
 * set_check: ?1 id, ?2 _check. */
const char *rowsql_select(struct rowsql *s, const struct table *t);
const char *rowsql_glance(struct rowsql *s, const struct table *t);
const char *rowsql_scan(struct rowsql *s, const struct table *t);
const char *rowsql_all(struct rowsql *s, const struct table *t);
const char *rowsql_insert(struct rowsql *s, const struct table *t);
const char *rowsql_update(struct rowsql *s, const struct table *t, uint64_t *mask);
const char *rowsql_set_check(struct rowsql *s, const struct table *t);

#endif
