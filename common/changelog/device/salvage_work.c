/* Unsent work out of a damaged file, put in order: what was frozen is what it was, byte for byte,
 * or it is frozen again from the outbox; what the outbox lost is logged again where its rows are
 * there; what neither tells is named and dropped, so that nothing waits for ever. */
#include "common/changelog/device/salvage.h"

#include "common/catalogue/catalogue.h"
#include "protocol/codec.h"

#define SQL_BYTES_MAX  2048
#define SENT_ARENA_MAX (4 * TX_BYTES_MAX)

/* ---- frozen transactions ---- */

/* Rows that a frozen transaction carries are on their way, whatever the outbox says. */
static struct err note_rows(struct db *db, const struct transaction *tx)
{
    struct stmt st;
    struct err err = db_use(db, "INSERT INTO carried (tbl, row) VALUES (?1, ?2)", &st);
    for (size_t i = 0; i < tx->change_count && err.code == ERR_OK; i++) {
        bind_int(&st, 1, tx->changes[i].table);
        bind_id(&st, 2, tx->changes[i].id);
        err = db_step_done(&st, "salvage");
    }
    return err;
}

static struct err drop_sent(struct db *db, int64_t tx)
{
    struct stmt st;
    struct err err = db_use(db, "DELETE FROM sent WHERE tx = ?1", &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, tx);
    return db_step_done(&st, "salvage");
}

static struct err check_one(struct db *db, struct stmt *st, struct arena *arena)
{
    uint8_t identity[32];
    struct transaction tx;
    struct bytes body = arena_copy(arena, col_bytes(st, 2));
    if (body.at == NULL) {
        return err_make(ERR_NOMEM, 0, "salvage");
    }
    transaction_identity(body, identity);
    bool good = bytes_equal(bytes_of(identity, sizeof identity), col_bytes(st, 1)) &&
                transaction_decode(body, arena, &tx) == WIRE_OK;
    return good ? note_rows(db, &tx) : drop_sent(db, col_int(st, 0));
}

static struct err check_sent(struct db *db)
{
    struct arena arena;
    struct stmt st;
    int64_t after = INT64_MIN;
    bool more = true;
    arena_init(&arena, SENT_ARENA_MAX);
    struct err err = db_exec(db, "CREATE TEMP TABLE carried (tbl INTEGER, row BLOB)");
    while (err.code == ERR_OK && more) { /* one at a time: rows go while they are walked */
        err = db_use(db, "SELECT tx, identity, body FROM sent WHERE tx > ?1 ORDER BY tx LIMIT 1",
                     &st);
        if (err.code != ERR_OK) {
            break;
        }
        bind_int(&st, 1, after);
        more = db_step_row(&st);
        if (more) {
            after = col_int(&st, 0);
            arena_clear(&arena);
            err = check_one(db, &st, &arena);
        }
        err = err.code == ERR_OK ? stmt_err(&st, "salvage") : err;
        stmt_reset(&st);
    }
    arena_release(&arena);
    return err.code == ERR_OK ? db_exec(db, "CREATE INDEX temp.carried_row ON carried (tbl, row)")
                              : err;
}

/* Work is frozen in the order it was done. Where a frozen transaction is gone whose outbox entries
 * are there, it and what waits behind it are frozen anew, under the numbers they had: the same
 * content has the same identity, so it doesn't matter what the server knows already. */
static struct err unfreeze(struct db *db)
{
    static const char gap[] =
        "SELECT min(tx) FROM outbox WHERE tx NOT IN (SELECT tx FROM sent)"
        " AND (tx < (SELECT max(tx) FROM sent) OR (SELECT next_seq FROM device_state) >"
        "  1 + (SELECT max(device_seq) FROM sent WHERE epoch = (SELECT epoch FROM device_state)))";
    static const char rewind[] =
        "UPDATE device_state SET next_seq = coalesce("
        " (SELECT max(s.device_seq) + 1 FROM sent s WHERE s.epoch = device_state.epoch"
        "  AND s.tx < ?1),"
        " (SELECT min(s.device_seq) FROM sent s WHERE s.epoch = device_state.epoch AND s.tx > ?1)"
        "  - (SELECT count(DISTINCT o.tx) FROM outbox o WHERE o.tx >= ?1 AND o.tx < (SELECT min(tx)"
        "     FROM sent WHERE tx > ?1)), next_seq)";
    struct stmt st;
    int64_t first = 0;
    struct err err = db_one_int(db, gap, &first);
    if (err.code != ERR_OK || first == 0) {
        return err;
    }
    err = db_use(db, rewind, &st);
    if (err.code == ERR_OK) {
        bind_int(&st, 1, first);
        err = db_step_done(&st, "salvage");
    }
    if (err.code == ERR_OK) { /* without its outbox entries the frozen content is all there is */
        err = db_use(db,
                     "DELETE FROM sent WHERE state = 0 AND tx > ?1"
                     " AND tx IN (SELECT tx FROM outbox)",
                     &st);
    }
    if (err.code == ERR_OK) {
        bind_int(&st, 1, first);
        err = db_step_done(&st, "salvage");
    }
    return err;
}

/* ---- the outbox ---- */

static struct err count_lost(struct db *db, struct salvage *out, const char *sql,
                             const struct table *t)
{
    struct stmt st;
    struct err err = db_prepare(db, sql, &st, NULL);
    if (err.code != ERR_OK) {
        return err;
    }
    while (db_step_row(&st)) {
        out->lost++;
        buf_printf(&out->lost_names, "%s %s %s\n", col_text(&st, 0), t == NULL ? "?" : t->name,
                   col_text(&st, 1));
    }
    err = stmt_err(&st, "salvage");
    stmt_close(&st);
    return err;
}

/* What stands before WHERE for naming and for dropping the same entries. */
static struct err lose(struct db *db, struct salvage *out, const char *which, const struct table *t)
{
    char sql[SQL_BYTES_MAX];
    (void)snprintf(sql, sizeof sql,
                   "SELECT coalesce((SELECT f.intent FROM outbox f WHERE f.key = o.tx), '')"
                   " , lower(hex(o.row)) FROM outbox o WHERE %s GROUP BY o.tx, o.row",
                   which);
    struct err err = count_lost(db, out, sql, t);
    if (err.code == ERR_OK) {
        (void)snprintf(sql, sizeof sql, "DELETE FROM outbox AS o WHERE %s", which);
        err = db_exec(db, sql);
    }
    return err;
}

static struct err lose_unreadable(struct db *db, struct salvage *out)
{
    char known[SQL_BYTES_MAX / 2] = "";
    char which[SQL_BYTES_MAX];
    for (size_t i = 0, at = 0; i < catalogue_table_count() && at < sizeof known; i++) {
        at += (size_t)snprintf(known + at, sizeof known - at, "%s%u", i == 0 ? "" : ", ",
                               catalogue_table_at(i)->number);
    }
    (void)snprintf(which, sizeof which,
                   "o.tbl NOT IN (%s) OR length(o.row) <> 16 OR o.op NOT IN (1, 2, 3)", known);
    return lose(db, out, which, NULL);
}

/* Entries that aren't frozen yet take their values from the row: where it is gone without having
 * been deleted, so are they. */
static struct err lose_rowless(struct db *db, struct salvage *out, const struct table *t)
{
    char which[SQL_BYTES_MAX];
    (void)snprintf(which, sizeof which,
                   "o.tbl = %u AND NOT EXISTS (SELECT 1 FROM %s r WHERE r.id = o.row)"
                   " AND o.tx NOT IN (SELECT tx FROM sent) AND NOT EXISTS (SELECT 1 FROM outbox d"
                   " WHERE d.tbl = o.tbl AND d.row = o.row AND d.op = %d AND d.key >= o.key)",
                   t->number, t->name, (int)CHANGE_DELETE);
    return lose(db, out, which, t);
}

/* A row that the server never numbered, and that nothing will send, was made here. */
static struct err find_unlogged(struct db *db, const struct table *t)
{
    char sql[SQL_BYTES_MAX];
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO unlogged (tbl, row) SELECT %u, r.id FROM %s r"
                   " WHERE coalesce(r._seq, 0) = 0 AND r._deleted_at IS NULL"
                   " AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.tbl = %u AND o.row = r.id)"
                   " AND NOT EXISTS (SELECT 1 FROM carried c WHERE c.tbl = %u AND c.row = r.id)",
                   t->number, t->name, t->number, t->number);
    return db_exec(db, sql);
}

/* An insert's entry holds no values, so it can be made again. What was saved together has ids of
 * the same moment (UUIDv7): rows less than a second apart become one transaction again. */
static struct err log_unlogged(struct db *db, struct salvage *out)
{
    static const char log[] =
        "INSERT INTO outbox (key, tx, tbl, row, op, cols, base)"
        " WITH t AS (SELECT tbl, row, substr(hex(row), 1, 12) AS ms FROM unlogged),"
        " n AS (SELECT tbl, row, row_number() OVER w AS i,"
        "  lw_apart(lag(ms) OVER w, ms) AS apart FROM t WINDOW w AS (ORDER BY row)),"
        " k AS (SELECT tbl, row, i + max((SELECT outbox_floor FROM device_state),"
        "  coalesce((SELECT max(key) FROM outbox), 0), coalesce((SELECT max(tx) FROM sent), 0))"
        "  AS key, apart FROM n)"
        " SELECT key, max(iif(apart, key, NULL)) OVER (ORDER BY key), tbl, row, 1, 0, 0 FROM k";
    struct err err = db_exec(db, log);
    return err.code == ERR_OK ? db_one_int(db, "SELECT count(*) FROM unlogged", &out->logged_anew)
                              : err;
}

/* Two moments as 12 hexadecimal digits of milliseconds. */
static void apart(struct db_call *call)
{
    uint64_t ms[2] = {0, 0};
    for (size_t i = 0; i < 2 && call->args[i].kind == VALUE_TEXT; i++) {
        for (size_t c = 0; c < call->args[i].b.size; c++) {
            uint8_t digit = call->args[i].b.at[c];
            ms[i] = ms[i] << 4 | (uint64_t)(digit <= '9' ? digit - '0' : digit - 'A' + 10);
        }
    }
    bool first = call->args[0].kind != VALUE_TEXT;
    call->answer = value_int(first || ms[1] - ms[0] >= 1000);
}

static struct err restore_log(struct db *db, struct salvage *out)
{
    struct err err = db_define(db, "lw_apart", 2, apart, NULL);
    if (err.code == ERR_OK) {
        err = db_exec(db, "CREATE TEMP TABLE unlogged (tbl INTEGER, row BLOB)");
    }
    for (size_t i = 0; i < catalogue_table_count() && err.code == ERR_OK; i++) {
        err = find_unlogged(db, catalogue_table_at(i));
    }
    return err.code == ERR_OK ? log_unlogged(db, out) : err;
}

/* A transaction's first row has its clocks and its number; without it the next one is the first,
 * and the work is as if written when it is frozen. `under` lies under pending columns alone. */
static const char tidy[] =
    "UPDATE outbox SET key = tx WHERE key IN (SELECT min(key) FROM outbox GROUP BY tx)"
    " AND key <> tx;"
    "DELETE FROM under WHERE NOT EXISTS (SELECT 1 FROM outbox o WHERE o.tbl = under.tbl"
    " AND o.row = under.row);"
    "UPDATE device_state SET digested = 0, next_seq = max(next_seq, 1 + coalesce((SELECT"
    " max(device_seq) FROM sent WHERE epoch = device_state.epoch), 0)), outbox_floor ="
    " max(outbox_floor, coalesce((SELECT max(tx) FROM sent), 0));"
    "UPDATE scope SET rows = 0, sum = NULL;"
    "DROP TABLE temp.carried;";

struct err salvage_work(struct db *to, struct salvage *out)
{
    static const char waiting[] = "SELECT count(*) FROM (SELECT tx FROM outbox UNION"
                                  " SELECT tx FROM sent WHERE state IN (0, 3))";
    struct err err = check_sent(to);
    if (err.code == ERR_OK) {
        err = lose_unreadable(to, out);
    }
    if (err.code == ERR_OK) {
        err = unfreeze(to);
    }
    for (size_t i = 0; i < catalogue_table_count() && err.code == ERR_OK; i++) {
        err = lose_rowless(to, out, catalogue_table_at(i));
    }
    if (err.code == ERR_OK && out->outbox_hurt) {
        err = restore_log(to, out);
    }
    if (err.code == ERR_OK) {
        err = db_exec(to, tidy);
    }
    return err.code == ERR_OK ? db_one_int(to, waiting, &out->waiting) : err;
}
