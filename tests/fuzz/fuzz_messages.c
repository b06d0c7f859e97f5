/* Whatever bytes come: no crash, no memory beyond the ceiling, and what the decoder accepts can be
 * written and read again without a change. The first byte says which of the decoders is meant. */
#include "protocol/codec.h"

#include <stdlib.h>

#define ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)

enum { DECODER_MESSAGE, DECODER_PACKED, DECODER_TRANSACTION, DECODER_VALUE, DECODER_COUNT };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* The second writing equals the first: reading lost nothing, and the form is deterministic. */
static void check_again(const struct message *m)
{
    struct arena arena;
    struct buf first, second;
    struct message again;
    size_t used;
    arena_init(&arena, ARENA_BYTES_MAX);
    buf_init(&first, MESSAGE_BYTES_MAX);
    buf_init(&second, MESSAGE_BYTES_MAX);
    /* Columns that were constant may be long when they are written: a limit is no fault. */
    if (message_encode(m, &first) == WIRE_OK) {
        enum wire_error err = message_decode(buf_bytes(&first), &arena, &again, &used);
        must(err == WIRE_OK || err == WIRE_LIMIT);
        if (err == WIRE_OK) {
            must(used == first.size);
            must(message_encode(&again, &second) == WIRE_OK);
            must(bytes_equal(buf_bytes(&first), buf_bytes(&second)));
        }
    }
    buf_release(&first);
    buf_release(&second);
    arena_release(&arena);
}

static void try_message(struct bytes in, struct arena *arena)
{
    struct message m;
    size_t used = 0;
    if (message_decode(in, arena, &m, &used) == WIRE_OK) {
        must(used <= in.size);
        check_again(&m);
    }
}

/* In two pieces, for the second may come at any place. */
static void try_packed(struct bytes in, struct arena *arena)
{
    struct unpacker *u = unpacker_new((size_t)4 * 1024 * 1024);
    size_t cut = in.size > 0 ? in.at[0] % in.size : 0;
    const struct bytes pieces[] = {bytes_of(in.at, cut), bytes_of(in.at + cut, in.size - cut)};
    enum wire_error err = WIRE_OK;
    for (size_t i = 0; u != NULL && i < 2; i++) {
        err = unpacker_feed(u, pieces[i]);
        for (struct message m; err == WIRE_OK;) {
            arena_clear(arena);
            err = unpacker_next(u, arena, &m);
        }
        if (err != WIRE_MORE) {
            break;
        }
    }
    unpacker_free(u);
}

static void try_transaction(struct bytes in, struct arena *arena)
{
    struct transaction tx;
    struct buf out;
    if (transaction_decode(in, arena, &tx) != WIRE_OK) {
        return;
    }
    buf_init(&out, TX_BYTES_MAX);
    must(transaction_encode(&tx, &out) == WIRE_OK);
    must(bytes_equal(in, buf_bytes(&out))); /* one form only, or identities could be forged */
    buf_release(&out);
}

static void try_value(struct bytes in)
{
    struct value v;
    struct buf out;
    size_t used = 0;
    if (value_decode(in, &v, &used) != WIRE_OK) {
        return;
    }
    buf_init(&out, MESSAGE_BYTES_MAX);
    must(value_encode(&v, &out) == WIRE_OK);
    must(bytes_equal(bytes_of(in.at, used), buf_bytes(&out)));
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    if (size == 0) {
        return 0;
    }
    struct bytes in = bytes_of(data + 1, size - 1);
    arena_init(&arena, ARENA_BYTES_MAX);
    switch (data[0] % DECODER_COUNT) {
    case DECODER_MESSAGE:
        try_message(in, &arena);
        break;
    case DECODER_PACKED:
        try_packed(in, &arena);
        break;
    case DECODER_TRANSACTION:
        try_transaction(in, &arena);
        break;
    case DECODER_VALUE:
        try_value(in);
        break;
    }
    arena_release(&arena);
    return 0;
}
