/* See lookup.h. */
#include "client/cmd/lookup.h"

#define SQL_MAX 256

/* Columns that name a row, in the order in which they are tried. */
static const char *const number_columns[] = {"no", "sku", "login"};
static const char *const name_columns[] = {"name", "title"};

static bool is_known(const struct lookup *l, const uint8_t id[16])
{
    for (size_t i = 0; i < l->count; i++) {
        if (memcmp(l->ids[i], id, 16) == 0) {
            return true;
        }
    }
    return false;
}

static struct err take_ids(struct stmt *st, struct lookup *out)
{
    while (db_step_row(st)) {
        uint8_t id[16];
        if (out->count < LOOKUP_CANDIDATES_MAX && col_id(st, 0, id) && !is_known(out, id)) {
            memcpy(out->ids[out->count++], id, 16);
        }
    }
    struct err err = stmt_err(st, "lookup");
    stmt_close(st);
    return err;
}

static struct err find_equal(struct db *db, const struct table *t, const char *column,
                             const char *text, struct lookup *out)
{
    if (table_column_named(t, column) == NULL) {
        return err_ok();
    }
    char sql[SQL_MAX];
    snprintf(sql, sizeof sql, "SELECT id FROM %s WHERE %s = ?1 AND _deleted_at IS NULL LIMIT %d",
             t->name, column, LOOKUP_CANDIDATES_MAX);
    struct stmt st;
    struct err err = db_prepare(db, sql, &st, NULL);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&st, 1, text);
    return take_ids(&st, out);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The first and the last id that begin as `text` does; false: it is no beginning of an id. */
static bool prefix_range(const char *text, uint8_t low[16], uint8_t high[16])
{
    memset(low, 0, 16);
    memset(high, 0xff, 16);
    size_t digits = 0;
    for (const char *at = text; *at != 0; at++) {
        int digit = hex_digit(*at);
        if (*at == '-' && digits > 0) {
            continue;
        }
        if (digit < 0 || digits == 32) {
            return false;
        }
        unsigned shift = digits % 2 == 0 ? 4 : 0;
        low[digits / 2] = (uint8_t)(low[digits / 2] | (unsigned)digit << shift);
        high[digits / 2] =
            (uint8_t)((high[digits / 2] & ~(0xfu << shift)) | (unsigned)digit << shift);
        digits++;
    }
    return digits >= LOOKUP_PREFIX_MIN;
}

static struct err find_prefix(struct db *db, const struct table *t, const char *text,
                              struct lookup *out)
{
    uint8_t low[16];
    uint8_t high[16];
    if (!prefix_range(text, low, high)) {
        return err_ok();
    }
    char sql[SQL_MAX];
    snprintf(sql, sizeof sql,
             "SELECT id FROM %s WHERE id BETWEEN ?1 AND ?2 AND _deleted_at IS NULL LIMIT %d",
             t->name, LOOKUP_CANDIDATES_MAX);
    struct stmt st;
    struct err err = db_prepare(db, sql, &st, NULL);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, low);
    bind_id(&st, 2, high);
    return take_ids(&st, out);
}

struct err lookup_find(struct db *db, const struct table *t, const char *text, struct lookup *out)
{
    out->count = 0;
    struct err err = err_ok();
    for (size_t i = 0; err.code == ERR_OK && out->count == 0 && i < count_of(number_columns); i++) {
        err = find_equal(db, t, number_columns[i], text, out);
    }
    for (size_t i = 0; err.code == ERR_OK && out->count == 0 && i < count_of(name_columns); i++) {
        err = find_equal(db, t, name_columns[i], text, out);
    }
    if (err.code == ERR_OK && out->count == 0) {
        err = find_prefix(db, t, text, out);
    }
    return err;
}

static const char *table_label(const struct app *app, const struct table *t)
{
    return app->chinese ? t->label_zh : t->label;
}

/* Names are no use where several rows have the same: their ids tell them apart. */
static void list_candidates(struct app *app, const struct table *t, const struct lookup *found)
{
    for (size_t i = 0; i < found->count; i++) {
        char id[37];
        struct buf label;
        buf_init(&label, ROW_BYTES_MAX);
        lookup_short_id(app->home.db, t, found->ids[i], id);
        lookup_label(app->home.db, t, found->ids[i], &label);
        fprintf(stderr, "  %s  %s\n", id, buf_text(&label));
        buf_release(&label);
    }
}

bool lookup_row(struct app *app, const struct table *t, const char *text, uint8_t id[16],
                enum exit_code *code)
{
    struct lookup found;
    struct err err = lookup_find(app->home.db, t, text, &found);
    if (err.code != ERR_OK) {
        *code = report_error(app, err);
        return false;
    }
    *code = EXIT_REFUSED;
    if (found.count == 0) {
        warn(app, PHRASE_NO_SUCH_ROW, table_label(app, t), text, NULL);
        return false;
    }
    if (found.count > 1) {
        warn(app, PHRASE_SEVERAL_ROWS, table_label(app, t), text, NULL);
        list_candidates(app, t, &found);
        return false;
    }
    memcpy(id, found.ids[0], 16);
    return true;
}

bool lookup_table(struct app *app, const char *name, const struct table **t, enum exit_code *code)
{
    *t = catalogue_table_named(name);
    if (*t == NULL) {
        *code = usage_error(app, PHRASE_USAGE_NO_TABLE, name);
    }
    return *t != NULL;
}

/* How many leading characters of `text` the neighbour in the table's order shares. */
static size_t shared_with(struct db *db, const struct table *t, const uint8_t id[16],
                          const char *text, bool before)
{
    char sql[SQL_MAX];
    snprintf(sql, sizeof sql, "SELECT id FROM %s WHERE id %s ?1 ORDER BY id %s LIMIT 1", t->name,
             before ? "<" : ">", before ? "DESC" : "ASC");
    struct stmt st;
    if (db_prepare(db, sql, &st, NULL).code != ERR_OK) {
        return 0;
    }
    bind_id(&st, 1, id);
    uint8_t other[16];
    size_t shared = 0;
    if (db_step_row(&st) && col_id(&st, 0, other)) {
        char other_text[37];
        id_text(other, other_text);
        while (text[shared] != 0 && text[shared] == other_text[shared]) {
            shared++;
        }
    }
    stmt_close(&st);
    return shared;
}

void lookup_short_id(struct db *db, const struct table *t, const uint8_t id[16], char text[37])
{
    id_text(id, text);
    size_t before = shared_with(db, t, id, text, true);
    size_t after = shared_with(db, t, id, text, false);
    size_t size = (before > after ? before : after) + 1;
    size = size < 8 ? 8 : size;
    if (size < 36 && text[size - 1] == '-') {
        size++;
    }
    text[size < 36 ? size : 36] = 0;
}

static bool put_column(struct db *db, const struct table *t, const uint8_t id[16],
                       const char *column, struct buf *out)
{
    if (table_column_named(t, column) == NULL) {
        return false;
    }
    char sql[SQL_MAX];
    snprintf(sql, sizeof sql, "SELECT %s FROM %s WHERE id = ?1 AND %s <> ''", column, t->name,
             column);
    struct stmt st;
    if (db_prepare(db, sql, &st, NULL).code != ERR_OK) {
        return false;
    }
    bind_id(&st, 1, id);
    bool found = db_step_row(&st);
    if (found) {
        buf_put(out, col_bytes(&st, 0));
    }
    stmt_close(&st);
    return found;
}

static bool put_number(struct db *db, const struct table *t, const uint8_t id[16], struct buf *out)
{
    for (size_t i = 0; i < count_of(number_columns); i++) {
        if (put_column(db, t, id, number_columns[i], out)) {
            return true;
        }
    }
    return false;
}

void lookup_handle(struct db *db, const struct table *t, const uint8_t id[16], struct buf *out)
{
    if (!put_number(db, t, id, out)) {
        char text[37];
        lookup_short_id(db, t, id, text);
        buf_put_text(out, text);
    }
}

void lookup_label(struct db *db, const struct table *t, const uint8_t id[16], struct buf *out)
{
    for (size_t i = 0; i < count_of(name_columns); i++) {
        if (put_column(db, t, id, name_columns[i], out)) {
            return;
        }
    }
    lookup_handle(db, t, id, out);
}
