/* What captured work becomes once it is frozen: folds, values, bases, predecessors. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/changelog/device/freeze.h"
#include "common/changelog/device/rests.h"
#include "protocol/codec.h"
#include "tests/support/device.h"

#define ID1 "x'01010101010101010101010101010101'"
#define ID2 "x'02020202020202020202020202020202'"

static void put_value(struct buf *out, const struct value *v)
{
    switch (v->kind) {
    case VALUE_NULL:
        buf_put_text(out, "null");
        break;
    case VALUE_INT:
        buf_printf(out, "%lld", (long long)v->i);
        break;
    case VALUE_REAL:
        buf_printf(out, "%g", v->d);
        break;
    case VALUE_TEXT:
        buf_put(out, v->b);
        break;
    case VALUE_BLOB:
        buf_printf(out, "#%02x", v->b.size > 0 ? v->b.at[0] : 0);
        break;
    }
}

static void put_change(struct buf *out, const struct change *c)
{
    static const char ops[] = {'?', '+', '~', '-'};
    buf_printf(out, " %c%s#%02x", ops[c->op], catalogue_table(c->table)->name, c->id[0]);
    if (c->base != 0) {
        buf_printf(out, "@%lld", (long long)c->base);
    }
    for (size_t i = 0; i < c->cell_count; i++) {
        const struct column *column = table_column(catalogue_table(c->table), c->cells[i].column);
        buf_printf(out, " %s=", column->name);
        put_value(out, &c->cells[i].value);
        if (c->cells[i].has_old) {
            buf_put_text(out, "<");
            put_value(out, &c->cells[i].old);
        }
    }
}

/* All frozen transactions, one after the other: number, predecessors, changes. */
static const char *frozen(struct device *d)
{
    struct buf out;
    struct stmt st;
    buf_init(&out, 1 << 20);
    OK(db_use(d->db, "SELECT device_seq, rests_on, body, epoch FROM sent ORDER BY tx", &st));
    while (db_step_row(&st)) {
        struct transaction tx;
        uint64_t rests[TX_RESTS_MAX];
        size_t rest_count = 0;
        struct bytes stored = arena_copy(&d->arena, col_bytes(&st, 1));
        struct bytes body = arena_copy(&d->arena, col_bytes(&st, 2));
        assert_int_equal(transaction_decode(body, &d->arena, &tx), WIRE_OK);
        buf_printf(&out, "%s%lld", out.size == 0 ? "" : "; ", (long long)col_int(&st, 0));
        OK(rests_on_wire(d->db, stored, 1, rests, &rest_count));
        for (size_t i = 0; i < rest_count; i++) {
            buf_printf(&out, "%c%llu", i == 0 ? '>' : ',', (unsigned long long)rests[i]);
        }
        for (size_t i = 0; i < tx.change_count; i++) {
            put_change(&out, &tx.changes[i]);
        }
    }
    const char *text = (const char *)arena_copy(&d->arena, bytes_text(buf_text(&out))).at;
    buf_release(&out);
    return text;
}

static void freeze(struct device *d)
{
    OK(db_begin(d->db, DB_LOCK_WRITE));
    OK(db_end(d->db, freeze_all(&d->r)));
}

#define NEW_MEMO "INSERT INTO memo (id, title, text) VALUES (" ID1 ", 'a', 't')"
/* a row that came from the server, at number 90 */
#define KNOWN_MEMO                                                                                 \
    NEW_MEMO                                                                                       \
    ";UPDATE memo SET _seq = 90, _scope = 1; DELETE FROM outbox"

static void folds(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        const char *sql[5];
        const char *frozen;
    } cases[] = {
        {"an insert takes its values from the row", {NEW_MEMO}, "1 +memo#01 title=a text=t"},
        {"insert and update within one transaction are an insert",
         {NEW_MEMO "; UPDATE memo SET title = 'b', text = NULL"},
         "1 +memo#01 title=b"},
        {"insert and delete are nothing, and take no number",
         {NEW_MEMO "; DELETE FROM memo", NEW_MEMO},
         "1 +memo#01 title=a text=t"},
        {"there and back again is nothing",
         {KNOWN_MEMO, "UPDATE memo SET title = 'b'; UPDATE memo SET title = 'a'"},
         ""},
        {"what a later transaction changed stands as it was before",
         {NEW_MEMO, "UPDATE memo SET title = 'b'", "UPDATE memo SET title = 'c'"},
         "1 +memo#01 title=a text=t; 2>1 ~memo#01 title=b; 3>1,2 ~memo#01 title=c"},
        {"also what a later delete took away",
         {NEW_MEMO, "UPDATE memo SET text = 'u'", "DELETE FROM memo"},
         "1 +memo#01 title=a text=t; 2>1 ~memo#01 text=u; 3>1,2 -memo#01"},
        {"an update names the number its author saw",
         {KNOWN_MEMO, "UPDATE memo SET title = 'b'"},
         "1 ~memo#01@90 title=b"},
        {"a pending column keeps its base, others have their own",
         {KNOWN_MEMO, "UPDATE memo SET title = 'b'", "UPDATE memo SET _seq = 101",
          "UPDATE memo SET title = 'c', text = 'u'"},
         "1 ~memo#01@90 title=b; 2>1 ~memo#01@90 title=c ~memo#01@101 text=u"},
        {"update and delete are a delete",
         {KNOWN_MEMO, "UPDATE memo SET title = 'b'; DELETE FROM memo"},
         "1 -memo#01@90"},
        {"deleted and made again is an update",
         {KNOWN_MEMO,
          "DELETE FROM memo; INSERT INTO memo (id, title, remind_at) VALUES (" ID1 ", 'a', 7)"},
         "1 ~memo#01@90 text=null remind_at=7"},
        {"sets carry what they started from",
         {"INSERT INTO customer (id, name) VALUES (" ID1 ", 'n')",
          "UPDATE customer SET tags = '[\"x\"]'", "UPDATE customer SET tags = '[\"x\",\"y\"]'"},
         "1 +customer#01 name=n; 2>1 ~customer#01 tags=[\"x\"]<null;"
         " 3>1,2 ~customer#01 tags=[\"x\",\"y\"]<[\"x\"]"},
        {"a child rests on its parent's insert, not on other work",
         {"INSERT INTO customer (id, name) VALUES (" ID1 ", 'n')",
          "INSERT INTO memo (id, title) VALUES (" ID2 ", 'm')",
          "INSERT INTO contact (id, customer_id, name) VALUES (" ID2 ", " ID1 ", 'c')"},
         "1 +customer#01 name=n; 2 +memo#02 title=m; 3>1 +contact#02 customer_id=#01 name=c"},
        {"columns of a group belong together",
         {"INSERT INTO customer (id, name) VALUES (" ID1 ", 'n'); DELETE FROM outbox",
          "UPDATE customer SET lat = 1", "UPDATE customer SET city = 'c'",
          "UPDATE customer SET lng = 2"},
         "1 ~customer#01 lat=1; 2 ~customer#01 city=c; 3>1 ~customer#01 lng=2"},
        {"an order and its lines are one document",
         {"INSERT INTO sales_order (id, total) VALUES (" ID1 ", 1); INSERT INTO order_line"
          " (id, order_id, amount) VALUES (" ID2 ", " ID1 ", 1); DELETE FROM outbox",
          "UPDATE sales_order SET note = 'n'", "UPDATE order_line SET line_no = 4"},
         "1 ~sales_order#01 note=n; 2>1 ~order_line#02 line_no=4"},
    };
    for (size_t i = 0; i < count_of(cases); i++) {
        for (int early = 0; early < 2; early++) { /* frozen at the end, or after each one */
            struct device d;
            device_init(&d, i, NULL);
            for (size_t k = 0; k < count_of(cases[i].sql) && cases[i].sql[k] != NULL; k++) {
                device_run(&d, "test", cases[i].sql[k]);
                if (early == 1) {
                    freeze(&d);
                }
            }
            freeze(&d);
            const char *got = frozen(&d);
            if (strcmp(got, cases[i].frozen) != 0) {
                fail_msg("%s:\n%s\n%s", cases[i].what, got, cases[i].frozen);
            }
            device_release(&d);
        }
    }
}

static void identity_is_of_the_content_alone(void **state)
{
    (void)state;
    struct device d;
    device_init(&d, 1, NULL);
    device_run(&d, "test", NEW_MEMO);
    freeze(&d);
    OK(db_exec(d.db, "DELETE FROM memo; DELETE FROM outbox"));
    device_run(&d, "test", NEW_MEMO);
    freeze(&d);
    assert_int_equal(device_int(&d, "SELECT count(DISTINCT identity) * 10 + count(DISTINCT"
                                    " device_seq) FROM sent"),
                     12);
    device_release(&d);
}

static void frozen_stays_frozen(void **state)
{
    (void)state;
    struct device d;
    device_init(&d, 1, NULL);
    device_run(&d, "test", NEW_MEMO);
    freeze(&d);
    const char *before = device_text(&d, "SELECT hex(body) FROM sent");
    device_run(&d, "test", "UPDATE memo SET title = 'z'");
    freeze(&d);
    assert_string_equal(device_text(&d, "SELECT hex(body) FROM sent ORDER BY tx"), before);
    assert_int_equal(device_int(&d, "SELECT count(*) FROM sent"), 2);
    assert_int_equal(device_int(&d, "SELECT next_seq FROM device_state"), 3);
    device_release(&d);
}

/* The statement that was stamped failed, but the user's transaction went on. */
static void a_statement_that_failed_leaves_no_hole(void **state)
{
    (void)state;
    struct device d;
    struct replica_counts counts;
    device_init(&d, 1, NULL);
    OK(replica_begin(&d.r, "test"));
    assert_int_not_equal(
        db_exec(d.db, "INSERT INTO memo (id, title) VALUES (" ID1 ", 'a'), (" ID1 ", 'b')").code,
        ERR_OK);
    OK(replica_end(&d.r, db_exec(d.db, NEW_MEMO)));
    OK(replica_counts(&d.r, &counts));
    assert_int_equal(counts.pending, 1);
    freeze(&d);
    assert_string_equal(frozen(&d), "1 +memo#01 title=a text=t");
    device_release(&d);
}

/* ---- property: replaying the frozen bodies into an empty model gives the tables' content ---- */

#define MODEL_ROWS    6
#define MODEL_COLUMNS 3 /* title, text, remind_at */

struct model {
    bool there;
    struct value values[MODEL_COLUMNS + 2]; /* by column number */
};

static void replay(struct device *d, struct model model[MODEL_ROWS])
{
    struct stmt st;
    OK(db_use(d->db, "SELECT body FROM sent ORDER BY device_seq", &st));
    while (db_step_row(&st)) {
        struct transaction tx;
        struct bytes body = arena_copy(&d->arena, col_bytes(&st, 0));
        assert_int_equal(transaction_decode(body, &d->arena, &tx), WIRE_OK);
        for (size_t i = 0; i < tx.change_count; i++) {
            const struct change *c = &tx.changes[i];
            struct model *m = &model[c->id[0]];
            assert_int_equal(m->there, c->op != CHANGE_INSERT);
            m->there = c->op != CHANGE_DELETE;
            memset(m->values, 0, c->op == CHANGE_UPDATE ? 0 : sizeof m->values);
            for (size_t k = 0; k < c->cell_count; k++) {
                m->values[c->cells[k].column] = c->cells[k].value;
            }
        }
    }
}

static void compare(struct device *d, const struct model model[MODEL_ROWS], uint64_t seed)
{
    for (int i = 0; i < MODEL_ROWS; i++) {
        struct stmt st;
        uint8_t id[16] = {(uint8_t)i};
        OK(db_use(d->db, "SELECT title, text, remind_at FROM memo WHERE id = ?1", &st));
        bind_id(&st, 1, id);
        bool there = db_step_row(&st);
        static const uint8_t columns[] = {COLUMN_memo_title, COLUMN_memo_text,
                                          COLUMN_memo_remind_at};
        bool same = there == model[i].there;
        for (int k = 0; same && there && k < MODEL_COLUMNS; k++) {
            struct value v = col_value(&st, k);
            same = value_equal(&v, &model[i].values[columns[k]]);
        }
        stmt_reset(&st);
        if (!same) {
            fail_msg("seed %llu: row %d isn't what was sent", (unsigned long long)seed, i);
        }
    }
}

static void edit_at_random(struct device *d)
{
    char sql[256];
    uint64_t chance = fake_host_next(&d->machine);
    unsigned row = (unsigned)(chance % MODEL_ROWS);
    unsigned value = (unsigned)(chance >> 32 & 3);
    switch (chance >> 8 & 7) {
    case 0:
        snprintf(sql, sizeof sql, "DELETE FROM memo WHERE hex(id) LIKE '%02X%%'", row);
        break;
    case 1:
    case 2:
    case 3:
        snprintf(sql, sizeof sql, "UPDATE memo SET title = 'v%u', remind_at = nullif(%u, 0)", value,
                 value);
        break;
    case 4:
        snprintf(sql, sizeof sql, "UPDATE memo SET text = 't%u' WHERE hex(id) LIKE '%02X%%'", value,
                 row);
        break;
    default:
        snprintf(sql, sizeof sql,
                 "INSERT INTO memo (id, title) VALUES (x'%02X%030d', 'n%u') ON CONFLICT (id)"
                 " DO UPDATE SET text = 'again'",
                 row, 0, value);
        break;
    }
    OK(db_exec(d->db, sql));
}

static void replay_gives_the_content(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct device d;
        struct model model[MODEL_ROWS] = {{.there = false}};
        device_init(&d, seed, NULL);
        for (int tx = 0; tx < 30; tx++) {
            OK(replica_begin(&d.r, "test"));
            for (uint64_t n = fake_host_next(&d.machine) % 4; n > 0; n--) {
                edit_at_random(&d);
            }
            OK(replica_end(&d.r, err_ok()));
            if (fake_host_next(&d.machine) % 5 == 0) {
                freeze(&d);
            }
        }
        freeze(&d);
        replay(&d, model);
        compare(&d, model, seed);
        device_release(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folds),
        cmocka_unit_test(identity_is_of_the_content_alone),
        cmocka_unit_test(frozen_stays_frozen),
        cmocka_unit_test(a_statement_that_failed_leaves_no_hole),
        cmocka_unit_test(replay_gives_the_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
