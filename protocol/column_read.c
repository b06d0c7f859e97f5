/* Reads a column of any encoding; column.h tells the form. The number of rows is known before, so
 * nothing here believes a length that the column itself claims. */
#include "protocol/column.h"

static void take_column(struct cbor_reader *r, const struct column_target *t, unsigned nesting);

static struct column_target part_of(const struct column_target *t, size_t count)
{
    return (struct column_target){.first = t->first, .stride = t->stride, .count = count};
}

static void take_constant(struct cbor_reader *r, const struct column_target *t)
{
    struct value v = cbor_take_value(r);
    for (size_t i = 0; i < t->count; i++) {
        *column_target_at(t, i) = v;
    }
}

static void take_plain(struct cbor_reader *r, const struct column_target *t)
{
    for (size_t i = 0; i < t->count; i++) {
        *column_target_at(t, i) = cbor_take_value(r);
    }
}

/* A byte string of `count` numbers in planes; `*width` bytes each. */
static const uint8_t *take_planes(struct cbor_reader *r, size_t count, size_t width_max,
                                  size_t *width)
{
    struct bytes planes = cbor_take_bytes(r, MESSAGE_BYTES_MAX);
    *width = count > 0 ? planes.size / count : 0;
    if (*width > width_max || *width * count != planes.size) {
        cbor_fail(r, WIRE_MALFORMED);
        *width = 0;
    }
    return planes.at;
}

static uint64_t number_in(const uint8_t *planes, size_t width, size_t count, size_t index)
{
    uint64_t n = 0;
    for (size_t plane = 0; plane < width; plane++) {
        n = n << 8 | planes[plane * count + index];
    }
    return n;
}

/* Two's complement, without a conversion that the language leaves to the compiler. */
static int64_t as_signed(uint64_t n)
{
    return n <= INT64_MAX ? (int64_t)n : -1 - (int64_t)~n;
}

static void take_differences(struct cbor_reader *r, const struct column_target *t)
{
    uint64_t n = (uint64_t)cbor_take_int(r);
    size_t width;
    size_t count = t->count > 0 ? t->count - 1 : 0;
    const uint8_t *planes = take_planes(r, count, sizeof n, &width);
    for (size_t i = 0; i < t->count; i++) {
        n += i > 0 ? unzigzag(number_in(planes, width, count, i - 1)) : 0;
        *column_target_at(t, i) = value_int(as_signed(n));
    }
}

static void take_offsets(struct cbor_reader *r, const struct column_target *t)
{
    uint64_t least = (uint64_t)cbor_take_int(r);
    size_t width;
    const uint8_t *planes = take_planes(r, t->count, sizeof least, &width);
    for (size_t i = 0; i < t->count; i++) {
        uint64_t n = least + number_in(planes, width, t->count, i);
        *column_target_at(t, i) = value_int(as_signed(n));
    }
}

static void take_blobs(struct cbor_reader *r, const struct column_target *t)
{
    size_t width;
    const uint8_t *planes = take_planes(r, t->count, ROW_BYTES_MAX, &width);
    uint8_t *blobs = cbor_alloc(r, t->count, width);
    if (blobs == NULL) {
        return;
    }
    for (size_t plane = 0; plane < width; plane++) {
        for (size_t i = 0; i < t->count; i++) {
            blobs[i * width + plane] = planes[plane * t->count + i];
        }
    }
    for (size_t i = 0; i < t->count; i++) {
        *column_target_at(t, i) = value_blob(bytes_of(blobs + i * width, width));
    }
}

static bool bit_at(struct bytes bits, size_t index)
{
    return ((unsigned)bits.at[index / 8] >> index % 8 & 1u) != 0;
}

static void take_nulls(struct cbor_reader *r, const struct column_target *t, unsigned nesting)
{
    struct bytes bits = cbor_take_bytes(r, MESSAGE_BYTES_MAX);
    if (bits.size != (t->count + 7) / 8) {
        cbor_fail(r, WIRE_MALFORMED);
        return;
    }
    size_t present = 0;
    for (size_t i = 0; i < t->count; i++) {
        present += bit_at(bits, i);
    }
    struct column_target inner = part_of(t, present);
    take_column(r, &inner, nesting);
    if (r->error != WIRE_OK) {
        return;
    }
    for (size_t i = t->count; i-- > 0;) { /* from the end: a value only ever moves up */
        *column_target_at(t, i) = bit_at(bits, i) ? *column_target_at(t, --present) : value_null();
    }
}

static void take_indexed(struct cbor_reader *r, const struct column_target *t, unsigned nesting)
{
    size_t different = (size_t)cbor_take_uint(r, t->count);
    struct value *values = cbor_alloc(r, different, sizeof *values);
    if (values == NULL) {
        return;
    }
    struct column_target list = {.first = values, .stride = sizeof *values, .count = different};
    take_column(r, &list, nesting);
    take_column(r, t, nesting);
    for (size_t i = 0; i < t->count && r->error == WIRE_OK; i++) {
        struct value *v = column_target_at(t, i);
        if (v->kind != VALUE_INT || v->i < 0 || (uint64_t)v->i >= different) {
            cbor_fail(r, WIRE_MALFORMED);
            return;
        }
        *v = values[v->i];
    }
}

static void take_decimals(struct cbor_reader *r, const struct column_target *t, unsigned nesting)
{
    unsigned places = (unsigned)cbor_take_uint(r, DECIMAL_PLACES_MAX);
    take_column(r, t, nesting);
    for (size_t i = 0; i < t->count && r->error == WIRE_OK; i++) {
        struct value *v = column_target_at(t, i);
        if (v->kind != VALUE_INT) {
            cbor_fail(r, WIRE_MALFORMED);
            return;
        }
        *v = value_real(decimal_value(v->i, places));
    }
}

static void take_texts(struct cbor_reader *r, const struct column_target *t, unsigned nesting)
{
    take_column(r, t, nesting);
    struct bytes all = cbor_take_text(r, MESSAGE_BYTES_MAX);
    for (size_t i = 0; i < t->count && r->error == WIRE_OK; i++) {
        struct value *v = column_target_at(t, i);
        if (v->kind != VALUE_INT || v->i < 0 || (uint64_t)v->i > all.size) {
            cbor_fail(r, WIRE_MALFORMED);
            return;
        }
        struct bytes text = bytes_of(all.at, (size_t)v->i);
        if (text.size > ROW_BYTES_MAX || !cbor_is_utf8(text)) {
            cbor_fail(r, text.size > ROW_BYTES_MAX ? WIRE_LIMIT : WIRE_MALFORMED);
            return;
        }
        *v = value_text(text);
        all = bytes_of(all.at + text.size, all.size - text.size);
    }
    if (all.size != 0) {
        cbor_fail(r, WIRE_MALFORMED);
    }
}

/* Elements of the array, its encoding among them. */
static size_t elements_of(uint64_t encoding, size_t count)
{
    static const uint8_t elements[] = {0, 3, 3, 2, 3, 4, 3, 3};
    return encoding == COLUMN_PLAIN ? count + 1 : elements[encoding];
}

static void take_column(struct cbor_reader *r, const struct column_target *t, unsigned nesting)
{
    if (cbor_peek(r) != CBOR_ARRAY) {
        take_constant(r, t);
        return;
    }
    size_t elements = cbor_take_array(r);
    uint64_t encoding = cbor_take_uint(r, COLUMN_TEXTS);
    if (r->error != WIRE_OK || elements != elements_of(encoding, t->count) ||
        nesting == COLUMN_NESTING_MAX) {
        cbor_fail(r, WIRE_MALFORMED);
        return;
    }
    switch ((enum column_encoding)encoding) {
    case COLUMN_PLAIN:
        take_plain(r, t);
        return;
    case COLUMN_DIFFERENCES:
        take_differences(r, t);
        return;
    case COLUMN_OFFSETS:
        take_offsets(r, t);
        return;
    case COLUMN_PLANES:
        take_blobs(r, t);
        return;
    case COLUMN_NULLS:
        take_nulls(r, t, nesting + 1);
        return;
    case COLUMN_INDEXED:
        take_indexed(r, t, nesting + 1);
        return;
    case COLUMN_DECIMALS:
        take_decimals(r, t, nesting + 1);
        return;
    case COLUMN_TEXTS:
        take_texts(r, t, nesting + 1);
        return;
    }
}

void column_take(struct cbor_reader *r, const struct column_target *target)
{
    take_column(r, target, 0);
}
