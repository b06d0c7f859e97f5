/* legworkd backup: the store as one file, made beside a running server, and its pictures in a
 * folder.
 *
 *     FILE.partial: copied ─► sealed ─► on the disk ─► looked through ─► renamed to FILE ─►
 * recorded
 *
 * What ends before the renaming leaves whatever was at FILE as it was. Pictures come last: the
 * folder then has all that FILE names, each once for all backups. */
#include "common/base/base.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/changelog/server/backup.h"
#include "common/changelog/server/chain_noted.h"
#include "server/admin/backup_file.h"
#include "server/admin/command.h"
#include "server/admin/data.h"
#include "server/admin/options.h"
#include "server/admin/photos.h"
#include "server/admin/say.h"
#include "server/store/machine.h"

#define LOCK_FILE        "backup.lock"
#define REPORT_BYTES_MAX ((size_t)1024 * 1024)
#define BUSY_TIMEOUT_MS  10000

enum { REPLACE, PICTURES, NO_PICTURES, JSON, OPTION_COUNT };

struct backup {
    struct data data;
    int lock_fd;
    bool replace;
    bool with_pictures;
    char pictures[DATA_PATH_MAX];
    struct photos_copied photos;
    char path[DATA_PATH_MAX];    /* absolute */
    char partial[DATA_PATH_MAX]; /* beside it */
    char dir[DATA_PATH_MAX];
    struct backup_facts facts;
    struct backup_file file;
    struct buf report;
};

/* One at a time: two would write to one .partial, and each be the other's second backup. */
static bool lock(struct backup *b)
{
    char path[DATA_PATH_MAX];
    if (!data_path(LOCK_FILE, path)) {
        return false;
    }
    b->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (b->lock_fd < 0) {
        complain("%s: %s", "%s：%s", path, strerror(errno));
        return false;
    }
    if (fcntl(b->lock_fd, F_SETLK, &whole) != 0) {
        complain("another backup of this data is being made", "正在进行另一个备份");
        return false;
    }
    return true;
}

/* Where FILE is, whatever the process's folder. */
static bool place(struct backup *b, const char *name)
{
    char folder[DATA_PATH_MAX] = "";
    bool relative = name[0] != '/';
    if (relative && getcwd(folder, sizeof folder) == NULL) {
        complain("%s: %s", "%s：%s", name, strerror(errno));
        return false;
    }
    bool fits =
        snprintf(b->path, sizeof b->path, "%s%s%s", folder, relative ? "/" : "", name) <
            (int)sizeof b->path &&
        snprintf(b->partial, sizeof b->partial, "%s.partial", b->path) < (int)sizeof b->partial;
    if (!fits) {
        complain("%s: the name is too long", "%s：文件名过长", name);
        return false;
    }
    (void)snprintf(b->dir, sizeof b->dir, "%.*s", (int)(strrchr(b->path, '/') - b->path + 1),
                   b->path);
    return true;
}

static bool place_pictures(struct backup *b, const struct option *given)
{
    bool fits = given->count > 0 ? snprintf(b->pictures, sizeof b->pictures, "%s",
                                            given->values[0]) < (int)sizeof b->pictures
                                 : photos_beside(b->path, b->pictures);
    if (!fits) {
        complain("%s: the name is too long", "%s：文件名过长", b->path);
    }
    return fits;
}

static bool is_free(const struct backup *b)
{
    struct stat there;
    if (lstat(b->path, &there) != 0) {
        return true;
    }
    if (!S_ISREG(there.st_mode)) {
        complain("%s: isn't a file", "%s：不是普通文件", b->path);
        return false;
    }
    if (!b->replace) {
        complain(
            "%s: exists already; choose another name, or --replace it once the new one is good",
            "%s：已存在；请换一个文件名，或用 --replace 在新备份校验通过后替换", b->path);
        return false;
    }
    return true;
}

static struct err seal(struct backup *b)
{
    const struct db_options options = {
        .mode = DB_WRITE, .busy_timeout_ms = BUSY_TIMEOUT_MS, .single_file = true};
    struct host host = machine_host();
    struct db *db = NULL;
    struct err err = db_open(&db, b->partial, &options);
    if (err.code == ERR_OK) {
        err = db_begin(db, DB_LOCK_WRITE);
    }
    if (err.code == ERR_OK) {
        err = db_end(db, backup_seal(db, &host, machine_wall_ms()));
    }
    db_close(db);
    return err.code == ERR_OK ? path_sync(b->partial) : err;
}

static struct err make(struct backup *b)
{
    (void)unlink(b->partial); /* what a killed one left; the lock says that nobody writes it */
    struct err err = db_copy(b->data.db, b->partial, NULL, NULL);
    if (err.code == ERR_OK) {
        err = seal(b);
    }
    return err.code == ERR_OK ? backup_file_check(b->partial, &b->report, &b->facts, &b->file, NULL)
                              : err;
}

static struct err publish(struct backup *b)
{
    if (rename(b->partial, b->path) != 0) {
        return err_make(ERR_IO, errno, "rename");
    }
    return path_sync(b->dir);
}

/* The numbers that it holds are in the file itself. */
static struct err record(struct backup *b)
{
    const struct db_options options = {.mode = DB_READ, .busy_timeout_ms = BUSY_TIMEOUT_MS};
    struct db *copy = NULL;
    uint8_t subject[48];
    memcpy(subject, b->facts.seal, 16);
    memcpy(subject + 16, b->file.sha256, 32);
    b->file.path = b->path;
    struct err err = store_note(&b->data.store, LEDGER_BACKUP, bytes_of(subject, sizeof subject),
                                b->facts.timeline, b->facts.made_at);
    if (err.code == ERR_OK) {
        err = chain_note(&b->data.store, b->facts.made_at);
    }
    if (err.code == ERR_OK) {
        err = db_open(&copy, b->path, &options);
    }
    if (err.code == ERR_OK) {
        err = db_begin(b->data.db, DB_LOCK_WRITE);
        if (err.code == ERR_OK) {
            err = db_end(b->data.db, backup_record(&b->data.store, copy, &b->facts, &b->file));
        }
    }
    db_close(copy);
    return err;
}

static void print(const struct backup *b, bool json)
{
    char hash[65];
    (void)sodium_bin2hex(hash, sizeof hash, b->file.sha256, sizeof b->file.sha256);
    if (!json) {
        say("%s: %" PRId64 " rows in %" PRId64 " scopes, %" PRId64
            " bytes, looked through and found whole\nsha256 %s",
            "%s：%" PRId64 " 行，%" PRId64 " 个范围，%" PRId64 " 字节，已校验完好\nsha256 %s",
            b->path, b->facts.rows, b->facts.scopes, b->file.bytes, hash);
        say("keep ca.pem, ca.key, tls.pem, tls.key and ledger of %s with it: a restore needs them",
            "请将 %s 中的 ca.pem、ca.key、tls.pem、tls.key 和 ledger 一并保存：恢复时需要",
            data_dir());
        if (b->photos.there > 0) {
            say("%" PRId64 " pictures in %s, %" PRId64
                " of them new; keep the folder with it as well",
                "%" PRId64 " 张图片在 %s 中，其中新增 %" PRId64 "；请一并保存该目录",
                b->photos.there, b->pictures, b->photos.copied);
        }
        return;
    }
    struct buf out;
    buf_init(&out, REPORT_BYTES_MAX);
    buf_put_text(&out, "{\"file\":");
    json_put_text(bytes_text(b->path), &out);
    buf_printf(&out,
               ",\"bytes\":%" PRId64 ",\"rows\":%" PRId64 ",\"scopes\":%" PRId64
               ",\"timeline\":%" PRIu32 ",\"made_at\":%" PRId64 ",\"log_no\":%" PRId64
               ",\"sha256\":\"%s\",\"pictures\":{\"there\":%" PRId64 ",\"copied\":%" PRId64
               ",\"missing\":%" PRId64 "}}",
               b->file.bytes, b->facts.rows, b->facts.scopes, b->facts.timeline, b->facts.made_at,
               b->facts.log_no, hash, b->photos.there, b->photos.copied, b->photos.missing);
    (void)puts(buf_text(&out));
    buf_release(&out);
}

static int run(struct backup *b, bool json)
{
    struct err err = make(b);
    if (err.code == ERR_OK) {
        err = publish(b);
    }
    if (err.code != ERR_OK) {
        (void)unlink(b->partial);
        if (b->report.size > 0) {
            (void)fputs(buf_text(&b->report), stderr);
        }
        complain("%s: no backup was made; what was there is as it was",
                 "%s：未生成备份，原有文件保持不变", b->path);
        return refuse_err(err, NULL, b->path, db_message(b->data.db));
    }
    err = record(b);
    if (err.code != ERR_OK) {
        complain(
            "%s: is whole, but couldn't be recorded: devices keep what they sent until the next",
            "%s：备份完好，但未能登记：设备将保留已发送的数据直到下次备份", b->path);
        return refuse_err(err, NULL, b->path, db_message(b->data.db));
    }
    err = b->with_pictures ? photos_backup(&b->data, b->pictures, &b->photos) : err_ok();
    if (err.code != ERR_OK) {
        complain(
            "%s: is whole, but not all pictures came into %s; run the backup again, or: legworkd "
            "photos backup",
            "%s：备份完好，但图片未能全部复制到 %s；请重新备份或运行 legworkd photos backup",
            b->path, b->pictures);
        return refuse_err(err, NULL, b->pictures, NULL);
    }
    print(b, json);
    return EXIT_DONE;
}

int cmd_backup(int argc, char **argv)
{
    struct option options[OPTION_COUNT] = {[REPLACE] = {"--replace", OPTION_FLAG, 0, {0}},
                                           [PICTURES] = {"--pictures", OPTION_TEXT, 0, {0}},
                                           [NO_PICTURES] = {"--no-pictures", OPTION_FLAG, 0, {0}},
                                           [JSON] = {"--json", OPTION_FLAG, 0, {0}}};
    struct arguments rest;
    if (!options_read(options, OPTION_COUNT, argc, argv, 1, 1, &rest)) {
        return EXIT_USAGE;
    }
    struct backup b = {.lock_fd = -1,
                       .replace = options[REPLACE].count > 0,
                       .with_pictures = options[NO_PICTURES].count == 0};
    int status = EXIT_REFUSED;
    buf_init(&b.report, REPORT_BYTES_MAX);
    if (place(&b, rest.at[0]) && place_pictures(&b, &options[PICTURES]) &&
        data_open(&b.data, true)) {
        if (lock(&b) && is_free(&b)) {
            status = run(&b, options[JSON].count > 0);
        }
        data_close(&b.data);
    }
    if (b.lock_fd >= 0) {
        (void)close(b.lock_fd);
    }
    buf_release(&b.report);
    return status;
}
