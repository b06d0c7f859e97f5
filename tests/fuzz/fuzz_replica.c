/* A replica's file in anybody's hands: no crash, no hang, no save that runs somebody else's code.
 *
 * The input changes a sound replica: up to a zero byte it is SQL, run by a bare SQLite that allows
 * writing the schema; behind it come patches of the file, 4 bytes of place, 1 of length, bytes. */
#include "common/base/base.h"

#include <sqlite3.h>
#include <unistd.h>

#include "common/changelog/device/capture.h"
#include "common/sync/client_session.h"
#include "tests/support/fake_host.h"

#define START_MS  INT64_C(1764000000000)
#define STEPS_MAX 20000 /* of the planted SQL itself */
#define FILE_ROOM ((size_t)4 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static struct db *open_file(const char *path, enum db_mode mode)
{
    const struct db_options options = {
        .mode = mode, .busy_timeout_ms = 100, .sync_normal = true, .shrinks = true};
    struct db *db = NULL;
    struct err err = db_open(&db, path, &options);
    return err.code == ERR_OK ? db : NULL;
}

static struct err save_memo(struct replica *r)
{
    const struct cell cells[] = {
        {.column = COLUMN_memo_person_id, .value = value_blob(bytes_of(r->person, 16))},
        {.column = COLUMN_memo_text, .value = value_text(bytes_text("mine"))}};
    struct complaint why;
    uint8_t id[16];
    struct err err = replica_begin(r, "memo.new");
    if (err.code != ERR_OK) {
        return err;
    }
    replica_new_id(r, id);
    return replica_end(r, row_insert(r->db, catalogue_table(TABLE_memo), id, cells, 2, &why));
}

/* The sound file, made once. */
static struct bytes sound(const char *path)
{
    static uint8_t content[FILE_ROOM];
    static size_t size;
    if (size == 0) {
        const struct enrolled who = {.device_number = 7, .epoch = 1, .person = {1}, .device = {2}};
        struct fake_host machine;
        struct replica r;
        fake_host_init(&machine, 1, START_MS);
        struct host host = fake_host_as_host(&machine);
        struct db *db = open_file(path, DB_CREATE);
        must(db != NULL && replica_create(db, &who).code == ERR_OK);
        must(replica_open(&r, db, &host).code == ERR_OK && save_memo(&r).code == ERR_OK);
        replica_close(&r);
        db_close(db);
        FILE *f = fopen(path, "rb");
        must(f != NULL);
        size = fread(content, 1, sizeof content, f);
        (void)fclose(f);
        must(size > 0 && size < sizeof content);
    }
    return bytes_of(content, size);
}

static int on_progress(void *steps)
{
    return --*(int *)steps <= 0;
}

/* By somebody who isn't us: any schema that SQLite takes. */
static void plant(const char *path, struct bytes sql)
{
    sqlite3 *db = NULL;
    int steps = STEPS_MAX / 100;
    char text[4096];
    (void)snprintf(text, sizeof text, "%.*s", (int)(sql.size < 4000 ? sql.size : 4000), sql.at);
    if (sqlite3_open(path, &db) == SQLITE_OK) {
        (void)sqlite3_exec(db, "PRAGMA writable_schema = ON; PRAGMA synchronous = OFF", NULL, NULL,
                           NULL);
        (void)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1000000);
        sqlite3_progress_handler(db, 100, on_progress, &steps);
        (void)sqlite3_exec(db, text, NULL, NULL, NULL);
    }
    (void)sqlite3_close(db);
}

static void write_file(const char *path, struct bytes content)
{
    FILE *f = fopen(path, "wb");
    must(f != NULL && fwrite(content.at, 1, content.size, f) == content.size && fclose(f) == 0);
}

static void patch(const char *path, struct bytes patches)
{
    FILE *f = fopen(path, "r+b");
    must(f != NULL && fseek(f, 0, SEEK_END) == 0);
    unsigned long end = (unsigned long)ftell(f);
    while (patches.size >= 6 && end > 0) {
        const uint8_t *p = patches.at;
        unsigned long at = ((unsigned long)p[0] << 24 | (unsigned long)p[1] << 16 |
                            (unsigned long)p[2] << 8 | p[3]) %
                           end;
        size_t size = p[4] < patches.size - 5 ? p[4] : patches.size - 5;
        (void)fseek(f, (long)at, SEEK_SET);
        (void)fwrite(p + 5, 1, size, f);
        patches = bytes_of(p + 5 + size, patches.size - 5 - size);
    }
    (void)fclose(f);
}

/* What a rep's commands and a sync do first. What was planted may make any of it fail. */
static void use(struct replica *r)
{
    struct replica_counts counts;
    struct digest digest;
    struct arena arena;
    bool ours = false;
    struct client_session *session = NULL;
    const struct client_session_options options = {.verify = true};
    arena_init(&arena, (size_t)16 << 20);
    must(capture_is_ours(r->db, &ours).code != ERR_OK || ours); /* before the first save */
    (void)!replica_counts(r, &counts).code;
    (void)!save_memo(r).code;
    (void)!replica_digest(r, &arena, &digest).code;
    if (client_session_new(r, &options, &session).code == ERR_OK) {
        (void)client_session_next(session);
    }
    client_session_free(session);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    char side[80];
    struct fake_host machine;
    struct replica r;
    (void)snprintf(path, sizeof path, "/dev/shm/legwork-fuzz-%ld.db", (long)getpid());
    write_file(path, sound(path));
    const uint8_t *end = size > 0 ? memchr(data, 0, size) : NULL;
    size_t sql = end == NULL ? size : (size_t)(end - data);
    if (sql > 0) {
        plant(path, bytes_of(data, sql));
    }
    if (end != NULL) {
        patch(path, bytes_of(end + 1, size - sql - 1));
    }
    fake_host_init(&machine, 2, START_MS);
    struct host host = fake_host_as_host(&machine);
    struct db *db = open_file(path, DB_WRITE);
    if (db != NULL && replica_open(&r, db, &host).code == ERR_OK) {
        use(&r);
        replica_close(&r);
    }
    db_close(db);
    (void)snprintf(side, sizeof side, "%s-wal", path);
    (void)unlink(side);
    (void)snprintf(side, sizeof side, "%s-shm", path);
    (void)unlink(side);
    (void)unlink(path);
    return 0;
}
