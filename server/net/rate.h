/* Token buckets by key, in a table of fixed size: a flood of new keys can't make it grow. A key
 * that finds no place takes that of the bucket which is fullest, since forgetting a full bucket
 * changes nothing. Pure: the time comes in; one thread at a time. */
#ifndef SERVER_NET_RATE_H
#define SERVER_NET_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rate_bucket {
    uint8_t key[16];
    int64_t full_at_ms; /* when it will be full again, if nothing is taken; 0: unused */
};

struct rate_table {
    int64_t token_ms; /* time that one token takes to come back */
    int64_t burst;
    size_t set_count; /* a power of two */
    struct rate_bucket *buckets;
    uint8_t hash_key[16];
};

/* `per_minute` tokens come back a minute, at most `burst` are saved. False: no memory. */
bool rate_init(struct rate_table *t, int64_t per_minute, int64_t burst, const uint8_t hash_key[16]);
/* The same, a token each `token_ms`. */
bool rate_init_ms(struct rate_table *t, int64_t token_ms, int64_t burst,
                  const uint8_t hash_key[16]);
void rate_release(struct rate_table *t);
/* Takes a token; false where none is left. `*wait_s` (may be NULL): seconds until there is one. */
bool rate_take(struct rate_table *t, const uint8_t key[16], int64_t now_ms, int64_t *wait_s);
/* Takes `count` tokens, at most the burst, or none of them. */
bool rate_take_many(struct rate_table *t, const uint8_t key[16], int64_t count, int64_t now_ms,
                    int64_t *wait_s);
/* Whether rate_take would be true. */
bool rate_has(const struct rate_table *t, const uint8_t key[16], int64_t now_ms, int64_t *wait_s);

#endif
