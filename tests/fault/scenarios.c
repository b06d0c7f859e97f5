/* See scenarios.h. */
#include "tests/fault/scenarios.h"

#include <sodium.h>

#include "common/changelog/server/move_job.h"

/* ---- on the device ---- */

static struct err begin(struct rig *g, const char *intent)
{
    struct err err = rig_open_device(g, ANN_PHONE);
    return err.code == ERR_OK ? replica_begin(&g->replica, intent) : err;
}

static struct err insert(struct rig *g, uint16_t table, const uint8_t id[16],
                         const struct cell *cells, size_t count)
{
    struct complaint why;
    return row_insert(g->device_db, catalogue_table(table), id, cells, count, &why);
}

static struct err open_device(struct rig *g)
{
    return rig_open_device(g, ANN_PHONE);
}

static struct err save_visit(struct rig *g)
{
    const struct cell cells[] = {
        cell_id(COLUMN_visit_customer_id, g->customer),
        cell_id(COLUMN_visit_person_id, g->world.people[ANN]),
        cell_text(COLUMN_visit_state, "completed"),
        cell_int(COLUMN_visit_checkin_at, g->world.server.wall_ms),
        cell_text(COLUMN_visit_visit_day, "2025-11-25"),
        cell_int(COLUMN_visit_tz_offset_min, 480),
        cell_text(COLUMN_visit_note, "货架缺货 out of stock"),
    };
    struct err err = begin(g, "visit.log");
    if (err.code != ERR_OK) {
        return err;
    }
    return replica_end(&g->replica, insert(g, TABLE_visit, g->new_ids[0], cells, count_of(cells)));
}

static struct err put_order(struct rig *g)
{
    const struct cell order[] = {
        cell_id(COLUMN_sales_order_customer_id, g->customer),
        cell_id(COLUMN_sales_order_person_id, g->world.people[ANN]),
        cell_int(COLUMN_sales_order_order_at, g->world.server.wall_ms),
        cell_text(COLUMN_sales_order_order_day, "2025-11-25"),
        cell_text(COLUMN_sales_order_currency, "CNY"),
        cell_int(COLUMN_sales_order_subtotal, 3000),
        cell_int(COLUMN_sales_order_total, 3000),
        cell_text(COLUMN_sales_order_submit_state, "draft"),
    };
    struct err err = insert(g, TABLE_sales_order, g->new_ids[0], order, count_of(order));
    for (int i = 0; i < WORLD_PRODUCTS && err.code == ERR_OK; i++) {
        const struct cell line[] = {
            cell_id(COLUMN_order_line_order_id, g->new_ids[0]),
            cell_int(COLUMN_order_line_line_no, i + 1),
            cell_id(COLUMN_order_line_product_id, g->world.products[i]),
            cell_int(COLUMN_order_line_quantity, 1000),
            cell_int(COLUMN_order_line_list_price, 1000),
            cell_int(COLUMN_order_line_price, 1000),
            cell_int(COLUMN_order_line_amount, 1000),
        };
        err = insert(g, TABLE_order_line, g->new_ids[i + 1], line, count_of(line));
    }
    return err;
}

static struct err save_order(struct rig *g)
{
    char no[24];
    struct err err = begin(g, "order.new");
    if (err.code != ERR_OK) {
        return err;
    }
    err = replica_new_no(&g->replica, no);
    return replica_end(&g->replica, err.code == ERR_OK ? put_order(g) : err);
}

static struct err edit_and_delete(struct rig *g)
{
    const struct cell cells[] = {cell_text(COLUMN_customer_note, "seen again"),
                                 cell_text(COLUMN_customer_tags, "[\"b\",\"c\"]")};
    struct complaint why;
    struct err err = begin(g, "customer.set");
    if (err.code != ERR_OK) {
        return err;
    }
    err = row_update(g->device_db, catalogue_table(TABLE_customer), g->customer, cells,
                     count_of(cells), &why);
    if (err.code == ERR_OK) {
        err = row_delete(g->device_db, catalogue_table(TABLE_contact), g->contact);
    }
    return replica_end(&g->replica, err);
}

static struct err inbox_entry(struct rig *g, size_t device, const char *kind, int64_t *id)
{
    char sql[96];
    (void)snprintf(sql, sizeof sql,
                   "SELECT id FROM inbox WHERE done IS NULL AND kind = '%s' LIMIT 1", kind);
    struct err err = rig_open_device(g, device);
    return err.code == ERR_OK ? db_one_int(g->device_db, sql, id) : err;
}

static struct err discard_refused(struct rig *g)
{
    int64_t id = 0;
    struct err err = inbox_entry(g, ANN_PHONE, "refused", &id);
    return err.code == ERR_OK ? inbox_discard(&g->replica, id) : err;
}

static struct err note_refused(struct rig *g)
{
    int64_t id = 0;
    struct err err = inbox_entry(g, ANN_PHONE, "refused", &id);
    return err.code == ERR_OK ? inbox_note(&g->replica, id, bytes_text("请看一下 please look"))
                              : err;
}

static struct err resend_refused(struct rig *g)
{
    struct complaint why;
    int64_t id = 0;
    struct err err = inbox_entry(g, ANN_PHONE, "refused", &id);
    return err.code == ERR_OK ? inbox_resend(&g->replica, id, NULL, 0, &why) : err;
}

static struct err restore_merged(struct rig *g)
{
    int64_t id = 0;
    struct err err = inbox_entry(g, ANN_TABLET, "merged", &id);
    return err.code == ERR_OK ? inbox_restore(&g->replica, id) : err;
}

static struct err digest_of_device(struct rig *g)
{
    struct digest digest;
    struct err err = rig_open_device(g, ANN_PHONE);
    return err.code == ERR_OK ? replica_digest(&g->replica, &g->arena, &digest) : err;
}

/* ---- both ---- */

static struct err sync_of(struct rig *g, size_t device)
{
    struct err err = rig_open_device(g, device);
    if (err.code == ERR_OK) {
        err = rig_open_store(g);
    }
    return err.code == ERR_OK ? rig_sync(g, device) : err;
}

static struct err sync_work(struct rig *g)
{
    return sync_of(g, ANN_PHONE);
}

static struct err sync_first(struct rig *g)
{
    return sync_of(g, BOSS_LAPTOP);
}

static struct err sync_rows(struct rig *g)
{
    return sync_of(g, ANN_TABLET);
}

/* ---- on the server ---- */

static struct err open_store(struct rig *g)
{
    return rig_open_store(g);
}

static struct err write_begin(struct rig *g, struct server_write **w)
{
    *w = NULL;
    struct err err = rig_open_store(g);
    if (err.code == ERR_OK) {
        err = db_begin(g->store_db, DB_LOCK_WRITE);
    }
    return err.code == ERR_OK
               ? server_write_begin(&g->store, NULL, "test", g->world.server.wall_ms, w)
               : err;
}

static struct err write_end(struct rig *g, struct server_write *w, struct err err)
{
    struct complaint why;
    if (w != NULL && err.code == ERR_OK) {
        err = server_write_end(w, &why);
    } else if (w != NULL) {
        server_write_cancel(w);
    }
    return g->store_db != NULL && db_in_transaction(g->store_db) ? db_end(g->store_db, err) : err;
}

static struct err server_puts(struct rig *g)
{
    const struct cell cells[] = {cell_text(COLUMN_customer_name, "Imported"),
                                 cell_text(COLUMN_customer_kind, "customer"),
                                 cell_id(COLUMN_customer_book_id, g->world.books[BOB])};
    const struct cell city = cell_text(COLUMN_customer_city, "Beijing");
    const struct table *t = catalogue_table(TABLE_customer);
    struct complaint why;
    struct server_write *w;
    int64_t seq = 0;
    struct err err = write_begin(g, &w);
    if (err.code == ERR_OK) {
        err = server_write_put(w, t, g->new_ids[0], cells, count_of(cells), -1, &seq, NULL, &why);
    }
    if (err.code == ERR_OK) {
        err = server_write_put(w, t, g->customer, &city, 1, -1, &seq, NULL, &why);
    }
    return write_end(g, w, err);
}

static struct err server_deletes(struct rig *g)
{
    struct complaint why;
    struct server_write *w;
    struct err err = write_begin(g, &w);
    if (err.code == ERR_OK) {
        err = server_write_delete(w, catalogue_table(TABLE_contact), g->contact, -1, &why);
    }
    return write_end(g, w, err);
}

static struct err server_moves(struct rig *g)
{
    struct server_write *w;
    int64_t rows = 0;
    struct err err = write_begin(g, &w);
    if (err.code == ERR_OK) {
        err = server_write_move(w, g->customer, g->world.books[BOB], &rows);
    }
    return write_end(g, w, err);
}

/* A job of one customer: named in a transaction, moved in a second, ended in a third. */
static struct err moves_by_a_job(struct rig *g)
{
    const int64_t now = g->world.server.wall_ms;
    bool ended = false;
    int64_t no = 0;
    struct err err = rig_open_store(g);
    if (err.code == ERR_OK) {
        err = move_job_open(&g->store, &no); /* left unfinished by a try before */
    }
    if (err.code == ERR_NOT_FOUND) {
        err = move_job_make(&g->store, (const uint8_t(*)[16])g->customer, 1, g->world.books[BOB],
                            now, &no);
    }
    while (err.code == ERR_OK && !ended) {
        err = move_job_step(&g->store, no, now, &ended);
    }
    return err;
}

static struct err enrols(struct rig *g)
{
    struct enrol request = {.name = bytes_text("phone"), .app = bytes_text("1"), .secret = {7}};
    struct enrolled who;
    uint8_t hash[32];
    int64_t now = g->world.server.wall_ms;
    crypto_hash_sha256(hash, request.secret, sizeof request.secret);
    struct err err = rig_open_store(g);
    if (err.code == ERR_OK) {
        err = db_begin(g->store_db, DB_LOCK_WRITE);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    err = store_invite(&g->store, g->world.people[BOB], hash, now, now + 1000000);
    if (err.code == ERR_OK) {
        err = store_enrol(&g->store, &request, now, &g->arena, &who);
    }
    return db_end(g->store_db, err);
}

static struct err verifies(struct rig *g)
{
    struct buf report;
    struct digest digest;
    buf_init(&report, (size_t)1 << 20);
    struct err err = rig_open_store(g);
    if (err.code == ERR_OK) {
        err = store_verify(&g->store, &report);
    }
    if (err.code == ERR_OK) {
        err = store_digest(&g->store, 0, &g->arena, &digest);
    }
    buf_release(&report);
    return err;
}

static struct err founds(struct rig *g)
{
    const struct store_founding founding = {.company_name = bytes_text("Another"),
                                            .currency = bytes_text("CNY"),
                                            .tz = bytes_text("Asia/Shanghai"),
                                            .locale = bytes_text("zh")};
    const struct db_options options = {.mode = DB_CREATE, .busy_timeout_ms = 100};
    struct host host = fake_host_as_host(&g->world.server);
    struct err err = db_open(&g->store_db, ":memory:", &options);
    return err.code == ERR_OK ? store_create(g->store_db, &host, &founding) : err;
}

static struct err makes_replica(struct rig *g)
{
    const struct enrolled who = {.device_number = 9, .epoch = 1, .timeline = {.counter = 1}};
    const struct db_options options = {.mode = DB_CREATE, .busy_timeout_ms = 100};
    struct err err = db_open(&g->device_db, ":memory:", &options);
    return err.code == ERR_OK ? replica_create(g->device_db, &who) : err;
}

const struct scenario scenarios[] = {
    {"the device's replica is opened", ALL_OR_NOTHING, 1, open_device},
    {"a visit is saved", ALL_OR_NOTHING, 1, save_visit},
    {"an order with lines is saved", ALL_OR_NOTHING, 1, save_order},
    {"a customer is edited, a contact deleted", ALL_OR_NOTHING, 1, edit_and_delete},
    {"refused work is discarded", ALL_OR_NOTHING, 1, discard_refused},
    {"refused work is sent as a note", ALL_OR_NOTHING, 1, note_refused},
    {"refused work is sent again", ALL_OR_NOTHING, 1, resend_refused},
    {"a lost value is restored", ALL_OR_NOTHING, 1, restore_merged},
    {"a device's digests are made", ALL_OR_NOTHING, 1, digest_of_device},
    {"a sync with verdicts of each kind", SAME_ROWS, 1, sync_work},
    {"a first sync", SAME_ROWS, 1, sync_first},
    {"a sync that brings rows", SAME_ROWS, 1, sync_rows},
    {"the store is opened", ALL_OR_NOTHING, 1, open_store},
    {"the server writes rows", ALL_OR_NOTHING, 1, server_puts},
    {"the server deletes a row", ALL_OR_NOTHING, 1, server_deletes},
    {"a customer moves", ALL_OR_NOTHING, 1, server_moves},
    {"a job moves a customer", SAME_ROWS, 1, moves_by_a_job},
    {"a device is enrolled", ALL_OR_NOTHING, 1, enrols},
    {"the store is verified", ALL_OR_NOTHING, 1, verifies},
    {"a store is founded", ALL_OR_NOTHING, 1, founds},
    {"a replica is made", ALL_OR_NOTHING, 1, makes_replica},
    {"a replica of version 1 is brought up to date", SAME_FILES, 100, rig_open_old_replica},
    {"a store of version 1 is brought up to date", SAME_FILES, 100, rig_open_old_store},
};
const size_t scenario_count = count_of(scenarios);
