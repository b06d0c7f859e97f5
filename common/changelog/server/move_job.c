/* See move_job.h. */
#include "common/changelog/server/move_job.h"

static struct err insert_job(struct store *st, const uint8_t to_book[16], int64_t now_ms,
                             int64_t *no)
{
    struct stmt q;
    struct err err =
        db_use(st->db, "INSERT INTO move_job (to_book, made_at) VALUES (?1, ?2) RETURNING no", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, to_book);
    bind_int(&q, 2, now_ms);
    if (!db_step_row(&q)) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_INTERNAL, 0, "insert_job");
    }
    *no = col_int(&q, 0);
    return db_step_done(&q, "insert_job");
}

static struct err insert_item(struct store *st, int64_t job, size_t index,
                              const uint8_t customer[16])
{
    struct stmt q;
    struct err err =
        db_use(st->db, "INSERT INTO move_item (job, idx, customer) VALUES (?1, ?2, ?3)", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, job);
    bind_int(&q, 2, (int64_t)index);
    bind_id(&q, 3, customer);
    return db_step_done(&q, "insert_item");
}

struct err move_job_make(struct store *st, const uint8_t (*customers)[16], size_t count,
                         const uint8_t to_book[16], int64_t now_ms, int64_t *no)
{
    struct err err = db_begin(st->db, DB_LOCK_WRITE);
    if (err.code != ERR_OK) {
        return err;
    }
    err = insert_job(st, to_book, now_ms, no);
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        err = insert_item(st, *no, i, customers[i]);
    }
    return db_end(st->db, err);
}

struct err move_job_open(struct store *st, int64_t *no)
{
    struct err err =
        db_one_int(st->db, "SELECT coalesce(min(no), 0) FROM move_job WHERE done_at IS NULL", no);
    return err.code == ERR_OK && *no == 0 ? err_make(ERR_NOT_FOUND, 0, "move_job_open") : err;
}

struct err move_job_read(struct store *st, int64_t no, struct move_job *out)
{
    struct stmt q;
    struct err err = db_use(st->db,
                            "SELECT count(*), count(rows), coalesce(sum(rows), 0), count(error)"
                            " FROM move_item WHERE job = ?1",
                            &q);
    *out = (struct move_job){.no = no};
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, no);
    if (db_step_row(&q)) {
        out->total = col_int(&q, 0);
        out->moved = col_int(&q, 1);
        out->rows = col_int(&q, 2);
        out->failed = col_int(&q, 3);
        stmt_reset(&q);
    }
    return stmt_err(&q, "move_job_read");
}

struct item { /* whose turn it is */
    int64_t job;
    int64_t index;
    uint8_t customer[16];
    uint8_t to_book[16];
};

/* ERR_NOT_FOUND: all have had their turn. */
static struct err next_item(struct store *st, int64_t job, struct item *out)
{
    static const char sql[] = "SELECT i.idx, i.customer, j.to_book FROM move_item i"
                              " JOIN move_job j ON j.no = i.job"
                              " WHERE i.job = ?1 AND i.rows IS NULL ORDER BY i.idx LIMIT 1";
    struct stmt q;
    struct err err = db_use(st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, job);
    if (!db_step_row(&q)) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_NOT_FOUND, 0, "next_item");
    }
    *out = (struct item){.job = job, .index = col_int(&q, 0)};
    bool good = col_id(&q, 1, out->customer) && col_id(&q, 2, out->to_book);
    stmt_reset(&q);
    return good ? err_ok() : err_make(ERR_CORRUPT, 0, "next_item");
}

static struct err mark_item(struct store *st, const struct item *item, int64_t rows,
                            const char *error)
{
    struct stmt q;
    struct err err = db_use(
        st->db, "UPDATE move_item SET rows = ?3, error = ?4 WHERE job = ?1 AND idx = ?2", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, item->job);
    bind_int(&q, 2, item->index);
    bind_int(&q, 3, rows);
    if (error == NULL) {
        bind_null(&q, 4);
    } else {
        bind_text(&q, 4, error);
    }
    return db_step_done(&q, "mark_item");
}

static struct err mark_job(struct store *st, int64_t job, int64_t now_ms)
{
    struct stmt q;
    struct err err =
        db_use(st->db, "UPDATE move_job SET done_at = ?2 WHERE no = ?1 AND done_at IS NULL", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, job);
    bind_int(&q, 2, now_ms);
    return db_step_done(&q, "mark_job");
}

/* A customer or a book that is gone keeps the others of the job from nothing. */
static struct err move_item(struct store *st, const struct item *item, int64_t now_ms)
{
    struct server_write *w = NULL;
    struct complaint why = {0};
    int64_t rows = 0;
    struct err err = server_write_begin(st, NULL, "move", now_ms, &w);
    if (err.code != ERR_OK) {
        return err;
    }
    err = server_write_move(w, item->customer, item->to_book, &rows);
    if (err.code == ERR_OK) {
        err = server_write_end(w, &why);
        return err.code == ERR_OK ? mark_item(st, item, rows, NULL) : err;
    }
    server_write_cancel(w);
    return err.code == ERR_NOT_FOUND ? mark_item(st, item, 0, "not_found") : err;
}

struct err move_job_step(struct store *st, int64_t no, int64_t now_ms, bool *ended)
{
    struct item item = {.job = no};
    *ended = false;
    struct err err = db_begin(st->db, DB_LOCK_WRITE);
    if (err.code != ERR_OK) {
        return err;
    }
    err = next_item(st, no, &item);
    if (err.code == ERR_NOT_FOUND) {
        *ended = true;
        err = mark_job(st, no, now_ms);
    } else if (err.code == ERR_OK) {
        err = move_item(st, &item, now_ms);
    }
    return db_end(st->db, err);
}
