/* See backup.h. */
#include "common/changelog/server/backup.h"

#include "common/changelog/sqltext.h"

/* ---- sealing ---- */

static struct err count_table(struct db *db, const struct table *t, int64_t *rows)
{
    struct sqltext sql;
    sqltext_begin(&sql, "SELECT count(*) FROM ");
    sqltext_put(&sql, t->name);
    return db_one_int(db, sql.at, rows);
}

static struct err seal_rows(struct db *copy)
{
    static const char sql[] = "INSERT INTO backup_rows (tbl, rows) VALUES (?1, ?2)";
    struct err err = db_exec(copy, "DELETE FROM backup_rows");
    for (size_t i = 0; i < catalogue_table_count() && err.code == ERR_OK; i++) {
        const struct table *t = catalogue_table_at(i);
        int64_t rows = 0;
        struct stmt q;
        err = count_table(copy, t, &rows);
        if (err.code == ERR_OK) {
            err = db_use(copy, sql, &q);
        }
        if (err.code == ERR_OK) {
            bind_int(&q, 1, t->number);
            bind_int(&q, 2, rows);
            err = db_step_done(&q, "backup_seal");
        }
    }
    return err;
}

struct err backup_seal(struct db *copy, const struct host *host, int64_t now_ms)
{
    static const char sql[] = "INSERT OR REPLACE INTO backup_seal (one, seal, made_at, timeline,"
                              " log_no) SELECT 1, ?1, ?2, timeline,"
                              " (SELECT coalesce(max(no), 0) FROM change_log) FROM store_state";
    uint8_t seal[16];
    struct stmt q;
    struct err err = seal_rows(copy);
    if (err.code == ERR_OK) {
        err = db_use(copy, sql, &q);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    host->random(host->context, seal, sizeof seal);
    bind_id(&q, 1, seal);
    bind_int(&q, 2, now_ms);
    return db_step_done(&q, "backup_seal");
}

/* ---- checking ---- */

static struct err read_seal(struct db *copy, struct backup_facts *out)
{
    static const char sql[] = "SELECT seal, made_at, timeline, log_no,"
                              " (SELECT coalesce(sum(rows), 0) FROM backup_rows),"
                              " (SELECT count(*) FROM scope) FROM backup_seal";
    struct stmt q;
    struct err err = db_use(copy, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    if (!db_step_row(&q)) {
        err = stmt_err(&q, "backup_check");
        return err.code != ERR_OK ? err : err_make(ERR_NOT_FOUND, 0, "backup_check");
    }
    *out = (struct backup_facts){.made_at = col_int(&q, 1),
                                 .timeline = (uint32_t)col_int(&q, 2),
                                 .log_no = col_int(&q, 3),
                                 .rows = col_int(&q, 4),
                                 .scopes = col_int(&q, 5)};
    bool good = col_id(&q, 0, out->seal);
    stmt_reset(&q);
    return good ? err_ok() : err_make(ERR_CORRUPT, 0, "backup_check");
}

static struct err check_rows(struct db *copy, struct buf *report)
{
    struct stmt q;
    struct err err = db_use(copy, "SELECT tbl, rows FROM backup_rows", &q);
    bool good = true;
    if (err.code != ERR_OK) {
        return err;
    }
    while (err.code == ERR_OK && db_step_row(&q)) {
        const struct table *t = catalogue_table((uint16_t)col_int(&q, 0));
        int64_t rows = 0;
        err = t == NULL ? err_ok() : count_table(copy, t, &rows);
        if (err.code == ERR_OK && t != NULL && rows != col_int(&q, 1)) {
            good = false;
            buf_printf(report, "%s: %" PRId64 " rows, sealed with %" PRId64 "\n", t->name, rows,
                       col_int(&q, 1));
        }
    }
    if (err.code == ERR_OK) {
        err = stmt_err(&q, "backup_check");
    }
    stmt_reset(&q);
    return err.code == ERR_OK && !good ? err_make(ERR_CORRUPT, 0, "backup_check") : err;
}

static struct err check_log(struct db *copy, const struct backup_facts *facts, struct buf *report)
{
    int64_t last = 0;
    struct err err = db_one_int(copy, "SELECT coalesce(max(no), 0) FROM change_log", &last);
    if (err.code == ERR_OK && last != facts->log_no) {
        buf_printf(report, "change log ends at %" PRId64 ", sealed at %" PRId64 "\n", last,
                   facts->log_no);
        err = err_make(ERR_CORRUPT, 0, "backup_check");
    }
    return err;
}

struct err backup_check(struct store *copy, struct buf *report, struct backup_facts *out)
{
    struct err err = store_verify(copy, report);
    if (err.code == ERR_OK) {
        err = read_seal(copy->db, out);
    }
    if (err.code == ERR_OK) {
        err = check_rows(copy->db, report);
    }
    return err.code == ERR_OK ? check_log(copy->db, out, report) : err;
}

/* ---- recording ---- */

static struct err insert_backup(struct store *st, const struct backup_facts *facts,
                                const struct backup_file *file, int64_t *no)
{
    static const char sql[] = "INSERT INTO backup (seal, file, made_at, timeline, bytes, sha256)"
                              " VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING no";
    struct stmt q;
    struct err err = db_use(st->db, "UPDATE backup SET replaced = 1 WHERE file = ?1", &q);
    if (err.code == ERR_OK) {
        bind_text(&q, 1, file->path);
        err = db_step_done(&q, "backup_record");
    }
    if (err.code == ERR_OK) {
        err = db_use(st->db, sql, &q);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, facts->seal);
    bind_text(&q, 2, file->path);
    bind_int(&q, 3, facts->made_at);
    bind_int(&q, 4, facts->timeline);
    bind_int(&q, 5, file->bytes);
    bind_blob(&q, 6, bytes_of(file->sha256, sizeof file->sha256));
    if (!db_step_row(&q)) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_INTERNAL, 0, "backup_record");
    }
    *no = col_int(&q, 0);
    return db_step_done(&q, "backup_record");
}

static struct err insert_scope(struct store *st, int64_t backup, const struct stmt *from)
{
    static const char sql[] =
        "INSERT INTO backup_scope (backup, scope, seq, head) VALUES (?1, ?2, ?3, ?4)";
    struct stmt q;
    struct err err = db_use(st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, backup);
    bind_int(&q, 2, col_int(from, 0));
    bind_int(&q, 3, col_int(from, 1));
    if (!col_is_null(from, 2)) {
        bind_blob(&q, 4, col_bytes(from, 2));
    }
    return db_step_done(&q, "backup_record");
}

/* Scopes have the same small numbers in the store and in its copy. */
static struct err copy_scopes(struct store *st, struct db *copy, int64_t backup)
{
    struct stmt from;
    struct err err = db_use(copy, "SELECT no, counter, head FROM scope", &from);
    if (err.code != ERR_OK) {
        return err;
    }
    while (err.code == ERR_OK && db_step_row(&from)) {
        err = insert_scope(st, backup, &from);
    }
    if (err.code == ERR_OK) {
        err = stmt_err(&from, "backup_record");
    }
    stmt_reset(&from);
    return err;
}

/* The second highest number among the backups that still are where they were made. */
static struct err raise_marks(struct store *st)
{
    static const char highest[] =
        "UPDATE scope SET mark = counter, mark_no = (SELECT mark_no + 1 FROM store_state)";
    static const char sql[] =
        "UPDATE scope SET mark = held.seq, mark_no = (SELECT mark_no + 1 FROM store_state)"
        " FROM (SELECT s.no AS no, (SELECT b.seq FROM backup_scope b JOIN backup k"
        "   ON k.no = b.backup WHERE b.scope = s.no AND k.replaced = 0"
        "   ORDER BY b.seq DESC LIMIT 1 OFFSET 1) AS seq FROM scope s) AS held"
        " WHERE held.no = scope.no AND held.seq > scope.mark";
    struct err err = db_exec(st->db, planted(MARK_OF_ONE) ? highest : sql);
    bool rose = err.code == ERR_OK && db_changes(st->db) > 0;
    return rose ? db_exec(st->db, "UPDATE store_state SET mark_no = mark_no + 1") : err;
}

struct err backup_record(struct store *st, struct db *copy, const struct backup_facts *facts,
                         const struct backup_file *file)
{
    int64_t no = 0;
    struct err err = insert_backup(st, facts, file, &no);
    if (err.code == ERR_OK) {
        err = copy_scopes(st, copy, no);
    }
    return err.code == ERR_OK ? raise_marks(st) : err;
}

/* ---- announcing ---- */

static struct err mark_of(struct store *st, const struct permit_scope *scope, int64_t told,
                          struct cursor *mark)
{
    struct stmt q;
    struct err err =
        db_use(st->db, "SELECT mark FROM scope WHERE no = ?1 AND mark_no > ?2 AND mark > 0", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, scope->no);
    bind_int(&q, 2, told);
    *mark = (struct cursor){.scope = scope->id};
    if (db_step_row(&q)) {
        mark->done = col_int(&q, 0);
        mark->pos = mark->done;
        stmt_reset(&q);
    }
    return stmt_err(&q, "backup_marks");
}

struct err backup_marks(struct store *st, const struct permit_scope *scopes, size_t count,
                        int64_t told, struct arena *arena, struct cursor **marks,
                        size_t *mark_count, int64_t *now)
{
    *mark_count = 0;
    struct err err = db_one_int(st->db, "SELECT mark_no FROM store_state", now);
    if (err.code != ERR_OK || *now == told) {
        return err; /* nearly always */
    }
    *marks = arena_array(arena, count, sizeof **marks);
    if (*marks == NULL) {
        return err_make(ERR_NOMEM, 0, "backup_marks");
    }
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        if (scopes[i].no != 0) {
            err = mark_of(st, &scopes[i], told, &(*marks)[*mark_count]);
            *mark_count += (*marks)[*mark_count].done > 0;
        }
    }
    return err;
}
