/* legworkd erase: a person's data goes, wherever it is kept; what it did for the firm stays. The
 * rows are named to a job of the store first (common/changelog/server/erase.h), so that an erasure
 * that was killed goes on with --resume, with the next erasure, or with the next start of the
 * server. */
#include "server/admin/erase.h"

#include "common/changelog/server/media.h"
#include "common/media/blob_store.h"
#include "server/admin/command.h"
#include "server/admin/edit.h"
#include "server/admin/find.h"
#include "server/admin/options.h"
#include "server/admin/say.h"

#define SETTLE_TRIES 50
#define SETTLE_MS    100

enum { DRY_RUN, YES, RESUME, JSON, OPTION_COUNT };

/* ---- pictures' files ---- */

static struct err next_picture(struct data *d, int64_t job, char sha256[BLOB_NAME_SIZE])
{
    static const char sql[] = "SELECT m.sha256 FROM erase_item i JOIN media m ON m.id = i.row"
                              " WHERE i.job = ?1 AND i.tbl = ?2 AND m.sha256 > ?3"
                              " ORDER BY m.sha256 LIMIT 1";
    struct stmt q;
    struct err err = db_use(d->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, job);
    bind_int(&q, 2, TABLE_media);
    bind_text(&q, 3, sha256);
    if (!db_step_row(&q)) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_NOT_FOUND, 0, "next_picture");
    }
    (void)snprintf(sha256, BLOB_NAME_SIZE, "%s", col_text(&q, 0));
    stmt_reset(&q);
    return err_ok();
}

static struct err drop_picture(struct data *d, struct blob_store *blobs, const char *sha256)
{
    bool needed = true;
    struct err err = media_is_needed(&d->store, sha256, &needed);
    if (err.code != ERR_OK || needed || !blob_name_is_good(sha256)) {
        return err;
    }
    err = blob_remove(blobs, sha256);
    return err.code == ERR_NOT_FOUND ? err_ok() : err;
}

/* Those that nobody else's row names. */
static struct err drop_pictures(struct data *d, int64_t job)
{
    char path[DATA_PATH_MAX];
    char sha256[BLOB_NAME_SIZE] = "";
    struct blob_store blobs = {.dir = -1};
    struct err err = next_picture(d, job, sha256);
    if (err.code == ERR_NOT_FOUND) {
        return err_ok();
    }
    if (err.code == ERR_OK) {
        err = data_path(BLOB_DIR, path) ? blob_store_open(&blobs, path)
                                        : err_make(ERR_LIMIT, 0, "drop_pictures");
    }
    while (err.code == ERR_OK) {
        err = drop_picture(d, &blobs, sha256);
        if (err.code == ERR_OK) {
            err = next_picture(d, job, sha256);
        }
    }
    blob_store_close(&blobs);
    if (err.code == ERR_NOT_FOUND) {
        err = db_begin(d->db, DB_LOCK_WRITE);
        err = err.code == ERR_OK ? db_end(d->db, media_forget_unneeded(&d->store)) : err;
    }
    return err;
}

/* ---- running jobs ---- */

/* A server that reads all day leaves a gap soon. */
static struct err settle(struct data *d)
{
    const struct timespec pause = {.tv_nsec = SETTLE_MS * 1000000L};
    struct err err = erase_settle(&d->store);
    for (int i = 0; err.code == ERR_BUSY && i < SETTLE_TRIES; i++) {
        (void)nanosleep(&pause, NULL);
        err = erase_settle(&d->store);
    }
    return err;
}

/* The job's end is its last step, so that pictures' files go even if the process was killed
 * between the rows and them. */
static struct err run(struct data *d, int64_t no, struct erase_job *out)
{
    bool ended = false;
    struct err err = erase_read(&d->store, no, out);
    for (int64_t left = out->total - out->emptied; left > 0 && err.code == ERR_OK; left--) {
        err = erase_step(&d->store, no, edit_now_ms(), &ended);
    }
    if (err.code == ERR_OK) {
        err = drop_pictures(d, no);
    }
    if (err.code == ERR_OK) {
        err = settle(d);
    }
    while (err.code == ERR_OK && !ended) {
        err = erase_step(&d->store, no, edit_now_ms(), &ended);
    }
    return err.code == ERR_OK ? erase_read(&d->store, no, out) : err;
}

struct err erase_jobs_resume(struct data *d, struct erase_job *last, int64_t *count)
{
    int64_t no = 0;
    *count = 0;
    struct err err = erase_open(&d->store, &no);
    while (err.code == ERR_OK) {
        *count += 1;
        err = run(d, no, last);
        if (err.code == ERR_OK) {
            err = erase_open(&d->store, &no);
        }
    }
    return err.code == ERR_NOT_FOUND ? err_ok() : err;
}

static void say_erased(const struct erase_job *job, bool json)
{
    if (json) {
        (void)printf("{\"job\":%" PRId64 ",\"rows\":%" PRId64 ",\"entries\":%" PRId64 "}\n",
                     job->no, job->total, job->entries);
        return;
    }
    say("erased in %" PRId64 " rows and %" PRId64 " entries of the change log",
        "已抹除 %" PRId64 " 行及变更日志中的 %" PRId64 " 条记录", job->total, job->entries);
    say("backups made before still hold it; a restore from one erases again",
        "此前的备份仍含这些数据；从备份恢复时会再次抹除");
}

static int failed(struct data *d, struct err err, const char *what)
{
    if (err.code == ERR_BUSY) {
        return refuse_with("the store is in use; the rows are empty, but the old bytes are still on"
                           " the disk. Run: legworkd erase --resume",
                           "数据库正在使用：内容已清空，但磁盘上仍有旧数据，请运行 legworkd erase"
                           " --resume");
    }
    return refuse_err(err, NULL, what, db_message(d->db));
}

static int resume(struct data *d, bool json)
{
    struct erase_job job = {.no = 0};
    int64_t count = 0;
    struct err err = erase_jobs_resume(d, &job, &count);
    if (err.code != ERR_OK) {
        return failed(d, err, "erase");
    }
    if (count == 0 && !json) {
        say("no erasure is left unfinished", "没有未完成的抹除");
    } else {
        say_erased(&job, json);
    }
    return EXIT_DONE;
}

/* ---- whom ---- */

static const struct finder find_person = {
    .label = "person",
    .label_zh = "人员",
    .by_text = "SELECT id FROM person WHERE login = ?1 LIMIT 2",
    .by_prefix = "SELECT id FROM person WHERE id >= ?1 AND id <= ?2 LIMIT 2",
};

static const struct finder find_contact = {
    .label = "contact",
    .label_zh = "联系人",
    .by_text = "SELECT id FROM contact WHERE name = ?1 LIMIT 2",
    .by_prefix = "SELECT id FROM contact WHERE id >= ?1 AND id <= ?2 LIMIT 2",
};

/* Deleted ones too: their values are still there. */
static const struct finder find_any_customer = {
    .label = "customer",
    .label_zh = "客户",
    .by_text = "SELECT id FROM customer WHERE no = ?1 UNION"
               " SELECT id FROM customer WHERE name = ?1 LIMIT 2",
    .by_prefix = "SELECT id FROM customer WHERE id >= ?1 AND id <= ?2 LIMIT 2",
};

static const struct finder *finder_of(const struct table *t)
{
    return t->number == TABLE_person    ? &find_person
           : t->number == TABLE_contact ? &find_contact
                                        : &find_any_customer;
}

/* ---- what would go ---- */

static struct err print_rows(struct data *d, int64_t job, bool json)
{
    struct stmt q;
    struct err err = db_use(d->db,
                            "SELECT tbl, count(*) FROM erase_item WHERE job = ?1 GROUP BY tbl"
                            " ORDER BY tbl",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, job);
    (void)fputs(json ? "{\"dry_run\":true,\"tables\":{" : "", stdout);
    for (bool first = true; db_step_row(&q); first = false) {
        const struct table *t = catalogue_table((uint16_t)col_int(&q, 0));
        if (json) {
            (void)printf("%s\"%s\":%" PRId64, first ? "" : ",", t->name, col_int(&q, 1));
        } else {
            (void)printf("%s: %" PRId64 "\n", say_choose(t->label, t->label_zh), col_int(&q, 1));
        }
    }
    (void)fputs(json ? "}}\n" : "", stdout);
    return stmt_err(&q, "print_rows");
}

/* The job as it would be made, and nothing of it kept. */
static int preview(struct data *d, const struct table *t, const uint8_t id[16], bool json)
{
    int64_t job = 0;
    store_use_ledger(&d->store, NULL);
    struct err err = db_begin(d->db, DB_LOCK_WRITE);
    if (err.code != ERR_OK) {
        return refuse_err(err, NULL, "erase", db_message(d->db));
    }
    err = erase_begin(&d->store, t, id, edit_now_ms(), &job);
    if (err.code == ERR_OK) {
        err = print_rows(d, job, json);
    }
    const struct err undo = err_make(ERR_REFUSED, 0, "preview");
    struct err ended = db_end(d->db, err.code == ERR_OK ? undo : err);
    return err.code == ERR_OK && ended.code == ERR_REFUSED
               ? EXIT_DONE
               : refuse_err(ended, NULL, "erase", db_message(d->db));
}

static int erase(struct data *d, const struct table *t, const uint8_t id[16], bool json)
{
    struct erase_job job = {.no = 0};
    int64_t no = 0, count = 0;
    struct err err = db_begin(d->db, DB_LOCK_WRITE);
    if (err.code == ERR_OK) {
        err = db_end(d->db, erase_begin(&d->store, t, id, edit_now_ms(), &no));
    }
    if (err.code == ERR_OK) { /* what was begun before goes first */
        err = erase_jobs_resume(d, &job, &count);
    }
    if (err.code != ERR_OK) {
        return failed(d, err, "erase");
    }
    say_erased(&job, json);
    return EXIT_DONE;
}

static int erase_named(struct data *d, const struct arguments *rest, const struct option *options)
{
    const struct table *t = catalogue_table_named(rest->at[0]);
    uint8_t id[16];
    bool json = options[JSON].count > 0;
    if (!find_one(d, finder_of(t), rest->at[1], id)) {
        return EXIT_REFUSED;
    }
    return options[DRY_RUN].count > 0 ? preview(d, t, id, json) : erase(d, t, id, json);
}

int cmd_erase(int argc, char **argv)
{
    struct option options[OPTION_COUNT] = {
        [DRY_RUN] = {"--dry-run", OPTION_FLAG, 0, {0}},
        [YES] = {"--yes", OPTION_FLAG, 0, {0}},
        [RESUME] = {"--resume", OPTION_FLAG, 0, {0}},
        [JSON] = {"--json", OPTION_FLAG, 0, {0}},
    };
    struct arguments rest;
    if (!options_read(options, OPTION_COUNT, argc, argv, 0, 2, &rest)) {
        return EXIT_USAGE;
    }
    bool resumes = options[RESUME].count > 0;
    const struct table *t = rest.count == 2 ? catalogue_table_named(rest.at[0]) : NULL;
    if (resumes ? rest.count > 0 : t == NULL || !erase_is_of(t)) {
        return usage_wrong("person, contact or customer, and which; or --resume",
                           "需要 person、contact 或 customer 及其标识，或 --resume");
    }
    if (!resumes && options[DRY_RUN].count + options[YES].count != 1) {
        return usage_wrong("it can't be undone: --dry-run shows what would go, --yes erases",
                           "此操作不可撤销：--dry-run 查看将抹除的内容，--yes 执行抹除");
    }
    struct data d;
    if (!data_open(&d, true)) {
        return EXIT_REFUSED;
    }
    int status = resumes ? resume(&d, options[JSON].count > 0) : erase_named(&d, &rest, options);
    data_close(&d);
    return status;
}
