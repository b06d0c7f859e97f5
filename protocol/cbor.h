/* The part of CBOR (RFC 8949) that the protocol speaks, in its deterministic form (§4.2.1) and no
 * other: shortest heads, definite lengths, no tags, no maps. Inside this folder only.
 *
 * Writer and reader go bad for good: code writes or reads straight through and looks at `error`
 * once, at the end. What a bad reader gives is zero or empty, never uninitialised. */
#ifndef PROTOCOL_CBOR_H
#define PROTOCOL_CBOR_H

#include "protocol/codec.h"

#define CBOR_DEPTH_MAX 8 /* arrays within arrays; the grammar needs 7 */

enum cbor_major {
    CBOR_UINT = 0,
    CBOR_NEGATIVE = 1,
    CBOR_BYTES = 2,
    CBOR_TEXT = 3,
    CBOR_ARRAY = 4,
    CBOR_SIMPLE = 7
};

/* ---- writing ---- */

struct cbor_writer {
    struct buf *out;
    struct arena scratch; /* for what an encoder must remember while it writes */
    enum wire_error error;
};

void cbor_writer_init(struct cbor_writer *w, struct buf *out);
/* Ends the writing. On an error nothing of it stays in `out`. */
enum wire_error cbor_writer_done(struct cbor_writer *w, size_t started_at);
void cbor_fail_writing(struct cbor_writer *w, enum wire_error error);
void *cbor_scratch(struct cbor_writer *w, size_t count, size_t size);

void cbor_put_head(struct cbor_writer *w, enum cbor_major major, uint64_t argument);
void cbor_put_uint(struct cbor_writer *w, uint64_t n);
void cbor_put_int(struct cbor_writer *w, int64_t i);
void cbor_put_bool(struct cbor_writer *w, bool yes);
void cbor_put_null(struct cbor_writer *w);
void cbor_put_double(struct cbor_writer *w, double d);
void cbor_put_bytes(struct cbor_writer *w, struct bytes bytes);
void cbor_put_text(struct cbor_writer *w, struct bytes text);
void cbor_put_array(struct cbor_writer *w, size_t count);
void cbor_put_value(struct cbor_writer *w, const struct value *value);

/* ---- reading: the input is one whole item, so running out of bytes is an error ---- */

struct cbor_reader {
    const uint8_t *at;
    size_t left;
    struct arena *arena;
    enum wire_error error;
};

void cbor_reader_init(struct cbor_reader *r, struct bytes in, struct arena *arena);
void cbor_fail(struct cbor_reader *r, enum wire_error error);
/* `count` zeroed things of `size` bytes; NULL and an error without memory. */
void *cbor_alloc(struct cbor_reader *r, size_t count, size_t size);

/* The kind of the next item; CBOR_SIMPLE at the end and after an error. */
enum cbor_major cbor_peek(const struct cbor_reader *r);
uint64_t cbor_take_uint(struct cbor_reader *r, uint64_t max);
int64_t cbor_take_int(struct cbor_reader *r);
bool cbor_take_bool(struct cbor_reader *r);
struct bytes cbor_take_bytes(struct cbor_reader *r, size_t size_max);
struct bytes cbor_take_text(struct cbor_reader *r, size_t size_max);
/* Exactly `size` bytes. */
void cbor_take_fixed(struct cbor_reader *r, uint8_t *to, size_t size);
/* The number of items that follow; never more than bytes are left, for each takes one at least. */
size_t cbor_take_array(struct cbor_reader *r);
struct value cbor_take_value(struct cbor_reader *r);

/* ---- finding the end of an item in bytes that still arrive ---- */

/* Looks at each head once, however small the pieces are, so a large message in small pieces costs
 * no more than in one. Needs no memory beyond this struct. */
struct cbor_scan {
    size_t size; /* bytes of the item seen so far, whole heads and whole strings only */
    uint64_t open[CBOR_DEPTH_MAX + 1]; /* items still to come, level by level */
    unsigned depth;
    bool begun;
};

/* `in` starts where the item starts, at each call. WIRE_OK: `scan->size` is the item's size. */
enum wire_error cbor_scan_on(struct cbor_scan *scan, struct bytes in);

/* ---- shared ---- */

bool cbor_is_utf8(struct bytes text);
/* The shortest float that is exactly `d`: 2, 4 or 8 bytes; `*bits` holds them. */
unsigned cbor_shrink_double(double d, uint64_t *bits);
double cbor_widen_half(uint16_t half);

#endif
