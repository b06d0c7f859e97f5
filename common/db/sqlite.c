/* The SQLite driver: opening, errors, transactions. Every connection is set up alike, so that a
 * hostile or damaged file can do the least harm: WAL, no trusted schema, defensive mode, checks of
 * cell sizes. */
#include "common/base/base.h"

#include "common/db/sqlite_driver.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a caller can act on, from SQLite's result and, where it says too little, errno. */
static enum err_code code_of_constraint(int rc)
{
    bool twice = rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_UNIQUE ||
                 rc == SQLITE_CONSTRAINT_ROWID;
    return twice ? ERR_EXISTS : ERR_INVALID;
}

static enum err_code code_of_io(int rc, int system)
{
    if (rc == SQLITE_IOERR_NOMEM) {
        return ERR_NOMEM;
    }
    if (rc == SQLITE_IOERR_CORRUPTFS) {
        return ERR_CORRUPT;
    }
    enum err_code code = err_code_of_errno(system, ERR_IO);
    return code == ERR_NOT_FOUND ? ERR_IO : code;
}

static enum err_code code_of(int rc, int system)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return ERR_OK;
    case SQLITE_NOMEM:
        return ERR_NOMEM;
    case SQLITE_FULL:
        return ERR_FULL;
    case SQLITE_READONLY: /* the file was moved away under us: not a question of rights */
        return rc == SQLITE_READONLY_DBMOVED ? ERR_IO : ERR_READONLY;
    case SQLITE_PERM:
        return ERR_READONLY;
    case SQLITE_CANTOPEN:
        return err_code_of_errno(system, ERR_IO);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return ERR_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_IOERR:
        return code_of_io(rc, system);
    case SQLITE_INTERRUPT:
    case SQLITE_ABORT:
        return ERR_CANCELLED;
    case SQLITE_CONSTRAINT:
        return code_of_constraint(rc);
    case SQLITE_ERROR:
    case SQLITE_MISMATCH:
        return ERR_INVALID;
    case SQLITE_TOOBIG:
        return ERR_LIMIT;
    case SQLITE_AUTH:
        return ERR_REFUSED;
    default: /* misuse and the like: our own bug */
        return ERR_INTERNAL;
    }
}

struct err sqlite_err_of(int rc, int system, const char *where)
{
    return err_make(code_of(rc, system), rc, where);
}

struct err sqlite_file_failed(int number, const char *where)
{
    return err_make(number == EEXIST ? ERR_EXISTS : err_code_of_errno(number, ERR_IO), number,
                    where);
}

struct err sqlite_failed(struct sqlite *db, int rc, const char *where)
{
    enum err_code code = code_of(rc, sqlite3_system_errno(db->handle));
    struct guard_state *g = &db->guard;
    if (g->on && g->stopped != NULL) {
        code = ERR_LIMIT;
        snprintf(db->base.message, sizeof db->base.message, "%s", g->stopped);
    } else if (g->on && g->hid_table) {
        code = ERR_INVALID; /* word for word what a table that isn't there gets */
        rc = SQLITE_ERROR;
        snprintf(db->base.message, sizeof db->base.message, "no such table: %s", g->table);
    } else {
        snprintf(db->base.message, sizeof db->base.message, "%s", sqlite3_errmsg(db->handle));
    }
    db->last = err_make(code, rc, where);
    if (db_is_undone(&db->base) && db->base.undone.code == ERR_OK) {
        db->base.undone = db->last;
    }
    return db->last;
}

/* ---- opening ---- */

static int configure(struct sqlite *db, const struct db_options *o)
{
    static const char *const always[] = {
        "PRAGMA trusted_schema = OFF",
        "PRAGMA cell_size_check = ON",
        "PRAGMA foreign_keys = OFF",
        "PRAGMA recursive_triggers = ON",
        "PRAGMA secure_delete = ON", /* what is erased is overwritten (forget.h, erase.h) */
        /* A trigger that may abort makes SQLite keep each page it touches in a statement journal;
         * in a file that costs more than the write itself. */
        "PRAGMA temp_store = MEMORY",
    };
    char cache[48];
    snprintf(cache, sizeof cache, "PRAGMA cache_size = -%d", o->cache_kib);
    sqlite3_extended_result_codes(db->handle, 1);
    int rc = sqlite3_busy_timeout(db->handle, o->busy_timeout_ms);
    if (rc == SQLITE_OK) {
        rc = sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    }
    for (size_t i = 0; i < count_of(always) && rc == SQLITE_OK; i++) {
        rc = sqlite3_exec(db->handle, always[i], NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK && o->cache_kib > 0) {
        rc = sqlite3_exec(db->handle, cache, NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK && o->mode == DB_CREATE && o->shrinks) { /* before the first page is made */
        rc = sqlite3_exec(db->handle, "PRAGMA auto_vacuum = INCREMENTAL", NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK && o->mode != DB_READ) {
        rc = sqlite3_exec(db->handle,
                          o->single_file ? "PRAGMA journal_mode = DELETE"
                                         : "PRAGMA journal_mode = WAL",
                          NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(db->handle,
                          o->sync_normal || planted(SYNC_SKIPPED) ? "PRAGMA synchronous = NORMAL"
                                                                  : "PRAGMA synchronous = FULL",
                          NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK) { /* reads the header: a file that isn't a database shows here */
        rc = sqlite3_exec(db->handle, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
    }
    return rc;
}

/* A WAL database needs its -shm file even for reading. Where it can't be made, and no -wal holds
 * newer pages, nobody can be writing here: then the file may be read as it stands. */
static int open_immutable(struct sqlite *db, const char *path)
{
    struct buf uri;
    buf_init(&uri, 16384);
    buf_printf(&uri, "%s-wal", path);
    FILE *wal = fopen(buf_text(&uri), "rb");
    bool has_newer = wal != NULL && fgetc(wal) != EOF;
    if (wal != NULL) {
        fclose(wal);
    }
    buf_clear(&uri);
    buf_put_text(&uri, "file:");
    for (const char *at = path; *at != 0; at++) {
        if (strchr("%?#", *at) != NULL) {
            buf_printf(&uri, "%%%02x", (unsigned)(unsigned char)*at);
        } else {
            buf_put_u8(&uri, (uint8_t)*at);
        }
    }
    buf_put_text(&uri, "?immutable=1");
    const char *text = buf_text(&uri);
    int rc = SQLITE_CANTOPEN;
    if (!uri.bad && !has_newer) {
        sqlite3_close(db->handle);
        db->handle = NULL;
        rc = sqlite3_open_v2(text, &db->handle,
                             SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
    }
    buf_release(&uri);
    return rc;
}

/* A new file is for its owner alone. Made by us, so that errno says why where it can't be: SQLite
 * goes on to try reading and then only says that nothing is there. 0, or errno. (":memory:" is no
 * file.) */
static int make_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0) {
        return errno == EEXIST ? 0 : errno;
    }
    close(fd);
    return 0;
}

/* A process may have ended because a sync failed. The system then shows pages as written that it
 * never brought to the disk and won't try again, and what is committed behind them in the WAL would
 * go with them when power is cut. Written to the database anew, they are safe; where nobody has
 * left anything behind, this does nothing. It waits for nobody. */
static int settle_wal(struct sqlite *db)
{
    int rc = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    switch (rc & 0xff) {
    case SQLITE_BUSY: /* somebody else is at it */
    case SQLITE_LOCKED:
    case SQLITE_FULL: /* reading, and sending what is saved, must go on */
    case SQLITE_READONLY:
        return SQLITE_OK;
    default: /* done, or a disk that fails again */
        return rc;
    }
}

static int open_handle(struct sqlite *db, const char *path, const struct db_options *o)
{
    int flags = SQLITE_OPEN_NOMUTEX;
    switch (o->mode) {
    case DB_CREATE:
        flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
        break;
    case DB_WRITE:
        flags |= SQLITE_OPEN_READWRITE;
        break;
    case DB_READ:
        flags |= SQLITE_OPEN_READONLY;
        break;
    }
    int rc = sqlite3_open_v2(path, &db->handle, flags, o->vfs);
    if (rc == SQLITE_OK && o->mode != DB_READ && sqlite3_db_readonly(db->handle, "main") == 1) {
        return SQLITE_READONLY; /* SQLite falls back to reading by itself; nobody asked for that */
    }
    if (rc == SQLITE_OK) {
        rc = configure(db, o);
    }
    if (rc == SQLITE_OK && o->mode != DB_READ && !planted(WAL_UNSETTLED)) {
        rc = settle_wal(db);
    }
    if (o->mode == DB_READ && o->vfs == NULL && db->handle != NULL &&
        code_of(rc, sqlite3_system_errno(db->handle)) == ERR_READONLY) {
        int again = open_immutable(db, path);
        rc = again == SQLITE_OK ? configure(db, o) : SQLITE_READONLY;
    }
    return rc;
}

static int on_commit(void *context)
{
    struct sqlite *db = context;
    db->committing = true;
    return 0;
}

static void on_rollback(void *context)
{
    struct sqlite *db = context;
    db->rolled_back = true;
}

/* ---- transactions ---- */

void sqlite_settle(struct sqlite *db)
{
    bool over = db->rolled_back || (db->committing && sqlite3_get_autocommit(db->handle) != 0);
    if (!over) {
        return; /* also where COMMIT found the file busy: it may be tried again */
    }
    bool committed = !db->rolled_back;
    db->committing = false;
    db->rolled_back = false;
    if (db->base.ended != NULL) {
        db->base.ended(db->base.ended_context, committed);
    }
}

static struct err execute(struct db *base, const char *sql)
{
    struct sqlite *db = sqlite_of(base);
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    struct err err = rc == SQLITE_OK ? err_ok() : sqlite_failed(db, rc, "db_exec");
    sqlite_settle(db);
    return err;
}

static bool in_transaction(const struct db *base)
{
    return sqlite3_get_autocommit(((const struct sqlite *)base)->handle) == 0;
}

/* ---- questions ---- */

static int64_t changes(struct db *base)
{
    return sqlite3_changes64(sqlite_of(base)->handle);
}

struct err db_shrink(struct db *db)
{
    return db_exec(db, "PRAGMA incremental_vacuum");
}

static int64_t data_version(struct db *db)
{
    int64_t version = -1;
    struct err err = db_one_int(db, "PRAGMA data_version", &version);
    return err.code == ERR_OK ? version : -1;
}

static struct err schema_version(struct db *db, int64_t *out)
{
    return db_one_int(db, "PRAGMA user_version", out);
}

static struct err schema_version_set(struct db *db, int64_t version)
{
    char sql[64];
    (void)snprintf(sql, sizeof sql, "PRAGMA user_version = %" PRId64, version);
    return db_exec(db, sql);
}

static struct err integrity(struct db *db, struct buf *report)
{
    struct stmt st;
    struct err err = db_use(db, "PRAGMA integrity_check", &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bool sound = true;
    while (db_step_row(&st)) {
        if (strcmp(col_text(&st, 0), "ok") != 0) {
            sound = false;
            buf_printf(report, "%s\n", col_text(&st, 0));
        }
    }
    err = stmt_err(&st, "db_integrity");
    if (err.code == ERR_CORRUPT) {
        buf_printf(report, "%s\n", db_message(db));
    }
    return err.code == ERR_OK && !sound ? err_make(ERR_CORRUPT, 0, "db_integrity") : err;
}

static struct err checkpoint(struct db *db)
{
    int64_t busy = 0;
    struct err err = db_one_int(db, "PRAGMA wal_checkpoint(TRUNCATE)", &busy);
    return err.code == ERR_OK && busy != 0 ? err_make(ERR_BUSY, 0, "db_checkpoint") : err;
}

/* ---- the driver ---- */

static void close_handle(struct db *base)
{
    struct sqlite *db = sqlite_of(base);
    statements_release(&db->statements);
    sqlite3_close_v2(db->handle);
    while (db->defined != NULL) {
        struct defined *next = db->defined->next;
        buf_release(&db->defined->scratch);
        free(db->defined);
        db->defined = next;
    }
    free(db);
}

static const struct db_driver driver = {
    .dialect = {.name = "sqlite",
                .uuid = "BLOB",
                .bytes = "BLOB",
                .integer = "INTEGER",
                .real = "REAL",
                .text = "TEXT",
                .table_end = " STRICT, WITHOUT ROWID",
                .columns_of = "SELECT name, type FROM pragma_table_info(?1)",
                .index_named = "SELECT 1 FROM sqlite_schema WHERE type = 'index' AND name = ?1"},
    .begin_read = "BEGIN",
    .begin_write = "BEGIN IMMEDIATE",
    .close = close_handle,
    .exec = execute,
    .use = sqlite_use,
    .prepare = sqlite_prepare,
    .finalize = sqlite_finalize,
    .reset = sqlite_reset,
    .bind = sqlite_bind,
    .step = sqlite_step,
    .finish = sqlite_finish,
    .count = sqlite_count,
    .name = sqlite_name,
    .is_null = sqlite_is_null,
    .as_int = sqlite_as_int,
    .as_real = sqlite_as_real,
    .as_bytes = sqlite_as_bytes,
    .as_value = sqlite_as_value,
    .in_transaction = in_transaction,
    .changes = changes,
    .data_version = data_version,
    .integrity = integrity,
    .checkpoint = checkpoint,
    .schema_version = schema_version,
    .schema_version_set = schema_version_set,
};

struct err db_open(struct db **out, const char *path, const struct db_options *options)
{
    *out = NULL;
    bool ours = options->mode == DB_CREATE && options->vfs == NULL && path[0] != ':';
    int number = ours ? make_file(path) : 0;
    if (number != 0) {
        return err_make(err_code_of_errno(number, ERR_IO), number, "db_open");
    }
    struct sqlite *db = calloc(1, sizeof *db);
    if (db == NULL) {
        return err_make(ERR_NOMEM, 0, "db_open");
    }
    db->base.driver = &driver;
    sqlite_statements_init(db);
    int rc = open_handle(db, path, options);
    if (rc != SQLITE_OK) {
        struct err err =
            db->handle ? sqlite_failed(db, rc, "db_open") : err_make(code_of(rc, 0), rc, "db_open");
        close_handle(&db->base);
        return err;
    }
    sqlite3_commit_hook(db->handle, on_commit, db);
    sqlite3_rollback_hook(db->handle, on_rollback, db);
    *out = &db->base;
    return err_ok();
}
