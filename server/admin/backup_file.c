/* See backup_file.h. */
#include "common/base/base.h"

#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

#include "server/admin/backup_file.h"
#include "server/store/machine.h"

#define PIECE_BYTES     65536
#define BUSY_TIMEOUT_MS 10000

static struct err hash_file(const char *path, struct backup_file *out)
{
    uint8_t piece[PIECE_BYTES];
    crypto_hash_sha256_state state;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_make(errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "backup_file");
    }
    (void)crypto_hash_sha256_init(&state);
    ssize_t size = 0;
    while ((size = read(fd, piece, sizeof piece)) > 0) {
        (void)crypto_hash_sha256_update(&state, piece, (unsigned long long)size);
        out->bytes += size;
    }
    int cause = errno;
    (void)close(fd);
    (void)crypto_hash_sha256_final(&state, out->sha256);
    return size == 0 ? err_ok() : err_make(ERR_IO, cause, "backup_file");
}

static struct err check_store(const char *path, struct buf *report, struct backup_facts *facts)
{
    const struct db_options options = {.mode = DB_READ, .busy_timeout_ms = BUSY_TIMEOUT_MS};
    struct host host = machine_host();
    struct db *db = NULL;
    struct store st;
    struct err err = db_open(&db, path, &options);
    if (err.code == ERR_OK) {
        err = store_open(&st, db, &host, false);
    }
    if (err.code == ERR_OK) {
        err = backup_check(&st, report, facts);
        store_close(&st);
    }
    if (err.code != ERR_OK && db != NULL && db_message(db)[0] != 0) {
        buf_printf(report, "%s\n", db_message(db));
    }
    db_close(db);
    return err;
}

struct lookup {
    const struct backup_facts *facts;
    const struct backup_file *file;
    bool differs;
};

static struct err compare(void *context, const struct ledger_entry *entry)
{
    struct lookup *l = context;
    if (entry->kind == LEDGER_BACKUP &&
        memcmp(entry->subject, l->facts->seal, sizeof l->facts->seal) == 0) {
        l->differs = memcmp(entry->subject + sizeof l->facts->seal, l->file->sha256,
                            sizeof l->file->sha256) != 0;
    }
    return err_ok();
}

struct err backup_file_check(const char *path, struct buf *report, struct backup_facts *facts,
                             struct backup_file *file, const struct buf *ledger)
{
    struct lookup lookup = {.facts = facts, .file = file};
    size_t broken = 0;
    *file = (struct backup_file){.path = path};
    struct err err = hash_file(path, file);
    if (err.code == ERR_OK) {
        err = check_store(path, report, facts);
    }
    if (err.code == ERR_OK && ledger != NULL) {
        err = ledger_entries(buf_bytes(ledger), compare, &lookup, &broken);
    }
    if (err.code == ERR_OK && lookup.differs) {
        buf_put_text(report, "the bytes aren't those that were made: another hash\n");
        err = err_make(ERR_CORRUPT, 0, "backup_file");
    }
    return err;
}
