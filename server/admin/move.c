/* legworkd move: customers, and all that hangs on them, into the home book of another person. The
 * customers are named to a job of the store first (move_job.h), so that a move that was killed goes
 * on with --resume, with the next move, or with the next start of the server. */
#include "common/base/base.h"

#include "common/changelog/server/move_job.h"
#include "server/admin/command.h"
#include "server/admin/data.h"
#include "server/admin/edit.h"
#include "server/admin/find.h"
#include "server/admin/move.h"
#include "server/admin/move_preview.h"
#include "server/admin/options.h"
#include "server/admin/output.h"
#include "server/admin/say.h"

#define CUSTOMERS_MAX 10000
#define PROGRESS_MS   1000

enum { TO, FROM_FILE, DRY_RUN, RESUME, LIST, JSON, OPTION_COUNT };

/* ---- running jobs ---- */

static void say_progress(const struct move_job *job)
{
    complain("move %" PRId64 ": %" PRId64 " of %" PRId64 " customers",
             "移交 %" PRId64 "：%" PRId64 "/%" PRId64 " 个客户", job->no, job->moved, job->total);
}

struct err move_job_run(struct store *st, int64_t no, struct move_job *out)
{
    bool ended = false;
    int64_t said_ms = edit_now_ms();
    struct err err = err_ok();
    while (err.code == ERR_OK && !ended) {
        int64_t now_ms = edit_now_ms();
        err = move_job_step(st, no, now_ms, &ended);
        if (err.code == ERR_OK && now_ms - said_ms >= PROGRESS_MS) {
            said_ms = now_ms;
            err = move_job_read(st, no, out);
            say_progress(out);
        }
    }
    return err.code == ERR_OK ? move_job_read(st, no, out) : err;
}

struct err move_jobs_resume(struct store *st, struct move_job *last, int64_t *count)
{
    int64_t no = 0;
    *count = 0;
    struct err err = move_job_open(st, &no);
    while (err.code == ERR_OK) {
        *count += 1;
        err = move_job_run(st, no, last);
        if (err.code == ERR_OK) {
            say_progress(last);
            err = move_job_open(st, &no);
        }
    }
    return err.code == ERR_NOT_FOUND ? err_ok() : err;
}

static void say_moved(const struct move_job *job, bool json)
{
    int64_t stood = job->total - job->failed;
    if (json) {
        (void)printf("{\"job\":%" PRId64 ",\"customers\":%" PRId64 ",\"rows\":%" PRId64
                     ",\"failed\":%" PRId64 "}\n",
                     job->no, stood, job->rows, job->failed);
    } else {
        say("moved %" PRId64 " customers, %" PRId64 " rows",
            "已移交 %" PRId64 " 个客户，共 %" PRId64 " 行", stood, job->rows);
    }
    if (job->failed > 0) {
        complain("%" PRId64 " customers or their new book are no longer there; see move --list",
                 "%" PRId64 " 个客户或其新客户簿已不存在，参见 move --list", job->failed);
    }
}

static int resume(struct data *d, bool json)
{
    struct move_job job = {.no = 0};
    int64_t count = 0;
    struct err err = move_jobs_resume(&d->store, &job, &count);
    if (err.code != ERR_OK) {
        return refuse_err(err, NULL, "move", db_message(d->db));
    }
    if (count == 0 && !json) {
        say("no move is left unfinished", "没有未完成的移交");
    } else {
        say_moved(&job, json);
    }
    return job.failed > 0 ? EXIT_REFUSED : EXIT_DONE;
}

/* ---- which customers, to whom ---- */

static bool home_book(struct data *d, const uint8_t person[16], const char *login, uint8_t id[16])
{
    static const char sql[] = "SELECT id FROM book WHERE home_of_id = ?1 AND kind = 'home'"
                              " AND _deleted_at IS NULL";
    struct stmt st;
    bool found = false;
    struct err err = db_use(d->db, sql, &st);
    if (err.code == ERR_OK) {
        bind_id(&st, 1, person);
        if (db_step_row(&st)) {
            found = col_id(&st, 0, id);
            stmt_reset(&st);
        }
        err = stmt_err(&st, "home_book");
    }
    if (err.code != ERR_OK) {
        refuse_err(err, NULL, login, db_message(d->db));
    } else if (!found) {
        complain("%s has no book of customers", "%s 没有客户簿", login);
    }
    return found && err.code == ERR_OK;
}

struct naming { /* customers, as they were named on the line or in a file */
    struct data *d;
    uint8_t (*ids)[16];
    size_t count;
    bool bad; /* all wrong names are said, then nothing is done */
};

static void name_one(struct naming *n, const char *name)
{
    if (n->count == CUSTOMERS_MAX) {
        if (!n->bad) {
            complain("more than %d customers; move them in parts", "超过 %d 个客户，请分批移交",
                     CUSTOMERS_MAX);
        }
        n->bad = true;
        return;
    }
    uint8_t *id = n->ids[n->count];
    if (!find_one(n->d, &find_customer, name, id)) {
        n->bad = true;
        return;
    }
    for (size_t i = 0; i < n->count; i++) {
        if (memcmp(n->ids[i], id, 16) == 0) {
            return; /* named twice */
        }
    }
    n->count++;
}

/* A name a line; blank lines and those that begin with # are passed over. */
static void name_lines(struct naming *n, struct buf *text)
{
    buf_put_u8(text, 0);
    char *at = (char *)text->at;
    while (at != NULL && !text->bad) {
        char *end = strchr(at, '\n');
        if (end != NULL) {
            *end = 0;
        }
        at[strcspn(at, "\r")] = 0;
        if (at[0] != 0 && at[0] != '#') {
            name_one(n, at);
        }
        at = end == NULL ? NULL : end + 1;
    }
}

static bool name_all(struct naming *n, const struct arguments *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++) {
        name_one(n, names->at[i]);
    }
    if (path != NULL) {
        struct buf text;
        buf_init(&text, DATA_FILE_MAX + 1);
        if (file_read(path, &text)) {
            name_lines(n, &text);
        } else {
            n->bad = true;
        }
        buf_release(&text);
    }
    if (!n->bad && n->count == 0) {
        complain("no customer is named", "未指定客户");
        n->bad = true;
    }
    return !n->bad;
}

static int move_to(struct data *d, const struct naming *n, const uint8_t book[16], bool json)
{
    struct move_job earlier = {.no = 0}, job = {.no = 0};
    int64_t no = 0, count = 0;
    struct err err = move_jobs_resume(&d->store, &earlier, &count); /* what was begun goes first */
    if (err.code == ERR_OK) {
        err = move_job_make(&d->store, (const uint8_t(*)[16])n->ids, n->count, book, edit_now_ms(),
                            &no);
    }
    if (err.code == ERR_OK) {
        err = move_job_run(&d->store, no, &job);
    }
    if (err.code != ERR_OK) {
        return refuse_err(err, NULL, "move", db_message(d->db));
    }
    say_moved(&job, json);
    return job.failed > 0 ? EXIT_REFUSED : EXIT_DONE;
}

static int move_named(struct data *d, const struct arguments *names, const struct option *options)
{
    const char *login = option_text(&options[TO]);
    uint8_t person[16];
    uint8_t book[16];
    if (!person_find(d, login, person) || !home_book(d, person, login, book)) {
        return EXIT_REFUSED;
    }
    struct naming n = {.d = d, .ids = calloc(CUSTOMERS_MAX, sizeof *n.ids)};
    if (n.ids == NULL) {
        return refuse_err(err_make(ERR_NOMEM, 0, "move"), NULL, login, NULL);
    }
    int status = EXIT_REFUSED;
    bool json = options[JSON].count > 0;
    if (name_all(&n, names, option_text(&options[FROM_FILE]))) {
        status = options[DRY_RUN].count > 0
                     ? move_preview(d, (const uint8_t(*)[16])n.ids, n.count, book, json)
                     : move_to(d, &n, book, json);
    }
    free(n.ids);
    return status;
}

static int list_jobs(bool json)
{
    static const char sql[] =
        "SELECT j.no AS job, b.name AS book,"
        " strftime('%Y-%m-%d %H:%M', j.made_at / 1000, 'unixepoch', 'localtime') AS begun,"
        " count(*) AS customers, count(i.rows) AS moved, coalesce(sum(i.rows), 0) AS rows,"
        " count(i.error) AS failed, j.done_at IS NOT NULL AS finished"
        " FROM move_job j JOIN move_item i ON i.job = j.no LEFT JOIN book b ON b.id = j.to_book"
        " GROUP BY j.no ORDER BY j.no DESC LIMIT 1000";
    char name[] = "move --list", flag[] = "--json";
    char *argv[] = {name, flag, NULL};
    return print_list(json ? 2 : 1, argv, sql);
}

int cmd_move(int argc, char **argv)
{
    struct option options[OPTION_COUNT] = {
        [TO] = {"--to", OPTION_TEXT, 0, {0}},
        [FROM_FILE] = {"--from-file", OPTION_TEXT, 0, {0}},
        [DRY_RUN] = {"--dry-run", OPTION_FLAG, 0, {0}},
        [RESUME] = {"--resume", OPTION_FLAG, 0, {0}},
        [LIST] = {"--list", OPTION_FLAG, 0, {0}},
        [JSON] = {"--json", OPTION_FLAG, 0, {0}},
    };
    struct arguments rest;
    if (!options_read(options, OPTION_COUNT, argc, argv, 0, CUSTOMERS_MAX, &rest)) {
        return EXIT_USAGE;
    }
    bool names = rest.count > 0 || options[FROM_FILE].count > 0 || options[TO].count > 0 ||
                 options[DRY_RUN].count > 0;
    if (options[RESUME].count + options[LIST].count + (names ? 1 : 0) != 1) {
        return usage_wrong("customers with --to LOGIN, or --resume, or --list",
                           "需要客户与 --to 登录名，或 --resume，或 --list");
    }
    if (options[LIST].count > 0) {
        return list_jobs(options[JSON].count > 0);
    }
    if (names && options[TO].count == 0) {
        return usage_wrong("--to LOGIN is needed", "需要 --to 登录名");
    }
    if (names && rest.count == 0 && options[FROM_FILE].count == 0) {
        return usage_wrong("which customers? Name them, or give --from-file FILE",
                           "请指定客户，或使用 --from-file 文件");
    }
    struct data d;
    if (!data_open(&d, true)) {
        return EXIT_REFUSED;
    }
    int status = names ? move_named(&d, &rest, options) : resume(&d, options[JSON].count > 0);
    data_close(&d);
    return status;
}
