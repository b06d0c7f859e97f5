/* See output.h. */
#include "common/base/base.h"

#include <utf8proc.h>

#include "common/base/utf8.h"
#include "common/catalogue/text.h"
#include "server/admin/data.h"
#include "server/admin/options.h"
#include "server/admin/output.h"
#include "server/admin/say.h"

#define OUTPUT_COLUMNS_MAX 256
#define COLUMN_GAP         2
#define LINE_WIDE_MAX      60 /* of one column; longer text is cut with an ellipsis */

bool output_format_named(const char *name, enum output_format *out)
{
    static const char *const names[] = {
        [OUTPUT_TABLE] = "table", [OUTPUT_JSON] = "json", [OUTPUT_CSV] = "csv"};
    *out = OUTPUT_TABLE;
    for (size_t i = 0; i < count_of(names); i++) {
        if (name == NULL || strcmp(names[i], name) == 0) {
            *out = name == NULL ? OUTPUT_TABLE : (enum output_format)i;
            return true;
        }
    }
    return false;
}

/* ---- JSON ---- */

static void put_json(struct stmt *st, struct buf *out)
{
    buf_put_u8(out, '{');
    for (int i = 0; i < col_count(st); i++) {
        struct value v = col_value(st, i);
        buf_put_text(out, i == 0 ? "" : ",");
        json_put_text(bytes_text(col_name(st, i)), out);
        buf_put_u8(out, ':');
        value_json(&v, out);
    }
    buf_put_u8(out, '}');
}

/* ---- plain cells ---- */

static void put_plain(const struct output *how, size_t column, const struct value *v,
                      struct buf *out)
{
    if (how->columns != NULL) {
        column_print(&how->columns[column], v, how->rules, out);
        return;
    }
    switch (v->kind) {
    case VALUE_NULL:
        return;
    case VALUE_INT:
        buf_printf(out, "%" PRId64, v->i);
        return;
    case VALUE_REAL:
        buf_printf(out, "%.15g", v->d);
        return;
    case VALUE_TEXT:
        buf_put(out, v->b);
        return;
    case VALUE_BLOB:
        id_print(v->b, out);
        return;
    }
}

/* ---- CSV ---- */

/* A spreadsheet takes text that begins so for a formula, and runs it. Numbers are ours. */
static bool may_be_formula(const struct value *v)
{
    return v->kind == VALUE_TEXT && v->b.size > 0 && v->b.at[0] != 0 &&
           strchr("=+-@\t\r", v->b.at[0]) != NULL;
}

static void put_csv_cell(struct buf *cell, struct buf *out)
{
    const char *text = buf_text(cell);
    if (text[strcspn(text, ",\"\r\n")] == 0) {
        buf_put(out, buf_bytes(cell));
        return;
    }
    buf_put_u8(out, '"');
    for (size_t i = 0; i < cell->size; i++) {
        if (cell->at[i] == '"') {
            buf_put_u8(out, '"');
        }
        buf_put_u8(out, cell->at[i]);
    }
    buf_put_u8(out, '"');
}

static void put_csv(const struct output *how, struct stmt *st, struct buf *cell, struct buf *out)
{
    for (int i = 0; i < col_count(st); i++) {
        struct value v = col_value(st, i);
        buf_put_text(out, i == 0 ? "" : ",");
        buf_clear(cell);
        buf_put_text(cell, may_be_formula(&v) ? "'" : "");
        put_plain(how, (size_t)i, &v, cell);
        put_csv_cell(cell, out);
    }
    buf_put_text(out, "\r\n");
}

static void put_csv_head(struct stmt *st, struct buf *cell, struct buf *out)
{
    for (int i = 0; i < col_count(st); i++) {
        struct value name = value_text(bytes_text(col_name(st, i)));
        buf_put_text(out, i == 0 ? "" : ",");
        buf_clear(cell);
        buf_put_text(cell, may_be_formula(&name) ? "'" : "");
        buf_put(cell, name.b);
        put_csv_cell(cell, out);
    }
    buf_put_text(out, "\r\n");
}

/* ---- the table ---- */

/* Columns on a terminal: Chinese characters take two, combining marks none. */
static size_t point_width(uint32_t point)
{
    int width = utf8proc_charwidth((utf8proc_int32_t)point);
    return width > 0 ? (size_t)width : 0;
}

/* Copies a cell onto one line of at most `width_max` columns; its width. What would move a
 * terminal's cursor becomes a middle dot. */
static size_t put_line(struct bytes text, size_t width_max, struct buf *out)
{
    size_t width = 0;
    while (text.size > 0) {
        uint32_t point = 0;
        size_t size = utf8_next(text, &point);
        bool plain = size > 0 && point >= 0x20 && !(point >= 0x7f && point < 0xa0) &&
                     !(point >= 0x202a && point <= 0x202e) && !(point >= 0x2066 && point <= 0x2069);
        size = size == 0 ? 1 : size;
        size_t next = plain ? point_width(point) : 1;
        if (width + next > width_max - (text.size > size ? 1 : 0)) {
            buf_put_text(out, "…");
            return width + 1;
        }
        buf_put(out, plain ? bytes_of(text.at, size) : bytes_text("·"));
        width += next;
        text = bytes_of(text.at + size, text.size - size);
    }
    return width;
}

struct grid { /* cells as text, each ended by a zero, row by row; widths by column */
    size_t columns;
    size_t rows; /* with the head */
    size_t widths[OUTPUT_COLUMNS_MAX];
    bool numeric[OUTPUT_COLUMNS_MAX];
    struct buf text;
};

/* The text in `cell`, right-aligned where its whole column is. */
static void grid_add(struct grid *g, size_t column, bool numeric, struct buf *cell)
{
    size_t width = put_line(buf_bytes(cell), LINE_WIDE_MAX, &g->text);
    buf_put_u8(&g->text, 0);
    g->widths[column] = width > g->widths[column] ? width : g->widths[column];
    g->numeric[column] = g->numeric[column] && numeric;
}

static void put_blanks(struct buf *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_put_u8(out, ' ');
    }
}

static size_t text_width(const char *text)
{
    struct bytes left = bytes_text(text);
    size_t width = 0;
    while (left.size > 0) {
        uint32_t point = 0;
        size_t size = utf8_next(left, &point);
        width += point_width(point);
        size = size == 0 ? 1 : size;
        left = bytes_of(left.at + size, left.size - size);
    }
    return width;
}

static void grid_print(struct grid *g, struct buf *out)
{
    const char *cell = buf_text(&g->text);
    for (size_t row = 0; row < g->rows; row++) {
        for (size_t i = 0; i < g->columns; i++) {
            size_t blanks = g->widths[i] - text_width(cell);
            bool last = i + 1 == g->columns;
            put_blanks(out, g->numeric[i] ? blanks : 0);
            buf_put_text(out, cell);
            put_blanks(out, (g->numeric[i] || last ? 0 : blanks) + (last ? 0 : COLUMN_GAP));
            cell += strlen(cell) + 1;
        }
        buf_put_u8(out, '\n');
    }
}

static void grid_row(struct grid *g, const struct output *how, struct stmt *st, struct buf *cell)
{
    for (size_t i = 0; i < g->columns; i++) {
        struct value v = col_value(st, (int)i);
        buf_clear(cell);
        put_plain(how, i, &v, cell);
        grid_add(g, i, v.kind != VALUE_TEXT && v.kind != VALUE_BLOB, cell);
    }
    g->rows++;
}

static void grid_head(struct grid *g, struct stmt *st, struct buf *cell)
{
    for (size_t i = 0; i < g->columns; i++) {
        buf_clear(cell);
        buf_put_text(cell, col_name(st, (int)i));
        g->numeric[i] = true; /* until a cell says otherwise */
        grid_add(g, i, true, cell);
    }
    g->rows++;
}

/* ---- all of it ---- */

static void put_row(struct stmt *st, const struct output *how, struct grid *g, struct buf *cell,
                    size_t index, struct buf *out)
{
    switch (how->format) {
    case OUTPUT_TABLE:
        grid_row(g, how, st, cell);
        return;
    case OUTPUT_JSON:
        buf_put_text(out, index == 0 ? "[" : ",\n ");
        put_json(st, out);
        return;
    case OUTPUT_CSV:
        put_csv(how, st, cell, out);
        return;
    }
}

struct err output_rows(struct stmt *st, const struct output *how, struct buf *out, size_t *rows)
{
    struct buf cell;
    struct grid grid = {.columns = (size_t)col_count(st)};
    *rows = 0;
    if (grid.columns > OUTPUT_COLUMNS_MAX) {
        return err_make(ERR_LIMIT, 0, "output_rows");
    }
    buf_init(&cell, out->size_max);
    buf_init(&grid.text, out->size_max);
    if (how->format == OUTPUT_CSV) {
        put_csv_head(st, &cell, out);
    } else if (how->format == OUTPUT_TABLE) {
        grid_head(&grid, st, &cell);
    }
    struct err err = err_ok();
    while (err.code == ERR_OK && db_step_row(st)) {
        put_row(st, how, &grid, &cell, *rows, out);
        *rows += 1;
        if (*rows > OUTPUT_ROWS_MAX || out->bad || grid.text.bad || cell.bad) {
            stmt_reset(st);
            err = err_make(ERR_LIMIT, 0, "output_rows");
        }
    }
    err = err.code != ERR_OK ? err : stmt_err(st, "output_rows");
    if (how->format == OUTPUT_JSON) {
        buf_put_text(out, *rows == 0 ? "[]\n" : "]\n");
    } else if (how->format == OUTPUT_TABLE && err.code == ERR_OK) {
        grid_print(&grid, out);
    }
    buf_release(&cell);
    buf_release(&grid.text);
    return err.code == ERR_OK && out->bad ? err_make(ERR_LIMIT, 0, "output_rows") : err;
}

int print_list(int argc, char **argv, const char *sql)
{
    struct option json = {"--json", OPTION_FLAG, 0, {0}};
    struct arguments rest;
    struct data d;
    if (!options_read(&json, 1, argc, argv, 0, 0, &rest)) {
        return EXIT_USAGE;
    }
    if (!data_open(&d, false)) {
        return EXIT_REFUSED;
    }
    struct stmt st;
    struct buf out;
    size_t rows;
    buf_init(&out, OUTPUT_BYTES_MAX);
    struct err err = db_use(d.db, sql, &st);
    if (err.code == ERR_OK) {
        struct output how = {.format = json.count > 0 ? OUTPUT_JSON : OUTPUT_TABLE};
        err = output_rows(&st, &how, &out, &rows);
    }
    int status = EXIT_DONE;
    if (err.code != ERR_OK) {
        status = refuse_err(err, NULL, argv[0], db_message(d.db));
    } else {
        (void)fwrite(out.at, 1, out.size, stdout);
    }
    buf_release(&out);
    data_close(&d);
    return status;
}
