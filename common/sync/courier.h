/* The outer form of a courier file: work of one device that travels without a network. Sealed to
 * the server's key, so that whoever carries it can't read it, and signed by the device.
 * protocol/README.md has the layout.
 *
 *   magic, head ─ sealed: (size, request)… ─ signature
 *
 * Each request is the body of a POST /v1/sync as the device would have sent it. Pure; everything is
 * bounded by COURIER_BYTES_MAX. */
#ifndef COMMON_SYNC_COURIER_H
#define COMMON_SYNC_COURIER_H

#include "common/base/base.h"
#include "protocol/messages.h"

#define COURIER_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct courier_head {
    uint8_t device[16];
    uint8_t public_key[32]; /* the device's, as it was enrolled */
    uint32_t epoch;
    struct timeline timeline;
    uint8_t server_tag[8]; /* of the key that it is sealed to */
    int64_t made_ms;       /* the server's time as the device reckoned it */
};

enum courier_fault {
    COURIER_OK,
    COURIER_FOREIGN,      /* no courier file at all */
    COURIER_NEWER,        /* of a version that isn't known here */
    COURIER_TRUNCATED,    /* its end is missing */
    COURIER_DAMAGED,      /* the signature or the seal doesn't fit */
    COURIER_OTHER_SERVER, /* sealed to another key */
    COURIER_NO_MEMORY
};

struct courier_file { /* borrows from the bytes that were read */
    struct courier_head head;
    struct bytes sealed;
};

/* Short name of a server's public key. */
void courier_tag(const uint8_t server_key[COURIER_KEY_BYTES], uint8_t tag[8]);

/* Seals `requests` (courier_put_request) to the server and signs with the device's key, whose
 * public half goes into the head. ERR_LIMIT: too much for one file. */
MUST_USE struct err courier_write(const struct courier_head *head, struct bytes requests,
                                  const uint8_t server_key[COURIER_KEY_BYTES],
                                  const uint8_t secret_key[64], struct buf *out);
void courier_put_request(struct buf *requests, struct bytes request);

/* Checks form and signature. The key in the head is the file's own claim: whose it is, the caller
 * looks up. */
MUST_USE enum courier_fault courier_read(struct bytes file, struct courier_file *out);
/* The requests, opened with the server's secret key. */
MUST_USE enum courier_fault courier_open(const struct courier_file *file,
                                         const uint8_t secret[COURIER_KEY_BYTES],
                                         struct buf *requests);
/* The next request, taken off `requests`. False: none is left, or what is left isn't one (then
 * `requests` isn't empty). */
MUST_USE bool courier_next(struct bytes *requests, struct bytes *request);

#endif
