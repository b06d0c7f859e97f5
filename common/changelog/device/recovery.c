/* Taking a new timeline, and what is left to do for it; see recovery.h. */
#include "common/changelog/device/recovery.h"

#include "common/changelog/device/counted.h"
#include "common/changelog/device/recovery_internal.h"
#include "common/changelog/device/sent.h"

static struct err run(struct db *db, const char *sql, int64_t a, int64_t b)
{
    struct stmt st;
    struct err err = db_use(db, sql, &st);
    if (err.code == ERR_OK) {
        bind_int(&st, 1, a);
        bind_int(&st, 2, b);
        err = db_step_done(&st, "recovery");
    }
    return err;
}

struct err recovery_start(struct replica *r, int64_t *start)
{
    return db_one_int(r->db, "SELECT recovering FROM device_state", start);
}

/* Whether a table still has rows of the lost part. */
static struct err table_has_lost(struct replica *r, const struct table *t, int64_t start, bool *has)
{
    struct sqltext sql;
    struct stmt st;
    recovery_put_lost(&sql, "SELECT 1 FROM ", t, " LIMIT 1");
    struct err err = db_use(r->db, sql.at, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, start);
    *has = db_step_row(&st);
    if (*has) {
        stmt_reset(&st);
        return err_ok();
    }
    return stmt_err(&st, "recovery");
}

struct err recovery_step(struct replica *r, enum recovery_step *out)
{
    int64_t start = 0;
    int64_t offered = 0;
    bool lost = false;
    *out = RECOVERY_NOT_NEEDED;
    struct err err = recovery_start(r, &start);
    if (err.code != ERR_OK || start == 0) {
        return err;
    }
    err = db_one_int(r->db, "SELECT EXISTS (SELECT 1 FROM sent WHERE state = 5)", &offered);
    for (size_t i = 0; i < catalogue_table_count() && err.code == ERR_OK && offered == 0 && !lost;
         i++) {
        err = table_has_lost(r, catalogue_table_at(i), start, &lost);
    }
    *out = offered != 0 ? RECOVERY_OFFERING : lost ? RECOVERY_WITNESSING : RECOVERY_FETCHING;
    return err;
}

/* ---- adopting ---- */

static struct err store_kept(struct apply *a, const struct answer *answer)
{
    struct err err = db_exec(a->r->db, "DELETE FROM restored");
    for (size_t i = 0; i < answer->mark_count && err.code == ERR_OK; i++) {
        int64_t no = 0;
        bool held = false;
        err = apply_scope(a, &answer->marks[i].scope, &no, &held);
        if (err.code == ERR_OK && no != 0) {
            err = run(a->r->db, "INSERT OR REPLACE INTO restored (scope, seq) VALUES (?1, ?2)", no,
                      answer->marks[i].done);
        }
    }
    return err;
}

/* Rows can have gone in the lost part, too: only a scope that was never above begins where it is.
 */
static struct err begin_anew(struct replica *r, int64_t start)
{
    static const char above[] =
        "UPDATE cursor SET done = 0, pos = 0, goal = 0 WHERE ?1 + ?2 > 0 AND max(done, pos) >"
        " coalesce((SELECT seq FROM restored WHERE restored.scope = cursor.scope), 0)";
    static const char marks[] =
        "UPDATE cursor SET mark = min(mark,"
        " coalesce((SELECT seq FROM restored WHERE restored.scope = cursor.scope), 0))";
    struct err err = run(r->db, above, start, 0);
    if (err.code == ERR_OK) {
        err = db_exec(r->db, marks);
    }
    for (size_t i = 0; i < catalogue_table_count() && err.code == ERR_OK; i++) {
        struct sqltext sql;
        struct stmt st;
        recovery_put_lost(&sql,
                          "UPDATE cursor SET done = 0, pos = 0, goal = 0 WHERE scope IN"
                          " (SELECT t._scope FROM ",
                          catalogue_table_at(i), ")");
        err = db_use(r->db, sql.at, &st);
        if (err.code == ERR_OK) {
            bind_int(&st, 1, start);
            err = db_step_done(&st, "recovery");
        }
    }
    return err;
}

static struct err store_timeline(struct replica *r, const struct answer *answer, int64_t start)
{
    static const char sql[] =
        "UPDATE device_state SET timeline = ?1, timeline_id = ?2, recovering = ?3";
    struct stmt st;
    struct err err = db_use(r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, answer->timeline.counter);
    bind_id(&st, 2, answer->timeline.id);
    bind_int(&st, 3, start);
    return db_step_done(&st, "recovery");
}

/* The files are there or not, whatever the store was set back to; who brought them stood in it. A
 * picture that it knows to be ours costs a question. */
static struct err ask_for_pictures(struct replica *r)
{
    return db_exec(r->db, "UPDATE blob SET uploaded_at = NULL WHERE uploaded_at IS NOT NULL"
                          " AND EXISTS (SELECT 1 FROM media m WHERE m.sha256 = blob.sha256"
                          "  AND m._deleted_at IS NULL)");
}

struct err recovery_adopt(struct apply *a, const struct answer *answer, int64_t *offered)
{
    int64_t start = (int64_t)answer->timeline.counter << RECOVERY_SHIFT;
    struct err err = store_kept(a, answer);
    if (err.code == ERR_OK) {
        err = begin_anew(a->r, start);
    }
    if (err.code == ERR_OK) {
        err = store_timeline(a->r, answer, start);
    }
    if (err.code == ERR_OK) {
        err = ask_for_pictures(a->r);
    }
    if (err.code == ERR_OK) {
        err = sent_offer_again(a->r, offered);
    }
    return err.code == ERR_OK ? sent_renumber(a->r, answer->epoch, answer->token) : err;
}

/* ---- the end ---- */

/* A row without a number is one that was handed in, or one that the user made and that waits. */
static bool is_pending_insert(const struct replica *r, const struct table *t, const uint8_t id[16])
{
    for (const struct outbox_entry *e = outbox_of_row(r, t->number, id); e != NULL;
         e = outbox_next(r, e)) {
        if (e->op == CHANGE_INSERT) {
            return true;
        }
    }
    return false;
}

/* Ids first: dropping changes the table that is read. `*count` 0: none is left. */
static struct err next_unnumbered(struct apply *a, const struct table *t, const uint8_t after[16],
                                  uint8_t (*ids)[16], size_t *count)
{
    struct sqltext sql;
    struct stmt st;
    *count = 0;
    sqltext_begin(&sql, "SELECT id FROM ");
    sqltext_put(&sql, t->name);
    sqltext_put(&sql, " WHERE _seq IS NULL AND id > ?1 ORDER BY id LIMIT ?2");
    struct err err = db_use(a->r->db, sql.at, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, after);
    bind_int(&st, 2, RECOVERY_STEP);
    while (db_step_row(&st)) {
        if (col_id(&st, 0, ids[*count])) {
            (*count)++;
        }
    }
    return stmt_err(&st, "recovery");
}

static struct err drop_unnumbered(struct apply *a, const struct table *t)
{
    uint8_t ids[RECOVERY_STEP][16];
    uint8_t after[16] = {0};
    size_t count = 1;
    struct err err = err_ok();
    while (err.code == ERR_OK && count > 0) {
        err = next_unnumbered(a, t, after, ids, &count);
        for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
            err = is_pending_insert(a->r, t, ids[i]) ? err_ok() : apply_drop(a, t, ids[i]);
        }
        if (count > 0) {
            memcpy(after, ids[count - 1], sizeof after);
        }
    }
    return err;
}

struct err recovery_finish(struct apply *a)
{
    struct err err = err_ok();
    for (size_t i = 0; i < catalogue_table_count() && err.code == ERR_OK; i++) {
        err = drop_unnumbered(a, catalogue_table_at(i));
    }
    if (err.code == ERR_OK) {
        err = db_exec(a->r->db, "DELETE FROM restored; UPDATE device_state SET recovering = 0");
    }
    return err.code == ERR_OK ? counted_make(a->r) : err; /* rows lost their numbers by the way */
}
