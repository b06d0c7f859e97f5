/* See capture.h. SQLite evaluates WHEN before the trigger's body, so what the question found out
 * (changed columns, old values, whether this is the transaction's first row) is kept in the
 * replica until the body fetches it. */
#include "common/changelog/device/capture.h"

#include "common/base/hlc.h"
#include "protocol/codec.h"

#define TRIGGER_BYTES_MAX ((size_t)32 * 1024)

void capture_pause(struct replica *r)
{
    r->applying = true;
}

void capture_resume(struct replica *r)
{
    r->applying = false;
}

void capture_transaction_ended(void *replica, bool committed)
{
    struct replica *r = replica;
    if (!committed) {
        sums_clear(&r->sums);
    }
    r->capture.tx = 0;
    r->capture.rows = 0;
}

/* The WHEN of a trigger said yes: one more row of the transaction is about to be logged. What would
 * be too much for the server is refused here, before the user is told that it is saved. */
static void count_row(struct replica *r, const char **error)
{
    if (r->capture.rows == TX_CHANGES_MAX) {
        *error = "one transaction can change at most 10,000 rows: split it";
        return;
    }
    if (++r->capture.rows == 1) {
        r->host.now(r->host.context, &r->capture.written);
        r->clock = hlc_next(r->clock, r->capture.written.wall_ms + r->offset_ms);
    }
}

static void answer_bool(struct db_call *call, bool yes)
{
    call->answer = value_int(yes ? 1 : 0);
}

/* Asked before anything else, so that a server row costs no look at its columns. */
static void on_captures(struct db_call *call)
{
    const struct replica *r = call->context;
    answer_bool(call, !r->applying);
}

static void keep(struct db_call *call, uint8_t column, const struct value *old)
{
    struct replica *r = call->context;
    r->capture.cols |= UINT64_C(1) << column;
    if (value_encode(old, &r->capture.old) != WIRE_OK) {
        call->error = "an old value can't be kept: out of memory";
    }
}

static const struct table *table_of(struct db_call *call, size_t before, size_t each)
{
    const struct table *t = catalogue_table((uint16_t)call->args[0].i);
    if (t == NULL || (size_t)call->count != before + t->column_count * each) {
        call->error = "the replica's triggers are of another version of the catalogue";
        return NULL;
    }
    return t;
}

/* lw_changed(table, old, new, old, new, …) by rising column. */
static void on_changed(struct db_call *call)
{
    struct replica *r = call->context;
    const struct table *t = r->applying ? NULL : table_of(call, 1, 2);
    r->capture.cols = 0;
    buf_clear(&r->capture.old);
    for (size_t i = 0; t != NULL && i < t->column_count; i++) {
        const struct value *old = &call->args[1 + 2 * i];
        if (!value_equal(old, old + 1)) {
            keep(call, t->columns[i].number, old);
        }
    }
    if (r->capture.cols != 0) {
        count_row(r, &call->error);
    }
    answer_bool(call, r->capture.cols != 0);
}

/* lw_removed(table, scope, old, old, …) by rising column. */
static void on_removed(struct db_call *call)
{
    struct replica *r = call->context;
    const struct table *t = r->applying ? NULL : table_of(call, 2, 1);
    r->capture.cols = 0;
    buf_clear(&r->capture.old);
    if (t != NULL && value_encode(&call->args[1], &r->capture.old) != WIRE_OK) {
        call->error = "an old value can't be kept: out of memory";
    }
    for (size_t i = 0; t != NULL && i < t->column_count; i++) {
        if (call->args[2 + i].kind != VALUE_NULL) {
            keep(call, t->columns[i].number, &call->args[2 + i]);
        }
    }
    if (t != NULL) {
        count_row(r, &call->error);
    }
    answer_bool(call, t != NULL);
}

static void on_cols(struct db_call *call)
{
    const struct replica *r = call->context;
    call->answer = value_int((int64_t)r->capture.cols);
}

static void on_old(struct db_call *call)
{
    const struct replica *r = call->context;
    call->answer = value_blob(buf_bytes(&r->capture.old));
}

/* A transaction's number is the key of its first outbox row. Keys are given here and not by
 * AUTOINCREMENT, which reads and writes its table anew in each trigger and so costs as much as the
 * row itself; what was emptied is remembered once, in outbox_floor. */
static bool find_tx(struct replica *r)
{
    static const char sql[] = "SELECT max(outbox_floor, (SELECT coalesce(max(key), 0) FROM outbox),"
                              " (SELECT coalesce(max(tx), 0) FROM sent)) FROM device_state";
    int64_t last = 0;
    if (r->capture.tx == 0 && db_one_int(r->db, sql, &last).code != ERR_OK) {
        return false;
    }
    last = planted(OUTBOX_KEY_REUSED) && r->outbox == NULL ? 0 : last;
    r->capture.tx = r->capture.tx == 0 ? last + 1 : r->capture.tx;
    return true;
}

static void answer_key(struct db_call *call, int64_t after_first)
{
    struct replica *r = call->context;
    if (find_tx(r)) {
        call->answer = value_int(r->capture.tx + after_first);
    } else {
        call->error = "the outbox's last key can't be read";
    }
}

static void on_key(struct db_call *call)
{
    const struct replica *r = call->context;
    answer_key(call, r->capture.rows - 1);
}

static void on_tx(struct db_call *call)
{
    answer_key(call, 0);
}

enum clock_part { PART_STAMP, PART_WALL, PART_MONO, PART_BOOT, PART_SEEN, PART_INTENT };

static struct value clock_part(const struct replica *r, enum clock_part part)
{
    static const uint8_t unknown[sizeof r->capture.written.boot];
    const struct clocks *written = &r->capture.written;
    switch (part) {
    case PART_STAMP:
        return value_int((int64_t)r->clock);
    case PART_WALL:
        return value_int(written->wall_ms);
    case PART_MONO:
        return value_int(written->mono_ms);
    case PART_BOOT:
        return memcmp(written->boot, unknown, sizeof unknown) == 0
                   ? value_null()
                   : value_blob(bytes_of(written->boot, sizeof written->boot));
    case PART_SEEN:
        return value_int(r->seen_ms);
    case PART_INTENT:
        return r->intent[0] == 0 ? value_null() : value_text(bytes_text(r->intent));
    }
    abort(); /* our own triggers ask for no other */
}

static void on_clock(struct db_call *call)
{
    const struct replica *r = call->context;
    if (r->capture.rows == 1) {
        call->answer = clock_part(r, (enum clock_part)call->args[0].i);
    }
}

/* lw_inserted: what the row's entry in the outbox says beside the row itself. */
static bool on_inserted(void *context, struct value values[DB_TABLE_COLUMNS_MAX],
                        const char **error)
{
    struct replica *r = context;
    if (r->applying) {
        return false;
    }
    if (!find_tx(r)) {
        *error = "the outbox's last key can't be read";
        return false;
    }
    count_row(r, error);
    values[0] = value_int(r->capture.tx + r->capture.rows - 1);
    values[1] = value_int(r->capture.tx);
    for (int part = PART_STAMP; part <= PART_INTENT; part++) {
        values[2 + part] =
            r->capture.rows == 1 ? clock_part(r, (enum clock_part)part) : value_null();
    }
    return true;
}

struct err capture_define(struct replica *r)
{
    static const char columns[] = "key, tx, stamp, wall, mono, boot, seen, intent";
    static const struct {
        const char *name;
        int args;
        db_function function;
    } functions[] = {
        {"lw_captures", 0, on_captures},
        {"lw_changed", -1, on_changed},
        {"lw_removed", -1, on_removed},
        {"lw_cols", 0, on_cols},
        {"lw_old", 0, on_old},
        {"lw_key", 0, on_key},
        {"lw_tx", 0, on_tx},
        {"lw_clock", 1, on_clock},
    };
    struct err err = err_ok();
    for (size_t i = 0; i < count_of(functions) && err.code == ERR_OK; i++) {
        err = db_define(r->db, functions[i].name, functions[i].args, functions[i].function, r);
    }
    if (err.code == ERR_OK) {
        err = db_define_table(r->db, "lw_inserted", columns, on_inserted, r);
    }
    if (err.code == ERR_OK) {
        db_on_transaction_end(r->db, capture_transaction_ended, r);
    }
    return err;
}

/* The texts of all triggers are made at each opening (capture_is_ours): without printf, in a
 * fraction of the time. */
static void put_after(struct buf *sql, const char *before, const char *name)
{
    buf_put_text(sql, before);
    buf_put_text(sql, name);
}

static void put_entry(struct buf *sql, const struct table *t, const char *version,
                      enum change_op op, const char *base, const char *cols, const char *old)
{
    buf_printf(
        sql,
        " BEGIN INSERT INTO outbox (key, tx, tbl, row, op, cols, base, old, stamp, wall, mono,"
        " boot, seen, intent) VALUES (lw_key(), lw_tx(), %u, %s.id, %d, %s, %s, %s, lw_clock(%d),"
        " lw_clock(%d), lw_clock(%d), lw_clock(%d), lw_clock(%d), lw_clock(%d)); END",
        t->number, version, (int)op, cols, base, old, PART_STAMP, PART_WALL, PART_MONO, PART_BOOT,
        PART_SEEN, PART_INTENT);
}

static const char *const trigger_kinds[] = {"insert", "update", "delete", "id"};

static void put_on_insert(struct buf *sql, const struct table *t)
{
    buf_printf(sql,
               "CREATE TRIGGER lw_insert_%s AFTER INSERT ON %s BEGIN"
               " INSERT INTO outbox (key, tx, tbl, row, op, cols, base, stamp, wall, mono, boot,"
               " seen, intent) SELECT key, tx, %u, NEW.id, %d, 0, 0, stamp, wall, mono, boot,"
               " seen, intent FROM lw_inserted; END",
               t->name, t->name, t->number, (int)CHANGE_INSERT);
}

static void put_on_update(struct buf *sql, const struct table *t)
{
    buf_printf(sql, "CREATE TRIGGER lw_update_%s AFTER UPDATE OF ", t->name);
    for (size_t i = 0; i < t->column_count; i++) {
        put_after(sql, i == 0 ? "" : ", ", t->columns[i].name);
    }
    buf_printf(sql, " ON %s WHEN lw_captures() AND lw_changed(%u", t->name, t->number);
    for (size_t i = 0; i < t->column_count; i++) {
        put_after(sql, ", OLD.", t->columns[i].name);
        put_after(sql, ", NEW.", t->columns[i].name);
    }
    buf_put_text(sql, ")");
    put_entry(sql, t, "OLD", CHANGE_UPDATE, "coalesce(OLD._seq, 0)", "lw_cols()", "lw_old()");
}

static void put_on_delete(struct buf *sql, const struct table *t)
{
    buf_printf(sql,
               "CREATE TRIGGER lw_delete_%s AFTER DELETE ON %s WHEN lw_captures()"
               " AND lw_removed(%u, OLD._scope",
               t->name, t->name, t->number);
    for (size_t i = 0; i < t->column_count; i++) {
        put_after(sql, ", OLD.", t->columns[i].name);
    }
    buf_put_text(sql, ")");
    put_entry(sql, t, "OLD", CHANGE_DELETE, "coalesce(OLD._seq, 0)", "lw_cols()", "lw_old()");
}

static void put_on_id(struct buf *sql, const struct table *t)
{
    buf_printf(sql,
               "CREATE TRIGGER lw_id_%s BEFORE UPDATE OF id ON %s WHEN NEW.id IS NOT OLD.id"
               " BEGIN SELECT RAISE(ABORT, 'the id of a row is for life'); END",
               t->name, t->name);
}

void capture_trigger(const struct table *t, size_t kind, struct buf *sql)
{
    static void (*const put[])(struct buf *, const struct table *) = {put_on_insert, put_on_update,
                                                                      put_on_delete, put_on_id};
    static_assert(count_of(put) == CAPTURE_TRIGGERS, "one for each kind");
    put[kind](sql, t);
}

static void put_triggers(struct buf *sql, const struct table *t)
{
    for (size_t i = 0; i < CAPTURE_TRIGGERS; i++) {
        buf_printf(sql, "DROP TRIGGER IF EXISTS lw_%s_%s;\n", trigger_kinds[i], t->name);
        capture_trigger(t, i, sql);
        buf_put_text(sql, ";\n");
    }
}

struct err capture_create(struct db *db)
{
    struct buf sql;
    struct err err = err_ok();
    buf_init(&sql, TRIGGER_BYTES_MAX);
    for (size_t i = 0; i < catalogue_table_count() && err.code == ERR_OK; i++) {
        buf_clear(&sql);
        put_triggers(&sql, catalogue_table_at(i));
        const char *text = buf_text(&sql);
        err = sql.bad ? err_make(ERR_NOMEM, 0, "capture_create") : db_exec(db, text);
    }
    buf_release(&sql);
    return err;
}
