/* Comparing values, and writing one alone. */
#include "protocol/cbor.h"

bool value_equal(const struct value *a, const struct value *b)
{
    if (a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case VALUE_NULL:
        return true;
    case VALUE_INT:
        return a->i == b->i;
    case VALUE_REAL:
        return memcmp(&a->d, &b->d, sizeof a->d) == 0;
    case VALUE_TEXT:
    case VALUE_BLOB:
        return bytes_equal(a->b, b->b);
    }
    return false;
}

enum wire_error value_encode(const struct value *value, struct buf *out)
{
    struct cbor_writer w;
    size_t start = out->size;
    cbor_writer_init(&w, out);
    cbor_put_value(&w, value);
    return cbor_writer_done(&w, start);
}

enum wire_error value_decode(struct bytes in, struct value *out, size_t *used)
{
    struct cbor_scan scan = {0};
    enum wire_error err = cbor_scan_on(&scan, in);
    if (err != WIRE_OK) {
        return err;
    }
    struct cbor_reader r;
    cbor_reader_init(&r, bytes_of(in.at, scan.size), NULL); /* a value alone needs no memory */
    *out = cbor_take_value(&r);
    *used = scan.size;
    return r.error;
}
