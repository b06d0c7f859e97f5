/* Chooses a column's encoding and writes it; column.h tells the form. The choice goes by a rough
 * size for each candidate: how the bytes compress afterwards isn't known, but what is smaller and
 * more regular before zstd is so after it, too. */
#include "protocol/column.h"

#include <math.h>

static void put_column(struct cbor_writer *w, const struct column_source *c);

#define INDEX_COUNT_MIN 16 /* fewer rows never repay a list of different values */
#define INDEX_PROBES    16 /* a row; beyond that the list isn't worth its search */

struct survey {
    bool same;
    size_t count_of_kind[VALUE_BLOB + 1];
    size_t plain_bytes;
    size_t blob_size; /* that all blobs have; 0: they differ */
    int64_t least;
    uint64_t most; /* above `least` */
    uint64_t bits_of_differences;
};

static unsigned bits_in(uint64_t n)
{
    unsigned bits = 0;
    for (; n != 0; n >>= 1) {
        bits++;
    }
    return bits;
}

static size_t plain_size(const struct value *v)
{
    switch (v->kind) {
    case VALUE_NULL:
        return 1;
    case VALUE_INT:
        return 1 + (bits_in(v->i < 0 ? ~(uint64_t)v->i : (uint64_t)v->i) + 2) / 8;
    case VALUE_REAL:
        return 9;
    case VALUE_TEXT:
    case VALUE_BLOB:
        return v->b.size + (v->b.size < 24 ? 1 : v->b.size < 256 ? 2 : 3);
    }
    return 0;
}

static void survey_column(const struct column_source *c, struct survey *s)
{
    *s = (struct survey){.same = true, .least = INT64_MAX};
    struct value first = c->at(c->context, 0);
    struct value before = first;
    int64_t greatest = INT64_MIN;
    s->blob_size = first.kind == VALUE_BLOB ? first.b.size : 0;
    for (size_t i = 0; i < c->count; i++) {
        struct value v = c->at(c->context, i);
        s->same = s->same && value_equal(&v, &first);
        s->count_of_kind[v.kind]++;
        s->plain_bytes += plain_size(&v);
        if (v.kind == VALUE_INT) {
            s->least = v.i < s->least ? v.i : s->least;
            greatest = v.i > greatest ? v.i : greatest;
            if (before.kind == VALUE_INT) {
                s->bits_of_differences += bits_in(zigzag((uint64_t)v.i - (uint64_t)before.i));
            }
        }
        if (v.kind == VALUE_BLOB && v.b.size != s->blob_size) {
            s->blob_size = 0;
        }
        before = v;
    }
    s->most = (uint64_t)greatest - (uint64_t)s->least;
}

/* ---- rows that aren't NULL ---- */

struct part {
    const struct column_source *whole;
    const uint32_t *rows;
};

static struct value part_at(const void *context, size_t index)
{
    const struct part *part = context;
    return part->whole->at(part->whole->context, part->rows[index]);
}

static void put_nulls(struct cbor_writer *w, const struct column_source *c)
{
    size_t bits_size = (c->count + 7) / 8;
    uint32_t *rows = cbor_scratch(w, c->count, sizeof *rows);
    uint8_t *bits = cbor_scratch(w, bits_size, 1);
    if (rows == NULL || bits == NULL) {
        return;
    }
    struct part part = {.whole = c, .rows = rows};
    struct column_source inner = {.at = part_at, .context = &part};
    for (size_t i = 0; i < c->count; i++) {
        if (c->at(c->context, i).kind != VALUE_NULL) {
            bits[i / 8] = (uint8_t)(bits[i / 8] | 1u << i % 8);
            rows[inner.count++] = (uint32_t)i;
        }
    }
    cbor_put_array(w, 3);
    cbor_put_uint(w, COLUMN_NULLS);
    cbor_put_bytes(w, bytes_of(bits, bits_size));
    put_column(w, &inner);
}

/* ---- few different values ---- */

struct index {
    size_t different;
    uint32_t *first_rows; /* for each different value, a row that has it */
    uint32_t *of_row;
    size_t bytes; /* of the different values, plain */
};

static uint64_t hash_value(const struct value *v)
{
    const uint8_t *at = (const uint8_t *)&v->i;
    size_t size = sizeof v->i;
    if (v->kind == VALUE_TEXT || v->kind == VALUE_BLOB) {
        at = v->b.at;
        size = v->b.size;
    }
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ at[i]) * 0x100000001b3u;
    }
    return hash ^ hash >> 32;
}

/* Gives up (false) where too many differ, or where somebody chose values that collide. */
static bool index_build(struct cbor_writer *w, const struct column_source *c, struct index *x)
{
    size_t room = 64;
    while (room < c->count * 2) {
        room *= 2;
    }
    uint32_t *slots = cbor_scratch(w, room, sizeof *slots); /* 1 + index of a different value */
    *x = (struct index){.first_rows = cbor_scratch(w, c->count, sizeof *x->first_rows),
                        .of_row = cbor_scratch(w, c->count, sizeof *x->of_row)};
    if (slots == NULL || x->first_rows == NULL || x->of_row == NULL) {
        return false;
    }
    size_t probes_left = INDEX_PROBES * c->count;
    for (size_t i = 0; i < c->count; i++) {
        struct value v = c->at(c->context, i);
        size_t slot = (size_t)hash_value(&v) & (room - 1);
        for (; slots[slot] != 0; slot = (slot + 1) & (room - 1)) {
            struct value other = c->at(c->context, x->first_rows[slots[slot] - 1]);
            if (value_equal(&v, &other)) {
                break;
            }
            if (--probes_left == 0) {
                return false;
            }
        }
        if (slots[slot] == 0) {
            x->first_rows[x->different] = (uint32_t)i;
            x->bytes += plain_size(&v);
            slots[slot] = (uint32_t)++x->different;
        }
        x->of_row[i] = slots[slot] - 1;
        if (x->different > c->count / 2) {
            return false;
        }
    }
    return true;
}

static struct value index_at(const void *context, size_t i)
{
    const uint32_t *of_row = context;
    return value_int(of_row[i]);
}

static void put_indexed(struct cbor_writer *w, const struct column_source *c, const struct index *x)
{
    struct part part = {.whole = c, .rows = x->first_rows};
    struct column_source values = {part_at, &part, x->different};
    struct column_source indexes = {index_at, x->of_row, c->count};
    cbor_put_array(w, 4);
    cbor_put_uint(w, COLUMN_INDEXED);
    cbor_put_uint(w, x->different);
    put_column(w, &values);
    put_column(w, &indexes);
}

/* Writes the column so if that is smaller than `otherwise` bytes. */
static bool put_indexed_if_smaller(struct cbor_writer *w, const struct column_source *c,
                                   size_t otherwise)
{
    struct index x;
    if (c->count < INDEX_COUNT_MIN || !index_build(w, c, &x)) {
        return false;
    }
    size_t size = x.bytes + c->count * bits_in(x.different - 1) / 8;
    if (size >= otherwise) {
        return false;
    }
    put_indexed(w, c, &x);
    return true;
}

/* ---- the other encodings ---- */

static void put_plain(struct cbor_writer *w, const struct column_source *c)
{
    cbor_put_array(w, c->count + 1);
    cbor_put_uint(w, COLUMN_PLAIN);
    for (size_t i = 0; i < c->count; i++) {
        struct value v = c->at(c->context, i);
        cbor_put_value(w, &v);
    }
}

/* `numbers` byte by byte, as a byte string; as many bytes as the largest needs. */
static void put_planes(struct cbor_writer *w, const uint64_t *numbers, size_t count)
{
    uint64_t all = 0;
    for (size_t i = 0; i < count; i++) {
        all |= numbers[i];
    }
    unsigned width = (bits_in(all) + 7) / 8;
    cbor_put_head(w, CBOR_BYTES, count * width);
    uint8_t *to = buf_reserve(w->out, count * width);
    if (to == NULL) {
        return;
    }
    for (unsigned plane = width; plane-- > 0;) {
        for (size_t i = 0; i < count; i++) {
            *to++ = (uint8_t)(numbers[i] >> (8 * plane));
        }
    }
    w->out->size += count * width;
}

static void put_ints(struct cbor_writer *w, const struct column_source *c, const struct survey *s)
{
    bool differences = s->bits_of_differences < c->count * bits_in(s->most);
    int64_t first = c->at(c->context, 0).i;
    uint64_t *numbers = cbor_scratch(w, c->count, sizeof *numbers);
    if (numbers == NULL) {
        return;
    }
    uint64_t before = (uint64_t)first;
    for (size_t i = 0; i < c->count; i++) {
        uint64_t now = (uint64_t)c->at(c->context, i).i;
        numbers[i] = differences ? zigzag(now - before) : now - (uint64_t)s->least;
        before = now;
    }
    cbor_put_array(w, 3);
    cbor_put_uint(w, differences ? COLUMN_DIFFERENCES : COLUMN_OFFSETS);
    cbor_put_int(w, differences ? first : s->least);
    put_planes(w, differences ? numbers + 1 : numbers, differences ? c->count - 1 : c->count);
}

static void put_blobs(struct cbor_writer *w, const struct column_source *c, size_t size)
{
    cbor_put_array(w, 2);
    cbor_put_uint(w, COLUMN_PLANES);
    cbor_put_head(w, CBOR_BYTES, c->count * size);
    uint8_t *to = buf_reserve(w->out, c->count * size);
    if (to == NULL) {
        return;
    }
    for (size_t i = 0; i < c->count; i++) {
        struct value v = c->at(c->context, i);
        for (size_t plane = 0; plane < size; plane++) {
            to[plane * c->count + i] = v.b.at[plane];
        }
    }
    w->out->size += c->count * size;
}

static struct value text_size_at(const void *context, size_t index)
{
    const struct column_source *c = context;
    return value_int((int64_t)c->at(c->context, index).b.size);
}

static void put_texts(struct cbor_writer *w, const struct column_source *c)
{
    struct column_source sizes = {text_size_at, c, c->count};
    size_t size = 0;
    for (size_t i = 0; i < c->count; i++) {
        struct bytes text = c->at(c->context, i).b;
        if (!cbor_is_utf8(text)) {
            cbor_fail_writing(w, WIRE_MALFORMED);
        }
        if (text.size > ROW_BYTES_MAX) {
            cbor_fail_writing(w, WIRE_LIMIT);
        }
        size += text.size;
    }
    cbor_put_array(w, 3);
    cbor_put_uint(w, COLUMN_TEXTS);
    put_column(w, &sizes);
    cbor_put_head(w, CBOR_TEXT, size);
    for (size_t i = 0; i < c->count; i++) {
        buf_put(w->out, c->at(c->context, i).b);
    }
}

static const double power_of_ten[DECIMAL_PLACES_MAX + 1] = {1e0, 1e1, 1e2, 1e3, 1e4,
                                                            1e5, 1e6, 1e7, 1e8, 1e9};

double decimal_value(int64_t integer, unsigned places)
{
    return (double)integer / power_of_ten[places];
}

/* A real as written by people and by positioning: digits behind a point. False where the division
 * doesn't give the same bits back, or where the number doesn't fit 53 bits. */
static bool to_decimal(double d, unsigned places, int64_t *out)
{
    double scaled = nearbyint(d * power_of_ten[places]);
    if (!(fabs(scaled) < 9007199254740992.0)) {
        return false;
    }
    *out = (int64_t)scaled;
    return decimal_value(*out, places) == d;
}

static struct value decimal_at(const void *context, size_t index)
{
    const int64_t *integers = context;
    return value_int(integers[index]);
}

static bool put_decimals(struct cbor_writer *w, const struct column_source *c)
{
    int64_t *integers = cbor_scratch(w, c->count, sizeof *integers);
    unsigned places = 0;
    if (integers == NULL) {
        return false;
    }
    for (size_t i = 0; i < c->count;) {
        if (to_decimal(c->at(c->context, i).d, places, &integers[i])) {
            i++;
        } else if (++places > DECIMAL_PLACES_MAX) {
            return false;
        } else {
            i = 0; /* one more place for all */
        }
    }
    struct column_source inner = {decimal_at, integers, c->count};
    cbor_put_array(w, 3);
    cbor_put_uint(w, COLUMN_DECIMALS);
    cbor_put_uint(w, places);
    put_column(w, &inner);
    return true;
}

static void put_column(struct cbor_writer *w, const struct column_source *c)
{
    if (w->error != WIRE_OK || c->count == 0) {
        cbor_put_null(w); /* no row asks for it */
        return;
    }
    struct survey s;
    survey_column(c, &s);
    struct value first = c->at(c->context, 0);
    if (s.same) {
        cbor_put_value(w, &first);
    } else if (s.count_of_kind[VALUE_NULL] > 0) {
        put_nulls(w, c);
    } else if (s.count_of_kind[VALUE_INT] == c->count) {
        put_ints(w, c, &s);
    } else if (s.count_of_kind[VALUE_BLOB] == c->count && s.blob_size > 0) {
        if (!put_indexed_if_smaller(w, c, c->count * s.blob_size * 3 / 4)) {
            put_blobs(w, c, s.blob_size);
        }
    } else if (s.count_of_kind[VALUE_TEXT] == c->count) {
        if (!put_indexed_if_smaller(w, c, s.plain_bytes / 2)) {
            put_texts(w, c);
        }
    } else if (s.count_of_kind[VALUE_REAL] != c->count || !put_decimals(w, c)) {
        put_plain(w, c);
    }
}

/* What a column remembers while it is written is gone after it, however many there are. */
void column_put(struct cbor_writer *w, const struct column_source *source)
{
    struct arena kept = w->scratch;
    arena_init(&w->scratch, kept.size_max);
    put_column(w, source);
    arena_release(&w->scratch);
    w->scratch = kept;
}
