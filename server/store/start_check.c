/* See start_check.h. */
#include "server/store/start_check.h"

#include <stdio.h>
#include <string.h>

#define NAMES_BYTES_MAX ((size_t)64 * 1024)

static struct err check_pages(struct db *db)
{
    struct stmt st;
    struct err err = db_use(db, "PRAGMA quick_check(1)", &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bool sound = db_step_row(&st) && strcmp(col_text(&st, 0), "ok") == 0;
    err = stmt_err(&st, "start_check");
    stmt_reset(&st);
    return err.code == ERR_OK && !sound ? err_make(ERR_CORRUPT, 0, "start_check") : err;
}

/* Reads one row at an end: the pages from the root down. */
static struct err touch(struct db *db, const char *sql)
{
    struct stmt st;
    struct err err = db_prepare(db, sql, &st, NULL);
    if (err.code != ERR_OK) {
        return err;
    }
    if (db_step_row(&st)) {
        stmt_reset(&st);
    }
    err = stmt_err(&st, "start_check");
    stmt_close(&st);
    return err;
}

/* SELECTs that begin at one end each of a table. */
static struct err check_ends(struct db *db)
{
    static const char sql[] =
        "SELECT 'SELECT * FROM \"' || m.name || '\" NOT INDEXED ORDER BY ' || coalesce("
        " (SELECT group_concat('\"' || name || '\"' || d.d) FROM (SELECT name FROM"
        "  pragma_table_info(m.name) WHERE pk > 0 ORDER BY pk)), 'rowid' || d.d) || ' LIMIT 1'"
        " FROM sqlite_schema m, (SELECT '' AS d UNION ALL SELECT ' DESC') d"
        " WHERE m.type = 'table' AND m.sql NOT LIKE 'CREATE VIRTUAL%'";
    struct buf all;
    struct stmt st;
    buf_init(&all, NAMES_BYTES_MAX);
    struct err err = db_use(db, sql, &st);
    while (err.code == ERR_OK && db_step_row(&st)) {
        buf_printf(&all, "%s%c", col_text(&st, 0), 0);
    }
    if (err.code == ERR_OK) {
        err = all.bad ? err_make(ERR_NOMEM, 0, "start_check") : stmt_err(&st, "start_check");
    }
    const char *at = buf_text(&all);
    const char *end = at + all.size;
    for (; err.code == ERR_OK && at < end; at += strlen(at) + 1) {
        err = touch(db, at);
    }
    buf_release(&all);
    return err;
}

struct err start_check(struct db *db)
{
    int64_t pages = 0, size = 0;
    struct err err = db_one_int(db, "PRAGMA page_count", &pages);
    if (err.code == ERR_OK) {
        err = db_one_int(db, "PRAGMA page_size", &size);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    return pages * size <= START_CHECK_WHOLE_MAX ? check_pages(db) : check_ends(db);
}
