/* Chooses a column's encoding and writes it; column.h tells the form. The values are first gathered
 * from wherever they stand, for they are looked at several times and their rows lie far apart.
 *
 * The choice goes by a rough size for each candidate: how the bytes compress afterwards isn't
 * known, but what is smaller and more regular before zstd is so after it, too. */
#include "protocol/column.h"

#include <math.h>

#define INDEX_COUNT_MIN 16 /* fewer values never repay a list of different ones */
#define HASH_BYTES_MAX  32 /* of a text; those that end alike are compared whole */
#define INDEX_PROBES    16 /* a value; beyond that the list isn't worth its search */

struct list {
    const struct value *at;
    size_t count;
};

static void put_column(struct cbor_writer *w, struct list c);

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
    return n == 0 ? 0 : 64 - (unsigned)__builtin_clzll(n);
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

static void survey_column(struct list c, struct survey *s)
{
    *s = (struct survey){.same = true, .least = INT64_MAX};
    const struct value *before = c.at;
    int64_t greatest = INT64_MIN;
    s->blob_size = c.at->kind == VALUE_BLOB ? c.at->b.size : 0;
    for (const struct value *v = c.at; v < c.at + c.count; v++) {
        s->same = s->same && value_equal(v, c.at);
        s->count_of_kind[v->kind]++;
        s->plain_bytes += plain_size(v);
        if (v->kind == VALUE_INT) {
            s->least = v->i < s->least ? v->i : s->least;
            greatest = v->i > greatest ? v->i : greatest;
            if (before->kind == VALUE_INT) {
                s->bits_of_differences += bits_in(zigzag((uint64_t)v->i - (uint64_t)before->i));
            }
        }
        if (v->kind == VALUE_BLOB && v->b.size != s->blob_size) {
            s->blob_size = 0;
        }
        before = v;
    }
    s->most = (uint64_t)greatest - (uint64_t)s->least;
}

static struct value *list_new(struct cbor_writer *w, size_t count)
{
    return cbor_scratch(w, count, sizeof(struct value));
}

/* ---- what isn't NULL ---- */

static void put_nulls(struct cbor_writer *w, struct list c)
{
    size_t bits_size = (c.count + 7) / 8;
    struct value *present = list_new(w, c.count);
    uint8_t *bits = cbor_scratch(w, bits_size, 1);
    size_t count = 0;
    if (present == NULL || bits == NULL) {
        return;
    }
    for (size_t i = 0; i < c.count; i++) {
        if (c.at[i].kind != VALUE_NULL) {
            bits[i / 8] = (uint8_t)(bits[i / 8] | 1u << i % 8);
            present[count++] = c.at[i];
        }
    }
    cbor_put_array(w, 3);
    cbor_put_uint(w, COLUMN_NULLS);
    cbor_put_bytes(w, bytes_of(bits, bits_size));
    put_column(w, (struct list){present, count});
}

/* ---- few different values ---- */

struct index {
    size_t different;
    struct value *values;  /* the different ones, in the order in which they first occur */
    struct value *of_each; /* for each value of the column its index, as an INT */
    size_t bytes;          /* of the different values, plain */
};

static uint64_t hash_value(const struct value *v)
{
    const uint8_t *at = (const uint8_t *)&v->i;
    size_t size = sizeof v->i;
    if (v->kind == VALUE_TEXT || v->kind == VALUE_BLOB) {
        size = v->b.size < HASH_BYTES_MAX ? v->b.size : HASH_BYTES_MAX;
        at = size > 0 ? v->b.at + (v->b.size - size) : at;
    }
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ at[i]) * 0x100000001b3u;
    }
    return hash ^ hash >> 32;
}

/* Slot of `v` in the table: its own, or a free one. `room` is a power of two. */
static size_t find_slot(const uint32_t *slots, size_t room, const struct index *x,
                        const struct value *v, size_t *probes_left)
{
    size_t slot = (size_t)hash_value(v) & (room - 1);
    while (slots[slot] != 0 && !value_equal(v, &x->values[slots[slot] - 1]) && *probes_left > 0) {
        slot = (slot + 1) & (room - 1);
        (*probes_left)--;
    }
    return slot;
}

/* Gives up (false) where too many differ, or where somebody chose values that collide. */
static bool index_build(struct cbor_writer *w, struct list c, struct index *x)
{
    size_t room = 64;
    while (room < c.count * 2) {
        room *= 2;
    }
    uint32_t *slots = cbor_scratch(w, room, sizeof *slots); /* 1 + index of a different value */
    *x = (struct index){.values = list_new(w, c.count / 2 + 1), .of_each = list_new(w, c.count)};
    size_t probes_left = INDEX_PROBES * c.count;
    if (slots == NULL || x->values == NULL || x->of_each == NULL) {
        return false;
    }
    for (size_t i = 0; i < c.count; i++) {
        size_t slot = find_slot(slots, room, x, &c.at[i], &probes_left);
        if (probes_left == 0 || (slots[slot] == 0 && x->different > c.count / 2)) {
            return false;
        }
        if (slots[slot] == 0) {
            x->values[x->different] = c.at[i];
            x->bytes += plain_size(&c.at[i]);
            slots[slot] = (uint32_t)++x->different;
        }
        x->of_each[i] = value_int(slots[slot] - 1);
    }
    return true;
}

/* Writes the column so if that is smaller than `otherwise` bytes. */
static bool put_indexed_if_smaller(struct cbor_writer *w, struct list c, size_t otherwise)
{
    struct index x;
    if (c.count < INDEX_COUNT_MIN || !index_build(w, c, &x)) {
        return false;
    }
    if (x.bytes + c.count * bits_in(x.different - 1) / 8 >= otherwise) {
        return false;
    }
    cbor_put_array(w, 4);
    cbor_put_uint(w, COLUMN_INDEXED);
    cbor_put_uint(w, x.different);
    put_column(w, (struct list){x.values, x.different});
    put_column(w, (struct list){x.of_each, c.count});
    return true;
}

/* ---- the other encodings ---- */

static void put_plain(struct cbor_writer *w, struct list c)
{
    cbor_put_array(w, c.count + 1);
    cbor_put_uint(w, COLUMN_PLAIN);
    for (size_t i = 0; i < c.count; i++) {
        cbor_put_value(w, &c.at[i]);
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

static void put_ints(struct cbor_writer *w, struct list c, const struct survey *s)
{
    bool differences = s->bits_of_differences < c.count * bits_in(s->most);
    uint64_t *numbers = cbor_scratch(w, c.count, sizeof *numbers);
    if (numbers == NULL) {
        return;
    }
    uint64_t before = (uint64_t)c.at->i;
    for (size_t i = 0; i < c.count; i++) {
        uint64_t now = (uint64_t)c.at[i].i;
        numbers[i] = differences ? zigzag(now - before) : now - (uint64_t)s->least;
        before = now;
    }
    cbor_put_array(w, 3);
    cbor_put_uint(w, differences ? COLUMN_DIFFERENCES : COLUMN_OFFSETS);
    cbor_put_int(w, differences ? c.at->i : s->least);
    put_planes(w, differences ? numbers + 1 : numbers, differences ? c.count - 1 : c.count);
}

static void put_blobs(struct cbor_writer *w, struct list c, size_t size)
{
    cbor_put_array(w, 2);
    cbor_put_uint(w, COLUMN_PLANES);
    cbor_put_head(w, CBOR_BYTES, c.count * size);
    uint8_t *to = buf_reserve(w->out, c.count * size);
    if (to == NULL) {
        return;
    }
    for (size_t i = 0; i < c.count; i++) {
        for (size_t plane = 0; plane < size; plane++) {
            to[plane * c.count + i] = c.at[i].b.at[plane];
        }
    }
    w->out->size += c.count * size;
}

static void put_texts(struct cbor_writer *w, struct list c)
{
    struct value *sizes = list_new(w, c.count);
    size_t size = 0;
    for (size_t i = 0; i < c.count && sizes != NULL; i++) {
        struct bytes text = c.at[i].b;
        if (!cbor_is_utf8(text)) {
            cbor_fail_writing(w, WIRE_MALFORMED);
        }
        if (text.size > ROW_BYTES_MAX) {
            cbor_fail_writing(w, WIRE_LIMIT);
        }
        sizes[i] = value_int((int64_t)text.size);
        size += text.size;
    }
    cbor_put_array(w, 3);
    cbor_put_uint(w, COLUMN_TEXTS);
    put_column(w, (struct list){sizes, c.count});
    cbor_put_head(w, CBOR_TEXT, size);
    for (size_t i = 0; i < c.count; i++) {
        buf_put(w->out, c.at[i].b);
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
static bool to_decimal(double d, unsigned places, struct value *out)
{
    double scaled = nearbyint(d * power_of_ten[places]);
    if (!(fabs(scaled) < 9007199254740992.0)) {
        return false;
    }
    *out = value_int((int64_t)scaled);
    return decimal_value(out->i, places) == d;
}

static bool put_decimals(struct cbor_writer *w, struct list c)
{
    struct value *integers = list_new(w, c.count);
    unsigned places = 0;
    if (integers == NULL) {
        return false;
    }
    for (size_t i = 0; i < c.count;) {
        if (to_decimal(c.at[i].d, places, &integers[i])) {
            i++;
        } else if (++places > DECIMAL_PLACES_MAX) {
            return false;
        } else {
            i = 0; /* one more place for all */
        }
    }
    cbor_put_array(w, 3);
    cbor_put_uint(w, COLUMN_DECIMALS);
    cbor_put_uint(w, places);
    put_column(w, (struct list){integers, c.count});
    return true;
}

static void put_column(struct cbor_writer *w, struct list c)
{
    if (w->error != WIRE_OK || c.at == NULL || c.count == 0) {
        cbor_put_null(w); /* nothing asks for it */
        return;
    }
    struct survey s;
    survey_column(c, &s);
    if (s.same) {
        cbor_put_value(w, c.at);
    } else if (s.count_of_kind[VALUE_NULL] > 0) {
        put_nulls(w, c);
    } else if (s.count_of_kind[VALUE_INT] == c.count) {
        put_ints(w, c, &s);
    } else if (s.count_of_kind[VALUE_BLOB] == c.count && s.blob_size > 0) {
        if (!put_indexed_if_smaller(w, c, c.count * s.blob_size * 3 / 4)) {
            put_blobs(w, c, s.blob_size);
        }
    } else if (s.count_of_kind[VALUE_TEXT] == c.count) {
        if (!put_indexed_if_smaller(w, c, s.plain_bytes / 2)) {
            put_texts(w, c);
        }
    } else if (s.count_of_kind[VALUE_REAL] != c.count || !put_decimals(w, c)) {
        put_plain(w, c);
    }
}

/* What a column remembers while it is written is gone after it, however many there are. */
void column_put(struct cbor_writer *w, const struct column_source *source)
{
    struct arena kept = w->scratch;
    arena_init(&w->scratch, kept.size_max);
    struct value one; /* most columns of small messages: no memory for these */
    struct value *values = source->count <= 1 ? &one : list_new(w, source->count);
    for (size_t i = 0; i < source->count && values != NULL; i++) {
        values[i] = source->at(source->context, i);
    }
    put_column(w, (struct list){values, source->count});
    arena_release(&w->scratch);
    w->scratch = kept;
}
