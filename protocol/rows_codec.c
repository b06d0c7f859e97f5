/* Rows of one table and one set of columns:
 *
 *   scope, table, whole, columns, count, id, seq, values, …
 *
 * The values are an array of columns, for there may be more of them than fields. */
#include "protocol/codec_parts.h"
#include "protocol/fields.h"

static const struct field row_fields[] = {
    {offsetof(struct row, id), FIELD_ID, 0},
    {offsetof(struct row, seq), FIELD_I64, 0},
};

struct value_source {
    const struct rows *rows;
    size_t column;
};

static struct value value_at(const void *context, size_t index)
{
    const struct value_source *source = context;
    return source->rows->rows[index].values[source->column];
}

void rows_put(struct list_writer *l, const struct rows *rows)
{
    struct bytes columns = bytes_of(rows->columns, rows->column_count);
    const void **things = cbor_scratch(l->w, rows->count, sizeof *things);
    if (rows->count > ROWS_MAX || rows->column_count > COLUMNS_MAX + 1) {
        cbor_fail_writing(l->w, WIRE_LIMIT);
    } else if (!columns_are_rising(columns, 0)) {
        cbor_fail_writing(l->w, WIRE_MALFORMED);
    }
    if (things == NULL || l->w->error != WIRE_OK) {
        return;
    }
    for (size_t i = 0; i < rows->count; i++) {
        things[i] = &rows->rows[i];
    }
    list_put_scope(l, &rows->scope);
    list_put_uint(l, rows->table);
    list_put_bool(l, rows->whole);
    list_put_bytes(l, columns);
    list_put_uint(l, rows->count);
    fields_put(l, FIELDS_OF(row_fields), things, rows->count);
    cbor_put_array(l->w, rows->column_count);
    for (size_t i = 0; i < rows->column_count; i++) {
        struct value_source source = {.rows = rows, .column = i};
        column_put(l->w, &(struct column_source){value_at, &source, rows->count});
    }
    list_mark(l, rows->column_count > 0);
}

static void take_values(struct list_reader *l, struct rows *out)
{
    struct cbor_reader *r = l->r;
    size_t columns = list_next(l) ? cbor_take_array(r) : 0;
    if (columns != out->column_count) {
        cbor_fail(r, WIRE_MALFORMED);
        return;
    }
    struct value *values = cbor_alloc(r, out->count * columns, sizeof *values);
    if (values == NULL) {
        return;
    }
    for (size_t i = 0; i < out->count; i++) {
        out->rows[i].values = values + i * columns;
    }
    for (size_t i = 0; i < columns; i++) {
        column_take(r, &(struct column_target){values + i, columns * sizeof *values, out->count});
    }
}

void rows_take(struct list_reader *l, struct rows *out)
{
    struct cbor_reader *r = l->r;
    list_take_scope(l, &out->scope);
    out->table = (uint16_t)list_take_uint(l, UINT16_MAX);
    out->whole = list_take_bool(l);
    struct bytes columns = list_take_bytes(l, COLUMNS_MAX + 1);
    size_t count = (size_t)list_take_uint(l, UINT32_MAX);
    if (!columns_are_rising(columns, 0)) {
        cbor_fail(r, WIRE_MALFORMED);
    } else if (count > ROWS_MAX) {
        cbor_fail(r, WIRE_LIMIT);
    }
    out->rows = cbor_alloc(r, count, sizeof *out->rows);
    if (out->rows == NULL) {
        return;
    }
    out->count = count;
    out->column_count = columns.size;
    if (columns.size > 0) {
        memcpy(out->columns, columns.at, columns.size);
    }
    fields_take(l, FIELDS_OF(row_fields), out->rows, sizeof *out->rows, count);
    take_values(l, out);
}
