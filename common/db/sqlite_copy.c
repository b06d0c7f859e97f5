/* Copying a whole database beside those who write to it. The source is read in one transaction, so
 * that the copy is one moment of it and no writer makes it begin anew; in WAL mode nobody waits for
 * that reader. The copy's own journal is off: nobody opens it before it is whole. */
#include "common/db/sqlite_driver.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGES_PER_STEP 1024

static struct err make_target(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0) {
        return sqlite_file_failed(errno, "db_copy");
    }
    close(fd);
    return err_ok();
}

static int open_target(sqlite3 **out, const char *path)
{
    int rc = sqlite3_open_v2(path, out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_extended_result_codes(*out, 1);
        rc = sqlite3_exec(*out, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL, NULL,
                          NULL);
    }
    return rc;
}

/* What failed is said by the copy's connection, reading errors of the source included. */
static struct err copy_failed(struct sqlite *db, sqlite3 *to, int rc)
{
    snprintf(db->base.message, sizeof db->base.message, "%s", to == NULL ? "" : sqlite3_errmsg(to));
    db->last = sqlite_err_of(rc, to == NULL ? 0 : sqlite3_system_errno(to), "db_copy");
    return db->last;
}

static struct err copy_pages(struct sqlite *from, sqlite3 *to,
                             bool (*go_on)(void *context, int done, int all), void *context)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from->handle, "main");
    if (backup == NULL) {
        return copy_failed(from, to, sqlite3_extended_errcode(to));
    }
    int rc = SQLITE_OK;
    bool stopped = false;
    while (rc == SQLITE_OK && !stopped) {
        rc = sqlite3_backup_step(backup, PAGES_PER_STEP);
        int all = sqlite3_backup_pagecount(backup);
        stopped = go_on != NULL && !go_on(context, all - sqlite3_backup_remaining(backup), all);
    }
    int end = sqlite3_backup_finish(backup);
    if (stopped && rc == SQLITE_OK) {
        return err_make(ERR_CANCELLED, 0, "db_copy");
    }
    return rc == SQLITE_DONE && end == SQLITE_OK
               ? err_ok()
               : copy_failed(from, to, rc == SQLITE_DONE ? end : rc);
}

struct err db_copy(struct db *from, const char *path,
                   bool (*go_on)(void *context, int done, int all), void *context)
{
    sqlite3 *to = NULL;
    struct err err = make_target(path);
    if (err.code != ERR_OK) {
        return err;
    }
    bool begun = db_in_transaction(from);
    int64_t unused = 0;
    err = begun ? err_ok() : db_begin(from, DB_LOCK_READ);
    if (err.code == ERR_OK) { /* the snapshot begins with the first read, not with BEGIN */
        err = db_one_int(from, "SELECT count(*) FROM sqlite_schema", &unused);
    }
    if (err.code == ERR_OK) {
        int rc = open_target(&to, path);
        err = rc == SQLITE_OK ? copy_pages(sqlite_of(from), to, go_on, context)
                              : copy_failed(sqlite_of(from), to, rc);
        if (sqlite3_close(to) != SQLITE_OK && err.code == ERR_OK) {
            err = err_make(ERR_INTERNAL, 0, "db_copy");
        }
    }
    if (!begun) {
        err = db_end(from, err);
    }
    if (err.code != ERR_OK) {
        (void)unlink(path); /* half a copy is none */
    }
    return err;
}
