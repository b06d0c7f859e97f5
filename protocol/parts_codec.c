/* Digests level by level: what a device asks, what the server answers, and which rows it then
 * wants. */
#include "protocol/codec_parts.h"
#include "protocol/fields.h"

static const struct field name_fields[] = {
    {offsetof(struct part_name, scope), FIELD_SCOPE, 0},
    {offsetof(struct part_name, table), FIELD_U16, 0},
    {offsetof(struct part_name, bucket), FIELD_U16, 0},
};
static const struct field part_fields[] = {
    {offsetof(struct digest_part, name.scope), FIELD_SCOPE, 0},
    {offsetof(struct digest_part, name.table), FIELD_U16, 0},
    {offsetof(struct digest_part, name.bucket), FIELD_U16, 0},
    {offsetof(struct digest_part, listed), FIELD_U8, 0},
    {offsetof(struct digest_part, rows), FIELD_U32, 0},
    {offsetof(struct digest_part, sum), FIELD_ID, 0},
};
static const struct field row_fields[] = {
    {offsetof(struct part_row, id), FIELD_ID, 0},
    {offsetof(struct part_row, seq), FIELD_I64, 0},
    {offsetof(struct part_row, sum), FIELD_ID, 0},
};
static const struct field want_fields[] = {
    {offsetof(struct wanted_row, table), FIELD_U16, 0},
    {offsetof(struct wanted_row, id), FIELD_ID, 0},
};

static void put_things(struct list_writer *l, const struct field *fields, size_t field_count,
                       const void *first, size_t stride, size_t count)
{
    list_put_uint(l, count);
    const void **things = cbor_scratch(l->w, count, sizeof *things);
    for (size_t i = 0; things != NULL && i < count; i++) {
        things[i] = (const char *)first + i * stride;
    }
    if (things != NULL) {
        fields_put(l, fields, field_count, things, count);
    }
}

static void *take_things(struct list_reader *l, const struct field *fields, size_t field_count,
                         size_t stride, size_t *count, size_t count_max)
{
    size_t n = (size_t)list_take_uint(l, UINT32_MAX);
    if (n > count_max) {
        cbor_fail(l->r, WIRE_LIMIT);
        return NULL;
    }
    void *first = cbor_alloc(l->r, n, stride);
    if (first != NULL) {
        *count = n;
        fields_take(l, fields, field_count, first, stride, n);
    }
    return first;
}

void ask_put(struct list_writer *l, const struct ask *ask)
{
    list_put_bool(l, ask->contents);
    put_things(l, FIELDS_OF(name_fields), ask->parts, sizeof *ask->parts, ask->count);
}

void ask_take(struct list_reader *l, struct ask *out)
{
    out->contents = list_take_bool(l);
    out->parts = take_things(l, FIELDS_OF(name_fields), sizeof *out->parts, &out->count, PARTS_MAX);
}

void parts_put(struct list_writer *l, const struct parts *parts)
{
    put_things(l, FIELDS_OF(part_fields), parts->parts, sizeof *parts->parts, parts->count);
    put_things(l, FIELDS_OF(row_fields), parts->rows, sizeof *parts->rows, parts->row_count);
}

/* The rows of the listed parts are all that come. */
static bool rows_fit(const struct parts *parts)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < parts->count; i++) {
        rows += parts->parts[i].listed != 0 ? parts->parts[i].rows : 0;
    }
    return rows == parts->row_count;
}

void parts_take(struct list_reader *l, struct parts *out)
{
    out->parts = take_things(l, FIELDS_OF(part_fields), sizeof *out->parts, &out->count, PARTS_MAX);
    out->rows =
        take_things(l, FIELDS_OF(row_fields), sizeof *out->rows, &out->row_count, PART_ROWS_MAX);
    if (out->rows != NULL && !rows_fit(out)) {
        cbor_fail(l->r, WIRE_MALFORMED);
    }
}

void want_put(struct list_writer *l, const struct want *want)
{
    put_things(l, FIELDS_OF(want_fields), want->rows, sizeof *want->rows, want->count);
}

void want_take(struct list_reader *l, struct want *out)
{
    out->rows = take_things(l, FIELDS_OF(want_fields), sizeof *out->rows, &out->count, ROWS_MAX);
}

void end_put(struct list_writer *l, const struct end *end)
{
    list_put_bytes(l, end->told ? bytes_of(end->sum, sizeof end->sum) : bytes_of(NULL, 0));
}

void end_take(struct list_reader *l, struct end *out)
{
    struct bytes sum = list_take_bytes(l, sizeof out->sum);
    out->told = sum.size > 0;
    if (sum.size == sizeof out->sum) {
        memcpy(out->sum, sum.at, sizeof out->sum);
    } else if (sum.size != 0) {
        cbor_fail(l->r, WIRE_MALFORMED);
    }
}
