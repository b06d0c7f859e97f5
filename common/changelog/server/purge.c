/* See purge.h. A tombstone that some row still points to stays: a fact under a customer that was
 * deleted meanwhile must find its scope. */
#include "common/changelog/server/purge.h"

#include "common/changelog/server/permit.h"

#define SQL_BYTES_MAX ((size_t)8 * 1024)

/* A live device's copy of a scope, `limit` being the time before which it was heard of too long
 * ago. */
#define HOLDS_SQL(limit)                                                                           \
    "device_scope h JOIN device_key k ON k.number = h.device WHERE h.held = 1"                     \
    " AND k.revoked_at IS NULL AND max(k.hello_ms, k.enrolled_at) >= " limit

/* How far each scope may be purged: the lowest number that a live device which holds it has shown,
 * else all of it. */
#define PASSED_SQL                                                                                 \
    "coalesce((SELECT min(h.done) FROM " HOLDS_SQL("?1") " AND h.scope = s.no), s.counter)"

struct purge {
    struct store *st;
    int64_t now_ms;
    struct purge_tally *tally;
    bool more;
};

static struct err run(struct purge *p, const char *sql, int64_t *changed)
{
    struct stmt q;
    struct err err = db_prepare(p->st->db, sql, &q, NULL);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, p->now_ms - PURGE_SILENT_MS_MAX);
    bind_int(&q, 2, p->now_ms - PERMIT_LEFT_MS_MAX); /* until then departures give rights */
    err = db_step_done(&q, "store_purge");
    *changed = err.code == ERR_OK ? db_changes(p->st->db) : 0;
    stmt_close(&q);
    p->more = p->more || *changed >= PURGE_ROWS_MAX;
    return err;
}

/* The scopes that lose something, before they do. `%s` is what is about to go, one number each. */
static struct err raise(struct purge *p, const char *gone)
{
    int64_t changed = 0;
    struct buf sql;
    buf_init(&sql, SQL_BYTES_MAX);
    buf_printf(&sql,
               "UPDATE scope AS t SET purged_to = max(purged_to, g.seq) FROM"
               " (SELECT scope, max(seq) AS seq FROM (%s) r GROUP BY scope) g WHERE g.scope = t.no",
               gone);
    const char *text = buf_text(&sql);
    struct err err = sql.bad ? err_make(ERR_NOMEM, 0, "store_purge") : run(p, text, &changed);
    buf_release(&sql);
    return err;
}

static void put_unreferenced(struct buf *sql, const struct table *t)
{
    for (size_t i = 0; i < catalogue_table_count(); i++) {
        const struct table *child = catalogue_table_at(i);
        for (size_t k = 0; k < child->column_count; k++) {
            if (child->columns[k].ref == t->number) {
                buf_printf(sql, " AND NOT EXISTS (SELECT 1 FROM %s c WHERE c.%s = r.id)",
                           child->name, child->columns[k].name);
            }
        }
    }
}

/* `from`: the table, `key`: its columns, which `gone` gives under the same names. */
static struct err purge_rows(struct purge *p, const char *gone, const char *from, const char *key,
                             int64_t *count)
{
    struct buf sql;
    struct err err = raise(p, gone);
    buf_init(&sql, SQL_BYTES_MAX);
    buf_printf(&sql, "DELETE FROM %s WHERE (%s) IN (SELECT %s FROM (%s) g)", from, key, key, gone);
    const char *text = buf_text(&sql);
    int64_t changed = 0;
    if (err.code == ERR_OK) {
        err = sql.bad ? err_make(ERR_NOMEM, 0, "store_purge") : run(p, text, &changed);
    }
    buf_release(&sql);
    *count += changed;
    return err;
}

static struct err purge_tombstones(struct purge *p, const struct table *t)
{
    struct buf gone;
    buf_init(&gone, SQL_BYTES_MAX);
    buf_printf(&gone,
               "SELECT r._scope AS scope, r._seq AS seq, r.id AS id FROM scope s JOIN %s r"
               " ON r._scope = s.no WHERE r._deleted_at IS NOT NULL AND r._seq <= %s",
               t->name, planted(PURGED_UNPASSED) ? "s.counter" : PASSED_SQL);
    put_unreferenced(&gone, t);
    buf_printf(&gone, " AND CAST(?2 AS BIGINT) IS NOT NULL ORDER BY r._scope, r._seq LIMIT %d",
               PURGE_ROWS_MAX);
    const char *text = buf_text(&gone);
    struct err err = gone.bad ? err_make(ERR_NOMEM, 0, "store_purge")
                              : purge_rows(p, text, t->name, "id", &p->tally->tombstones);
    buf_release(&gone);
    return err;
}

static struct err purge_departures(struct purge *p)
{
    char gone[1024];
    (void)snprintf(
        gone, sizeof gone,
        "SELECT d.scope AS scope, d.seq AS seq FROM scope s"
        " JOIN departure d ON d.scope = s.no WHERE d.left_at < ?2 AND d.seq <= " PASSED_SQL
        " ORDER BY d.scope, d.seq LIMIT %d",
        PURGE_ROWS_MAX);
    return purge_rows(p, gone, "departure", "scope, seq", &p->tally->departures);
}

struct err store_purge(struct store *st, int64_t now_ms, struct purge_tally *tally, bool *more)
{
    struct purge p = {.st = st, .now_ms = now_ms, .tally = tally};
    struct err err = purge_departures(&p);
    for (size_t i = 0; i < catalogue_table_count() && err.code == ERR_OK; i++) {
        err = purge_tombstones(&p, catalogue_table_at(i));
    }
    *more = p.more;
    return err;
}

void purge_put_waiting(struct buf *sql, int64_t now_ms)
{
    buf_printf(
        sql,
        "WITH behind AS MATERIALIZED (SELECT h.device, h.scope, h.done"
        " FROM " HOLDS_SQL(
            "%" PRId64) " AND h.done <"
                        " (SELECT s.counter FROM scope s WHERE s.no = h.scope))"
                        " SELECT b.device AS device, d.left_at AS since FROM behind b JOIN "
                        "departure d"
                        " ON d.scope = b.scope AND d.seq > b.done WHERE d.left_at < %" PRId64,
        now_ms - PURGE_SILENT_MS_MAX, now_ms - PERMIT_LEFT_MS_MAX);
    for (size_t i = 0; i < catalogue_table_count(); i++) {
        buf_printf(sql,
                   " UNION ALL SELECT b.device, r._deleted_at FROM behind b JOIN %s r"
                   " ON r._scope = b.scope AND r._seq > b.done WHERE r._deleted_at IS NOT NULL",
                   catalogue_table_at(i)->name);
    }
}
