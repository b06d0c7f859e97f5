/* The vectors of protocol/vectors/: what each says, and its bytes as our codec makes them. The
 * files are written by tests/tools/make_vectors.c and compared by test_vectors. */
#ifndef TESTS_SUPPORT_VECTOR_SET_H
#define TESTS_SUPPORT_VECTOR_SET_H

#include "protocol/arena.h"
#include "protocol/messages.h"

struct valid_vector {
    const char *name;
    void (*make)(struct arena *arena, struct message *out);
};
/* Ended by an entry without a name. */
extern const struct valid_vector valid_vectors[];

struct invalid_vector {
    const char *name;
    const char *hex;
    const char *code; /* of the fault: "malformed" or "too_large"; "cut": more bytes are awaited */
    const char *why;
};
extern const struct invalid_vector invalid_vectors[];

/* The transactions of vector batch_mixed in row form. */
void vector_transactions(struct arena *arena, struct batch *out);

#endif
