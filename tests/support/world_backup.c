/* The world's ledger, backups and restores: the calls that legworkd makes, without its files. */
#include "tests/support/world_parts.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/changelog/server/backup.h"
#include "common/changelog/server/chain_noted.h"
#include "common/changelog/server/timeline.h"

#define LEDGER_MAX ((size_t)1 << 20)

static struct err append(void *context, const struct ledger_entry *entry)
{
    struct world *w = context;
    ledger_entry_put(entry, &w->ledger_text);
    return w->ledger_text.bad ? err_make(ERR_NOMEM, 0, "ledger") : err_ok();
}

void world_ledger_init(struct world *w)
{
    buf_init(&w->ledger_text, LEDGER_MAX);
    w->ledger = (struct store_ledger){.context = w, .append = append};
    memset(w->ledger.key, 0x5c, sizeof w->ledger.key);
}

static struct db *open_file(const struct world *w, const char *path, enum db_mode mode)
{
    const struct db_options options = {
        .mode = mode, .busy_timeout_ms = 1000, .single_file = mode != DB_READ};
    struct db *db = NULL;
    world_must(w, NULL, db_open(&db, path, &options));
    return db;
}

static void check(struct world *w, const char *path, struct backup_facts *facts)
{
    struct host host = fake_host_as_host(&w->server);
    struct db *db = open_file(w, path, DB_READ);
    struct store st;
    struct buf report;
    buf_init(&report, 65536);
    world_must(w, db, store_open(&st, db, &host, false));
    struct err err = backup_check(&st, &report, facts);
    if (err.code != ERR_OK) {
        world_fail(w, "the backup isn't whole: %s", buf_text(&report));
    }
    buf_release(&report);
    store_close(&st);
    db_close(db);
}

void world_backup(struct world *w, const char *name)
{
    struct host host = fake_host_as_host(&w->server);
    struct backup_file file = {.path = name, .bytes = 1};
    struct backup_facts facts;
    char path[128];
    scratch_path(&w->scratch, name, path);
    world_must(w, w->writer_db, db_copy(w->writer_db, path, NULL, NULL));
    struct db *copy = open_file(w, path, DB_WRITE);
    world_must(w, copy, db_begin(copy, DB_LOCK_WRITE));
    world_must(w, copy, db_end(copy, backup_seal(copy, &host, w->server.wall_ms)));
    db_close(copy);
    check(w, path, &facts);
    world_must(w, w->writer_db, chain_note(&w->writer, w->server.wall_ms));
    copy = open_file(w, path, DB_READ);
    world_must(w, w->writer_db, db_begin(w->writer_db, DB_LOCK_WRITE));
    world_must(w, w->writer_db,
               db_end(w->writer_db, backup_record(&w->writer, copy, &facts, &file)));
    db_close(copy);
}

struct reading {
    struct world *w;
    struct store *st;
    uint32_t highest; /* timeline; first pass */
    bool applies;     /* second pass */
};

static struct err read_entry(void *context, const struct ledger_entry *entry)
{
    struct reading *r = context;
    if (entry->kind == LEDGER_TIMELINE && entry->number > r->highest) {
        r->highest = (uint32_t)entry->number;
    }
    return r->applies ? timeline_apply(r->st, entry, r->w->server.wall_ms) : err_ok();
}

static void begin_timeline(struct world *w, struct store *st, const struct backup_facts *facts)
{
    struct reading r = {.w = w, .st = st, .highest = facts->timeline};
    size_t broken = 0;
    size_t size = w->ledger_text.size;
    struct buf text;
    buf_init(&text, LEDGER_MAX);
    buf_put(&text, bytes_of(w->ledger_text.at, size));
    world_must(w, NULL, ledger_entries(buf_bytes(&text), read_entry, &r, &broken));
    world_must(w, st->db, db_begin(st->db, DB_LOCK_WRITE));
    struct err err = timeline_begin(st, r.highest + 1, facts, w->server.wall_ms);
    r.applies = true;
    if (err.code == ERR_OK) {
        err = ledger_entries(buf_bytes(&text), read_entry, &r, &broken);
    }
    world_must(w, st->db, db_end(st->db, err));
    buf_release(&text);
}

static void remove_store(const struct world *w)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < count_of(ends); i++) {
        char path[160];
        snprintf(path, sizeof path, "%s%s", w->store_path, ends[i]);
        (void)unlink(path);
    }
}

void world_restore(struct world *w, const char *name)
{
    struct host host = fake_host_as_host(&w->server);
    struct backup_facts facts;
    struct store st;
    char path[128];
    scratch_path(&w->scratch, name, path);
    check(w, path, &facts);
    world_close_server(w);
    remove_store(w);
    world_copy_file(w, path, w->store_path);
    struct db *db = open_file(w, w->store_path, DB_WRITE);
    world_must(w, db, store_open(&st, db, &host, true));
    store_use_ledger(&st, &w->ledger);
    begin_timeline(w, &st, &facts);
    store_close(&st);
    db_close(db);
    world_open_server(w);
}

void world_store_copy(struct world *w, const char *name)
{
    char path[128];
    world_close_server(w);
    world_copy_file(w, w->store_path, scratch_path(&w->scratch, name, path));
    world_open_server(w);
}

void world_store_serve(struct world *w, const char *name)
{
    world_close_server(w);
    scratch_path(&w->scratch, name, w->store_path);
    world_open_server(w);
}

struct err device_come_back(struct world_device *d)
{
    struct world *w = d->world;
    struct enrol request = {
        .name = bytes_text("phone"), .app = bytes_text("sim 1"), .protocol = PROTOCOL_VERSION};
    struct enrolled who;
    struct arena arena;
    struct stmt st;
    arena_init(&arena, 1u << 20);
    memcpy(request.public_key, d->public_key, sizeof request.public_key);
    world_must(w, d->db,
               db_use(d->db, "SELECT value FROM setting WHERE name = 'certificate'", &st));
    if (!db_step_row(&st)) {
        world_fail(w, "the device has no certificate");
    }
    request.certificate = arena_copy(&arena, col_bytes(&st, 0));
    stmt_reset(&st);
    world_must(w, w->writer_db, db_begin(w->writer_db, DB_LOCK_WRITE));
    struct err err =
        db_end(w->writer_db, store_enrol(&w->writer, &request, w->server.wall_ms, &arena, &who));
    arena_release(&arena);
    return err;
}
