/* One column of a batch: the same field of many rows, together, in the encoding that makes it
 * smallest. One value for all stands bare; else it is an array that begins with its encoding:
 *
 *   v                     each row has this value
 *   [0, v, v, …]          values as they are
 *   [1, first, planes]    integers: each less the one before, zigzag
 *   [2, least, planes]    integers: each less the least
 *   [3, planes]           byte strings of one size, e.g. ids
 *   [4, bits, column]     bit i (least first) says that row i isn't NULL; the column has these rows
 *   [5, n, column, column] n different values, then for each row the index of its value
 *   [6, places, column]   decimals: integers, divided by 10^places
 *   [7, column, text]     texts: their sizes in bytes, then all of them in a row
 *
 * Planes: a byte string with the first (highest) byte of all, then the second byte of all, and so
 * on: bytes alike stand together, which compresses. Zigzag: 0, -1, 1, -2 … become 0, 1, 2, 3 …;
 * sums and differences wrap at 64 bits. The writer's choice depends on the values alone. */
#ifndef PROTOCOL_COLUMN_H
#define PROTOCOL_COLUMN_H

#include "protocol/cbor.h"

enum column_encoding {
    COLUMN_PLAIN = 0,
    COLUMN_DIFFERENCES = 1,
    COLUMN_OFFSETS = 2,
    COLUMN_PLANES = 3,
    COLUMN_NULLS = 4,
    COLUMN_INDEXED = 5,
    COLUMN_DECIMALS = 6,
    COLUMN_TEXTS = 7
};

#define COLUMN_NESTING_MAX 4 /* nulls over indexes over texts over integers */
#define DECIMAL_PLACES_MAX 9

/* What is to be written: `count` values, each asked for once, in order. */
struct column_source {
    struct value (*at)(const void *context, size_t index);
    const void *context;
    size_t count;
};

void column_put(struct cbor_writer *w, const struct column_source *source);

/* Where the values go: `count` of them, `stride` bytes apart, so that a column lands in rows. */
struct column_target {
    void *first;
    size_t stride;
    size_t count;
};

void column_take(struct cbor_reader *r, const struct column_target *target);

static inline struct value *column_target_at(const struct column_target *t, size_t index)
{
    return (struct value *)(void *)((char *)t->first + index * t->stride);
}

/* integer / 10^places, as both sides compute it. */
double decimal_value(int64_t integer, unsigned places);

static inline uint64_t zigzag(uint64_t difference)
{
    return difference << 1 ^ (difference >> 63 ? UINT64_MAX : 0);
}

static inline uint64_t unzigzag(uint64_t n)
{
    return n >> 1 ^ (n & 1 ? UINT64_MAX : 0);
}

#endif
