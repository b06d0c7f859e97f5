/* Columns from fields of structs, and back; see fields.h. */
#include "protocol/fields.h"

_Static_assert(sizeof(struct scope_id) == SCOPE_BYTES, "bytes alone, so its memory is its form");

struct field_source {
    const struct field *field;
    const void *const *things;
};

static struct value field_at(const void *context, size_t index)
{
    const struct field_source *source = context;
    const char *at = (const char *)source->things[index] + source->field->offset;
    switch (source->field->type) {
    case FIELD_U8:
        return value_int(*(const uint8_t *)at);
    case FIELD_U16:
        return value_int(*(const uint16_t *)(const void *)at);
    case FIELD_U32:
        return value_int(*(const uint32_t *)(const void *)at);
    case FIELD_U64:
        return value_int((int64_t)(*(const uint64_t *)(const void *)at & INT64_MAX));
    case FIELD_I64:
        return value_int(*(const int64_t *)(const void *)at);
    case FIELD_COUNT:
        return value_int((int64_t) * (const size_t *)(const void *)at);
    case FIELD_ID:
        return value_blob(bytes_of(at, 16));
    case FIELD_SCOPE:
        return value_blob(bytes_of(at, SCOPE_BYTES));
    case FIELD_CODE:
        return value_text(bytes_text(at));
    case FIELD_TEXT:
        return value_text(*(const struct bytes *)(const void *)at);
    case FIELD_VALUE:
        break;
    }
    return *(const struct value *)(const void *)at;
}

static bool is_nothing(const struct field *field, struct value v)
{
    return (v.kind == VALUE_INT && v.i == 0 && field->type != FIELD_VALUE) ||
           (v.kind == VALUE_TEXT && v.b.size == 0 && field->type != FIELD_VALUE);
}

static bool holds_something(const struct field_source *source, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_nothing(source->field, field_at(source, i))) {
            return true;
        }
    }
    return false;
}

void fields_put(struct list_writer *l, const struct field *fields, size_t field_count,
                const void *const *things, size_t count)
{
    for (size_t f = 0; f < field_count; f++) {
        struct field_source source = {.field = &fields[f], .things = things};
        struct column_source column = {.at = field_at, .context = &source, .count = count};
        column_put(l->w, &column);
        list_mark(l, holds_something(&source, count));
    }
}

static bool int_fits(const struct value *v, uint64_t max)
{
    return v->kind == VALUE_INT && v->i >= 0 && (uint64_t)v->i <= max;
}

static bool fixed_fits(const struct value *v, size_t size, void *to)
{
    if (v->kind != VALUE_BLOB || v->b.size != size) {
        return false;
    }
    memcpy(to, v->b.at, size);
    return true;
}

static bool text_fits(const struct value *v, size_t max, struct bytes *to)
{
    *to = v->b;
    return v->kind == VALUE_TEXT && v->b.size <= max;
}

/* One value into its field; false where it doesn't fit. */
static bool field_set(const struct field *field, char *at, const struct value *v)
{
    switch (field->type) {
    case FIELD_U8:
        *(uint8_t *)at = (uint8_t)v->i;
        return int_fits(v, UINT8_MAX);
    case FIELD_U16:
        *(uint16_t *)(void *)at = (uint16_t)v->i;
        return int_fits(v, UINT16_MAX);
    case FIELD_U32:
        *(uint32_t *)(void *)at = (uint32_t)v->i;
        return int_fits(v, UINT32_MAX);
    case FIELD_U64:
        *(uint64_t *)(void *)at = (uint64_t)v->i;
        return int_fits(v, INT64_MAX);
    case FIELD_I64:
        *(int64_t *)(void *)at = v->i;
        return v->kind == VALUE_INT;
    case FIELD_COUNT:
        *(size_t *)(void *)at = (size_t)v->i;
        return int_fits(v, field->max);
    case FIELD_ID:
        return fixed_fits(v, 16, at);
    case FIELD_SCOPE:
        return v->kind == VALUE_BLOB && scope_unpack(v->b, (struct scope_id *)(void *)at);
    case FIELD_CODE:
        return v->kind == VALUE_TEXT && code_unpack(v->b, at, field->max);
    case FIELD_TEXT:
        return text_fits(v, field->max, (struct bytes *)(void *)at);
    case FIELD_VALUE:
        break;
    }
    *(struct value *)(void *)at = *v;
    return true;
}

void fields_take(struct list_reader *l, const struct field *fields, size_t field_count, void *first,
                 size_t stride, size_t count)
{
    struct value *values = cbor_alloc(l->r, count, sizeof *values);
    struct column_target target = {.first = values, .stride = sizeof *values, .count = count};
    for (size_t f = 0; f < field_count && values != NULL; f++) {
        if (!list_next(l)) {
            if (fields[f].type == FIELD_SCOPE && count > 0) {
                cbor_fail(l->r, WIRE_MALFORMED); /* of all fields this one can't be nothing */
            }
            continue; /* the structs are zero already */
        }
        column_take(l->r, &target);
        for (size_t i = 0; i < count && l->r->error == WIRE_OK; i++) {
            if (!field_set(&fields[f], (char *)first + i * stride + fields[f].offset, &values[i])) {
                cbor_fail(l->r, WIRE_MALFORMED);
            }
        }
    }
}
