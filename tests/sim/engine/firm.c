/* Founding the firm, once a process: all runs begin with copies of this world. */
#include "common/base/uuid.h"
#include "tests/sim/engine/sim.h"

#include <sodium.h>

#define START_MS INT64_C(1764000000000) /* 2025-11-24 16:00 UTC */
#define CALM_MS  120000                 /* in which whatever was planned comes to its end */

static void must(struct err err)
{
    if (err.code != ERR_OK) {
        fprintf(stderr, "founding: %s %d in %s\n", err_name(err.code), err.cause, err.where);
        abort();
    }
}

struct founding {
    struct sim_firm *firm;
    struct sim_host host;
    struct store store;
    struct db *db;
    struct server_write *write;
};

static void new_id(struct founding *f, uint8_t id[16])
{
    uint8_t random[UUID_RANDOM_SIZE];
    for (size_t i = 0; i < sizeof random; i++) {
        random[i] = (uint8_t)fake_host_next(&f->host.chance);
    }
    uuid_v7(f->firm->now_ms, random, id);
}

static void put(struct founding *f, uint16_t table, const uint8_t id[16], const struct cell *cells,
                size_t count)
{
    struct complaint why;
    int64_t seq;
    must(
        server_write_put(f->write, catalogue_table(table), id, cells, count, -1, &seq, NULL, &why));
}

static void add_person(struct founding *f, enum sim_person who, const char *login, const char *role)
{
    struct complaint why;
    const struct cell cells[] = {
        sim_text(COLUMN_person_login, login), sim_text(COLUMN_person_name, login),
        sim_text(COLUMN_person_role, role), sim_int(COLUMN_person_active, 1),
        sim_id(COLUMN_person_manager_id, f->firm->people[SIM_BOSS])};
    new_id(f, f->firm->people[who]);
    must(store_person_add(f->write, f->firm->people[who], cells,
                          who == SIM_BOSS ? count_of(cells) - 1 : count_of(cells), &why));
    struct stmt q;
    must(db_use(f->db, "SELECT id FROM book WHERE home_of_id = ?1", &q));
    bind_id(&q, 1, f->firm->people[who]);
    if (!db_step_row(&q) || !col_id(&q, 0, f->firm->books[who])) {
        abort();
    }
    stmt_reset(&q);
}

static void add_goods(struct founding *f)
{
    struct sim_firm *firm = f->firm;
    const struct cell list[] = {sim_text(COLUMN_price_list_name, "list"),
                                sim_text(COLUMN_price_list_currency, "CNY"),
                                sim_int(COLUMN_price_list_is_default, 1)};
    new_id(f, firm->price_list);
    put(f, TABLE_price_list, firm->price_list, list, count_of(list));
    for (int i = 0; i < SIM_PRODUCTS; i++) {
        uint8_t id[16];
        char sku[16];
        (void)snprintf(sku, sizeof sku, "SKU%d", i);
        const struct cell product[] = {
            sim_text(COLUMN_product_sku, sku), sim_text(COLUMN_product_name, sku),
            sim_int(COLUMN_product_cost, 500), sim_int(COLUMN_product_active, 1)};
        new_id(f, firm->products[i]);
        put(f, TABLE_product, firm->products[i], product, count_of(product));
        const struct cell item[] = {sim_id(COLUMN_price_item_price_list_id, firm->price_list),
                                    sim_id(COLUMN_price_item_product_id, firm->products[i]),
                                    sim_int(COLUMN_price_item_min_qty, 0),
                                    sim_int(COLUMN_price_item_price, 1000)};
        new_id(f, id);
        put(f, TABLE_price_item, id, item, count_of(item));
    }
}

static void add_customers(struct founding *f)
{
    static const enum sim_person whose[SIM_CUSTOMERS] = {SIM_ANN, SIM_ANN, SIM_BOB};
    for (int i = 0; i < SIM_CUSTOMERS; i++) {
        const struct cell cells[] = {sim_text(COLUMN_customer_name, "客户"),
                                     sim_text(COLUMN_customer_kind, "customer"),
                                     sim_id(COLUMN_customer_book_id, f->firm->books[whose[i]])};
        new_id(f, f->firm->customers[i]);
        put(f, TABLE_customer, f->firm->customers[i], cells, count_of(cells));
    }
}

static void enrol(struct founding *f, enum sim_person who, struct simdisk *disk,
                  uint8_t secret_key[64])
{
    struct enrol request = {.name = bytes_text("phone"), .app = bytes_text("sim 1")};
    const struct db_options options = {.mode = DB_CREATE, .vfs = simdisk_name(disk)};
    struct enrolled enrolled;
    struct arena arena;
    struct db *db = NULL;
    uint8_t hash[32];
    arena_init(&arena, 1u << 20);
    for (size_t i = 0; i < sizeof request.secret; i++) {
        request.secret[i] = (uint8_t)fake_host_next(&f->host.chance);
    }
    uint8_t seed[32];
    for (size_t i = 0; i < sizeof seed; i++) {
        seed[i] = (uint8_t)fake_host_next(&f->host.chance);
    }
    crypto_sign_seed_keypair(request.public_key, secret_key, seed);
    crypto_hash_sha256(hash, request.secret, sizeof request.secret);
    must(db_begin(f->db, DB_LOCK_WRITE));
    must(store_invite(&f->store, f->firm->people[who], hash, START_MS, START_MS + 1000000));
    must(store_enrol(&f->store, &request, START_MS, &arena, &enrolled));
    must(db_end(f->db, err_ok()));
    must(db_open(&db, SIM_DEVICE_PATH, &options));
    must(replica_create(db, &enrolled));
    db_close(db);
    arena_release(&arena);
}

static void found_store(struct founding *f, struct simdisk *disk)
{
    const struct store_founding founding = {.company_name = bytes_text("Firm"),
                                            .currency = bytes_text("CNY"),
                                            .tz = bytes_text("Asia/Shanghai"),
                                            .locale = bytes_text("zh")};
    const struct db_options options = {.mode = DB_CREATE, .vfs = simdisk_name(disk)};
    struct complaint why;
    struct host host = host_of(&f->host);
    must(db_open(&f->db, SIM_STORE_PATH, &options));
    must(store_create(f->db, &host, &founding));
    must(store_open(&f->store, f->db, &host, true));
    must(db_begin(f->db, DB_LOCK_WRITE));
    must(server_write_begin(&f->store, NULL, "found", START_MS, &f->write));
    add_person(f, SIM_BOSS, "boss", "manager");
    add_person(f, SIM_ANN, "ann", "rep");
    add_person(f, SIM_BOB, "bob", "rep");
    add_goods(f);
    add_customers(f);
    must(server_write_end(f->write, &why));
    must(db_end(f->db, err_ok()));
}

static void sync_all(struct sim *s)
{
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < SIM_DEVICES; i++) {
            device_sync_begin(&s->devices[i]);
            sim_pass(s, 20000);
        }
    }
}

/* Everybody syncs, by the same events as ever, over a calm wire. What runs would do again and again
 * in the same way is done here, once: files are opened, schemas read, statements prepared. Nobody
 * works yet: rows that are there before a run only thin out where people meet. */
static void begin_work(struct sim *s, const struct sim_firm *firm)
{
    tape_record(&s->tape, 0);
    sim_boot(s, firm);
    s->phase = PHASE_HEAL;
    sync_all(s);
    server_warm(s);
    audit_all(s);
    sim_pass(s, CALM_MS);
    if (s->broken != INV_NONE || s->event_count > 0) {
        fprintf(stderr, "founding: I%d %s\n", (int)s->broken, s->story);
        abort();
    }
}

static uint64_t no_chance(void *context, uint64_t n)
{
    (void)context;
    (void)n;
    return 0;
}

void firm_found(struct sim_firm *firm, struct sim *world)
{
    static const enum sim_person whose[SIM_DEVICES] = {SIM_ANN, SIM_ANN, SIM_BOB, SIM_BOSS};
    struct sim *clock = calloc(1, sizeof *clock);
    struct founding f = {.firm = firm, .host.sim = clock};
    if (clock == NULL) {
        abort();
    }
    memset(firm, 0, sizeof *firm);
    firm->now_ms = clock->now_ms = clock->began_ms = START_MS;
    fake_host_init(&f.host.chance, 7, 0);
    struct simdisk *disk = simdisk_new("found-server", no_chance, NULL);
    found_store(&f, disk);
    for (int i = 0; i < SIM_DEVICES; i++) {
        struct simdisk *device = simdisk_new("found-device", no_chance, NULL);
        enrol(&f, whose[i], device, firm->secret_keys[i]);
        firm->devices[i] = simdisk_save(device);
        simdisk_free(device);
    }
    store_close(&f.store);
    db_close(f.db);
    firm->store = simdisk_save(disk);
    simdisk_free(disk);
    free(clock);
    begin_work(world, firm);
}

void firm_release(struct sim_firm *firm)
{
    simdisk_image_free(firm->store);
    for (int i = 0; i < SIM_DEVICES; i++) {
        simdisk_image_free(firm->devices[i]);
    }
}
