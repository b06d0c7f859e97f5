/* See rig.h. What fails while no failure is injected ends the program: then the rig is wrong. */
#include "tests/fault/rig.h"

#include <unistd.h>

#include "common/sync/server_session.h"
#include "tests/support/conversation.h"

#define FILE_BYTES_MAX ((size_t)64 << 20)
#define ARENA_BYTES    ((size_t)64 << 20)
#define REQUESTS_MAX   32

static void must(bool good, const char *what)
{
    if (!good) {
        (void)fprintf(stderr, "fault rig: %s\n", what);
        abort();
    }
}

static const char *path_of(const struct rig *g, size_t file)
{
    return file >= RIG_OLD_REPLICA ? g->old_paths[file - RIG_OLD_REPLICA]
           : file == RIG_STORE     ? g->world.store_path
                                   : g->world.devices[file].path;
}

/* ---- the files ---- */

static void read_file(const char *path, struct buf *out)
{
    char part[65536];
    size_t size;
    FILE *f = fopen(path, "rb");
    must(f != NULL, path);
    buf_clear(out);
    while ((size = fread(part, 1, sizeof part, f)) > 0) {
        buf_put(out, bytes_of((const uint8_t *)part, size));
    }
    (void)fclose(f);
    must(!out->bad, path);
}

static void write_file(const char *path, const struct buf *content)
{
    char side[300];
    (void)snprintf(side, sizeof side, "%s-wal", path);
    (void)unlink(side);
    (void)snprintf(side, sizeof side, "%s-shm", path);
    (void)unlink(side);
    FILE *f = fopen(path, "wb");
    must(f != NULL && fwrite(content->at, 1, content->size, f) == content->size && fclose(f) == 0,
         path);
}

void rig_restore(struct rig *g)
{
    for (size_t i = 0; i < RIG_FILES; i++) {
        if (g->opened[i]) {
            write_file(path_of(g, i), &g->files[i]);
            g->opened[i] = false;
        }
    }
    for (size_t i = 0; i < WORLD_DEVICES; i++) {
        g->world.devices[i].host = g->hosts[i];
    }
    g->world.server = g->hosts[RIG_STORE];
}

void rig_keep(struct rig *g, const char *folder, const char *prefix)
{
    for (size_t i = 0; i < RIG_FILES; i++) {
        char path[256];
        struct buf content;
        buf_init(&content, FILE_BYTES_MAX);
        read_file(path_of(g, i), &content);
        (void)snprintf(path, sizeof path, "%s/%s-%zu.db", folder, prefix, i);
        write_file(path, &content);
        buf_release(&content);
    }
}

/* ---- a firm that has worked for a while ---- */

static void add_contact(struct rig *g, struct world_device *d)
{
    const struct cell cells[] = {cell_id(COLUMN_contact_customer_id, g->customer),
                                 cell_text(COLUMN_contact_name, "李雷 Li Lei"),
                                 cell_text(COLUMN_contact_phones, "[\"138\"]")};
    world_new_id(&g->world, g->contact);
    must(device_insert(d, TABLE_contact, g->contact, cells, count_of(cells)), "contact");
}

static void edit(struct rig *g, struct world_device *d, uint8_t column, const char *text)
{
    const struct cell cell = cell_text(column, text);
    must(device_update(d, TABLE_customer, g->customer, &cell, 1), "edit");
}

/* The phone's next sync brings one of each: accepted, merged, refused and held work, rows from
 * others, a departure. Its inbox has a refused and a merged entry already. */
static void work(struct rig *g)
{
    struct world *w = &g->world;
    struct world_device *phone = &w->devices[ANN_PHONE];
    struct world_device *tablet = &w->devices[ANN_TABLET];
    uint8_t other[16];
    uint8_t cheap[16];
    device_sync(phone);
    device_customer(phone, "东方食品 Eastern Foods", g->customer);
    device_customer(phone, "Gone Soon", other);
    device_visit(phone, g->customer, g->visit);
    device_order(phone, g->customer, 2000, 1000, false, g->order);
    add_contact(g, phone);
    device_sync(phone);
    device_sync(tablet);
    edit(g, tablet, COLUMN_customer_city, "Suzhou"); /* the earlier one: it will lose */
    world_pass(w, 60000);
    edit(g, phone, COLUMN_customer_city, "Shanghai");
    world_pass(w, 60000);
    device_order(phone, g->customer, 2000, 900, true, cheap); /* below the list's price */
    device_sync(phone);
    device_sync(tablet);
    device_sync(phone);
    edit(g, tablet, COLUMN_customer_note, "from the tablet");
    edit(g, tablet, COLUMN_customer_tags, "[\"a\"]");
    world_pass(w, 60000);
    device_sync(tablet);
    edit(g, phone, COLUMN_customer_note, "from the phone");
    edit(g, phone, COLUMN_customer_tags, "[\"b\"]");
    device_order(phone, g->customer, 3000, 900, true, cheap);
    const struct cell line = cell_text(COLUMN_sales_order_note, "rests on it");
    must(device_update(phone, TABLE_sales_order, cheap, &line, 1), "held");
    device_visit(phone, g->customer, cheap);
    device_payment(phone, g->customer, cheap);
    world_move(w, other, BOB);
    world_pass(w, 60000);
}

static uint64_t file_digest(const struct rig *g, size_t file, enum rig_view view);

static void lay_old_files(struct rig *g)
{
    static const char *const names[2] = {"replica.db.zst", "store.db.zst"};
    const struct conversation c = {.dir = CONVERSATIONS_DIR "/v1/accepted"};
    for (size_t i = 0; i < count_of(names); i++) {
        struct buf content;
        (void)scratch_path(&g->world.scratch, i == 0 ? "old-replica.db" : "old-store.db",
                           g->old_paths[i]);
        buf_init(&content, FILE_BYTES_MAX);
        conversation_read(&c, names[i], &content);
        write_file(g->old_paths[i], &content);
        buf_release(&content);
    }
}

void rig_init(struct rig *g)
{
    memset(g, 0, sizeof *g);
    world_init(&g->world, 1);
    work(g);
    for (size_t i = 0; i < count_of(g->new_ids); i++) {
        world_new_id(&g->world, g->new_ids[i]);
    }
    world_suspend(&g->world);
    lay_old_files(g);
    for (size_t i = 0; i < RIG_FILES; i++) {
        buf_init(&g->files[i], FILE_BYTES_MAX);
        read_file(path_of(g, i), &g->files[i]);
        g->hosts[i] = i < RIG_STORE ? g->world.devices[i].host : g->world.server;
    }
    for (size_t i = 0; i < RIG_FILES; i++) {
        g->digests[RIG_ALL][i] = file_digest(g, i, RIG_ALL);
    }
    for (size_t i = 0; i < RIG_OLD_REPLICA; i++) { /* old ones lack columns */
        g->digests[RIG_BUSINESS][i] = file_digest(g, i, RIG_BUSINESS);
    }
    arena_init(&g->arena, ARENA_BYTES);
}

void rig_release(struct rig *g)
{
    rig_close(g);
    for (size_t i = 0; i < RIG_FILES; i++) {
        buf_release(&g->files[i]);
    }
    arena_release(&g->arena);
    scratch_release(&g->world.scratch);
}

/* ---- opening ---- */

static const struct db_options plain = {.mode = DB_WRITE, .busy_timeout_ms = 100};

static struct err open_replica(struct rig *g, size_t file, struct host host)
{
    g->opened[file] = true;
    struct err err = db_open(&g->device_db, path_of(g, file), &plain);
    if (err.code == ERR_OK) {
        err = replica_open(&g->replica, g->device_db, &host);
        g->replica_open = err.code == ERR_OK;
    }
    return err;
}

static struct err open_store(struct rig *g, size_t file, struct host host)
{
    g->opened[file] = true;
    struct err err = db_open(&g->store_db, path_of(g, file), &plain);
    if (err.code == ERR_OK) {
        err = store_open(&g->store, g->store_db, &host, true);
        g->store_open = err.code == ERR_OK;
    }
    return err;
}

struct err rig_open_device(struct rig *g, size_t device)
{
    return open_replica(g, device, fake_host_as_host(&g->world.devices[device].host));
}

struct err rig_open_store(struct rig *g)
{
    return open_store(g, RIG_STORE, fake_host_as_host(&g->world.server));
}

struct err rig_open_old_replica(struct rig *g)
{
    g->world.server = g->hosts[RIG_OLD_REPLICA];
    return open_replica(g, RIG_OLD_REPLICA, fake_host_as_host(&g->world.server));
}

struct err rig_open_old_store(struct rig *g)
{
    g->world.server = g->hosts[RIG_OLD_STORE];
    return open_store(g, RIG_OLD_STORE, fake_host_as_host(&g->world.server));
}

void rig_close(struct rig *g)
{
    if (g->server != NULL && g->store_open) {
        server_session_read_end(g->server, &g->store);
    }
    server_session_free(g->server);
    client_session_free(g->client);
    if (g->replica_open) {
        replica_close(&g->replica);
    }
    if (g->store_open) {
        store_close(&g->store);
    }
    db_close(g->device_db);
    db_close(g->store_db);
    g->server = NULL;
    g->client = NULL;
    g->device_db = NULL;
    g->store_db = NULL;
    g->replica_open = false;
    g->store_open = false;
    arena_release(&g->arena);
    arena_init(&g->arena, ARENA_BYTES);
}

/* ---- a sync ---- */

static struct err judge(struct rig *g)
{
    struct err err = db_begin(g->store_db, DB_LOCK_WRITE);
    if (err.code != ERR_OK) {
        server_session_committed(g->server, err);
        return err;
    }
    err = db_end(g->store_db, server_session_judge(g->server, &g->store));
    server_session_committed(g->server, err);
    return err;
}

static struct err read_answer(struct rig *g, struct buf *out)
{
    bool done = false;
    struct err err = err_ok();
    while (err.code == ERR_OK && !done) {
        err = server_session_read(g->server, &g->store, out, &done);
    }
    server_session_read_end(g->server, &g->store);
    return err;
}

/* HTTP status of the answer in `out`; 0: the stream broke. */
static int serve(struct rig *g, uint32_t number, struct bytes body, struct buf *out,
                 struct fault *fault)
{
    struct host host = fake_host_as_host(&g->world.server);
    struct err err = server_session_new(body, number, g->world.server.wall_ms, &host, &g->server);
    int status = 200;
    if (err.code == ERR_OK) {
        err = judge(g);
    }
    if (g->server != NULL && server_session_next(g->server) == SERVER_FAULT) {
        status = server_session_fault(g->server, fault);
    } else if (err.code != ERR_OK || read_answer(g, out).code != ERR_OK) {
        status = 0;
    }
    server_session_free(g->server);
    g->server = NULL;
    return status;
}

static void exchange(struct rig *g, size_t device, struct bytes body)
{
    struct buf answer;
    struct fault fault = {.code = ""};
    buf_init(&answer, FILE_BYTES_MAX);
    (void)device;
    int status = serve(g, g->replica.number, body, &answer, &fault);
    struct err err = err_ok();
    if (status == 200) {
        err = client_session_received(g->client, buf_bytes(&answer));
    } else if (status == 0) {
        err = err_make(ERR_NETWORK, 0, "rig");
    }
    client_session_ended(g->client, status, err, status != 0 && status != 200 ? &fault : NULL);
    buf_release(&answer);
}

struct err rig_sync(struct rig *g, size_t device)
{
    const struct client_session_options options = {.verify = true};
    struct err err = client_session_new(&g->replica, &options, &g->client);
    if (err.code != ERR_OK) {
        return err;
    }
    struct client_action action = client_session_next(g->client);
    for (int i = 0; i < REQUESTS_MAX && action.kind == CLIENT_REQUEST; i++) {
        exchange(g, device, action.body);
        action = client_session_next(g->client);
    }
    err = action.kind == CLIENT_DONE     ? err_ok()
          : action.kind == CLIENT_FAILED ? action.err
                                         : err_make(ERR_INTERNAL, 0, "rig: a sync without end");
    client_session_free(g->client);
    g->client = NULL;
    return err;
}

/* ---- digests of content ---- */

static uint64_t mix(uint64_t h, const void *at, size_t size)
{
    const uint8_t *byte = at;
    for (size_t i = 0; i < size; i++) {
        h = (h ^ byte[i]) * UINT64_C(0x100000001b3);
    }
    return h ^ h >> 29;
}

static uint64_t mix_value(uint64_t h, const struct stmt *st, int column)
{
    struct value v = col_value(st, column);
    h = mix(h, &v.kind, sizeof v.kind);
    switch (v.kind) {
    case VALUE_NULL:
        return h;
    case VALUE_INT:
        return mix(h, &v.i, sizeof v.i);
    case VALUE_REAL:
        return mix(h, &v.d, sizeof v.d);
    case VALUE_TEXT:
    case VALUE_BLOB:
        return mix(h, v.b.at, v.b.size);
    }
    return h;
}

/* Independent of the order of rows. */
static uint64_t rows_digest(struct db *db, const char *sql)
{
    struct stmt st;
    uint64_t sum = 0;
    must(db_prepare(db, sql, &st, NULL).code == ERR_OK, db_message(db));
    while (db_step_row(&st)) {
        uint64_t h = UINT64_C(0xcbf29ce484222325);
        for (int i = 0; i < col_count(&st); i++) {
            h = mix_value(h, &st, i);
        }
        sum += h;
    }
    must(stmt_err(&st, "rows").code == ERR_OK, sql);
    stmt_close(&st);
    return sum;
}

static uint64_t all_digest(struct db *db)
{
    struct stmt st;
    uint64_t h = rows_digest(db, "SELECT type, name, sql FROM sqlite_schema");
    must(db_prepare(db,
                    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE"
                    " 'sqlite_%' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name",
                    &st, NULL)
                 .code == ERR_OK,
         "tables");
    while (db_step_row(&st)) {
        char sql[160];
        (void)snprintf(sql, sizeof sql, "SELECT * FROM %s", col_text(&st, 0));
        uint64_t rows = rows_digest(db, sql);
        h = mix(mix(h, col_text(&st, 0), strlen(col_text(&st, 0))), &rows, sizeof rows);
    }
    stmt_close(&st);
    return h;
}

/* Rows that the server makes by itself: a second try gives them other ids. */
static bool has_ids_by_chance(const struct table *t)
{
    return t->number == TABLE_kept_value || t->number == TABLE_past_day;
}

static uint64_t business_digest(struct db *db)
{
    uint64_t h = 0;
    for (size_t i = 0; i < catalogue_table_count(); i++) {
        const struct table *t = catalogue_table_at(i);
        char sql[4096];
        size_t at = (size_t)snprintf(sql, sizeof sql, "SELECT %s, _deleted_at IS NULL",
                                     has_ids_by_chance(t) ? "0" : "id");
        for (size_t c = 0; c < t->column_count; c++) {
            at += (size_t)snprintf(&sql[at], sizeof sql - at, ", %s", t->columns[c].name);
        }
        (void)snprintf(&sql[at], sizeof sql - at, " FROM %s", t->name);
        uint64_t rows = rows_digest(db, sql);
        h = mix(h, &rows, sizeof rows);
    }
    return h;
}

static uint64_t file_digest(const struct rig *g, size_t file, enum rig_view view)
{
    struct db *db = NULL;
    must(db_open(&db, path_of(g, file), &plain).code == ERR_OK, path_of(g, file));
    uint64_t h = view == RIG_ALL ? all_digest(db) : business_digest(db);
    db_close(db);
    return h;
}

uint64_t rig_digest(struct rig *g, enum rig_view view)
{
    uint64_t h = 0;
    for (size_t i = 0; i < RIG_FILES; i++) {
        uint64_t one = g->opened[i] ? file_digest(g, i, view) : g->digests[view][i];
        h = mix(h, &one, sizeof one);
    }
    return h;
}
