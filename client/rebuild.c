/* See rebuild.h. */
#include "client/rebuild.h"

#include "client/machine.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW_FILE         "replica.rebuild"
#define COPY_FILE        "replica.copy" /* of a file whose header is gone, with another header */
#define HEADER_SIZE      100            /* SQLite's, before the first page's tree */
#define COUNTS_AT        24             /* change counter, pages, freelist: not of another file */
#define COUNTS_END       40
#define REPORT_BYTES_MAX ((size_t)64 * 1024)
#define KEPT_MAX         1000

static struct err failed(const char *where)
{
    return err_make(errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO, errno, where);
}

static void drop_file(const struct home *h, const char *name)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char path[HOME_FILE_MAX];
    char whole[HOME_FILE_MAX + 8];
    home_file(h, name, path);
    for (size_t i = 0; i < count_of(suffixes); i++) {
        (void)snprintf(whole, sizeof whole, "%s%s", path, suffixes[i]);
        (void)unlink(whole);
    }
}

static void kept_path(const struct home *h, int no, const char *suffix, char path[HOME_FILE_MAX])
{
    char name[32];
    (void)snprintf(name, sizeof name, "replica.db.damaged-%d%s", no, suffix);
    home_file(h, name, path);
}

static void log_path(const struct home *h, char path[HOME_FILE_MAX])
{
    home_file(h, "replica.db-wal", path);
}

/* A rebuild that was killed between naming the old file and replacing it: its second name goes,
 * and its log comes back. */
static void undo_unfinished(const struct home *h)
{
    char path[HOME_FILE_MAX], log[HOME_FILE_MAX];
    struct stat now, kept;
    home_file(h, "replica.db", path);
    for (int no = 1; no < KEPT_MAX && stat(path, &now) == 0 && now.st_nlink > 1; no++) {
        kept_path(h, no, "", log);
        if (stat(log, &kept) == 0 && kept.st_ino == now.st_ino && kept.st_dev == now.st_dev) {
            (void)unlink(log);
            kept_path(h, no, "-wal", log);
            log_path(h, path);
            (void)rename(log, path);
            break;
        }
    }
    drop_file(h, NEW_FILE);
    drop_file(h, COPY_FILE);
}

static struct err sync_path(const char *path, int flags)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
    struct err err = fd >= 0 && fsync(fd) == 0 ? err_ok() : failed("rebuild: fsync");
    if (fd >= 0) {
        close(fd);
    }
    return err;
}

/* ---- mending where it is ---- */

/* Indexes made again, if then all is well; else the file stays as it was. */
static bool reindex(struct db *db)
{
    struct buf report;
    buf_init(&report, REPORT_BYTES_MAX);
    struct err err = db_begin(db, DB_LOCK_WRITE);
    if (err.code == ERR_OK) {
        err = db_exec(db, "REINDEX");
        if (err.code == ERR_OK) {
            err = db_integrity(db, &report);
        }
        err = db_end(db, err);
    }
    buf_release(&report);
    return err.code == ERR_OK;
}

static struct err is_whole(struct db *db, bool *whole)
{
    struct buf report;
    buf_init(&report, REPORT_BYTES_MAX);
    struct err err = db_integrity(db, &report);
    *whole = err.code == ERR_OK;
    buf_release(&report);
    return err.code == ERR_CORRUPT || err.code == ERR_IO ? err_ok() : err;
}

/* ---- making a new one ---- */

static struct err open_new(const struct home *h, struct db **db)
{
    char path[HOME_FILE_MAX];
    struct db_options options = {.mode = DB_CREATE, .busy_timeout_ms = 10000, .shrinks = true};
    drop_file(h, NEW_FILE);
    home_file(h, NEW_FILE, path);
    return db_open(db, path, &options);
}

static struct err salvage_from(const struct home *h, struct db *old, struct rebuild *out)
{
    struct db *db = NULL;
    rebuild_release(out);
    struct err err = open_new(h, &db);
    if (err.code == ERR_OK) {
        err = replica_salvage(old, db, &out->salvage);
    }
    db_close(db);
    return err;
}

/* What was made must open as every command will open it, and be whole. */
static struct err prove_new(const struct home *h)
{
    char path[HOME_FILE_MAX];
    struct db *db = NULL;
    struct replica replica;
    struct host host = machine_host();
    struct db_options options = {.mode = DB_WRITE, .busy_timeout_ms = 10000};
    bool whole = false;
    home_file(h, NEW_FILE, path);
    struct err err = db_open(&db, path, &options);
    if (err.code != ERR_OK) {
        return err;
    }
    err = replica_open(&replica, db, &host);
    if (err.code == ERR_OK) {
        replica_close(&replica);
        err = is_whole(db, &whole);
    }
    db_close(db); /* the last connection: the log goes into the file */
    return err.code == ERR_OK && !whole ? err_make(ERR_CORRUPT, 0, "rebuild") : err;
}

/* ---- a header that is gone ---- */

static struct err copy_file(const char *from, const char *to)
{
    char piece[16384];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = in < 0 ? -1 : open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t size = out < 0 ? -1 : 1;
    while (size > 0) {
        size = read(in, piece, sizeof piece);
        if (size > 0 && write(out, piece, (size_t)size) != size) {
            size = -1;
        }
    }
    struct err err = size == 0 ? err_ok() : failed("rebuild: copy");
    if (in >= 0) {
        close(in);
    }
    if (out >= 0) {
        close(out);
    }
    return err;
}

/* All replicas have the same header but for counts, which SQLite doesn't need to read. */
static struct err put_header(const struct home *h, const char *to)
{
    char path[HOME_FILE_MAX];
    uint8_t header[HEADER_SIZE];
    struct db *db = NULL;
    struct err err = open_new(h, &db);
    if (err.code == ERR_OK) {
        err = db_exec(db, "CREATE TABLE any (a)");
    }
    db_close(db);
    home_file(h, NEW_FILE, path);
    int in = open(path, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CLOEXEC);
    if (err.code == ERR_OK &&
        (in < 0 || out < 0 || read(in, header, sizeof header) < HEADER_SIZE)) {
        err = failed("rebuild: header");
    }
    if (err.code == ERR_OK) { /* pages by the file's size, an empty freelist */
        memset(header + COUNTS_AT, 0, COUNTS_END - COUNTS_AT);
        err =
            pwrite(out, header, sizeof header, 0) == HEADER_SIZE ? err : failed("rebuild: header");
    }
    if (in >= 0) {
        close(in);
    }
    if (out >= 0) {
        close(out);
    }
    return err;
}

static struct err salvage_headless(const struct home *h, struct rebuild *out)
{
    char from[HOME_FILE_MAX], to[HOME_FILE_MAX];
    struct db *old = NULL;
    struct stat there;
    struct db_options options = {.mode = DB_WRITE, .busy_timeout_ms = 10000};
    home_file(h, "replica.db", from);
    home_file(h, COPY_FILE, to);
    struct err err = copy_file(from, to);
    if (err.code == ERR_OK) {
        err = put_header(h, to);
    }
    log_path(h, from);
    if (err.code == ERR_OK && stat(from, &there) == 0) {
        home_file(h, COPY_FILE "-wal", to);
        err = copy_file(from, to);
    }
    home_file(h, COPY_FILE, to);
    if (err.code == ERR_OK) {
        err = db_open(&old, to, &options);
    }
    if (err.code == ERR_OK) {
        err = salvage_from(h, old, out);
    }
    db_close(old);
    return err;
}

/* ---- the exchange ---- */

static struct err keep_log(const struct home *h, int no)
{
    char log[HOME_FILE_MAX], kept[HOME_FILE_MAX];
    log_path(h, log);
    kept_path(h, no, "-wal", kept);
    if (rename(log, kept) != 0 && errno != ENOENT) {
        return failed("rebuild: log");
    }
    home_file(h, "replica.db-shm", log);
    (void)unlink(log);
    return err_ok();
}

/* The old file gets its second name first, so that there always is one called replica.db. */
static struct err exchange(const struct home *h, char kept[HOME_FILE_MAX])
{
    char old[HOME_FILE_MAX], new[HOME_FILE_MAX];
    int no = 1;
    home_file(h, "replica.db", old);
    home_file(h, NEW_FILE, new);
    struct err err = sync_path(new, 0);
    for (; err.code == ERR_OK; no++) {
        kept_path(h, no, "", kept);
        if (link(old, kept) == 0) {
            break;
        }
        err = errno == EEXIST && no < KEPT_MAX ? err_ok() : failed("rebuild: link");
    }
    if (err.code == ERR_OK) {
        err = sync_path(h->dir, O_DIRECTORY);
    }
    if (err.code == ERR_OK) {
        err = keep_log(h, no);
    }
    if (err.code == ERR_OK && rename(new, old) != 0) {
        err = failed("rebuild: rename");
    }
    return err.code == ERR_OK ? sync_path(h->dir, O_DIRECTORY) : err;
}

/* Looks at the file as it is; `*salvaged` says whether the new one was filled from it. */
static struct err try_whole(const struct home *h, struct rebuild *out, bool *salvaged)
{
    char path[HOME_FILE_MAX];
    struct db *db = NULL;
    bool whole = false;
    struct db_options options = {.mode = DB_WRITE, .busy_timeout_ms = 10000};
    *salvaged = false;
    home_file(h, "replica.db", path);
    struct err err = db_open(&db, path, &options);
    if (err.code == ERR_OK) {
        err = is_whole(db, &whole);
    }
    if (err.code == ERR_OK && !whole && reindex(db)) {
        out->end = REBUILD_REINDEXED;
    } else if (err.code == ERR_OK && !whole) {
        /* nobody adds to what is being copied; where even that can't be, nobody adds anyway */
        bool held = db_begin(db, DB_LOCK_WRITE).code == ERR_OK;
        out->end = REBUILD_MADE;
        err = salvage_from(h, db, out);
        *salvaged = err.code == ERR_OK;
        if (held) {
            struct err ended = db_end(db, err_make(ERR_CANCELLED, 0, "rebuild"));
            (void)ended; /* nothing was written */
        }
    }
    db_close(db);
    return err;
}

struct err home_rebuild(const struct home *h, struct rebuild *out)
{
    bool salvaged;
    *out = (struct rebuild){.end = REBUILD_NOTHING};
    undo_unfinished(h);
    struct err err = try_whole(h, out, &salvaged);
    if (!salvaged && err.code == ERR_CORRUPT) {
        out->end = REBUILD_MADE;
        err = salvage_headless(h, out);
    }
    if (err.code == ERR_OK && out->end == REBUILD_MADE) {
        err = prove_new(h);
    }
    if (err.code == ERR_OK && out->end == REBUILD_MADE) {
        err = exchange(h, out->kept);
    }
    drop_file(h, COPY_FILE);
    drop_file(h, NEW_FILE);
    return err;
}

void rebuild_release(struct rebuild *r)
{
    salvage_release(&r->salvage);
    r->salvage = (struct salvage){.rows = 0};
}
