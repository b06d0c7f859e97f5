/* Rows of the damaged file into the new one; see salvage.h. */
#include "common/changelog/device/salvage.h"

#include "common/catalogue/catalogue.h"
#include "common/changelog/device/capture.h"
#include "common/db/migrate.h"

#define SQL_BYTES_MAX   ((size_t)16 * 1024)
#define LOST_BYTES_MAX  ((size_t)64 * 1024)
#define NAMES_BYTES_MAX ((size_t)16 * 1024)
#define PROBES_MAX      4096 /* per table; a gap is halved up to twelve times and more */
#define SIGN            (UINT64_C(1) << 63)

extern const char *const migrations_device[];

enum key_kind { KEY_OTHER, KEY_INT, KEY_ID };

struct gap {
    uint64_t low; /* both ends were read, or lie outside */
    uint64_t high;
};

struct carry {
    struct db *from;
    struct db *to;
    struct salvage *out;
    const char *table;
    struct buf columns;
    struct buf order; /* of the key, rising */
    struct buf fall;
    char key[64];
    enum key_kind kind;
    size_t count; /* of columns; the key's stands first where `kind` says what it is */
    struct gap gaps[2 * PROBES_MAX + 2];
    size_t gap_first, gap_end;
};

static bool is_damage(struct err err)
{
    return err.code == ERR_CORRUPT || err.code == ERR_IO;
}

/* ---- one row ---- */

static struct err prepare_put(struct carry *w, struct stmt *put)
{
    struct buf sql;
    buf_init(&sql, SQL_BYTES_MAX);
    buf_printf(&sql, "INSERT OR IGNORE INTO %s (%s) VALUES (", w->table, buf_text(&w->columns));
    for (size_t i = 0; i < w->count; i++) {
        buf_put_text(&sql, i == 0 ? "?" : ", ?");
    }
    buf_put_text(&sql, ")");
    struct err err =
        sql.bad ? err_make(ERR_NOMEM, 0, "salvage") : db_prepare(w->to, buf_text(&sql), put, NULL);
    buf_release(&sql);
    return err;
}

/* A row that the new table doesn't take (a value of another type) is damage as well. */
static struct err put_row(struct carry *w, const struct stmt *row, struct stmt *put)
{
    for (size_t i = 0; i < w->count; i++) {
        struct value value = col_value(row, (int)i);
        bind_value(put, (int)i + 1, &value);
    }
    struct err err = db_step_done(put, "salvage");
    if (err.code == ERR_OK) {
        w->out->rows += db_changes(w->to);
    }
    put->err = err_ok();
    return err.code == ERR_INVALID || err.code == ERR_EXISTS ? err_ok() : err;
}

/* ---- keys as numbers, so that a gap can be halved ---- */

static uint64_t key_number(const struct carry *w, const struct stmt *row)
{
    uint64_t n = 0;
    if (w->kind == KEY_INT) {
        return (uint64_t)col_int(row, 0) ^ SIGN;
    }
    struct bytes id = col_bytes(row, 0);
    for (size_t i = 0; i < sizeof n; i++) {
        n = n << 8 | (i < id.size ? id.at[i] : 0);
    }
    return n;
}

/* `id` is the statement's until it ends. */
static void bind_key(const struct carry *w, struct stmt *st, uint64_t n, bool up, uint8_t id[16])
{
    if (w->kind == KEY_INT) {
        bind_int(st, 1, (int64_t)(n ^ SIGN));
        return;
    }
    memset(id, up ? 0 : 0xff, 16);
    for (size_t i = 0; i < sizeof n; i++) {
        id[i] = (uint8_t)(n >> (56 - 8 * i));
    }
    bind_id(st, 1, id);
}

/* ---- walking ---- */

static struct err prepare_walk(struct carry *w, bool up, struct stmt *st)
{
    struct buf sql;
    buf_init(&sql, SQL_BYTES_MAX);
    buf_printf(&sql, "SELECT %s FROM %s NOT INDEXED", buf_text(&w->columns), w->table);
    if (w->kind != KEY_OTHER) {
        buf_printf(&sql, " WHERE %s %s ?1", w->key, up ? ">=" : "<=");
    }
    buf_printf(&sql, " ORDER BY %s", buf_text(up ? &w->order : &w->fall));
    struct err err =
        sql.bad ? err_make(ERR_NOMEM, 0, "salvage") : db_prepare(w->from, buf_text(&sql), st, NULL);
    buf_release(&sql);
    return err;
}

/* From `start` on until a page fails (`*whole` is false) or `limit` is passed. `*at` is the last
 * key that was read; it stays as it is where there was none. */
static struct err walk(struct carry *w, bool up, uint64_t start, uint64_t limit, uint64_t *at,
                       bool *whole)
{
    struct stmt row, put;
    uint8_t id[16];
    *whole = false;
    struct err err = prepare_walk(w, up, &row);
    if (err.code != ERR_OK) {
        return is_damage(err) ? err_ok() : err;
    }
    err = prepare_put(w, &put);
    if (err.code != ERR_OK) {
        stmt_close(&row);
        return err;
    }
    if (w->kind != KEY_OTHER) {
        bind_key(w, &row, start, up, id);
    }
    while (err.code == ERR_OK && db_step_row(&row)) {
        if (w->kind != KEY_OTHER) {
            *at = key_number(w, &row);
        }
        err = put_row(w, &row, &put);
        if (w->kind != KEY_OTHER && (up ? *at > limit : *at < limit)) {
            break;
        }
    }
    struct err end = row.err;
    *whole = end.code == ERR_OK;
    stmt_close(&row);
    stmt_close(&put);
    return err.code != ERR_OK || is_damage(end) ? err : end;
}

static void gap_add(struct carry *w, uint64_t low, uint64_t high)
{
    if (low < high && high - low >= 2 && w->gap_end < count_of(w->gaps)) {
        w->gaps[w->gap_end++] = (struct gap){low, high};
    }
}

/* The widest gaps first, so that what is spent on a page that is gone leaves enough for others. */
static struct err search_gaps(struct carry *w)
{
    struct err err = err_ok();
    for (size_t i = 0; i < PROBES_MAX && w->gap_first < w->gap_end && err.code == ERR_OK; i++) {
        struct gap gap = w->gaps[w->gap_first++];
        uint64_t middle = gap.low + (gap.high - gap.low) / 2;
        uint64_t above = middle, below = middle;
        bool whole;
        err = walk(w, true, middle, gap.high, &above, &whole);
        if (err.code == ERR_OK && !whole) {
            gap_add(w, above, gap.high);
        }
        if (err.code == ERR_OK) {
            err = walk(w, false, middle, gap.low, &below, &whole);
        }
        if (err.code == ERR_OK && !whole) {
            gap_add(w, gap.low, below);
        }
    }
    return err;
}

static struct err carry_rows(struct carry *w)
{
    uint64_t low = 0, high = UINT64_MAX;
    bool whole;
    struct err err = walk(w, true, low, high, &low, &whole);
    if (err.code != ERR_OK || whole) {
        return err;
    }
    w->out->hurt_tables++;
    w->out->outbox_hurt = w->out->outbox_hurt || strcmp(w->table, "outbox") == 0;
    err = walk(w, false, high, low, &high, &whole);
    if (err.code == ERR_OK && !whole && w->kind != KEY_OTHER) {
        w->gap_first = w->gap_end = 0;
        gap_add(w, low, high);
        err = search_gaps(w);
    }
    return err;
}

/* ---- tables ---- */

static void add_column(struct carry *w, const struct stmt *column)
{
    const char *name = col_text(column, 0);
    const char *type = col_text(column, 1);
    int64_t place = col_int(column, 2); /* in the key, from 1 */
    buf_printf(&w->columns, "%s%s", w->count++ == 0 ? "" : ", ", name);
    if (place == 0) {
        return;
    }
    buf_printf(&w->order, "%s%s", place == 1 ? "" : ", ", name);
    buf_printf(&w->fall, "%s%s DESC", place == 1 ? "" : ", ", name);
    w->kind = KEY_OTHER;
    if (place == 1) {
        (void)snprintf(w->key, sizeof w->key, "%s", name);
        w->kind = strcmp(type, "INTEGER") == 0 ? KEY_INT
                  : strcmp(type, "BLOB") == 0  ? KEY_ID
                                               : KEY_OTHER;
    }
}

static struct err has_column(struct db *db, const char *table, const char *name, bool *has)
{
    struct stmt st;
    struct err err = db_use(db, "SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2", &st);
    *has = false;
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&st, 1, table);
    bind_text(&st, 2, name);
    *has = db_step_row(&st);
    err = stmt_err(&st, "salvage");
    stmt_reset(&st);
    return err;
}

/* What both files have of a table; an older program's has less. The key comes first. */
static struct err read_columns(struct carry *w)
{
    struct stmt st;
    bool has = false;
    struct err err = db_use(w->to,
                            "SELECT name, type, pk FROM pragma_table_info(?1)"
                            " ORDER BY pk = 0, pk",
                            &st);
    if (err.code != ERR_OK) {
        return err;
    }
    w->count = 0;
    buf_clear(&w->columns);
    buf_clear(&w->order);
    buf_clear(&w->fall);
    bind_text(&st, 1, w->table);
    while (err.code == ERR_OK && db_step_row(&st)) {
        err = has_column(w->from, w->table, col_text(&st, 0), &has);
        if (has) {
            add_column(w, &st);
        }
    }
    if (err.code != ERR_OK) {
        stmt_reset(&st);
        return err;
    }
    return w->columns.bad || w->fall.bad ? err_make(ERR_NOMEM, 0, "salvage")
                                         : stmt_err(&st, "salvage");
}

static struct err carry_tables(struct carry *w)
{
    /* sums are made anew from the rows, search documents when somebody searches */
    static const char sql[] =
        "SELECT name FROM sqlite_schema WHERE type = 'table'"
        " AND name NOT LIKE 'sqlite_%' AND name NOT IN ('digest_part', 'patrol', 'patrol_run')";
    struct buf names;
    struct stmt st;
    buf_init(&names, NAMES_BYTES_MAX);
    struct err err = db_use(w->to, sql, &st);
    while (err.code == ERR_OK && db_step_row(&st)) {
        buf_printf(&names, "%s%c", col_text(&st, 0), 0);
    }
    if (err.code == ERR_OK) {
        err = names.bad ? err_make(ERR_NOMEM, 0, "salvage") : stmt_err(&st, "salvage");
    }
    const char *end = (const char *)names.at + names.size;
    for (w->table = buf_text(&names); err.code == ERR_OK && names.size > 0 && w->table < end;
         w->table += strlen(w->table) + 1) {
        err = read_columns(w);
        if (err.code == ERR_OK && w->count > 0) {
            err = carry_rows(w);
        }
    }
    buf_release(&names);
    return err;
}

/* ---- the whole ---- */

static struct err check_version(struct db *from)
{
    int64_t version = 0;
    struct err err = db_schema_version(from, &version);
    if (err.code == ERR_OK && version > migrations_last(migrations_device)) {
        err = err_make(ERR_VERSION, (int)version, "salvage");
    }
    return err;
}

static struct err carry_all(struct carry *w)
{
    int64_t one = 0;
    struct err err = check_version(w->from);
    if (err.code == ERR_OK) {
        err = migrations_run(w->to, migrations_device, 0);
    }
    if (err.code == ERR_OK) {
        err = catalogue_create(w->to, false);
    }
    if (err.code == ERR_OK) {
        err = carry_tables(w);
    }
    if (err.code == ERR_OK) {
        err = db_one_int(w->to, "SELECT one FROM device_state", &one); /* ERR_NOT_FOUND: gone */
    }
    if (err.code == ERR_OK) {
        err = salvage_work(w->to, w->out);
    }
    return err.code == ERR_OK ? capture_create(w->to) : err;
}

struct err replica_salvage(struct db *from, struct db *to, struct salvage *out)
{
    *out = (struct salvage){.rows = 0};
    buf_init(&out->lost_names, LOST_BYTES_MAX);
    struct carry *w = calloc(1, sizeof *w); /* the gaps don't belong on a stack */
    if (w == NULL) {
        return err_make(ERR_NOMEM, 0, "salvage");
    }
    w->from = from;
    w->to = to;
    w->out = out;
    buf_init(&w->columns, SQL_BYTES_MAX);
    buf_init(&w->order, SQL_BYTES_MAX);
    buf_init(&w->fall, SQL_BYTES_MAX);
    struct err err = db_begin(to, DB_LOCK_WRITE);
    if (err.code == ERR_OK) {
        err = db_end(to, carry_all(w));
    }
    buf_release(&w->columns);
    buf_release(&w->order);
    buf_release(&w->fall);
    free(w);
    return err;
}

void salvage_release(struct salvage *s)
{
    buf_release(&s->lost_names);
}
