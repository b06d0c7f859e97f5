/* See sent.h. */
#include "common/changelog/device/sent.h"

#include "common/changelog/device/rests.h"
#include "protocol/codec.h"

#define COVERED_STEP     500                              /* transactions looked at by one query */
#define UNCOVERED_MS_MAX (INT64_C(90) * 24 * 3600 * 1000) /* work whose rows or scopes left */

static struct err load_one(struct replica *r, struct stmt *st, uint32_t epoch, struct arena *arena,
                           struct transaction *out)
{
    uint64_t rests[TX_RESTS_MAX];
    size_t rest_count = 0;
    uint64_t device_seq = (uint64_t)col_int(st, 1);
    struct bytes body = arena_copy(arena, col_bytes(st, 3));
    struct err err = rests_on_wire(r->db, col_bytes(st, 2), epoch, rests, &rest_count);
    if (err.code != ERR_OK) {
        return err;
    }
    uint64_t *kept = arena_array(arena, rest_count, sizeof *kept);
    if (body.at == NULL || kept == NULL) {
        return err_make(ERR_NOMEM, 0, "sent_load");
    }
    if (transaction_decode(body, arena, out) != WIRE_OK) {
        return err_make(ERR_CORRUPT, 0, "sent_load");
    }
    if (rest_count > 0) {
        memcpy(kept, rests, rest_count * sizeof *kept);
    }
    out->device_seq = device_seq;
    out->rests_on = kept;
    out->rest_count = rest_count;
    return err_ok();
}

static struct err load(struct replica *r, const char *sql, uint32_t epoch, int64_t *after,
                       size_t tx_max, size_t bytes_max, struct arena *arena, struct batch *out)
{
    struct stmt st;
    size_t bytes = 0;
    size_t room = 0;
    *out = (struct batch){.count = 0};
    struct err err = db_use(r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, *after);
    while (err.code == ERR_OK && out->count < tx_max && db_step_row(&st)) {
        bytes += col_bytes(&st, 3).size;
        if (out->count > 0 && bytes > bytes_max) {
            break;
        }
        void *at =
            arena_more(arena, out->transactions, out->count, &room, sizeof *out->transactions);
        if (at == NULL) {
            err = err_make(ERR_NOMEM, 0, "sent_load");
            break;
        }
        out->transactions = at;
        *after = col_int(&st, 0);
        err = load_one(r, &st, epoch, arena, &out->transactions[out->count]);
        out->count += err.code == ERR_OK ? 1 : 0;
    }
    if (err.code == ERR_OK) {
        err = stmt_err(&st, "sent_load");
    }
    stmt_reset(&st);
    return err;
}

struct err sent_load(struct replica *r, uint32_t epoch, int64_t *after, size_t tx_max,
                     size_t bytes_max, struct arena *arena, struct batch *out)
{
    /* the first condition is that of the index sent_waiting */
    static const char sql[] = "SELECT tx, device_seq, rests_on, body FROM sent"
                              " WHERE state IN (0, 3) AND state = 0 AND tx > ?1 ORDER BY tx";
    return load(r, sql, epoch, after, tx_max, bytes_max, arena, out);
}

struct err sent_load_offered(struct replica *r, uint32_t epoch, int64_t *after, size_t tx_max,
                             size_t bytes_max, struct arena *arena, struct batch *out)
{
    static const char sql[] = "SELECT tx, device_seq, rests_on, body FROM sent"
                              " WHERE state = 5 AND tx > ?1 ORDER BY tx";
    return load(r, sql, epoch, after, tx_max, bytes_max, arena, out);
}

struct err sent_waiting(struct replica *r, int64_t after, int64_t *count)
{
    struct stmt st;
    struct err err = db_use(
        r->db, "SELECT count(*) FROM sent WHERE state IN (0, 3) AND state = 0 AND tx > ?1", &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, after);
    if (db_step_row(&st)) {
        *count = col_int(&st, 0);
        stmt_reset(&st);
    }
    return stmt_err(&st, "sent_waiting");
}

struct err sent_transaction(struct db *db, int64_t tx, struct arena *arena, struct transaction *out)
{
    static const char sql[] = "SELECT body FROM sent WHERE tx = ?1";
    struct stmt st;
    struct err err = db_use(db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, tx);
    if (!db_step_row(&st)) {
        err = stmt_err(&st, "sent_transaction");
        return err.code != ERR_OK ? err : err_make(ERR_NOT_FOUND, 0, "sent_transaction");
    }
    struct bytes body = arena_copy(arena, col_bytes(&st, 0));
    stmt_reset(&st);
    if (body.at == NULL) {
        return err_make(ERR_NOMEM, 0, "sent_transaction");
    }
    if (body.size == 0) {
        return err_make(ERR_NOT_FOUND, 0, "sent_transaction");
    }
    return transaction_decode(body, arena, out) == WIRE_OK
               ? err_ok()
               : err_make(ERR_CORRUPT, 0, "sent_transaction");
}

/* ---- epochs ---- */

static struct err give_number(struct replica *r, int64_t tx, uint32_t epoch, int64_t number)
{
    static const char sql[] = "UPDATE sent SET epoch = ?2, device_seq = ?3,"
                              " state = CASE state WHEN 5 THEN 5 ELSE 0 END WHERE tx = ?1";
    struct stmt st;
    struct err err = db_use(r->db, sql, &st);
    if (err.code == ERR_OK) {
        bind_int(&st, 1, tx);
        bind_int(&st, 2, epoch);
        bind_int(&st, 3, number);
        err = db_step_done(&st, "sent_renumber");
    }
    return err;
}

/* The next one behind `*tx`; 0: none. */
static struct err next_to_number(struct replica *r, bool offered, int64_t *tx)
{
    const char *sql =
        offered ? "SELECT tx FROM sent WHERE state = 5 AND tx > ?1 ORDER BY tx LIMIT 1"
                : "SELECT tx FROM sent WHERE state IN (0, 3) AND tx > ?1 ORDER BY tx LIMIT 1";
    struct stmt st;
    struct err err = db_use(r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, *tx);
    *tx = 0;
    if (db_step_row(&st)) {
        *tx = col_int(&st, 0);
        stmt_reset(&st);
    }
    return stmt_err(&st, "sent_renumber");
}

static struct err number_all(struct replica *r, bool offered, uint32_t epoch, int64_t *number)
{
    int64_t tx = 0;
    struct err err = next_to_number(r, offered, &tx);
    while (err.code == ERR_OK && tx != 0) {
        err = give_number(r, tx, epoch, (*number)++);
        if (err.code == ERR_OK) {
            err = next_to_number(r, offered, &tx);
        }
    }
    return err;
}

struct err sent_renumber(struct replica *r, uint32_t epoch, const uint8_t token[16])
{
    static const char sql[] = "UPDATE device_state SET epoch = ?1, token = ?2, next_seq = ?3";
    struct stmt st;
    int64_t number = 1;
    struct err err = number_all(r, true, epoch, &number);
    if (err.code == ERR_OK) {
        err = number_all(r, false, epoch, &number);
    }
    if (err.code == ERR_OK) {
        err = db_use(r->db, sql, &st);
    }
    if (err.code == ERR_OK) {
        bind_int(&st, 1, epoch);
        bind_id(&st, 2, token);
        bind_int(&st, 3, number);
        err = db_step_done(&st, "sent_renumber");
    }
    return err;
}

/* ---- backup marks ---- */

static struct err raise_mark(struct replica *r, const struct cursor *mark, bool *rose)
{
    static const char sql[] = "UPDATE cursor SET mark = ?3 WHERE mark < ?3 AND scope ="
                              " (SELECT no FROM scope WHERE kind = ?1 AND id = ?2)";
    struct stmt st;
    struct err err = db_use(r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, mark->scope.kind);
    bind_id(&st, 2, mark->scope.id);
    bind_int(&st, 3, mark->done);
    err = db_step_done(&st, "sent_covered");
    *rose |= err.code == ERR_OK && db_changes(r->db) > 0;
    return err;
}

/* Up to where something holds a scope: backups, or the server after a restore. */
static struct err limit_of(struct replica *r, const char *sql, int64_t scope, int64_t *limit)
{
    struct stmt st;
    *limit = 0; /* nothing is known of a scope that left */
    struct err err = db_use(r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, scope);
    if (db_step_row(&st)) {
        *limit = col_int(&st, 0);
        stmt_reset(&st);
    }
    return stmt_err(&st, "sent_covered");
}

/* `numbers`: pairs of scope and seq, as verdict_apply.c stored them. What has none (its rows moved
 * away before the verdict) isn't. */
static struct err is_within(struct replica *r, const char *limits, struct bytes numbers,
                            bool *within)
{
    struct err err = err_ok();
    *within = numbers.size > 0;
    while (numbers.size > 0 && *within && err.code == ERR_OK) {
        struct value pair[2];
        for (size_t i = 0; i < count_of(pair); i++) {
            size_t used = 0;
            if (value_decode(numbers, &pair[i], &used) != WIRE_OK || pair[i].kind != VALUE_INT) {
                return err_make(ERR_CORRUPT, 0, "sent_covered");
            }
            numbers = bytes_of(numbers.at + used, numbers.size - used);
        }
        int64_t limit = 0;
        err = limit_of(r, limits, pair[0].i, &limit);
        *within = pair[1].i <= limit;
    }
    return err;
}

static struct err drop_sent(struct replica *r, int64_t tx)
{
    struct stmt st;
    struct err err = db_use(r->db, "DELETE FROM sent WHERE tx = ?1", &st);
    if (err.code == ERR_OK) {
        bind_int(&st, 1, tx);
        err = db_step_done(&st, "sent_covered");
    }
    return err;
}

/* One step through the judged ones; `*after` stays where it was once there are no more. */
static struct err drop_some(struct replica *r, int64_t *after)
{
    static const char sql[] =
        "SELECT tx, rows, judged_at FROM sent WHERE state IN (1, 2) AND tx > ?1 ORDER BY tx"
        " LIMIT ?2";
    static const char marks[] = "SELECT mark FROM cursor WHERE scope = ?1";
    int64_t gone[COVERED_STEP];
    size_t count = 0;
    struct stmt st;
    struct err err = db_use(r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, *after);
    bind_int(&st, 2, COVERED_STEP);
    while (err.code == ERR_OK && db_step_row(&st)) {
        bool covered = false;
        *after = col_int(&st, 0);
        err = is_within(r, marks, col_bytes(&st, 1), &covered);
        bool old = col_int(&st, 2) < r->seen_ms - UNCOVERED_MS_MAX;
        if (covered || old) {
            gone[count++] = *after;
        }
    }
    if (err.code == ERR_OK) {
        err = stmt_err(&st, "sent_covered");
    }
    stmt_reset(&st);
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        err = drop_sent(r, gone[i]);
    }
    return err;
}

struct err sent_covered(struct replica *r, const struct cursor *marks, size_t count, bool *rose)
{
    static const char settled[] = "DELETE FROM sent WHERE state = 4 AND tx IN"
                                  " (SELECT tx FROM inbox WHERE done IS NOT NULL);"
                                  "DELETE FROM proof WHERE no NOT IN"
                                  " (SELECT proof FROM sent WHERE proof IS NOT NULL)";
    struct err err = err_ok();
    *rose = false;
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        err = raise_mark(r, &marks[i], rose);
    }
    if (err.code != ERR_OK || !*rose) {
        return err;
    }
    int64_t after = 0;
    int64_t before = -1;
    while (err.code == ERR_OK && after != before) {
        before = after;
        err = drop_some(r, &after);
    }
    return err.code == ERR_OK ? db_exec(r->db, settled) : err;
}

/* ---- after a restore ---- */

static struct err set_offered(struct replica *r, int64_t tx)
{
    struct stmt st;
    struct err err = db_use(r->db, "UPDATE sent SET state = 5 WHERE tx = ?1", &st);
    if (err.code == ERR_OK) {
        bind_int(&st, 1, tx);
        err = db_step_done(&st, "sent_offer_again");
    }
    return err;
}

struct err sent_offer_again(struct replica *r, int64_t *count)
{
    static const char sql[] =
        "SELECT tx, rows FROM sent WHERE state IN (1, 2) AND tx > ?1 ORDER BY tx LIMIT 1";
    static const char kept[] = "SELECT seq FROM restored WHERE scope = ?1";
    int64_t tx = 0;
    *count = 0;
    for (;;) {
        struct stmt st;
        bool survived = false;
        struct err err = db_use(r->db, sql, &st);
        if (err.code != ERR_OK) {
            return err;
        }
        bind_int(&st, 1, tx);
        if (!db_step_row(&st)) {
            return stmt_err(&st, "sent_offer_again");
        }
        tx = col_int(&st, 0);
        err = is_within(r, kept, col_bytes(&st, 1), &survived);
        stmt_reset(&st);
        if (err.code == ERR_OK && !survived && !planted(OFFER_FORGOTTEN)) {
            err = set_offered(r, tx);
            (*count)++;
        }
        if (err.code != ERR_OK) {
            return err;
        }
    }
}
