/* Messages of every kind with random content, for round trips and as seeds for the fuzzer. */
#ifndef TESTS_SUPPORT_RANDOM_MESSAGE_H
#define TESTS_SUPPORT_RANDOM_MESSAGE_H

#include "protocol/arena.h"
#include "protocol/messages.h"

struct random_source {
    uint64_t state;
    struct arena *arena;
};

uint64_t random_next(struct random_source *r);
uint64_t random_below(struct random_source *r, uint64_t n);
struct value random_value(struct random_source *r);
/* Up to about `size` things in each list. */
void random_message(struct random_source *r, enum message_kind kind, size_t size,
                    struct message *out);

#endif
