/* Whether the store is what it says: the file itself, numbers against counters, scopes against
 * parents, references, the change log. Each finding is a line of the report. */
#include "common/changelog/server/body_verify.h"
#include "common/changelog/server/chain_verify.h"
#include "common/changelog/digest.h"
#include "common/changelog/server/permit.h"
#include "common/changelog/server/row_verify.h"

#include "common/catalogue/text.h"

#define SQL_BYTES_MAX   1024
#define FINDINGS_MAX    1000 /* lines; more don't help */
#define VALUE_SHOWN_MAX 60   /* bytes */
#define NUMBERS_SQL_MAX ((size_t)16 * 1024)

struct verify {
    struct store *st;
    struct buf *report;
    size_t findings;
};

/* Each row of the query is a finding: a table or scope, and what it is about in hex. */
static struct err find(struct verify *v, const char *what, const char *sql)
{
    struct stmt q;
    struct err err = db_prepare(v->st->db, sql, &q, NULL);
    while (err.code == ERR_OK && v->findings < FINDINGS_MAX && db_step_row(&q)) {
        v->findings++;
        buf_printf(v->report, "%s: %s\n", what, col_text(&q, 0));
    }
    if (err.code == ERR_OK) {
        err = stmt_err(&q, "store_verify");
    }
    stmt_close(&q);
    return err;
}

static struct err verify_table(struct verify *v, const struct table *t)
{
    static const struct {
        const char *what;
        const char *sql; /* %s: the table, twice at most */
    } checks[] = {
        {"number above its scope's counter",
         "SELECT '%s ' || hex(r.id) FROM %s r LEFT JOIN scope s ON s.no = r._scope"
         " WHERE s.no IS NULL OR r._seq > s.counter OR r._seq IS NULL"},
        {"row without its version",
         "SELECT '%s ' || hex(id) FROM %s WHERE _made IS NULL OR _entered IS NULL"
         " OR _entered > _seq"},
    };
    struct err err = err_ok();
    for (size_t i = 0; i < count_of(checks) && err.code == ERR_OK; i++) {
        char sql[SQL_BYTES_MAX];
        struct buf b;
        buf_init(&b, sizeof sql);
        for (const char *at = checks[i].sql; *at != 0; at++) {
            if (at[0] == '%' && at[1] == 's') {
                buf_put_text(&b, t->name);
                at++;
            } else {
                buf_put_u8(&b, (uint8_t)*at);
            }
        }
        (void)snprintf(sql, sizeof sql, "%s", buf_text(&b));
        buf_release(&b);
        err = find(v, checks[i].what, sql);
    }
    return err;
}

/* Over all tables together: a number is given once in its scope. */
static struct err verify_numbers(struct verify *v)
{
    struct buf sql;
    buf_init(&sql, NUMBERS_SQL_MAX);
    buf_put_text(&sql, "SELECT 'scope ' || _scope || ' ' || min(hex(id)) FROM (");
    for (size_t i = 0; i < catalogue_table_count(); i++) {
        buf_printf(&sql, "%s SELECT _scope, _seq, id FROM %s", i == 0 ? "" : " UNION ALL",
                   catalogue_table_at(i)->name);
    }
    buf_put_text(&sql, ") r GROUP BY _scope, _seq HAVING count(*) > 1");
    const char *text = buf_text(&sql);
    struct err err = sql.bad ? err_make(ERR_NOMEM, 0, "verify_numbers")
                             : find(v, "one number for two rows", text);
    buf_release(&sql);
    return err;
}

static struct err verify_references(struct verify *v, const struct table *t)
{
    struct err err = err_ok();
    for (size_t i = 0; i < t->column_count && err.code == ERR_OK; i++) {
        const struct column *c = &t->columns[i];
        if (c->ref == 0) {
            continue;
        }
        char sql[SQL_BYTES_MAX];
        (void)snprintf(sql, sizeof sql,
                       "SELECT '%s.%s ' || hex(r.id) FROM %s r LEFT JOIN %s p ON p.id = r.%s"
                       " WHERE r.%s IS NOT NULL AND p.id IS NULL",
                       t->name, c->name, t->name, catalogue_table(c->ref)->name, c->name, c->name);
        err = find(v, "points to nothing", sql);
        if (err.code == ERR_OK && t->scope == SCOPED_VIA && c == table_scope_column(t)) {
            (void)snprintf(sql, sizeof sql,
                           "SELECT '%s ' || hex(r.id) FROM %s r JOIN %s p ON p.id = r.%s"
                           " WHERE p._scope <> r._scope",
                           t->name, t->name, catalogue_table(c->ref)->name, c->name);
            err = find(v, "in another scope than its parent", sql);
        }
    }
    return err;
}

static struct err verify_file(struct verify *v)
{
    struct err err = db_integrity(v->st->db, v->report);
    if (err.code == ERR_CORRUPT) {
        v->findings++;
        return err_ok();
    }
    return err;
}

static void on_finding(void *context, const char *what, const char *where)
{
    struct verify *v = context;
    if (v->findings++ < FINDINGS_MAX) {
        buf_printf(v->report, "%s: %s\n", what, where);
    }
}

static struct err verify_log(struct verify *v)
{
    struct err err = find(v, "transaction logged twice",
                          "SELECT device || ' ' || hex(identity) FROM change_log"
                          " WHERE outcome <> 2" /* parked: its final verdict is another entry */
                          " GROUP BY device, identity HAVING count(*) > 1");
    if (err.code == ERR_OK) {
        err = find(v, "transaction judged twice",
                   "SELECT device || ' ' || hex(identity) FROM verdict"
                   " GROUP BY device, identity HAVING count(*) > 1");
    }
    if (err.code == ERR_OK) {
        err = find(v, "logged row without its entry",
                   "SELECT r.no || '.' || r.idx FROM change_row r"
                   " LEFT JOIN change_log l ON l.no = r.no WHERE l.no IS NULL");
    }
    return err.code == ERR_OK ? chain_verify(v->st, on_finding, v) : err;
}

static void sum_differs(void *context, int64_t scope, uint16_t table)
{
    struct verify *v = context;
    const struct table *t = catalogue_table(table);
    v->findings++;
    buf_printf(v->report, "digest differs from the rows: scope %" PRId64 " %s\n", scope,
               t == NULL ? "" : t->name);
}

static struct err verify_sums(struct verify *v)
{
    return sums_check(v->st->db, v->st->digest_key, sum_differs, v);
}

/* A value in a few words: people look closer with `history`. */
static void put_value(struct buf *out, const struct row_finding *f, const struct value *v)
{
    const struct column *c = table_column_named(f->table, f->field);
    struct buf json;
    buf_init(&json, ROW_IMAGE_BYTES_MAX);
    if (c != NULL) {
        column_json(c, v, &json);
    } else {
        value_json(v, &json);
    }
    const char *text = buf_text(&json);
    size_t size = strlen(text);
    size_t shown = size < VALUE_SHOWN_MAX ? size : VALUE_SHOWN_MAX;
    while (shown < size && ((uint8_t)text[shown] & 0xc0) == 0x80) { /* not inside a character */
        shown--;
    }
    buf_put(out, bytes_of(text, shown));
    buf_put_text(out, shown < size ? "…" : "");
    buf_release(&json);
}

void row_finding_print(const struct row_finding *f, struct buf *out)
{
    char id[37];
    id_text(f->id, id);
    buf_printf(out, "%s %s", f->table->name, id);
    if (f->field == NULL) {
        buf_put_text(out, ", in which column can't be told");
        return;
    }
    buf_printf(out, " %s: is ", f->field);
    put_value(out, f, &f->now);
    buf_put_text(out, f->proven ? ", was " : ", but by the change log ");
    put_value(out, f, &f->was);
    if (f->entry != 0) {
        buf_printf(out, " (entry %" PRId64 ")", f->entry);
    }
}

static void on_row(void *context, const struct row_finding *f)
{
    struct verify *v = context;
    if (v->findings++ < FINDINGS_MAX) {
        buf_put_text(v->report, ROW_FINDING);
        row_finding_print(f, v->report);
        buf_put_u8(v->report, '\n');
    }
}

static struct err verify_rows(struct verify *v)
{
    size_t count = 0;
    size_t before = v->findings;
    struct err err = rows_verify(v->st, on_row, v, &count);
    if (count > v->findings - before) {
        buf_printf(v->report, "and %zu rows more that aren't what was written\n",
                   count - (v->findings - before));
    }
    return err;
}

struct err store_verify(struct store *st, struct buf *report)
{
    struct verify v = {.st = st, .report = report};
    struct err err = verify_file(&v);
    for (size_t i = 0; i < catalogue_table_count() && err.code == ERR_OK; i++) {
        err = verify_table(&v, catalogue_table_at(i));
        if (err.code == ERR_OK) {
            err = verify_references(&v, catalogue_table_at(i));
        }
    }
    if (err.code == ERR_OK) {
        err = verify_numbers(&v);
    }
    if (err.code == ERR_OK) {
        err = verify_log(&v);
    }
    if (err.code == ERR_OK) {
        err = verify_sums(&v);
    }
    if (err.code == ERR_OK) {
        err = verify_rows(&v);
    }
    if (err.code == ERR_OK) {
        err = body_verify(st, on_finding, &v);
    }
    if (err.code == ERR_OK && v.findings > 0) {
        err = err_make(ERR_CORRUPT, 0, "store_verify");
    }
    return err;
}
