/* Reads deterministic CBOR and refuses any other; see cbor.h. The parser of heads, which all that
 * comes from outside goes through first, is cbor_head: it looks at nothing beyond `size`. */
#include "protocol/cbor_head.h"

#include <math.h>

void cbor_reader_init(struct cbor_reader *r, struct bytes in, struct arena *arena)
{
    *r = (struct cbor_reader){.at = in.at, .left = in.size, .arena = arena};
}

void cbor_fail(struct cbor_reader *r, enum wire_error error)
{
    if (r->error == WIRE_OK) {
        r->error = error;
    }
    r->left = 0;
}

void *cbor_alloc(struct cbor_reader *r, size_t count, size_t size)
{
    void *at = r->error == WIRE_OK ? arena_array(r->arena, count, size) : NULL;
    if (at == NULL) {
        cbor_fail(r, r->arena->full ? WIRE_LIMIT : WIRE_NOMEM);
    }
    return at;
}

static const uint8_t *take(struct cbor_reader *r, size_t n)
{
    if (r->error != WIRE_OK || n > r->left) {
        cbor_fail(r, WIRE_MALFORMED);
        return NULL;
    }
    const uint8_t *start = r->at;
    r->at += n;
    r->left -= n;
    return start;
}

/* A head of any kind, taken. */
static struct cbor_head take_head(struct cbor_reader *r)
{
    struct cbor_head head = {.major = CBOR_SIMPLE};
    if (r->error != WIRE_OK || cbor_head_read(bytes_of(r->at, r->left), &head) != WIRE_OK) {
        cbor_fail(r, WIRE_MALFORMED);
        return (struct cbor_head){.major = CBOR_SIMPLE};
    }
    (void)take(r, head.size);
    return head;
}

/* The argument of a head that must be of one kind. */
static uint64_t take_of(struct cbor_reader *r, enum cbor_major major)
{
    struct cbor_head head = take_head(r);
    if (head.major != major) {
        cbor_fail(r, WIRE_MALFORMED);
        return 0;
    }
    return head.argument;
}

enum cbor_major cbor_peek(const struct cbor_reader *r)
{
    return r->left > 0 ? (enum cbor_major)(r->at[0] >> 5) : CBOR_SIMPLE;
}

uint64_t cbor_take_uint(struct cbor_reader *r, uint64_t max)
{
    uint64_t n = take_of(r, CBOR_UINT);
    if (n > max) {
        cbor_fail(r, WIRE_MALFORMED);
        return 0;
    }
    return r->error == WIRE_OK ? n : 0;
}

static int64_t int_of(struct cbor_reader *r, struct cbor_head head)
{
    if (head.argument > INT64_MAX) {
        cbor_fail(r, WIRE_MALFORMED);
        return 0;
    }
    return head.major == CBOR_UINT ? (int64_t)head.argument : -1 - (int64_t)head.argument;
}

int64_t cbor_take_int(struct cbor_reader *r)
{
    struct cbor_head head = take_head(r);
    if (head.major != CBOR_UINT && head.major != CBOR_NEGATIVE) {
        cbor_fail(r, WIRE_MALFORMED);
        return 0;
    }
    return int_of(r, head);
}

bool cbor_take_bool(struct cbor_reader *r)
{
    struct cbor_head head = take_head(r);
    if (head.major != CBOR_SIMPLE || head.kind == CBOR_NULL || head.kind == CBOR_FLOAT) {
        cbor_fail(r, WIRE_MALFORMED);
    }
    return head.kind == CBOR_TRUE;
}

static struct bytes string_of(struct cbor_reader *r, uint64_t size, size_t size_max)
{
    if (size > size_max) {
        cbor_fail(r, WIRE_LIMIT);
        return (struct bytes){0};
    }
    const uint8_t *at = take(r, (size_t)size);
    return at != NULL ? bytes_of(at, (size_t)size) : (struct bytes){0};
}

static struct bytes text_of(struct cbor_reader *r, uint64_t size, size_t size_max)
{
    struct bytes text = string_of(r, size, size_max);
    if (!cbor_is_utf8(text)) {
        cbor_fail(r, WIRE_MALFORMED);
        return (struct bytes){0};
    }
    return text;
}

struct bytes cbor_take_bytes(struct cbor_reader *r, size_t size_max)
{
    return string_of(r, take_of(r, CBOR_BYTES), size_max);
}

struct bytes cbor_take_text(struct cbor_reader *r, size_t size_max)
{
    return text_of(r, take_of(r, CBOR_TEXT), size_max);
}

void cbor_take_fixed(struct cbor_reader *r, uint8_t *to, size_t size)
{
    struct bytes bytes = cbor_take_bytes(r, r->left);
    if (bytes.size != size || bytes.at == NULL) {
        cbor_fail(r, WIRE_MALFORMED);
        memset(to, 0, size);
        return;
    }
    memcpy(to, bytes.at, size);
}

size_t cbor_take_array(struct cbor_reader *r)
{
    uint64_t count = take_of(r, CBOR_ARRAY);
    if (count > r->left) {
        cbor_fail(r, WIRE_MALFORMED);
        return 0;
    }
    return (size_t)count;
}

/* A float that isn't a number, is infinite, minus zero or longer than it need be is none of ours.
 */
static double double_of(struct cbor_reader *r, struct cbor_head head)
{
    double d = 0;
    unsigned size = (unsigned)head.size - 1;
    if (size == 8) {
        memcpy(&d, &head.argument, sizeof d);
    } else if (size == 4) {
        uint32_t bits = (uint32_t)head.argument;
        float f;
        memcpy(&f, &bits, sizeof f);
        d = (double)f;
    } else {
        d = (head.argument & 0x7c00u) == 0x7c00u ? (double)INFINITY
                                                 : cbor_widen_half((uint16_t)head.argument);
    }
    uint64_t bits;
    if (!isfinite(d) || (d == 0 && signbit(d)) || cbor_shrink_double(d, &bits) != size) {
        cbor_fail(r, WIRE_MALFORMED);
        return 0;
    }
    return d;
}

static struct value simple_of(struct cbor_reader *r, struct cbor_head head)
{
    switch (head.kind) {
    case CBOR_NULL:
        return value_null();
    case CBOR_FLOAT:
        return value_real(double_of(r, head));
    case CBOR_FALSE:
    case CBOR_TRUE:
        break; /* columns store 0 and 1 */
    }
    cbor_fail(r, WIRE_MALFORMED);
    return value_null();
}

struct value cbor_take_value(struct cbor_reader *r)
{
    struct cbor_head head = take_head(r);
    if (r->error != WIRE_OK) {
        return value_null();
    }
    switch (head.major) {
    case CBOR_UINT:
    case CBOR_NEGATIVE:
        return value_int(int_of(r, head));
    case CBOR_BYTES:
        return value_blob(string_of(r, head.argument, ROW_BYTES_MAX));
    case CBOR_TEXT:
        return value_text(text_of(r, head.argument, ROW_BYTES_MAX));
    case CBOR_SIMPLE:
        return simple_of(r, head);
    case CBOR_ARRAY:
        break;
    }
    cbor_fail(r, WIRE_MALFORMED);
    return value_null();
}
