/* What people do in the small firm, through the same calls that the commands and the server's own
 * writers use. */
#include "tests/support/world.h"

#include "common/changelog/server/book.h"
#include "common/changelog/server/move_job.h"

struct cell cell_text(uint8_t column, const char *text)
{
    struct value v = text == NULL ? value_null() : value_text(bytes_text(text));
    return (struct cell){.column = column, .value = v};
}

struct cell cell_int(uint8_t column, int64_t i)
{
    return (struct cell){.column = column, .value = value_int(i)};
}

struct cell cell_id(uint8_t column, const uint8_t id[16])
{
    return (struct cell){.column = column, .value = value_blob(bytes_of(id, 16))};
}

/* ---- on a device ---- */

static bool finish(struct world_device *d, struct err err)
{
    bool refused = err.code == ERR_INVALID || err.code == ERR_NOT_FOUND;
    struct err end = replica_end(&d->replica, err);
    if (!refused) {
        world_must(d->world, d->db, end);
    }
    return !refused;
}

bool device_insert(struct world_device *d, uint16_t table, const uint8_t id[16],
                   const struct cell *cells, size_t count)
{
    struct complaint why;
    world_must(d->world, d->db, replica_begin(&d->replica, "test.insert"));
    return finish(d, row_insert(d->db, catalogue_table(table), id, cells, count, &why));
}

bool device_update(struct world_device *d, uint16_t table, const uint8_t id[16],
                   const struct cell *cells, size_t count)
{
    struct complaint why;
    world_must(d->world, d->db, replica_begin(&d->replica, "test.update"));
    return finish(d, row_update(d->db, catalogue_table(table), id, cells, count, &why));
}

bool device_delete(struct world_device *d, uint16_t table, const uint8_t id[16])
{
    world_must(d->world, d->db, replica_begin(&d->replica, "test.delete"));
    return finish(d, row_delete(d->db, catalogue_table(table), id));
}

static void must_insert(struct world_device *d, uint16_t table, const uint8_t id[16],
                        const struct cell *cells, size_t count)
{
    struct complaint why = {0};
    struct err err = row_insert(d->db, catalogue_table(table), id, cells, count, &why);
    if (err.code != ERR_OK) {
        world_fail(d->world, "%s: %s %s %s: %s", catalogue_table(table)->name, err_name(err.code),
                   why.code, why.field, db_message(d->db));
    }
}

static void one_insert(struct world_device *d, const char *intent, uint16_t table, uint8_t id[16],
                       const struct cell *cells, size_t count)
{
    replica_new_id(&d->replica, id);
    world_must(d->world, d->db, replica_begin(&d->replica, intent));
    must_insert(d, table, id, cells, count);
    world_must(d->world, d->db, replica_end(&d->replica, err_ok()));
}

void device_customer(struct world_device *d, const char *name, uint8_t id[16])
{
    const struct cell cells[] = {cell_text(COLUMN_customer_name, name),
                                 cell_text(COLUMN_customer_kind, "prospect"),
                                 cell_id(COLUMN_customer_book_id, d->world->books[d->who])};
    one_insert(d, "customer.new", TABLE_customer, id, cells, count_of(cells));
}

void device_visit(struct world_device *d, const uint8_t customer[16], uint8_t id[16])
{
    const struct cell cells[] = {
        cell_id(COLUMN_visit_customer_id, customer),
        cell_id(COLUMN_visit_person_id, d->world->people[d->who]),
        cell_text(COLUMN_visit_state, "completed"),
        cell_int(COLUMN_visit_checkin_at, replica_now_ms(&d->replica)),
        cell_text(COLUMN_visit_visit_day, "2025-11-25"),
        cell_int(COLUMN_visit_tz_offset_min, 480),
    };
    one_insert(d, "visit.log", TABLE_visit, id, cells, count_of(cells));
}

void device_payment(struct world_device *d, const uint8_t customer[16], uint8_t id[16])
{
    const struct cell cells[] = {
        cell_id(COLUMN_payment_customer_id, customer),
        cell_id(COLUMN_payment_person_id, d->world->people[d->who]),
        cell_int(COLUMN_payment_amount, 1200),
        cell_text(COLUMN_payment_currency, "CNY"),
        cell_text(COLUMN_payment_method, "cash"),
        cell_int(COLUMN_payment_paid_at, replica_now_ms(&d->replica)),
        cell_text(COLUMN_payment_paid_day, "2025-11-25"),
    };
    one_insert(d, "pay", TABLE_payment, id, cells, count_of(cells));
}

void device_order(struct world_device *d, const uint8_t customer[16], int64_t quantity,
                  int64_t price, bool submit, uint8_t id[16])
{
    struct world *w = d->world;
    uint8_t line[16];
    int64_t now = replica_now_ms(&d->replica);
    int64_t amount = quantity / 1000 * price; /* whole units only */
    replica_new_id(&d->replica, id);
    replica_new_id(&d->replica, line);
    const struct cell order[] = {
        cell_id(COLUMN_sales_order_customer_id, customer),
        cell_id(COLUMN_sales_order_person_id, w->people[d->who]),
        cell_int(COLUMN_sales_order_order_at, now),
        cell_text(COLUMN_sales_order_order_day, "2025-11-25"),
        cell_id(COLUMN_sales_order_price_list_id, w->price_list),
        cell_text(COLUMN_sales_order_currency, "CNY"),
        cell_int(COLUMN_sales_order_discount_bp, 0),
        cell_int(COLUMN_sales_order_subtotal, amount),
        cell_int(COLUMN_sales_order_discount, 0),
        cell_int(COLUMN_sales_order_tax, 0),
        cell_int(COLUMN_sales_order_total, amount),
        cell_text(COLUMN_sales_order_submit_state, submit ? "submitted" : "draft"),
        cell_int(COLUMN_sales_order_submitted_at, now),
    };
    const struct cell item[] = {
        cell_id(COLUMN_order_line_order_id, id),
        cell_int(COLUMN_order_line_line_no, 1),
        cell_id(COLUMN_order_line_product_id, w->products[0]),
        cell_int(COLUMN_order_line_quantity, quantity),
        cell_int(COLUMN_order_line_list_price, price),
        cell_int(COLUMN_order_line_price, price),
        cell_int(COLUMN_order_line_tax_bp, 0),
        cell_int(COLUMN_order_line_amount, amount),
    };
    world_must(w, d->db, replica_begin(&d->replica, "order.new"));
    must_insert(d, TABLE_sales_order, id, order, count_of(order) - !submit);
    must_insert(d, TABLE_order_line, line, item, count_of(item));
    world_must(w, d->db, replica_end(&d->replica, err_ok()));
}

/* ---- on the server ---- */

struct server_write *world_write_begin(struct world *w, const char *intent)
{
    struct server_write *write;
    world_must(w, w->writer_db, db_begin(w->writer_db, DB_LOCK_WRITE));
    world_must(w, w->writer_db,
               server_write_begin(&w->writer, w->people[BOSS], intent, w->server.wall_ms, &write));
    return write;
}

enum err_code world_write_end(struct world *w, struct server_write *write, struct err err,
                              struct complaint *why)
{
    if (err.code == ERR_OK) {
        err = server_write_end(write, why);
    } else {
        server_write_cancel(write);
    }
    err = db_end(w->writer_db, err);
    bool ours = err.code == ERR_OK || err.code == ERR_REFUSED || err.code == ERR_INVALID ||
                err.code == ERR_NOT_FOUND;
    if (!ours) {
        world_must(w, w->writer_db, err);
    }
    return err.code;
}

enum err_code world_put(struct world *w, uint16_t table, const uint8_t id[16],
                        const struct cell *cells, size_t count, int64_t base, struct complaint *why)
{
    struct server_write *write = world_write_begin(w, "test.put");
    int64_t seq = 0;
    struct buf old;
    buf_init(&old, 1u << 20);
    struct err err =
        server_write_put(write, catalogue_table(table), id, cells, count, base, &seq, &old, why);
    buf_release(&old);
    return world_write_end(w, write, err, why);
}

enum err_code world_delete(struct world *w, uint16_t table, const uint8_t id[16], int64_t base,
                           struct complaint *why)
{
    struct server_write *write = world_write_begin(w, "test.delete");
    return world_write_end(w, write,
                           server_write_delete(write, catalogue_table(table), id, base, why), why);
}

enum err_code world_undelete(struct world *w, uint16_t table, const uint8_t id[16],
                             struct complaint *why)
{
    struct server_write *write = world_write_begin(w, "undelete");
    int64_t seq = 0;
    return world_write_end(
        w, write, server_write_undelete(write, catalogue_table(table), id, &seq, why), why);
}

void world_customer(struct world *w, enum world_person whose, const char *name, uint8_t id[16])
{
    struct complaint why = {0};
    const struct cell cells[] = {cell_text(COLUMN_customer_name, name),
                                 cell_text(COLUMN_customer_kind, "customer"),
                                 cell_id(COLUMN_customer_book_id, w->books[whose])};
    world_new_id(w, id);
    if (world_put(w, TABLE_customer, id, cells, count_of(cells), -1, &why) != ERR_OK) {
        world_fail(w, "customer %s: %s %s", name, why.code, why.field);
    }
}

void world_move(struct world *w, const uint8_t customer[16], enum world_person to)
{
    struct complaint why = {0};
    int64_t rows = 0;
    struct server_write *write = world_write_begin(w, "move");
    struct err err = server_write_move(write, customer, w->books[to], &rows);
    if (world_write_end(w, write, err, &why) != ERR_OK) {
        world_fail(w, "move: %s %s %s", err_name(err.code), why.code, why.field);
    }
}

void world_move_many(struct world *w, const uint8_t (*customers)[16], size_t count,
                     enum world_person to, size_t steps)
{
    int64_t no = 0;
    bool ended = false;
    world_must(w, w->writer_db,
               move_job_make(&w->writer, customers, count, w->books[to], w->server.wall_ms, &no));
    for (size_t i = 0; i < steps && !ended; i++) {
        world_must(w, w->writer_db, move_job_step(&w->writer, no, w->server.wall_ms, &ended));
    }
    world_restart_server(w);
    while (move_job_open(&w->writer, &no).code == ERR_OK) {
        world_must(w, w->writer_db, move_job_step(&w->writer, no, w->server.wall_ms, &ended));
    }
}

void world_give(struct world *w, enum world_person from, enum world_person to)
{
    struct complaint why = {0};
    struct book_given given;
    struct server_write *write = world_write_begin(w, "book.give");
    struct err err = book_give(write, w->people[from], w->people[to], NULL, &given, &why);
    if (world_write_end(w, write, err, &why) != ERR_OK) {
        world_fail(w, "give: %s %s %s", err_name(err.code), why.code, why.field);
    }
}
