/* The bytes of messages: a CBOR sequence (RFC 8742), deterministic encoding (RFC 8949 §4.2.1),
 * compressed as zstd frames. Rows and transactions of a batch stand column by column, which
 * compresses better than row by row. Readers trust nothing: every length is checked against what
 * is left and against a limit before memory is asked for. */
#ifndef PROTOCOL_CODEC_H
#define PROTOCOL_CODEC_H

#include "protocol/arena.h"
#include "protocol/buf.h"
#include "protocol/messages.h"

enum wire_error {
    WIRE_OK,
    WIRE_MORE,      /* the sequence goes on in bytes not yet here */
    WIRE_MALFORMED, /* not deterministic CBOR of our grammar, or broken zstd */
    WIRE_LIMIT,     /* larger than a limit of messages.h */
    WIRE_NOMEM
};

/* Appends one message, uncompressed. */
MUST_USE enum wire_error message_encode(const struct message *message, struct buf *out);
/* Reads the message at the start of `in`; `*used` is its size. WIRE_MORE where `in` ends inside
 * it. The message borrows from `in` and lives in `arena`. */
MUST_USE enum wire_error message_decode(struct bytes in, struct arena *arena, struct message *out,
                                        size_t *used);

/* Row form of a transaction, whose SHA-256 is its identity; without device_seq and rests_on. */
MUST_USE enum wire_error transaction_encode(const struct transaction *tx, struct buf *out);
MUST_USE enum wire_error transaction_decode(struct bytes row_form, struct arena *arena,
                                            struct transaction *out);
void transaction_identity(struct bytes row_form, uint8_t identity[32]);

/* One value alone, e.g. for columns that keep a value of any type. */
MUST_USE enum wire_error value_encode(const struct value *value, struct buf *out);
MUST_USE enum wire_error value_decode(struct bytes in, struct value *out, size_t *used);

/* Compresses a sequence of messages. `flush` ends a block, so that the other side can read all
 * that was put so far; `end` ends the frame. Output is appended to `out`. */
struct packer;
MUST_USE struct packer *packer_new(int level); /* NULL: no memory */
void packer_free(struct packer *p);
MUST_USE enum wire_error packer_put(struct packer *p, const struct message *m, struct buf *out);
MUST_USE enum wire_error packer_flush(struct packer *p, struct buf *out);
MUST_USE enum wire_error packer_end(struct packer *p, struct buf *out);

/* The reverse, from bytes as they arrive. Stops at `plain_max` decompressed bytes (WIRE_LIMIT)
 * and asks for a window of at most 8 MiB. */
struct unpacker;
MUST_USE struct unpacker *unpacker_new(size_t plain_max);
void unpacker_free(struct unpacker *u);
MUST_USE enum wire_error unpacker_feed(struct unpacker *u, struct bytes packed);
/* The next whole message. WIRE_MORE: feed again. What `out` borrows is valid until the next
 * call of feed or next; the rest lives in `arena`. */
MUST_USE enum wire_error unpacker_next(struct unpacker *u, struct arena *arena,
                                       struct message *out);
/* Whether the frame has ended exactly where a message ended: the only proper end. */
bool unpacker_is_complete(const struct unpacker *u);

#endif
