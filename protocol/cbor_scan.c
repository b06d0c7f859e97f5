/* Heads, and the search for the end of an item; see cbor.h and cbor_head.h. */
#include "protocol/cbor_head.h"

#define FOLLOWS_8_BITS  24 /* values of the low five bits that say how many bytes follow */
#define FOLLOWS_64_BITS 27

static bool is_shortest(uint64_t argument, unsigned follows)
{
    switch (follows) {
    case 1:
        return argument >= 24;
    case 2:
        return argument > UINT8_MAX;
    case 4:
        return argument > UINT16_MAX;
    case 8:
        return argument > UINT32_MAX;
    }
    return true;
}

/* Whether a head of major type 7 is one of the few that we use. */
static bool simple_kind(unsigned low, enum cbor_simple *kind)
{
    switch (low) {
    case 20:
        *kind = CBOR_FALSE;
        return true;
    case 21:
        *kind = CBOR_TRUE;
        return true;
    case 22:
        *kind = CBOR_NULL;
        return true;
    case 25:
    case 26:
    case 27:
        *kind = CBOR_FLOAT;
        return true;
    }
    return false;
}

enum wire_error cbor_head_read(struct bytes in, struct cbor_head *out)
{
    if (in.size == 0) {
        return WIRE_MORE;
    }
    unsigned major = in.at[0] >> 5;
    unsigned low = in.at[0] & 0x1fu;
    *out = (struct cbor_head){.major = (enum cbor_major)major, .argument = low, .size = 1};
    bool known = major <= CBOR_ARRAY || (major == CBOR_SIMPLE && simple_kind(low, &out->kind));
    if (!known || low > FOLLOWS_64_BITS) { /* 28 to 30 are reserved, 31 is "indefinite" */
        return WIRE_MALFORMED;
    }
    if (low < FOLLOWS_8_BITS) {
        return WIRE_OK;
    }
    unsigned follows = 1u << (low - FOLLOWS_8_BITS);
    if (in.size - 1 < follows) {
        return WIRE_MORE;
    }
    out->argument = 0;
    for (unsigned i = 0; i < follows; i++) {
        out->argument = out->argument << 8 | in.at[1 + i];
    }
    out->size = 1 + (size_t)follows;
    return major == CBOR_SIMPLE || is_shortest(out->argument, follows) ? WIRE_OK : WIRE_MALFORMED;
}

/* One item of an open array is done; so may be the arrays around it. */
static void close_item(struct cbor_scan *scan)
{
    scan->open[scan->depth]--;
    while (scan->depth > 0 && scan->open[scan->depth] == 0) {
        scan->depth--;
        scan->open[scan->depth]--;
    }
}

/* Takes one head in, and the string behind it. */
static enum wire_error scan_item(struct cbor_scan *scan, struct bytes in)
{
    struct cbor_head head;
    if (in.size == scan->size) {
        return WIRE_MORE;
    }
    struct bytes rest = bytes_of(in.at + scan->size, in.size - scan->size);
    enum wire_error err = cbor_head_read(rest, &head);
    if (err != WIRE_OK) {
        return err;
    }
    size_t size = head.size;
    if (head.major == CBOR_BYTES || head.major == CBOR_TEXT) {
        if (head.argument > MESSAGE_BYTES_MAX) {
            return WIRE_LIMIT;
        }
        size += (size_t)head.argument;
    }
    if (head.major == CBOR_ARRAY && head.argument > MESSAGE_BYTES_MAX) {
        return WIRE_LIMIT;
    }
    if (size > MESSAGE_BYTES_MAX - scan->size) {
        return WIRE_LIMIT;
    }
    if (size > rest.size) {
        return WIRE_MORE;
    }
    scan->size += size;
    if (head.major != CBOR_ARRAY || head.argument == 0) {
        close_item(scan);
        return WIRE_OK;
    }
    if (scan->depth == CBOR_DEPTH_MAX) {
        return WIRE_MALFORMED;
    }
    scan->open[++scan->depth] = head.argument;
    return WIRE_OK;
}

enum wire_error cbor_scan_on(struct cbor_scan *scan, struct bytes in)
{
    if (!scan->begun) {
        *scan = (struct cbor_scan){.open = {1}, .begun = true};
    }
    while (scan->open[0] > 0) {
        enum wire_error err = scan_item(scan, in);
        if (err != WIRE_OK) {
            return err;
        }
    }
    return WIRE_OK;
}
