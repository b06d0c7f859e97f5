/* What people do on their devices, through the calls that the commands use. Every text that
 * somebody writes is unique ("w17."), so it can be told what became of it; what is said to be saved
 * is noted here, outside of the device. */
#include "tests/sim/engine/sim.h"

struct cell sim_text(uint8_t column, const char *text)
{
    return (struct cell){.column = column, .value = value_text(bytes_text(text))};
}

struct cell sim_int(uint8_t column, int64_t i)
{
    return (struct cell){.column = column, .value = value_int(i)};
}

struct cell sim_id(uint8_t column, const uint8_t id[16])
{
    return (struct cell){.column = column, .value = value_blob(bytes_of(id, 16))};
}

int sim_serial(const struct value *v)
{
    int serial = 0;
    if (v->kind != VALUE_TEXT || v->b.size < 3 || v->b.at[0] != 'w') {
        return 0;
    }
    for (size_t i = 1; i < v->b.size && v->b.at[i] >= '0' && v->b.at[i] <= '9'; i++) {
        serial = serial * 10 + (v->b.at[i] - '0');
    }
    return serial;
}

void sim_text_of(const struct sim *s, int serial, char text[SIM_TEXT_MAX])
{
    bool long_ones = (s->features >> SIM_ERASURE & 1) != 0; /* that stand nowhere by chance */
    (void)snprintf(text, SIM_TEXT_MAX, "w%d.%s", serial, long_ones ? "somebody" : "");
}

/* ---- what was saved ---- */

/* The serial of the text that a device shows in a cell; 0: none; -1: the row isn't there. */
static int shown(struct sim_device *d, const struct column *c, const uint8_t id[16])
{
    char sql[160];
    struct stmt q;
    int serial = -1;
    (void)snprintf(sql, sizeof sql, "SELECT %s FROM %s WHERE id = ?1", c->name,
                   catalogue_table(c->table)->name);
    if (db_use(d->db, sql, &q).code != ERR_OK) {
        return -1;
    }
    bind_id(&q, 1, id);
    if (db_step_row(&q)) {
        struct value v = col_value(&q, 0);
        serial = sim_serial(&v);
    }
    stmt_reset(&q);
    return serial;
}

void work_count(struct sim_device *d)
{
    static const char sql[] =
        "SELECT count(DISTINCT tx), coalesce(max(tx), 0) FROM outbox WHERE tx > ?1";
    struct stmt q;
    if (d->db == NULL || db_use(d->db, sql, &q).code != ERR_OK) {
        return;
    }
    bind_int(&q, 1, d->last_tx);
    if (db_step_row(&q) && col_int(&q, 0) > 0) {
        d->saved_count += col_int(&q, 0);
        d->last_tx = col_int(&q, 1);
    }
    stmt_reset(&q);
}

static struct sim_saved *note(struct sim_device *d, int serial, const struct column *c,
                              const uint8_t id[16], int saw)
{
    struct sim *s = d->sim;
    if (s->saved_count == SIM_SAVED_MAX) {
        return NULL;
    }
    struct sim_saved *saved = &s->saved[s->saved_count++];
    *saved = (struct sim_saved){.device = d->index,
                                .tx = d->last_tx,
                                .serial = serial,
                                .true_ms = s->now_ms,
                                .wall_error_ms = d->host.wall_error_ms,
                                .boot_ms = d->host.boot_ms,
                                .column = c,
                                .saw = saw};
    memcpy(saved->row, id, 16);
    return saved;
}

/* Whether it was saved. What the disk or the rules refused isn't, and nothing of it may be there.
 */
static bool end(struct sim_device *d, struct err err)
{
    bool refused = err.code == ERR_INVALID || err.code == ERR_NOT_FOUND || err.code == ERR_EXISTS;
    err = replica_end(&d->replica, err);
    if (device_is_gone(d)) {
        return false;
    }
    if (err.code == ERR_OK) {
        work_count(d);
        return true;
    }
    if (!refused) {
        sim_trace(d->sim, "device %d can't save: %s", d->index, err_name(err.code));
        device_failed(d, err);
    }
    return false;
}

static bool begin(struct sim_device *d, const char *intent)
{
    struct err err = replica_begin(&d->replica, intent);
    if (err.code == ERR_OK) {
        return true;
    }
    if (!device_is_gone(d)) {
        device_failed(d, err);
    }
    return false;
}

static void know(struct sim *s, uint16_t table, const uint8_t id[16])
{
    if (s->row_count < SIM_ROWS_MAX) {
        s->rows[s->row_count].table = table;
        memcpy(s->rows[s->row_count++].id, id, 16);
    }
}

static bool insert(struct sim_device *d, uint16_t table, uint8_t id[16], const struct cell *cells,
                   size_t count, int serial, uint8_t column)
{
    struct complaint why;
    if (!begin(d, "sim.insert")) {
        return false;
    }
    replica_new_id(&d->replica, id);
    bool saved = end(d, row_insert(d->db, catalogue_table(table), id, cells, count, &why));
    if (saved) {
        know(d->sim, table, id);
        if (serial > 0) {
            note(d, serial, table_column(catalogue_table(table), column), id, 0);
        }
        sim_trace(d->sim, "device %d: new %u", d->index, table);
    }
    return saved;
}

/* ---- choosing ---- */

static bool device_has(struct sim_device *d, uint16_t table, const uint8_t id[16])
{
    char sql[96];
    struct stmt q;
    (void)snprintf(sql, sizeof sql, "SELECT 1 FROM %s WHERE id = ?1", catalogue_table(table)->name);
    if (db_use(d->db, sql, &q).code != ERR_OK) {
        return false;
    }
    bind_id(&q, 1, id);
    bool has = db_step_row(&q);
    stmt_reset(&q);
    return has;
}

/* A row that the device has; `table` 0: of any. */
static bool draw_row(struct sim_device *d, uint16_t table, uint16_t *of, uint8_t id[16])
{
    struct sim *s = d->sim;
    for (int tries = 0; tries < 6; tries++) {
        size_t i = (size_t)sim_below(s, s->row_count);
        if ((table == 0 || s->rows[i].table == table) &&
            device_has(d, s->rows[i].table, s->rows[i].id)) {
            *of = s->rows[i].table;
            memcpy(id, s->rows[i].id, 16);
            return true;
        }
    }
    return false;
}

/* The last one made that the device has: all work on the same. */
static bool newest_row(struct sim_device *d, uint16_t table, uint8_t id[16])
{
    const struct sim *s = d->sim;
    for (size_t i = s->row_count; i > 0; i--) {
        if (s->rows[i - 1].table == table && device_has(d, table, s->rows[i - 1].id)) {
            memcpy(id, s->rows[i - 1].id, 16);
            return true;
        }
    }
    return false;
}

static bool draw_customer(struct sim_device *d, uint8_t id[16])
{
    struct sim *s = d->sim;
    uint16_t table;
    if (s->turn == SIM_RIVALS) {
        memcpy(id, s->firm->customers[0], 16);
        return device_has(d, TABLE_customer, id);
    }
    if (sim_below(s, 2) == 0) { /* those that all know, so that people get into each other's way */
        memcpy(id, s->firm->customers[sim_below(s, SIM_CUSTOMERS)], 16);
        if (device_has(d, TABLE_customer, id)) {
            return true;
        }
    }
    return draw_row(d, TABLE_customer, &table, id);
}

bool work_draw_customer(struct sim_device *d, uint8_t id[16])
{
    return draw_customer(d, id);
}

bool work_insert(struct sim_device *d, uint16_t table, uint8_t id[16], const struct cell *cells,
                 size_t count)
{
    return insert(d, table, id, cells, count, 0, 0);
}

static const char *new_text(struct sim *s, char text[24], int *serial)
{
    *serial = ++s->serial;
    sim_text_of(s, *serial, text);
    return text;
}

/* ---- new rows ---- */

static void new_customer(struct sim_device *d)
{
    char text[24];
    uint8_t id[16];
    int serial;
    const struct cell cells[] = {sim_text(COLUMN_customer_name, new_text(d->sim, text, &serial)),
                                 sim_text(COLUMN_customer_kind, "prospect"),
                                 sim_id(COLUMN_customer_book_id, d->sim->firm->books[d->who])};
    insert(d, TABLE_customer, id, cells, count_of(cells), serial, COLUMN_customer_name);
}

static void new_contact(struct sim_device *d)
{
    char text[24];
    uint8_t id[16], customer[16];
    int serial;
    if (draw_customer(d, customer)) {
        const struct cell cells[] = {sim_id(COLUMN_contact_customer_id, customer),
                                     sim_text(COLUMN_contact_name, new_text(d->sim, text, &serial)),
                                     sim_text(COLUMN_contact_phones, "[\"138\"]")};
        insert(d, TABLE_contact, id, cells, count_of(cells), serial, COLUMN_contact_name);
    }
}

static void new_visit(struct sim_device *d)
{
    char text[24];
    uint8_t id[16], customer[16];
    int serial;
    if (draw_customer(d, customer)) {
        const struct cell cells[] = {
            sim_id(COLUMN_visit_customer_id, customer),
            sim_id(COLUMN_visit_person_id, d->sim->firm->people[d->who]),
            sim_text(COLUMN_visit_state, sim_below(d->sim, 2) == 0 ? "completed" : "in_progress"),
            sim_int(COLUMN_visit_checkin_at, replica_now_ms(&d->replica)),
            sim_text(COLUMN_visit_visit_day, "2025-11-25"),
            sim_int(COLUMN_visit_tz_offset_min, 480),
            sim_text(COLUMN_visit_note, new_text(d->sim, text, &serial))};
        insert(d, TABLE_visit, id, cells, count_of(cells), serial, COLUMN_visit_note);
    }
}

static void new_note(struct sim_device *d)
{
    char text[24];
    uint8_t id[16], customer[16];
    int serial;
    if (draw_customer(d, customer)) {
        const struct cell cells[] = {
            sim_id(COLUMN_market_note_customer_id, customer),
            sim_id(COLUMN_market_note_person_id, d->sim->firm->people[d->who]),
            sim_text(COLUMN_market_note_text, new_text(d->sim, text, &serial)),
            sim_int(COLUMN_market_note_noted_at, replica_now_ms(&d->replica)),
            sim_text(COLUMN_market_note_noted_day, "2025-11-25")};
        insert(d, TABLE_market_note, id, cells, count_of(cells), serial, COLUMN_market_note_text);
    }
}

static void new_memo(struct sim_device *d)
{
    char text[24];
    uint8_t id[16];
    int serial;
    const struct cell cells[] = {sim_id(COLUMN_memo_person_id, d->sim->firm->people[d->who]),
                                 sim_text(COLUMN_memo_text, new_text(d->sim, text, &serial))};
    insert(d, TABLE_memo, id, cells, count_of(cells), serial, COLUMN_memo_text);
}

static void new_payment(struct sim_device *d)
{
    char text[24];
    uint8_t id[16], customer[16];
    int serial;
    if (draw_customer(d, customer)) {
        const struct cell cells[] = {
            sim_id(COLUMN_payment_customer_id, customer),
            sim_id(COLUMN_payment_person_id, d->sim->firm->people[d->who]),
            sim_int(COLUMN_payment_amount, 1200),
            sim_text(COLUMN_payment_currency, "CNY"),
            sim_text(COLUMN_payment_method, "cash"),
            sim_int(COLUMN_payment_paid_at, replica_now_ms(&d->replica)),
            sim_text(COLUMN_payment_paid_day, "2025-11-25"),
            sim_text(COLUMN_payment_note, new_text(d->sim, text, &serial))};
        insert(d, TABLE_payment, id, cells, count_of(cells), serial, COLUMN_payment_note);
    }
}

/* An order with a line; now and then below the list's price, which the server refuses. */
static void new_order(struct sim_device *d)
{
    struct sim *s = d->sim;
    uint8_t id[16], line[16], customer[16];
    char text[24];
    int serial;
    struct complaint why;
    if (!draw_customer(d, customer) || !begin(d, "order.new")) {
        return;
    }
    int64_t now = replica_now_ms(&d->replica);
    int64_t price = sim_below(s, 4) == 3 ? 900 : 1000;
    bool submits = sim_below(s, 2) == 1;
    replica_new_id(&d->replica, id);
    replica_new_id(&d->replica, line);
    const struct cell order[] = {
        sim_id(COLUMN_sales_order_customer_id, customer),
        sim_id(COLUMN_sales_order_person_id, s->firm->people[d->who]),
        sim_int(COLUMN_sales_order_order_at, now),
        sim_text(COLUMN_sales_order_order_day, "2025-11-25"),
        sim_id(COLUMN_sales_order_price_list_id, s->firm->price_list),
        sim_text(COLUMN_sales_order_currency, "CNY"),
        sim_int(COLUMN_sales_order_discount_bp, 0),
        sim_int(COLUMN_sales_order_subtotal, price),
        sim_int(COLUMN_sales_order_discount, 0),
        sim_int(COLUMN_sales_order_tax, 0),
        sim_int(COLUMN_sales_order_total, price),
        sim_text(COLUMN_sales_order_submit_state, submits ? "submitted" : "draft"),
        sim_text(COLUMN_sales_order_note, new_text(s, text, &serial))};
    const struct cell item[] = {sim_id(COLUMN_order_line_order_id, id),
                                sim_int(COLUMN_order_line_line_no, 1),
                                sim_id(COLUMN_order_line_product_id, s->firm->products[0]),
                                sim_int(COLUMN_order_line_quantity, 1000),
                                sim_int(COLUMN_order_line_list_price, price),
                                sim_int(COLUMN_order_line_price, price),
                                sim_int(COLUMN_order_line_tax_bp, 0),
                                sim_int(COLUMN_order_line_amount, price)};
    struct err err =
        row_insert(d->db, catalogue_table(TABLE_sales_order), id, order, count_of(order), &why);
    if (err.code == ERR_OK) {
        err =
            row_insert(d->db, catalogue_table(TABLE_order_line), line, item, count_of(item), &why);
    }
    if (end(d, err)) {
        know(s, TABLE_sales_order, id);
        note(d, serial, table_column(catalogue_table(TABLE_sales_order), COLUMN_sales_order_note),
             id, 0);
    }
}

/* ---- edits ---- */

static void update(struct sim_device *d, uint16_t table, const uint8_t id[16],
                   const struct cell *cells, size_t count)
{
    struct complaint why;
    if (begin(d, "sim.update")) {
        bool saved = end(d, row_update(d->db, catalogue_table(table), id, cells, count, &why));
        sim_trace(d->sim, "device %d: edit %u.%u%s", d->index, table, cells[0].column,
                  saved ? "" : " in vain");
    }
}

static void edit_text(struct sim_device *d)
{
    static const struct {
        uint16_t table;
        uint8_t column;
    } texts[] = {
        {TABLE_customer, COLUMN_customer_city},    {TABLE_customer, COLUMN_customer_city},
        {TABLE_customer, COLUMN_customer_region},  {TABLE_customer, COLUMN_customer_note},
        {TABLE_customer, COLUMN_customer_channel}, {TABLE_contact, COLUMN_contact_title},
        {TABLE_visit, COLUMN_visit_next_action},   {TABLE_visit, COLUMN_visit_note},
        {TABLE_memo, COLUMN_memo_title},           {TABLE_sales_order, COLUMN_sales_order_note},
    };
    struct sim *s = d->sim;
    size_t i = (size_t)sim_below(s, s->turn == SIM_RIVALS ? 3 : count_of(texts));
    const struct column *c = table_column(catalogue_table(texts[i].table), texts[i].column);
    uint16_t table;
    uint8_t id[16];
    char text[24];
    int serial;
    bool drawn = texts[i].table == TABLE_customer ? draw_customer(d, id)
                                                  : draw_row(d, texts[i].table, &table, id);
    if (!drawn || !begin(d, "sim.edit")) {
        return;
    }
    int saw = shown(d, c, id);
    struct complaint why;
    const struct cell cell = sim_text(c->number, new_text(s, text, &serial));
    bool saved = end(d, row_update(d->db, catalogue_table(c->table), id, &cell, 1, &why));
    struct sim_saved *line = note(d, serial, c, id, saw);
    if (line != NULL) { /* a save that failed may turn out to have happened */
        line->rolled_back = !saved;
    }
    sim_trace(s, "device %d: w%d over w%d in %s%s", d->index, serial, saw, c->name,
              saved ? "" : ", in vain");
}

static void edit_tags(struct sim_device *d)
{
    static const char *const tags[] = {"[\"a\"]", "[\"a\",\"b\"]", "[\"b\",\"c\"]", "[]"};
    uint8_t id[16];
    if (draw_customer(d, id)) {
        const struct cell cell =
            sim_text(COLUMN_customer_tags, tags[sim_below(d->sim, count_of(tags))]);
        update(d, TABLE_customer, id, &cell, 1);
    }
}

/* A place is one group: half of one must never stand beside half of another. */
static void edit_place(struct sim_device *d)
{
    uint8_t id[16];
    double at = (double)sim_below(d->sim, 80);
    if (draw_customer(d, id)) {
        const struct cell cells[] = {{.column = COLUMN_customer_lat, .value = value_real(at)},
                                     {.column = COLUMN_customer_lng, .value = value_real(at)}};
        update(d, TABLE_customer, id, cells, sim_below(d->sim, 3) == 2 ? 1 : count_of(cells));
    }
}

static void new_plan(struct sim_device *d)
{
    char text[24];
    uint8_t id[16], customer[16];
    int serial;
    if (draw_customer(d, customer)) {
        const struct cell cells[] = {
            sim_id(COLUMN_visit_plan_customer_id, customer),
            sim_id(COLUMN_visit_plan_person_id, d->sim->firm->people[d->who]),
            sim_text(COLUMN_visit_plan_on_day, "2025-11-26"),
            sim_text(COLUMN_visit_plan_state, "planned"),
            sim_text(COLUMN_visit_plan_note, new_text(d->sim, text, &serial))};
        insert(d, TABLE_visit_plan, id, cells, count_of(cells), serial, COLUMN_visit_plan_note);
    }
}

/* Its ladder has four steps, so two people can take different ones. */
static void step_plan(struct sim_device *d)
{
    static const char *const states[] = {"skipped", "done", "cancelled"};
    uint8_t id[16];
    if (newest_row(d, TABLE_visit_plan, id)) {
        const struct cell cell =
            sim_text(COLUMN_visit_plan_state, states[sim_below(d->sim, count_of(states))]);
        update(d, TABLE_visit_plan, id, &cell, 1);
    }
}

static void step_forward(struct sim_device *d)
{
    uint16_t table;
    uint8_t id[16];
    if (draw_row(d, TABLE_visit, &table, id)) {
        const struct cell cells[] = {
            sim_text(COLUMN_visit_state, "completed"),
            sim_int(COLUMN_visit_checkout_at, replica_now_ms(&d->replica))};
        update(d, TABLE_visit, id, cells, sim_below(d->sim, 2) == 0 ? 2 : 1);
    }
}

static void submit_order(struct sim_device *d)
{
    uint16_t table;
    uint8_t id[16];
    if (draw_row(d, TABLE_sales_order, &table, id)) {
        const struct cell cell = sim_text(COLUMN_sales_order_submit_state,
                                          sim_below(d->sim, 3) == 2 ? "withdrawn" : "submitted");
        update(d, TABLE_sales_order, id, &cell, 1);
    }
}

static void delete_row(struct sim_device *d)
{
    uint16_t table = sim_below(d->sim, 3) == 2 ? TABLE_customer : TABLE_contact;
    uint8_t id[16];
    if (draw_row(d, table, &table, id) && begin(d, "sim.delete")) {
        (void)end(d, row_delete(d->db, catalogue_table(table), id));
        sim_trace(d->sim, "device %d: delete of %u", d->index, table);
    }
}

/* ---- the inbox ---- */

/* What each text cell shows before; afterwards, lines for those that changed. */
static void look(struct sim_device *d, size_t count, int *before)
{
    const struct sim *s = d->sim;
    for (size_t i = 0; i < count; i++) {
        before[i] = s->saved[i].column == NULL ? -1 : shown(d, s->saved[i].column, s->saved[i].row);
    }
}

static bool same_cell(const struct sim_saved *a, const struct sim_saved *b)
{
    return a->column == b->column && memcmp(a->row, b->row, 16) == 0;
}

static void note_changes(struct sim_device *d, size_t count, const int *before)
{
    struct sim *s = d->sim;
    for (size_t i = 0; i < count; i++) {
        bool first = s->saved[i].column != NULL;
        for (size_t k = 0; k < i && first; k++) {
            first = !same_cell(&s->saved[k], &s->saved[i]);
        }
        int now = first ? shown(d, s->saved[i].column, s->saved[i].row) : -1;
        if (first && now >= 0 && now != before[i]) {
            note(d, now, s->saved[i].column, s->saved[i].row, before[i]);
        }
    }
}

static void tidy_inbox(struct sim_device *d)
{
    struct sim *s = d->sim;
    int64_t entry = 0;
    struct complaint why;
    int *before = calloc(SIM_SAVED_MAX, sizeof *before);
    size_t count = s->saved_count;
    struct err err = db_one_int(
        d->db, "SELECT id FROM inbox WHERE done IS NULL ORDER BY id DESC LIMIT 1", &entry);
    if (before == NULL || err.code != ERR_OK) {
        free(before);
        return;
    }
    look(d, count, before);
    uint64_t what = sim_below(s, 4);
    err = what == 0   ? inbox_discard(&d->replica, entry)
          : what == 1 ? inbox_resend(&d->replica, entry, NULL, 0, &why)
          : what == 2 ? inbox_note(&d->replica, entry, bytes_text("please look"))
                      : inbox_restore(&d->replica, entry);
    sim_trace(s, "device %d: inbox %d: %s", d->index, (int)what, err_name(err.code));
    if (!device_is_gone(d)) {
        work_count(d);
        note_changes(d, count, before);
        device_failed(d, err);
    }
    free(before);
}

/* On what the others write too; false: anything else will do. */
static bool rival(struct sim_device *d)
{
    uint8_t id[16];
    uint64_t drawn = sim_below(d->sim, 8);
    if (drawn >= 4) {
        edit_text(d);
    } else if (drawn >= 2 && newest_row(d, TABLE_visit_plan, id)) {
        step_plan(d);
    } else if (drawn >= 2) {
        new_plan(d);
    }
    return drawn >= 2;
}

void work_anything(struct sim_device *d)
{
    static const struct {
        unsigned weight;
        void (*work)(struct sim_device *d);
    } works[] = {{30, edit_text},  {6, edit_tags},    {6, edit_place},   {5, new_contact},
                 {5, new_visit},   {3, new_customer}, {3, new_note},     {3, new_memo},
                 {2, new_payment}, {5, new_order},    {5, step_forward}, {3, submit_order},
                 {5, delete_row},  {8, tidy_inbox},   {4, new_plan},     {8, step_plan}};
    unsigned sum = 0;
    if (d->db == NULL) {
        return;
    }
    if (d->sim->turn == SIM_RIVALS && rival(d)) {
        return;
    }
    for (size_t i = 0; i < count_of(works); i++) {
        sum += works[i].weight;
    }
    uint64_t drawn = sim_below(d->sim, sum);
    for (size_t i = 0; i < count_of(works); i++) {
        if (drawn < works[i].weight) {
            works[i].work(d);
            return;
        }
        drawn -= works[i].weight;
    }
}
