/* Writes deterministic CBOR; see cbor.h. */
#include "protocol/cbor.h"

#include <float.h>
#include <math.h>

#define SCRATCH_BYTES_MAX ((size_t)64 * 1024 * 1024)

void cbor_writer_init(struct cbor_writer *w, struct buf *out)
{
    *w = (struct cbor_writer){.out = out};
    arena_init(&w->scratch, SCRATCH_BYTES_MAX);
}

enum wire_error cbor_writer_done(struct cbor_writer *w, size_t started_at)
{
    if (w->error == WIRE_OK && w->out->bad) {
        /* A buf doesn't say which of the two it ran out of; at the ceiling it is the ceiling. */
        w->error = w->out->room >= w->out->size_max / 2 ? WIRE_LIMIT : WIRE_NOMEM;
    }
    if (w->error != WIRE_OK) {
        w->out->size = started_at;
    }
    arena_release(&w->scratch);
    return w->error;
}

void cbor_fail_writing(struct cbor_writer *w, enum wire_error error)
{
    if (w->error == WIRE_OK) {
        w->error = error;
    }
}

void *cbor_scratch(struct cbor_writer *w, size_t count, size_t size)
{
    void *at = w->error == WIRE_OK ? arena_array(&w->scratch, count, size) : NULL;
    if (at == NULL) {
        cbor_fail_writing(w, w->scratch.full ? WIRE_LIMIT : WIRE_NOMEM);
    }
    return at;
}

/* An initial byte and `size` bytes of its argument, big-endian. */
static void put_lead(struct cbor_writer *w, uint8_t lead, uint64_t argument, unsigned size)
{
    uint8_t head[9] = {lead};
    for (unsigned i = 0; i < size; i++) {
        head[1 + i] = (uint8_t)(argument >> (8 * (size - 1 - i)));
    }
    buf_put(w->out, bytes_of(head, 1 + (size_t)size));
}

void cbor_put_head(struct cbor_writer *w, enum cbor_major major, uint64_t argument)
{
    uint8_t lead = (uint8_t)((unsigned)major << 5);
    if (argument < 24) {
        put_lead(w, (uint8_t)(lead | argument), 0, 0);
    } else if (argument <= UINT8_MAX) {
        put_lead(w, lead | 24, argument, 1);
    } else if (argument <= UINT16_MAX) {
        put_lead(w, lead | 25, argument, 2);
    } else if (argument <= UINT32_MAX) {
        put_lead(w, lead | 26, argument, 4);
    } else {
        put_lead(w, lead | 27, argument, 8);
    }
}

void cbor_put_uint(struct cbor_writer *w, uint64_t n)
{
    cbor_put_head(w, CBOR_UINT, n);
}

void cbor_put_int(struct cbor_writer *w, int64_t i)
{
    if (i >= 0) {
        cbor_put_head(w, CBOR_UINT, (uint64_t)i);
    } else {
        cbor_put_head(w, CBOR_NEGATIVE, ~(uint64_t)i); /* -1 - i */
    }
}

void cbor_put_bool(struct cbor_writer *w, bool yes)
{
    buf_put_u8(w->out, yes ? 0xf5 : 0xf4);
}

void cbor_put_null(struct cbor_writer *w)
{
    buf_put_u8(w->out, 0xf6);
}

/* Readers refuse what isn't a number of its own: one such value, put into the file with another
 * program, must not stop all other work of a device. So infinity goes as the largest number (which
 * no column admits), minus zero as zero, and what isn't a number as null. */
void cbor_put_double(struct cbor_writer *w, double d)
{
    if (isnan(d)) {
        cbor_put_null(w);
        return;
    }
    if (isinf(d)) {
        d = d > 0 ? DBL_MAX : -DBL_MAX;
    }
    uint64_t bits = 0;
    unsigned size = d == 0 ? 2 : cbor_shrink_double(d, &bits);
    put_lead(w, size == 2 ? 0xf9 : size == 4 ? 0xfa : 0xfb, bits, size);
}

void cbor_put_bytes(struct cbor_writer *w, struct bytes bytes)
{
    cbor_put_head(w, CBOR_BYTES, bytes.size);
    buf_put(w->out, bytes);
}

void cbor_put_text(struct cbor_writer *w, struct bytes text)
{
    if (!cbor_is_utf8(text)) {
        cbor_fail_writing(w, WIRE_MALFORMED);
    }
    cbor_put_head(w, CBOR_TEXT, text.size);
    buf_put(w->out, text);
}

void cbor_put_array(struct cbor_writer *w, size_t count)
{
    cbor_put_head(w, CBOR_ARRAY, count);
}

void cbor_put_value(struct cbor_writer *w, const struct value *value)
{
    switch (value->kind) {
    case VALUE_NULL:
        cbor_put_null(w);
        return;
    case VALUE_INT:
        cbor_put_int(w, value->i);
        return;
    case VALUE_REAL:
        cbor_put_double(w, value->d);
        return;
    case VALUE_TEXT:
        if (value->b.size > ROW_BYTES_MAX) {
            cbor_fail_writing(w, WIRE_LIMIT);
        }
        cbor_put_text(w, value->b);
        return;
    case VALUE_BLOB:
        if (value->b.size > ROW_BYTES_MAX) {
            cbor_fail_writing(w, WIRE_LIMIT);
        }
        cbor_put_bytes(w, value->b);
        return;
    }
}
