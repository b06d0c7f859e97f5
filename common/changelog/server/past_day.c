/* See past_day.h. */
#include "common/changelog/server/past_day.h"

#include "common/changelog/server/permit.h"

#define DAYS_MAX     20000
#define FIGURES      9 /* columns behind person, day, customer */
#define PERMIT_ARENA ((size_t)4 << 20)

struct past_day {
    uint8_t person[16];
    char day[11];
    bool is_null[FIGURES];
    int64_t figures[FIGURES];
};

/* The same figures as the day report of a device and the report team_day, of one customer. */
static const char days_sql[] =
    "WITH fact (p, d, planned, visited, productive, orders, value, paid, first_at, last_at, ms) AS "
    "("
    " SELECT person_id, on_day, 1, 0, 0, 0, 0, 0, NULL, NULL, 0 FROM visit_plan"
    "  WHERE customer_id = ?1 AND state <> 'cancelled' AND _deleted_at IS NULL"
    " UNION ALL SELECT person_id, visit_day, 0, 1,"
    "  CASE WHEN EXISTS (SELECT 1 FROM sales_order o WHERE o.visit_id = v.id AND o.submit_state = "
    "'submitted'"
    "   AND o.cancelled_at IS NULL AND o._deleted_at IS NULL) THEN 1 ELSE 0 END, 0, 0, 0, "
    "checkin_at, checkin_at,"
    "  max(coalesce(checkout_at, checkin_at) - checkin_at, 0)"
    "  FROM visit v WHERE customer_id = ?1 AND _deleted_at IS NULL"
    " UNION ALL SELECT person_id, order_day, 0, 0, 0, 1, total, 0, NULL, NULL, 0 FROM sales_order"
    "  WHERE customer_id = ?1 AND submit_state = 'submitted' AND cancelled_at IS NULL"
    "  AND _deleted_at IS NULL"
    " UNION ALL SELECT person_id, paid_day, 0, 0, 0, 0, 0,"
    "  CASE WHEN reverses_id IS NULL THEN amount ELSE -abs(amount) END, NULL, NULL, 0 FROM payment"
    "  WHERE customer_id = ?1 AND _deleted_at IS NULL)"
    " SELECT p, d, sum(planned), sum(visited), sum(productive), sum(orders), sum(value), sum(paid),"
    " min(first_at), max(last_at), sum(ms) FROM fact GROUP BY p, d ORDER BY p, d LIMIT ?2";

struct keeping {
    struct server_write *w;
    struct store *st;
    const uint8_t *customer;
    int64_t scope; /* where the customer is now */
    size_t count;
    struct past_day *days;
};

static struct err read_days(struct keeping *k)
{
    struct stmt q;
    size_t room = 0;
    struct err err = db_use(k->st->db, days_sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, k->customer);
    bind_int(&q, 2, DAYS_MAX);
    while (db_step_row(&q)) {
        if (k->count == room) {
            room = room == 0 ? 64 : room * 2;
            struct past_day *days = realloc(k->days, room * sizeof *days);
            if (days == NULL) {
                stmt_reset(&q);
                return err_make(ERR_NOMEM, 0, "read_days");
            }
            k->days = days;
        }
        struct past_day *day = &k->days[k->count];
        *day = (struct past_day){.person = {0}};
        (void)snprintf(day->day, sizeof day->day, "%s", col_text(&q, 1));
        for (int i = 0; i < FIGURES; i++) {
            day->is_null[i] = col_is_null(&q, 2 + i);
            day->figures[i] = col_int(&q, 2 + i);
        }
        k->count += col_id(&q, 0, day->person);
    }
    return stmt_err(&q, "read_days");
}

static struct err read_scope(struct keeping *k)
{
    struct stmt q;
    struct err err = db_use(k->st->db, "SELECT _scope FROM customer WHERE id = ?1", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, k->customer);
    k->scope = db_step_row(&q) ? col_int(&q, 0) : 0;
    err = stmt_err(&q, "read_scope");
    stmt_reset(&q);
    return err;
}

static struct err still_holds(struct keeping *k, const uint8_t person[16], bool *out)
{
    struct arena arena;
    struct permit permit;
    arena_init(&arena, PERMIT_ARENA);
    struct err err = permit_load(k->st, person, &arena, &permit);
    if (err.code == ERR_OK) {
        err = permit_holds(&permit, k->st, k->scope, out);
    }
    arena_release(&arena);
    return err;
}

/* The row of an earlier move, or a new one. */
static struct err find_row(struct keeping *k, const struct past_day *day, uint8_t id[16],
                           bool *found)
{
    struct stmt q;
    struct err err = db_use(k->st->db,
                            "SELECT id FROM past_day WHERE about_id = ?1 AND person_id = ?2"
                            " AND on_day = ?3 AND _deleted_at IS NULL",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, k->customer);
    bind_id(&q, 2, day->person);
    bind_text(&q, 3, day->day);
    *found = db_step_row(&q) && col_id(&q, 0, id);
    err = stmt_err(&q, "find_row");
    stmt_reset(&q);
    if (!*found) {
        store_new_id(k->st, server_write_at_ms(k->w), id);
    }
    return err;
}

static struct err put_day(struct keeping *k, const struct past_day *day)
{
    static const uint8_t figures[FIGURES] = {
        COLUMN_past_day_planned,  COLUMN_past_day_visited,     COLUMN_past_day_productive,
        COLUMN_past_day_orders,   COLUMN_past_day_order_value, COLUMN_past_day_collected,
        COLUMN_past_day_first_at, COLUMN_past_day_last_at,     COLUMN_past_day_outlet_ms};
    uint8_t id[16];
    int64_t seq = 0;
    bool found = false;
    struct complaint why;
    struct cell cells[3 + FIGURES] = {
        {.column = COLUMN_past_day_person_id, .value = value_blob(bytes_of(day->person, 16))},
        {.column = COLUMN_past_day_on_day, .value = value_text(bytes_text(day->day))},
        {.column = COLUMN_past_day_about_id, .value = value_blob(bytes_of(k->customer, 16))}};
    for (size_t i = 0; i < FIGURES; i++) {
        cells[3 + i] =
            (struct cell){.column = figures[i],
                          .value = day->is_null[i] ? value_null() : value_int(day->figures[i])};
    }
    struct err err = find_row(k, day, id, &found);
    size_t first = found ? 3 : 0; /* the scope's column is never written again */
    return err.code == ERR_OK
               ? server_write_put(k->w, catalogue_table(TABLE_past_day), id, &cells[first],
                                  count_of(cells) - first, -1, &seq, NULL, &why)
               : err;
}

static struct err put_days(struct keeping *k)
{
    bool holds = false;
    struct err err = err_ok();
    for (size_t i = 0; i < k->count && err.code == ERR_OK; i++) {
        bool other = i == 0 || memcmp(k->days[i].person, k->days[i - 1].person, 16) != 0;
        if (other) {
            err = still_holds(k, k->days[i].person, &holds);
        }
        if (err.code == ERR_OK && !holds) {
            err = put_day(k, &k->days[i]);
        }
    }
    return err;
}

struct err past_days_keep(struct server_write *w, const uint8_t customer[16])
{
    struct keeping k = {.w = w, .st = server_write_store(w), .customer = customer};
    struct err err = read_days(&k);
    if (err.code == ERR_OK) {
        err = read_scope(&k);
    }
    if (err.code == ERR_OK) {
        err = put_days(&k);
    }
    free(k.days);
    return err;
}

static struct err next_customer(struct server_write *w, const uint8_t book[16],
                                const uint8_t person[16], uint8_t at[16], bool *more)
{
#define DID(table)                                                                                 \
    " EXISTS (SELECT 1 FROM " table " f WHERE f.customer_id = c.id AND f.person_id = ?3)"
    static const char sql[] =
        "SELECT c.id FROM customer c WHERE c.book_id = ?1 AND c.id > ?2"
        " AND c._deleted_at IS NULL AND (" DID("visit") " OR" DID("visit_plan") " OR" DID(
            "sales_order") " OR" DID("payment") ") ORDER BY c.id LIMIT 1";
#undef DID
    struct stmt q;
    struct err err = db_use(server_write_store(w)->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, book);
    bind_id(&q, 2, at);
    bind_id(&q, 3, person);
    *more = db_step_row(&q) && col_id(&q, 0, at);
    err = stmt_err(&q, "past_days_of_book");
    stmt_reset(&q);
    return err;
}

struct err past_days_of_book(struct server_write *w, const uint8_t book[16],
                             const uint8_t person[16])
{
    uint8_t at[16] = {0};
    bool more = true;
    struct err err = err_ok();
    while (more && err.code == ERR_OK) {
        err = next_customer(w, book, person, at, &more);
        if (more && err.code == ERR_OK) {
            err = past_days_keep(w, at);
        }
    }
    return err;
}
