/* See sent.h. */
#include "common/changelog/sent.h"

#include "common/changelog/rests.h"
#include "protocol/codec.h"

#define COVERED_STEP 500 /* transactions looked at by one query */

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

struct err sent_load(struct replica *r, uint32_t epoch, int64_t *after, size_t tx_max,
                     size_t bytes_max, struct arena *arena, struct batch *out)
{
    /* the first condition is that of the index sent_waiting */
    static const char sql[] = "SELECT tx, device_seq, rests_on, body FROM sent"
                              " WHERE state IN (0, 3) AND state = 0 AND tx > ?1 ORDER BY tx";
    struct stmt st;
    size_t bytes = 0;
    *out = (struct batch){.transactions = arena_array(arena, tx_max, sizeof *out->transactions)};
    if (out->transactions == NULL) {
        return err_make(ERR_NOMEM, 0, "sent_load");
    }
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
    return transaction_decode(body, arena, out) == WIRE_OK
               ? err_ok()
               : err_make(ERR_CORRUPT, 0, "sent_transaction");
}

/* ---- epochs ---- */

static struct err give_number(struct replica *r, int64_t tx, uint32_t epoch, int64_t number)
{
    static const char sql[] =
        "UPDATE sent SET epoch = ?2, device_seq = ?3, state = 0 WHERE tx = ?1";
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

/* The next waiting one behind `*tx`; 0: none. */
static struct err next_to_number(struct replica *r, int64_t *tx)
{
    static const char sql[] = "SELECT tx FROM sent WHERE state IN (0, 3) AND tx > ?1"
                              " ORDER BY tx LIMIT 1";
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

struct err sent_renumber(struct replica *r, uint32_t epoch, const uint8_t token[16])
{
    static const char sql[] = "UPDATE device_state SET epoch = ?1, token = ?2, next_seq = ?3";
    struct stmt st;
    int64_t number = 1;
    int64_t tx = 0;
    struct err err = next_to_number(r, &tx);
    while (err.code == ERR_OK && tx != 0) {
        err = give_number(r, tx, epoch, number++);
        if (err.code == ERR_OK) {
            err = next_to_number(r, &tx);
        }
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

static struct err mark_of(struct replica *r, int64_t scope, int64_t *mark)
{
    static const char sql[] = "SELECT mark FROM cursor WHERE scope = ?1";
    struct stmt st;
    *mark = INT64_MAX; /* a scope that left has nothing to offer again */
    struct err err = db_use(r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, scope);
    if (db_step_row(&st)) {
        *mark = col_int(&st, 0);
        stmt_reset(&st);
    }
    return stmt_err(&st, "sent_covered");
}

/* `numbers`: pairs of scope and seq, as verdict_apply.c stored them. */
static struct err is_covered(struct replica *r, struct bytes numbers, bool *covered)
{
    struct err err = err_ok();
    *covered = true;
    while (numbers.size > 0 && *covered && err.code == ERR_OK) {
        struct value pair[2];
        for (size_t i = 0; i < count_of(pair); i++) {
            size_t used = 0;
            if (value_decode(numbers, &pair[i], &used) != WIRE_OK || pair[i].kind != VALUE_INT) {
                return err_make(ERR_CORRUPT, 0, "sent_covered");
            }
            numbers = bytes_of(numbers.at + used, numbers.size - used);
        }
        int64_t mark = 0;
        err = mark_of(r, pair[0].i, &mark);
        *covered = pair[1].i <= mark;
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
        "SELECT tx, rows FROM sent WHERE state IN (1, 2) AND tx > ?1 ORDER BY tx LIMIT ?2";
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
        err = is_covered(r, col_bytes(&st, 1), &covered);
        if (covered) {
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
                                  " (SELECT tx FROM inbox WHERE done IS NOT NULL)";
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
