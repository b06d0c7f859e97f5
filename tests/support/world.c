/* Founding the firm, enrolling devices, and letting processes die and come back. */
#include "tests/support/store_db.h"
#include "tests/support/world_parts.h"

#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#include "common/base/uuid.h"

#define START_MS INT64_C(1764000000000) /* 2025-11-24 16:00 UTC */

void world_fail(const struct world *w, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is */
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fail_msg("seed %" PRIu64 ": %s", w->seed, text);
    abort(); /* fail_msg doesn't come back */
}

void world_must(const struct world *w, const struct db *db, struct err err)
{
    if (err.code != ERR_OK) {
        world_fail(w, "%s %d in %s: %s", err_name(err.code), err.cause, err.where,
                   db == NULL ? "" : db_message(db));
    }
}

uint64_t world_below(struct world *w, uint64_t n)
{
    return fake_host_next(&w->chance) % n;
}

void world_new_id(struct world *w, uint8_t id[16])
{
    uint8_t random[UUID_RANDOM_SIZE];
    struct host host = fake_host_as_host(&w->chance);
    host.random(host.context, random, sizeof random);
    uuid_v7(w->server.wall_ms, random, id);
}

void world_pass(struct world *w, int64_t ms)
{
    fake_host_pass(&w->server, ms);
    for (size_t i = 0; i < WORLD_DEVICES; i++) {
        fake_host_pass(&w->devices[i].host, ms);
    }
}

/* ---- the server's process ---- */

static struct db *open_db(const struct world *w, const char *path, enum db_mode mode)
{
    const struct db_options options = {.mode = mode, .busy_timeout_ms = 1000, .sync_normal = true};
    struct db *db = NULL;
    world_must(w, NULL, db_open(&db, path, &options));
    return db;
}

static struct db *open_store_db(const struct world *w, enum db_mode mode)
{
    const struct db_options options = {.mode = mode, .busy_timeout_ms = 1000, .sync_normal = true};
    struct db *db = NULL;
    world_must(w, NULL, store_db_open(&db, w->store_path, &options));
    return db;
}

void world_open_server(struct world *w)
{
    struct host host = fake_host_as_host(&w->server);
    w->writer_db = open_store_db(w, DB_WRITE);
    world_must(w, w->writer_db, store_open(&w->writer, w->writer_db, &host, true));
    w->reader_db = open_store_db(w, DB_READ);
    world_must(w, w->reader_db, store_open(&w->reader, w->reader_db, &host, false));
    store_use_ledger(&w->writer, &w->ledger);
    store_use_ledger(&w->reader, &w->ledger);
}

void world_close_server(struct world *w)
{
    store_close(&w->reader);
    db_close(w->reader_db);
    store_close(&w->writer);
    db_close(w->writer_db);
}

void world_restart_server(struct world *w)
{
    world_close_server(w);
    world_open_server(w);
}

/* ---- a device's process ---- */

static void open_device(struct world_device *d)
{
    struct host host = fake_host_as_host(&d->host);
    d->db = open_db(d->world, d->path, DB_WRITE);
    world_must(d->world, d->db, replica_open(&d->replica, d->db, &host));
}

static void close_device(struct world_device *d)
{
    replica_close(&d->replica);
    db_close(d->db);
    d->db = NULL;
}

void device_restart(struct world_device *d)
{
    close_device(d);
    open_device(d);
}

void world_copy_file(const struct world *w, const char *from, const char *to)
{
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(to, "wb");
    char part[65536];
    size_t size;
    if (in == NULL || out == NULL) {
        world_fail(w, "can't copy %s", from);
    }
    while ((size = fread(part, 1, sizeof part, in)) > 0) {
        (void)fwrite(part, 1, size, out);
    }
    fclose(in);
    if (fclose(out) != 0) {
        world_fail(w, "can't write %s", to);
    }
}

void device_copy(struct world_device *d, const char *name)
{
    char path[128];
    close_device(d); /* the last connection leaves no -wal behind */
    world_copy_file(d->world, d->path, scratch_path(&d->world->scratch, name, path));
    open_device(d);
}

void device_copy_back(struct world_device *d, const char *name)
{
    char path[128];
    close_device(d);
    world_copy_file(d->world, scratch_path(&d->world->scratch, name, path), d->path);
    open_device(d);
}

static struct err enrol(struct world_device *d, const uint8_t former[16], uint32_t epoch,
                        struct arena *arena, struct enrolled *who)
{
    struct world *w = d->world;
    struct enrol request = {
        .name = bytes_text("phone"), .app = bytes_text("sim 1"), .protocol = PROTOCOL_VERSION};
    uint8_t hash[32];
    int64_t now = w->server.wall_ms;
    struct host host = fake_host_as_host(&w->chance);
    request.former_epoch = epoch;
    if (former != NULL) {
        memcpy(request.former, former, sizeof request.former);
    }
    host.random(host.context, request.secret, sizeof request.secret);
    uint8_t seed[32];
    host.random(host.context, seed, sizeof seed);
    (void)crypto_sign_seed_keypair(d->public_key, d->secret_key, seed);
    memcpy(request.public_key, d->public_key, sizeof request.public_key);
    crypto_hash_sha256(hash, request.secret, sizeof request.secret);
    world_must(w, w->writer_db, db_begin(w->writer_db, DB_LOCK_WRITE));
    world_must(w, w->writer_db,
               store_invite(&w->writer, w->people[d->who], hash, now, now + 1000000));
    return db_end(w->writer_db, store_enrol(&w->writer, &request, now, arena, who));
}

void device_enrol(struct world_device *d)
{
    struct arena arena;
    arena_init(&arena, 1u << 20);
    if (d->db != NULL) {
        close_device(d);
        unlink(d->path);
    }
    struct enrolled who;
    world_must(d->world, d->world->writer_db, enrol(d, NULL, 0, &arena, &who));
    struct db *db = open_db(d->world, d->path, DB_CREATE);
    world_must(d->world, db, replica_create(db, &who));
    db_close(db);
    open_device(d);
    arena_release(&arena);
}

struct err device_try_enrol_again(struct world_device *d)
{
    struct arena arena;
    struct enrolled who;
    arena_init(&arena, 1u << 20);
    int64_t epoch = db_count(d->world, d->db, "SELECT epoch FROM device_state", NULL);
    struct err err = enrol(d, d->replica.device, (uint32_t)epoch, &arena, &who);
    if (err.code == ERR_OK) {
        err = replica_reenrol(&d->replica, &who, NULL, NULL);
    }
    arena_release(&arena);
    return err;
}

void device_enrol_again(struct world_device *d)
{
    world_must(d->world, d->db, device_try_enrol_again(d));
}

void device_become(struct world_device *d, struct world_device *other)
{
    close_device(other);
    close_device(d);
    world_copy_file(d->world, other->path, d->path);
    open_device(other);
    open_device(d);
}

/* ---- the firm ---- */

static void add_person(struct world *w, struct server_write *write, enum world_person who,
                       const char *login, const char *role)
{
    struct complaint why;
    const struct cell cells[] = {
        cell_text(COLUMN_person_login, login),
        cell_text(COLUMN_person_name, login),
        cell_text(COLUMN_person_role, role),
        cell_int(COLUMN_person_active, 1),
        cell_id(COLUMN_person_manager_id, w->people[BOSS]),
    };
    world_new_id(w, w->people[who]);
    size_t count = who == BOSS ? count_of(cells) - 1 : count_of(cells);
    world_must(w, w->writer_db, store_person_add(write, w->people[who], cells, count, &why));
}

static void add_people(struct world *w)
{
    struct server_write *write;
    struct complaint why;
    world_must(w, w->writer_db, db_begin(w->writer_db, DB_LOCK_WRITE));
    world_must(w, w->writer_db,
               server_write_begin(&w->writer, NULL, "found", w->server.wall_ms, &write));
    add_person(w, write, BOSS, "boss", "manager");
    add_person(w, write, ANN, "ann", "rep");
    add_person(w, write, BOB, "bob", "rep");
    world_must(w, w->writer_db, server_write_end(write, &why));
    world_must(w, w->writer_db, db_end(w->writer_db, err_ok()));
    for (size_t i = 0; i < WORLD_PEOPLE; i++) {
        struct stmt st;
        world_must(w, w->writer_db,
                   db_use(w->writer_db, "SELECT id FROM book WHERE home_of_id = ?1", &st));
        bind_id(&st, 1, w->people[i]);
        if (!db_step_row(&st) || !col_id(&st, 0, w->books[i])) {
            world_fail(w, "person %zu has no home book", i);
        }
        stmt_reset(&st);
    }
}

static void add_goods(struct world *w)
{
    struct complaint why = {0};
    const struct cell list[] = {cell_text(COLUMN_price_list_name, "list"),
                                cell_text(COLUMN_price_list_currency, "CNY"),
                                cell_int(COLUMN_price_list_is_default, 1)};
    world_new_id(w, w->price_list);
    bool good = world_put(w, TABLE_price_list, w->price_list, list, 3, -1, &why) == ERR_OK;
    for (int i = 0; i < WORLD_PRODUCTS; i++) {
        char sku[16];
        uint8_t id[16];
        snprintf(sku, sizeof sku, "SKU%d", i);
        const struct cell product[] = {
            cell_text(COLUMN_product_sku, sku), cell_text(COLUMN_product_name, sku),
            cell_int(COLUMN_product_cost, 500), cell_int(COLUMN_product_active, 1)};
        world_new_id(w, w->products[i]);
        const struct cell item[] = {cell_id(COLUMN_price_item_price_list_id, w->price_list),
                                    cell_id(COLUMN_price_item_product_id, w->products[i]),
                                    cell_int(COLUMN_price_item_min_qty, 0),
                                    cell_int(COLUMN_price_item_price, 1000)};
        world_new_id(w, id);
        good = good &&
               world_put(w, TABLE_product, w->products[i], product, 4, -1, &why) == ERR_OK &&
               world_put(w, TABLE_price_item, id, item, 4, -1, &why) == ERR_OK;
    }
    if (!good) {
        world_fail(w, "goods: %s %s %s", why.code, why.field, why.detail);
    }
}

static void found(struct world *w)
{
    const struct store_founding founding = {.company_name = bytes_text("Firm"),
                                            .currency = bytes_text("CNY"),
                                            .tz = bytes_text("Asia/Shanghai"),
                                            .locale = bytes_text("zh")};
    struct host host = fake_host_as_host(&w->server);
    scratch_path(&w->scratch, "store.db", w->store_path);
    struct db *db = open_store_db(w, DB_CREATE);
    world_must(w, db, store_create(db, &host, &founding));
    db_close(db);
    world_open_server(w);
    add_people(w);
    add_goods(w);
}

/* Ann's phone and the laptop are right; her tablet is a year ahead, Bob's phone a year behind:
 * a constant error must change no result, so every test has one. */
void world_init(struct world *w, uint64_t seed)
{
    static const struct {
        enum world_person who;
        int64_t clock_error;
    } devices[WORLD_DEVICES] = {{ANN, 0}, {ANN, YEAR_MS}, {BOB, -YEAR_MS}, {BOSS, 0}};
    memset(w, 0, sizeof *w);
    w->seed = seed;
    scratch_init(&w->scratch);
    world_ledger_init(w);
    fake_host_init(&w->chance, seed, 0);
    fake_host_init(&w->server, seed * 31 + 1, START_MS);
    found(w);
    for (size_t i = 0; i < WORLD_DEVICES; i++) {
        struct world_device *d = &w->devices[i];
        char name[24];
        d->world = w;
        d->who = devices[i].who;
        fake_host_init(&d->host, seed * 31 + 2 + i, w->server.wall_ms + devices[i].clock_error);
        snprintf(name, sizeof name, "device%zu.db", i);
        scratch_path(&w->scratch, name, d->path);
        device_enrol(d);
    }
}

void world_suspend(struct world *w)
{
    for (size_t i = 0; i < WORLD_DEVICES; i++) {
        close_device(&w->devices[i]);
    }
    world_close_server(w);
}

void world_release(struct world *w)
{
    world_suspend(w);
    buf_release(&w->ledger_text);
    scratch_release(&w->scratch);
}
