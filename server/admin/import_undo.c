/* legworkd import undo: takes an import back, row by row, whole or not at all. Rows that somebody
 * has changed since stand in the way, and are told. */
#include "common/base/base.h"

#include "common/base/complaint.h"
#include "common/base/decimal.h"
#include "protocol/codec.h"
#include "server/admin/command.h"
#include "server/admin/data.h"
#include "server/admin/edit.h"
#include "server/admin/options.h"
#include "server/admin/say.h"

#define OBSTACLES_SAID 20

struct undo_row {
    uint16_t table;
    uint8_t id[16];
    int64_t seq;
    bool made;
    bool gone; /* taken away already */
};

struct undo {
    struct data *d;
    struct edit edit;
    int64_t batch;
    size_t count;
    size_t room;
    struct undo_row *rows; /* in the order in which they were made */
    size_t obstacles;
};

/* ---- what the batch did ---- */

static struct err rows_add(struct undo *u, const struct undo_row *row)
{
    if (u->count == u->room) {
        size_t room = u->room == 0 ? 256 : u->room * 2;
        void *rows = realloc(u->rows, room * sizeof *u->rows);
        if (rows == NULL) {
            return err_make(ERR_NOMEM, 0, "rows_add");
        }
        u->rows = rows;
        u->room = room;
    }
    u->rows[u->count++] = *row;
    return err_ok();
}

static struct err read_rows(struct undo *u)
{
    static const char sql[] = "SELECT tbl, row, seq, old IS NULL FROM import_row"
                              " WHERE batch = ?1 ORDER BY tbl, row";
    struct stmt st;
    struct err err = db_use(u->d->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, u->batch);
    while (err.code == ERR_OK && db_step_row(&st)) {
        struct undo_row row = {.table = (uint16_t)col_int(&st, 0),
                               .seq = col_int(&st, 2),
                               .made = col_int(&st, 3) != 0};
        err = col_id(&st, 1, row.id) ? rows_add(u, &row) : err_make(ERR_CORRUPT, 0, "read_rows");
    }
    stmt_reset(&st);
    return err.code == ERR_OK ? stmt_err(&st, "read_rows") : err;
}

/* Whether a later import, not taken back itself, has touched the row too. */
static struct err later_batch(struct undo *u, const struct undo_row *row, int64_t *batch)
{
    static const char sql[] = "SELECT coalesce(max(r.batch), 0) FROM import_row r"
                              " JOIN import_batch b ON b.no = r.batch"
                              " WHERE r.row = ?1 AND r.tbl = ?2 AND r.batch > ?3"
                              " AND b.undone_at IS NULL";
    struct stmt st;
    struct err err = db_use(u->d->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, row->id);
    bind_int(&st, 2, row->table);
    bind_int(&st, 3, u->batch);
    *batch = db_step_row(&st) ? col_int(&st, 0) : 0;
    stmt_reset(&st);
    return stmt_err(&st, "later_batch");
}

/* ---- one row ---- */

/* A refusal is told and counted; anything else ends the undoing. */
static struct err judge(struct undo *u, const struct undo_row *row, struct err err)
{
    if (err.code != ERR_INVALID && err.code != ERR_REFUSED) {
        return err;
    }
    char id[37];
    struct buf text;
    buf_init(&text, 1024);
    id_text(row->id, id);
    complaint_print(&u->edit.why, say_in_chinese(), &text);
    if (u->obstacles++ < OBSTACLES_SAID) {
        complain("%s %s: %s", "%s %s：%s", catalogue_table(row->table)->name, id, buf_text(&text));
    }
    buf_release(&text);
    return err_ok();
}

/* Old values as column, value, column, value, …; the first of a column is the oldest. */
static struct err old_cells(struct bytes old, struct cells *cells)
{
    uint64_t seen = 0;
    while (old.size > 0) {
        struct value column;
        struct value v;
        size_t used = 0;
        if (value_decode(old, &column, &used) != WIRE_OK || column.kind != VALUE_INT) {
            return err_make(ERR_CORRUPT, 0, "old_cells");
        }
        old = bytes_of(old.at + used, old.size - used);
        if (value_decode(old, &v, &used) != WIRE_OK) {
            return err_make(ERR_CORRUPT, 0, "old_cells");
        }
        old = bytes_of(old.at + used, old.size - used);
        if (column.i > 0 && column.i < 63 && (seen >> column.i & 1) == 0) {
            cells_add(cells, (uint8_t)column.i, v);
            seen |= UINT64_C(1) << column.i;
        }
    }
    return err_ok();
}

/* What earlier imports noted of the row follows its number, as at the import. */
static struct err note_earlier(struct undo *u, const struct undo_row *row, int64_t seq)
{
    static const char sql[] = "UPDATE import_row SET seq = ?4"
                              " WHERE row = ?1 AND tbl = ?2 AND seq = ?3";
    struct stmt st;
    struct err err = db_use(u->d->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, row->id);
    bind_int(&st, 2, row->table);
    bind_int(&st, 3, row->seq);
    bind_int(&st, 4, seq);
    return db_step_done(&st, "note_earlier");
}

static struct err put_back(struct undo *u, const struct undo_row *row, struct bytes old)
{
    struct cells cells = {.count = 0};
    int64_t seq = 0;
    struct err err = old_cells(old, &cells);
    if (err.code == ERR_OK) {
        err = server_write_put(u->edit.write, catalogue_table(row->table), row->id, cells.at,
                               cells.count, row->seq, &seq, NULL, &u->edit.why);
    }
    return err.code == ERR_OK ? note_earlier(u, row, seq) : err;
}

static struct err restore_row(struct undo *u, const struct undo_row *row)
{
    static const char sql[] =
        "SELECT old FROM import_row WHERE batch = ?1 AND tbl = ?2 AND row = ?3";
    struct stmt st;
    struct buf old;
    struct err err = db_use(u->d->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    buf_init(&old, 1 << 20);
    bind_int(&st, 1, u->batch);
    bind_int(&st, 2, row->table);
    bind_id(&st, 3, row->id);
    if (db_step_row(&st)) {
        buf_put(&old, col_bytes(&st, 0));
        stmt_reset(&st);
    }
    err = old.bad ? err_make(ERR_LIMIT, 0, "restore_row") : stmt_err(&st, "restore_row");
    if (err.code == ERR_OK) {
        err = put_back(u, row, buf_bytes(&old));
    }
    buf_release(&old);
    return err;
}

/* ---- persons come with a home book, which goes with them while it is empty ---- */

struct home {
    uint8_t book[16];
    uint8_t holder[16];
    bool has_book;
    bool has_holder;
    bool is_used;
};

static struct err find_home(struct undo *u, const uint8_t person[16], struct home *home)
{
    static const char sql[] =
        "SELECT b.id, h.id, EXISTS (SELECT 1 FROM customer c WHERE c.book_id = b.id"
        "  AND c._deleted_at IS NULL) FROM book b"
        " LEFT JOIN book_holder h ON h.book_id = b.id AND h._deleted_at IS NULL"
        " WHERE b.home_of_id = ?1 AND b._deleted_at IS NULL";
    struct stmt st;
    *home = (struct home){.has_book = false};
    struct err err = db_use(u->d->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, person);
    if (db_step_row(&st)) {
        home->has_book = col_id(&st, 0, home->book);
        home->has_holder = col_id(&st, 1, home->holder);
        home->is_used = col_int(&st, 2) != 0 || db_step_row(&st); /* or somebody else holds it */
        stmt_reset(&st);
    }
    return stmt_err(&st, "find_home");
}

static struct err drop_home(struct undo *u, const uint8_t person[16])
{
    struct home home;
    struct err err = find_home(u, person, &home);
    if (err.code == ERR_OK && home.is_used) {
        complaint_make(&u->edit.why, "has_children", "", "%s", "book");
        return err_make(ERR_REFUSED, 0, "drop_home");
    }
    if (err.code == ERR_OK && home.has_holder) {
        err = server_write_delete(u->edit.write, catalogue_table(TABLE_book_holder), home.holder,
                                  -1, &u->edit.why);
    }
    if (err.code == ERR_OK && home.has_book) {
        err = server_write_delete(u->edit.write, catalogue_table(TABLE_book), home.book, -1,
                                  &u->edit.why);
    }
    return err;
}

static struct err drop_row(struct undo *u, const struct undo_row *row)
{
    struct server_write_mark mark;
    struct err err = server_write_savepoint(u->edit.write, &mark);
    if (err.code != ERR_OK) {
        return err;
    }
    u->edit.why = (struct complaint){0};
    if (row->table == TABLE_person) {
        err = drop_home(u, row->id);
    }
    if (err.code == ERR_OK) {
        err = server_write_delete(u->edit.write, catalogue_table(row->table), row->id, row->seq,
                                  &u->edit.why);
    }
    struct err ended = server_write_savepoint_end(u->edit.write, &mark, err.code == ERR_OK);
    return err.code == ERR_OK ? ended : err;
}

/* ---- all rows ---- */

static struct err check_later(struct undo *u)
{
    struct err err = err_ok();
    for (size_t i = 0; i < u->count && err.code == ERR_OK; i++) {
        int64_t later = 0;
        err = later_batch(u, &u->rows[i], &later);
        if (err.code == ERR_OK && later > 0) {
            complaint_make(&u->edit.why, "changed_since", "", "import %" PRId64, later);
            err = judge(u, &u->rows[i], err_make(ERR_REFUSED, 0, "check_later"));
        }
    }
    return err;
}

static struct err restore_all(struct undo *u)
{
    struct err err = err_ok();
    for (size_t i = 0; i < u->count && err.code == ERR_OK; i++) {
        if (!u->rows[i].made) {
            err = judge(u, &u->rows[i], restore_row(u, &u->rows[i]));
        }
    }
    return err;
}

/* One pass from the youngest to the oldest; rows with children are left for the next pass. */
static struct err drop_pass(struct undo *u, size_t *dropped, size_t *left)
{
    struct err err = err_ok();
    *dropped = 0;
    *left = 0;
    for (size_t i = u->count; i > 0 && err.code == ERR_OK; i--) {
        struct undo_row *row = &u->rows[i - 1];
        if (!row->made || row->gone) {
            continue;
        }
        err = drop_row(u, row);
        bool waits = err.code == ERR_REFUSED && strcmp(u->edit.why.code, "has_children") == 0;
        row->gone = err.code == ERR_OK;
        *dropped += row->gone ? 1 : 0;
        *left += waits ? 1 : 0;
        if (waits) {
            err = err_ok();
        } else if (err.code != ERR_OK) {
            err = judge(u, row, err);
            row->gone = true; /* told once */
        }
    }
    return err;
}

static struct err drop_all(struct undo *u)
{
    size_t dropped = 1;
    size_t left = 0;
    struct err err = err_ok();
    while (err.code == ERR_OK && dropped > 0) {
        err = drop_pass(u, &dropped, &left);
    }
    for (size_t i = 0; i < u->count && left > 0 && err.code == ERR_OK; i++) {
        if (u->rows[i].made && !u->rows[i].gone) {
            err = drop_row(u, &u->rows[i]); /* again, for its complaint */
            err = judge(u, &u->rows[i], err);
        }
    }
    return err;
}

static struct err mark_undone(struct undo *u)
{
    static const char sql[] = "UPDATE import_batch SET undone_at = ?2"
                              " WHERE no = ?1 AND undone_at IS NULL";
    struct stmt st;
    struct err err = db_use(u->d->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, u->batch);
    bind_int(&st, 2, edit_now_ms());
    err = db_step_done(&st, "mark_undone");
    return err.code == ERR_OK && db_changes(u->d->db) == 0
               ? err_make(ERR_NOT_FOUND, 0, "mark_undone")
               : err;
}

static struct err undo_all(struct undo *u)
{
    struct err err = mark_undone(u);
    if (err.code == ERR_OK) {
        err = read_rows(u);
    }
    if (err.code == ERR_OK) {
        err = check_later(u);
    }
    if (err.code == ERR_OK && u->obstacles == 0) {
        err = restore_all(u);
    }
    if (err.code == ERR_OK && u->obstacles == 0) {
        err = drop_all(u);
    }
    return err.code == ERR_OK && u->obstacles > 0 ? err_make(ERR_CANCELLED, 0, "undo_all") : err;
}

static int undo_batch(struct undo *u, const char *name)
{
    struct err err = edit_begin(&u->edit, &u->d->store, "import.undo");
    if (err.code == ERR_OK) {
        err = edit_end(&u->edit, undo_all(u));
    }
    if (u->obstacles > 0) {
        return refuse_with("import %s: %zu rows stand in the way; nothing was undone",
                           "导入 %s：有 %zu 行无法撤销，未做任何改动", name, u->obstacles);
    }
    if (err.code != ERR_OK) {
        return refuse_err(err, &u->edit.why, name, db_message(u->d->db));
    }
    say("import %s: undone, %zu rows", "导入 %s：已撤销，共 %zu 行", name, u->count);
    return EXIT_DONE;
}

int cmd_import_undo(int argc, char **argv)
{
    struct arguments rest;
    struct data d;
    struct undo u = {.d = &d};
    if (!options_read(NULL, 0, argc, argv, 1, 1, &rest)) {
        return EXIT_USAGE;
    }
    if (decimal_parse(bytes_text(rest.at[0]), 0, &u.batch) != DECIMAL_OK) {
        return usage_wrong("%s: the number of an import is needed", "%s：需要导入批次号",
                           rest.at[0]);
    }
    if (!data_open(&d, true)) {
        return EXIT_REFUSED;
    }
    int status = undo_batch(&u, rest.at[0]);
    free(u.rows);
    data_close(&d);
    return status;
}
