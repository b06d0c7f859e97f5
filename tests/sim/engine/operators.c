/* Whatever may happen: people, the back office, machines, disks, clocks. */
#include "tests/sim/engine/sim.h"

static struct sim_device *any_device(struct sim *s)
{
    return &s->devices[sim_below(s, SIM_DEVICES)];
}

static void operate_work(struct sim *s)
{
    work_anything(any_device(s));
}

static void operate_sync(struct sim *s)
{
    struct sim_device *d = any_device(s);
    if (!d->sync_planned && d->db != NULL && !d->away) {
        d->sync_planned = true;
        sim_plan(s, EVENT_SYNC, (int64_t)sim_below(s, 5000), d->index, d->life);
    }
}

/* ---- the back office ---- */

/* One write of the server's, in a transaction of its own, and to the oracle once it is committed.
 */
static enum err_code write_one(struct sim *s, const struct oracle_write *w, int64_t base)
{
    struct sim_server *v = &s->server;
    struct server_write *write = NULL;
    struct complaint why = {0};
    struct clocks now;
    int64_t seq = 0, rows = 0;
    host_now(&v->host, &now);
    s->write = *w;
    s->write.at_ms = now.wall_ms;
    for (size_t i = 0; i < w->cell_count; i++) {
        s->write.cells[i].value.b =
            w->cells[i].value.kind == VALUE_TEXT || w->cells[i].value.kind == VALUE_BLOB
                ? arena_copy(&s->arena, w->cells[i].value.b)
                : w->cells[i].value.b;
    }
    struct err err = db_begin(v->writer_db, DB_LOCK_WRITE);
    if (err.code != ERR_OK) {
        (void)server_is_gone(s);
        return err.code;
    }
    s->write_pending = true;
    err = server_write_begin(&v->writer, s->firm->people[SIM_BOSS], "sim", now.wall_ms, &write);
    if (err.code == ERR_OK && w->op == ORACLE_PUT) {
        err = server_write_put(write, catalogue_table(w->table), w->id, w->cells, w->cell_count,
                               base, &seq, NULL, &why);
    } else if (err.code == ERR_OK && w->op == ORACLE_DELETE) {
        err = server_write_delete(write, catalogue_table(w->table), w->id, -1, &why);
    } else if (err.code == ERR_OK) {
        err = server_write_move(write, w->id, w->book, &rows);
    }
    if (err.code == ERR_OK) {
        err = server_write_end(write, &why);
    } else if (write != NULL) {
        server_write_cancel(write);
    }
    err = db_end(v->writer_db, err);
    sim_trace(s, "back office %d: %s", (int)w->op, err_name(err.code));
    if (!server_is_gone(s)) {
        feed_oracle(s);
        s->write_pending = false; /* what changed nothing leaves no entry */
    }
    return err.code;
}

static const struct oracle_row *any_customer(struct sim *s)
{
    if (s->turn == SIM_RIVALS) {
        const struct oracle_row *row =
            oracle_find(&s->oracle, TABLE_customer, s->firm->customers[0]);
        bool good = row->deleted_at == 0 && !oracle_is_erased(&s->oracle, TABLE_customer, row->id);
        return good ? row : NULL;
    }
    for (int tries = 0; tries < 6; tries++) {
        size_t i = (size_t)sim_below(s, s->row_count);
        const struct oracle_row *row = oracle_find(&s->oracle, TABLE_customer, s->rows[i].id);
        if (row != NULL && row->deleted_at == 0 &&
            !oracle_is_erased(&s->oracle, TABLE_customer, row->id)) {
            return row;
        }
    }
    return NULL;
}

static void note_server_text(struct sim *s, const struct oracle_row *row, uint8_t column, int saw)
{
    const struct oracle_row *after = oracle_find(&s->oracle, row->table->number, row->id);
    int serial = sim_serial(&after->values[column]);
    if (serial != s->serial || s->saved_count == SIM_SAVED_MAX) {
        return; /* it wasn't committed */
    }
    struct sim_saved *saved = &s->saved[s->saved_count++];
    *saved = (struct sim_saved){.device = -1,
                                .serial = serial,
                                .judged = true,
                                .true_ms = s->now_ms,
                                .outcome = OUTCOME_ACCEPTED,
                                .column = table_column(row->table, column),
                                .saw = saw};
    memcpy(saved->row, row->id, 16);
}

static void operate_server_put(struct sim *s)
{
    static const uint8_t columns[] = {COLUMN_customer_city, COLUMN_customer_note,
                                      COLUMN_customer_region};
    const struct oracle_row *row = any_customer(s);
    uint8_t column = columns[sim_below(s, count_of(columns))];
    char text[24];
    if (row == NULL || !s->server.up) {
        return;
    }
    int saw = sim_serial(&row->values[column]);
    sim_text_of(s, ++s->serial, text);
    struct oracle_write w = {.op = ORACLE_PUT, .table = TABLE_customer, .cell_count = 1};
    memcpy(w.id, row->id, 16);
    w.cells[0] = sim_text(column, text);
    (void)write_one(s, &w, -1);
    note_server_text(s, row, column, saw);
}

/* A manager opens a page, and saves it some time later: over nothing that it hadn't shown. */
static void operate_page(struct sim *s)
{
    char text[24];
    if (!s->page.open) {
        const struct oracle_row *row = any_customer(s);
        s->page.open = row != NULL;
        if (row != NULL) {
            memcpy(s->page.id, row->id, 16);
            s->page.seq = row->seq;
            s->page.saw = sim_serial(&row->values[COLUMN_customer_city]);
        }
        return;
    }
    const struct oracle_row *row = oracle_find(&s->oracle, TABLE_customer, s->page.id);
    if (!s->server.up || row == NULL || row->deleted_at != 0 ||
        oracle_is_erased(&s->oracle, TABLE_customer, row->id)) {
        return;
    }
    bool stale = row->seq != s->page.seq;
    sim_text_of(s, ++s->serial, text);
    struct oracle_write w = {.op = ORACLE_PUT, .table = TABLE_customer, .cell_count = 1};
    memcpy(w.id, row->id, 16);
    w.cells[0] = sim_text(COLUMN_customer_city, text);
    enum err_code code = write_one(s, &w, s->page.seq);
    if (stale && code == ERR_OK) {
        sim_break(s, INV_LOST, "a page was saved over what it hadn't shown");
    }
    note_server_text(s, row, COLUMN_customer_city, s->page.saw);
    s->page.open = false;
}

static void operate_server_delete(struct sim *s)
{
    if (!s->server.up) {
        return;
    }
    size_t i = (size_t)sim_below(s, s->row_count);
    struct oracle_write w = {.op = ORACLE_DELETE, .table = s->rows[i].table};
    memcpy(w.id, s->rows[i].id, 16);
    const struct oracle_row *row = oracle_find(&s->oracle, w.table, w.id);
    if (row != NULL && row->deleted_at == 0 &&
        (w.table == TABLE_contact || w.table == TABLE_customer || w.table == TABLE_visit)) {
        (void)write_one(s, &w, -1);
    }
}

static void operate_move(struct sim *s)
{
    const struct oracle_row *row = any_customer(s);
    if (row != NULL && s->server.up) {
        struct oracle_write w = {.op = ORACLE_MOVE, .table = TABLE_customer};
        memcpy(w.id, row->id, 16);
        memcpy(w.book, s->firm->books[sim_below(s, SIM_PEOPLE)], 16);
        (void)write_one(s, &w, -1);
    }
}

/* Ann is promoted, or not any more; Bob helps out in her book, or doesn't any more. */
static void operate_rights(struct sim *s)
{
    if (!s->server.up) {
        return;
    }
    struct oracle_write w = {.op = ORACLE_PUT, .table = TABLE_person, .cell_count = 1};
    const struct oracle_row *helper = oracle_find(&s->oracle, TABLE_book_holder, s->helper);
    if (sim_below(s, 2) == 0) {
        const struct oracle_row *ann =
            oracle_find(&s->oracle, TABLE_person, s->firm->people[SIM_ANN]);
        bool rep = bytes_equal(ann->values[COLUMN_person_role].b, bytes_text("rep"));
        memcpy(w.id, ann->id, 16);
        w.cells[0] = sim_text(COLUMN_person_role, rep ? "manager" : "rep");
    } else if (helper != NULL && helper->deleted_at == 0) {
        w = (struct oracle_write){.op = ORACLE_DELETE, .table = TABLE_book_holder};
        memcpy(w.id, s->helper, 16);
    } else {
        for (int i = 0; i < 16; i++) {
            s->helper[i] = (uint8_t)fake_host_next(&s->server.host.chance);
        }
        w = (struct oracle_write){.op = ORACLE_PUT, .table = TABLE_book_holder, .cell_count = 2};
        memcpy(w.id, s->helper, 16);
        w.cells[0] = sim_id(COLUMN_book_holder_book_id, s->firm->books[SIM_ANN]);
        w.cells[1] = sim_id(COLUMN_book_holder_person_id, s->firm->people[SIM_BOB]);
    }
    (void)write_one(s, &w, -1);
}

/* A column that only managers see. */
static void operate_cost(struct sim *s)
{
    if (s->server.up) {
        struct oracle_write w = {.op = ORACLE_PUT, .table = TABLE_product, .cell_count = 1};
        memcpy(w.id, s->firm->products[sim_below(s, SIM_PRODUCTS)], 16);
        w.cells[0] = sim_int(COLUMN_product_cost, 500 + (int64_t)sim_below(s, 1000));
        (void)write_one(s, &w, -1);
    }
}

void operate_revoke(struct sim *s)
{
    struct sim_device *d = &s->devices[SIM_LOST_DEVICE];
    struct sim_server *v = &s->server;
    struct clocks now;
    if (!v->up || d->revoked || sim_below(s, 4) != 3) {
        return;
    }
    host_now(&v->host, &now);
    s->write = (struct oracle_write){.op = ORACLE_OTHER, .table = TABLE_device};
    s->write_pending = true;
    struct err err = db_begin(v->writer_db, DB_LOCK_WRITE);
    if (err.code == ERR_OK) {
        err = db_end(v->writer_db, store_revoke(&v->writer, d->id, now.wall_ms));
    }
    if (!server_is_gone(s)) {
        feed_oracle(s);
        s->write_pending = false;
    }
    sim_trace(s, "device %d is revoked: %s", d->index, err_name(err.code));
}

/* ---- machines ---- */

static void operate_clock(struct sim *s)
{
    struct sim_device *d = any_device(s);
    switch (sim_below(s, 4)) {
    case 0:
        d->host.wall_error_ms += (int64_t)sim_below(s, 7200000) - 3600000;
        break;
    case 1:
        d->host.wall_error_ms += 10 * SIM_YEAR_MS;
        break;
    case 2:
        d->host.wall_error_ms -= 10 * SIM_YEAR_MS;
        break;
    default:
        d->host.drift_ppm = (int64_t)sim_below(s, 400) - 200;
        break;
    }
    sim_trace(s, "clock of device %d", d->index);
}

/* It is the firm's time: what is received from now on is received then. */
static void operate_server_clock(struct sim *s)
{
    struct sim_host *h = &s->server.host;
    switch (sim_below(s, 4)) {
    case 0:
        h->wall_error_ms += (int64_t)sim_below(s, 7200000) - 3600000;
        break;
    case 1:
        h->wall_error_ms += 10 * SIM_YEAR_MS;
        break;
    case 2:
        h->wall_error_ms -= 10 * SIM_YEAR_MS;
        break;
    default: /* somebody sets it right */
        h->wall_error_ms = 0;
        break;
    }
    s->server.jumped = true;
    sim_trace(s, "clock of the server: %" PRId64 " ms wrong", h->wall_error_ms);
}

static void operate_device_dies(struct sim *s)
{
    struct sim_device *d =
        any_device(s); /* one draw a statement: compilers differ in their order */
    bool power = sim_below(s, 2) == 1;
    device_dies(d, power, 500 + (int64_t)sim_below(s, 60000));
}

static void operate_server_dies(struct sim *s)
{
    bool power = sim_below(s, 2) == 1;
    server_dies(s, power, 500 + (int64_t)sim_below(s, 30000));
}

static void trouble(struct sim *s, struct simdisk *disk)
{
    static const unsigned operations[] = {SIMDISK_SYNC, SIMDISK_WRITE, SIMDISK_WRITE | SIMDISK_SYNC,
                                          SIMDISK_READ, SIMDISK_ANY};
    struct simdisk_fault fault = {.operations = operations[sim_below(s, count_of(operations))]};
    fault.after = (int64_t)sim_below(s, 40);
    fault.effect = (enum simdisk_effect)sim_below(s, 3);
    fault.effect = fault.operations == SIMDISK_READ ? SIMDISK_EIO : fault.effect;
    simdisk_heal(disk);
    if (sim_below(s, 8) == 7) {
        simdisk_set_read_only(disk, true);
    } else {
        simdisk_arm(disk, &fault);
    }
    s->counts.disk_faults++;
    sim_trace(s, "trouble of %s: %u after %d, %d", simdisk_name(disk), fault.operations,
              (int)fault.after, (int)fault.effect);
}

static void operate_device_disk(struct sim *s)
{
    trouble(s, any_device(s)->disk);
}

static void operate_server_disk(struct sim *s)
{
    trouble(s, s->server.disk);
}

/* At most once a device: its file is put aside, and some work later comes back. */
static void operate_copy(struct sim *s)
{
    struct sim_device *d = any_device(s);
    for (int i = 0; i < SIM_DEVICES && sim_below(s, 2) == 1; i++) { /* one that was put aside */
        d = s->devices[i].copy != NULL ? &s->devices[i] : d;
    }
    if (d->db == NULL || d->was_rolled_back) {
        return;
    }
    if (d->copy == NULL) {
        device_dies(d, false, 1000);
        d->copy = simdisk_save(d->disk);
        d->copied_at = s->saved_count;
        d->copied_count = d->last_tx;
        sim_trace(s, "device %d is copied", d->index);
        return;
    }
    device_dies(d, false, 1000);
    simdisk_load(d->disk, d->copy);
    for (size_t i = d->copied_at; i < s->saved_count; i++) {
        s->saved[i].rolled_back |= s->saved[i].device == d->index;
    }
    d->last_tx = d->copied_count;
    d->was_rolled_back = true;
    d->settled = false;
    sim_trace(s, "device %d is an older copy", d->index);
}

void operate(struct sim *s)
{
    static const struct {
        unsigned weights[SIM_TURNS];
        void (*run)(struct sim *s);
    } operators[] = {
#define OPERATOR(any, copies, rivals, restores, clocks, run)                                       \
    {{any, copies, rivals, restores, clocks}, run},
#include "tests/sim/engine/operators.def"
#undef OPERATOR
    };
    unsigned sum = 0;
    if (features_operate(s)) {
        return;
    }
    for (size_t i = 0; i < count_of(operators); i++) {
        sum += operators[i].weights[s->turn];
    }
    uint64_t drawn = sim_below(s, sum);
    for (size_t i = 0; i < count_of(operators); i++) {
        if (drawn < operators[i].weights[s->turn]) {
            operators[i].run(s);
            return;
        }
        drawn -= operators[i].weights[s->turn];
    }
}
