/* One head of CBOR: what kind of item begins here, and its number or length. */
#ifndef PROTOCOL_CBOR_HEAD_H
#define PROTOCOL_CBOR_HEAD_H

#include "protocol/cbor.h"

enum cbor_simple { CBOR_FALSE, CBOR_TRUE, CBOR_NULL, CBOR_FLOAT };

struct cbor_head {
    enum cbor_major major;
    enum cbor_simple kind; /* of CBOR_SIMPLE */
    uint64_t argument;     /* number, length, count, or the bits of a float */
    size_t size;           /* of the head itself: 1, 2, 3, 5 or 9 */
};

/* WIRE_MORE where `in` ends inside the head. WIRE_MALFORMED: not the shortest form, an indefinite
 * length, a tag, a map, or a simple value that the protocol doesn't use. */
enum wire_error cbor_head_read(struct bytes in, struct cbor_head *out);

#endif
