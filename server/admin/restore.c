/* legworkd restore: a backup becomes the store, under a new timeline; what was there is put aside.
 *
 *     FILE looked through ─► copied to store.db.restoring ─► timeline begun, ledger applied,
 *     what the old store knew noted ─► old store renamed ─► store.db
 *
 * Until the old store is renamed, nothing has changed; between the two renamings there is no store,
 * and the same command again makes it. */
#include "common/base/base.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/changelog/server/timeline.h"
#include "server/admin/backup_file.h"
#include "server/admin/command.h"
#include "server/admin/data.h"
#include "server/admin/lost.h"
#include "server/admin/options.h"
#include "server/admin/photos.h"
#include "server/admin/say.h"
#include "server/store/machine.h"

#define SERVE_LOCK       "serve.lock"
#define REPORT_BYTES_MAX ((size_t)1024 * 1024)
#define BUSY_TIMEOUT_MS  10000

enum { REPORT, PICTURES, JSON, OPTION_COUNT };

struct restoring {
    const char *backup;
    int lock_fd;
    char store[DATA_PATH_MAX];
    char made[DATA_PATH_MAX]; /* store.db.restoring */
    char aside[DATA_PATH_MAX + 32];
    bool has_aside;
    struct ledger_file ledger;
    struct buf text; /* the ledger's */
    struct buf report;
    struct backup_facts facts;
    struct backup_file file;
    uint32_t counter;             /* of the timeline that begins */
    char pictures[DATA_PATH_MAX]; /* the backup's folder of them */
    struct photos_copied photos;
    int64_t lost; /* entries that the old store had beyond the backup */
};

static bool lock(struct restoring *r)
{
    char path[DATA_PATH_MAX];
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (!data_path(SERVE_LOCK, path)) {
        return false;
    }
    r->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (r->lock_fd < 0) {
        complain("%s: %s", "%s：%s", path, strerror(errno));
        return false;
    }
    if (fcntl(r->lock_fd, F_SETLK, &whole) != 0) {
        complain("%s: a server runs on this data; stop it first", "%s：服务器正在运行，请先停止",
                 data_dir());
        return false;
    }
    return true;
}

static bool open_ledger(struct restoring *r)
{
    char path[DATA_PATH_MAX];
    if (!data_path(LEDGER_FILE, path)) {
        return false;
    }
    struct stat there;
    if (stat(path, &there) != 0) {
        complain("%s: no ledger; what was revoked and used since the backup won't be known",
                 "%s：没有 ledger 文件，备份之后的吊销和使用记录将丢失", path);
    }
    struct err err = ledger_file_open(&r->ledger, path, true);
    if (err.code == ERR_OK) {
        err = ledger_file_read(&r->ledger, &r->text);
    }
    if (err.code != ERR_OK) {
        (void)refuse_err(err, NULL, path, NULL);
    }
    return err.code == ERR_OK;
}

/* Numbers of timelines aren't used twice, whatever became of the stores that had them. */
static struct err find_highest(void *context, const struct ledger_entry *entry)
{
    struct restoring *r = context;
    if (entry->kind == LEDGER_TIMELINE && entry->number >= (int64_t)r->counter) {
        r->counter = (uint32_t)entry->number + 1;
    }
    return err_ok();
}

struct applying {
    struct store *st;
    int64_t now_ms;
};

static struct err apply_entry(void *context, const struct ledger_entry *entry)
{
    struct applying *a = context;
    return timeline_apply(a->st, entry, a->now_ms);
}

static struct err begin(struct restoring *r, struct store *st)
{
    struct applying applying = {.st = st, .now_ms = machine_wall_ms()};
    size_t broken = 0;
    struct err err = timeline_begin(st, r->counter, &r->facts, applying.now_ms);
    if (err.code == ERR_OK) {
        err = ledger_entries(buf_bytes(&r->text), apply_entry, &applying, &broken);
    }
    if (err.code == ERR_OK && broken > 0) {
        complain("ledger: %zu lines can't be read", "ledger：%zu 行无法读取", broken);
    }
    return err.code == ERR_OK ? lost_note(st, r->store, r->facts.log_no, &r->lost) : err;
}

static struct err make_store(struct restoring *r)
{
    const struct db_options reading = {.mode = DB_READ, .busy_timeout_ms = BUSY_TIMEOUT_MS};
    const struct db_options writing = {.mode = DB_WRITE, .busy_timeout_ms = BUSY_TIMEOUT_MS};
    struct host host = machine_host();
    struct db *db = NULL;
    struct store st;
    (void)unlink(r->made);
    struct err err = db_open(&db, r->backup, &reading);
    if (err.code == ERR_OK) {
        err = db_copy(db, r->made, NULL, NULL);
    }
    db_close(db);
    db = NULL;
    if (err.code == ERR_OK) {
        err = db_open(&db, r->made, &writing);
    }
    if (err.code == ERR_OK) {
        err = store_open(&st, db, &host, true);
    }
    if (err.code == ERR_OK) {
        store_use_ledger(&st, &r->ledger.ledger);
        err = backup_check(&st, &r->report, &r->facts);
        if (err.code == ERR_OK) {
            err = db_begin(db, DB_LOCK_WRITE);
        }
        if (err.code == ERR_OK) {
            err = db_end(db, begin(r, &st));
        }
        store_close(&st);
    }
    db_close(db);
    return err.code == ERR_OK ? path_sync(r->made) : err;
}

/* With its log, if it has one: what stands in it is part of it. */
static struct err put_aside(struct restoring *r)
{
    static const char *const ends[] = {"-wal", "-shm", ""};
    struct stat there;
    if (stat(r->store, &there) != 0) {
        return err_ok();
    }
    for (int n = 1; lstat(r->aside, &there) == 0 && n < 1000; n++) {
        (void)snprintf(r->aside, sizeof r->aside, "%s.before-%" PRIu32 ".%d", r->store, r->counter,
                       n);
    }
    for (size_t i = 0; i < count_of(ends); i++) {
        char from[DATA_PATH_MAX + 40];
        char to[DATA_PATH_MAX + 40];
        (void)snprintf(from, sizeof from, "%s%s", r->store, ends[i]);
        (void)snprintf(to, sizeof to, "%s%s", r->aside, ends[i]);
        if (rename(from, to) != 0 && errno != ENOENT) {
            return err_make(ERR_IO, errno, "rename");
        }
    }
    r->has_aside = true;
    return err_ok();
}

static struct err take_place(struct restoring *r)
{
    struct err err = put_aside(r);
    if (err.code == ERR_OK && rename(r->made, r->store) != 0) {
        err = err_make(ERR_IO, errno, "rename");
    }
    return err.code == ERR_OK ? path_sync(data_dir()) : err;
}

static int refuse_backup(struct restoring *r, struct err err)
{
    if (r->report.size > 0) {
        (void)fputs(buf_text(&r->report), stderr);
    }
    (void)unlink(r->made);
    if (err.code == ERR_NOT_FOUND && strcmp(err.where, "backup_check") == 0) {
        return refuse_with("%s: isn't a finished backup of 'legworkd backup'; nothing was changed",
                           "%s：不是 legworkd backup 完成的备份，未做任何改动", r->backup);
    }
    if (err.code == ERR_CORRUPT) {
        return refuse_with("%s: is damaged or cut; nothing was changed",
                           "%s：备份已损坏或不完整，未做任何改动", r->backup);
    }
    return refuse_err(err, NULL, r->backup, NULL);
}

static struct err check_file(struct restoring *r)
{
    struct err err = backup_file_check(r->backup, &r->report, &r->facts, &r->file, &r->text);
    return err.code == ERR_OUTDATED ? err_ok() : err; /* its copy is raised, then looked through */
}

static void tell(const struct restoring *r, bool json)
{
    if (json) {
        (void)printf("{\"timeline\":%" PRIu32 ",\"made_at\":%" PRId64 ",\"rows\":%" PRId64
                     ",\"lost\":%" PRId64 ",\"pictures\":{\"there\":%" PRId64 ",\"copied\":%" PRId64
                     ",\"missing\":%" PRId64 "}}\n",
                     r->counter, r->facts.made_at, r->facts.rows, r->lost, r->photos.there,
                     r->photos.copied, r->photos.missing);
        return;
    }
    say("restored %s: %" PRId64 " rows; timeline %" PRIu32 " begins",
        "已恢复 %s：%" PRId64 " 行；开始第 %" PRIu32 " 条时间线", r->backup, r->facts.rows,
        r->counter);
    if (r->has_aside) {
        say("the store that was here is now %s; it had %" PRId64 " changes more",
            "原数据库已移至 %s；其中有 %" PRId64 " 处变更不在备份中", r->aside, r->lost);
    }
    if (r->photos.copied + r->photos.missing > 0) {
        say("%" PRId64 " pictures came back out of %s, %" PRId64
            " are missing; devices that still have "
            "one bring it, 'legworkd photos check' says what is missing then",
            "从 %2$s 取回 %1$" PRId64 " 张图片，缺失 %3$" PRId64
            " 张；仍持有的设备会重新上传，之后可用 legworkd photos check 查看",
            r->photos.copied, r->pictures, r->photos.missing);
    }
    say("devices bring back what they have at their next sync; 'legworkd restore --report' says "
        "what is missing, 'legworkd quarantine list' what needs your word",
        "设备下次同步时会带回各自的数据；legworkd restore --report 列出仍缺少的内容，"
        "legworkd quarantine list 列出待处理的内容");
}

/* The store stands already: what fails here is asked for by 'photos check --ask'. */
static struct err take_pictures(struct restoring *r)
{
    struct data d;
    if (!data_open(&d, true)) {
        return err_make(ERR_IO, 0, "restore: pictures");
    }
    struct err err = photos_take_back(&d, r->pictures, &r->photos);
    data_close(&d);
    return err;
}

static int restore(struct restoring *r, bool json)
{
    if (!data_path(STORE_FILE, r->store) || !data_path(STORE_FILE ".restoring", r->made) ||
        !lock(r) || !open_ledger(r)) {
        return EXIT_REFUSED;
    }
    struct err err = check_file(r);
    if (err.code != ERR_OK) {
        return refuse_backup(r, err);
    }
    size_t broken = 0;
    r->counter = r->facts.timeline + 1;
    lost_timeline(r->store, &r->counter);
    err = ledger_entries(buf_bytes(&r->text), find_highest, r, &broken);
    (void)snprintf(r->aside, sizeof r->aside, "%s.before-%" PRIu32, r->store, r->counter);
    if (err.code == ERR_OK) {
        err = make_store(r);
    }
    if (err.code != ERR_OK) {
        return refuse_backup(r, err);
    }
    err = take_place(r);
    if (err.code != ERR_OK) {
        return refuse_err(err, NULL, r->store, NULL);
    }
    err = take_pictures(r);
    tell(r, json);
    return err.code == ERR_OK ? EXIT_DONE : refuse_err(err, NULL, r->pictures, NULL);
}

int cmd_restore(int argc, char **argv)
{
    struct option options[OPTION_COUNT] = {[REPORT] = {"--report", OPTION_FLAG, 0, {0}},
                                           [PICTURES] = {"--pictures", OPTION_TEXT, 0, {0}},
                                           [JSON] = {"--json", OPTION_FLAG, 0, {0}}};
    struct arguments rest;
    if (!options_read(options, OPTION_COUNT, argc, argv, 0, 1, &rest)) {
        return EXIT_USAGE;
    }
    bool report = options[REPORT].count > 0;
    if (report != (rest.count == 0)) {
        return usage_wrong("either a FILE or --report", "请指定备份文件或 --report");
    }
    if (report) {
        return lost_report(options[JSON].count > 0);
    }
    struct restoring r = {.backup = rest.at[0], .lock_fd = -1, .ledger = {.fd = -1}};
    bool fits = options[PICTURES].count > 0
                    ? snprintf(r.pictures, sizeof r.pictures, "%s", options[PICTURES].values[0]) <
                          (int)sizeof r.pictures
                    : photos_beside(r.backup, r.pictures);
    if (!fits) {
        return refuse_with("%s: the name is too long", "%s：文件名过长", r.backup);
    }
    buf_init(&r.text, LEDGER_BYTES_MAX);
    buf_init(&r.report, REPORT_BYTES_MAX);
    int status = restore(&r, options[JSON].count > 0);
    if (r.lock_fd >= 0) {
        (void)close(r.lock_fd);
    }
    ledger_file_close(&r.ledger);
    buf_release(&r.text);
    buf_release(&r.report);
    return status;
}
