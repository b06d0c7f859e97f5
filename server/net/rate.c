/* A bucket is one number: the time at which it will be full. Taking a token moves that time by the
 * token's worth; there are none left when it lies more than `burst` tokens ahead. See rate.h. */
#include "server/net/rate.h"

#include "common/base/base.h"

#include <sodium.h>

#define SETS 1024
#define WAYS 4

bool rate_init(struct rate_table *t, int64_t per_minute, int64_t burst, const uint8_t hash_key[16])
{
    return rate_init_ms(t, 60000 / per_minute, burst, hash_key);
}

bool rate_init_ms(struct rate_table *t, int64_t token_ms, int64_t burst, const uint8_t hash_key[16])
{
    t->token_ms = token_ms;
    t->burst = burst;
    t->set_count = SETS;
    t->buckets = calloc((size_t)SETS * WAYS, sizeof *t->buckets);
    memcpy(t->hash_key, hash_key, sizeof t->hash_key);
    return t->buckets != NULL;
}

void rate_release(struct rate_table *t)
{
    free(t->buckets);
    t->buckets = NULL;
}

static struct rate_bucket *set_of(const struct rate_table *t, const uint8_t key[16])
{
    uint8_t hash[crypto_shorthash_BYTES];
    (void)crypto_shorthash(hash, key, 16, t->hash_key);
    uint64_t h;
    memcpy(&h, hash, sizeof h);
    return t->buckets + (h & (t->set_count - 1)) * WAYS;
}

static struct rate_bucket *find(const struct rate_table *t, const uint8_t key[16])
{
    struct rate_bucket *set = set_of(t, key);
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].full_at_ms != 0 && memcmp(set[i].key, key, 16) == 0) {
            return &set[i];
        }
    }
    return NULL;
}

/* How long the bucket still needs until it has `count` tokens; 0: it has them. */
static int64_t wait_ms(const struct rate_table *t, const struct rate_bucket *b, int64_t count,
                       int64_t now_ms)
{
    int64_t debt_ms = b == NULL || b->full_at_ms < now_ms ? 0 : b->full_at_ms - now_ms;
    int64_t allowed_ms = (t->burst - count) * t->token_ms;
    return debt_ms > allowed_ms ? debt_ms - allowed_ms : 0;
}

static bool has_many(const struct rate_table *t, const uint8_t key[16], int64_t count,
                     int64_t now_ms, int64_t *wait_s)
{
    int64_t ms = wait_ms(t, find(t, key), count, now_ms);
    if (wait_s != NULL) {
        *wait_s = (ms + 999) / 1000;
    }
    return ms == 0;
}

bool rate_has(const struct rate_table *t, const uint8_t key[16], int64_t now_ms, int64_t *wait_s)
{
    return has_many(t, key, 1, now_ms, wait_s);
}

static struct rate_bucket *place(struct rate_table *t, const uint8_t key[16])
{
    struct rate_bucket *set = set_of(t, key);
    struct rate_bucket *fullest = &set[0];
    for (size_t i = 1; i < WAYS; i++) {
        if (set[i].full_at_ms < fullest->full_at_ms) {
            fullest = &set[i];
        }
    }
    memcpy(fullest->key, key, 16);
    fullest->full_at_ms = 0;
    return fullest;
}

bool rate_take_many(struct rate_table *t, const uint8_t key[16], int64_t count, int64_t now_ms,
                    int64_t *wait_s)
{
    assert(count > 0 && count <= t->burst);
    if (!has_many(t, key, count, now_ms, wait_s)) {
        return false;
    }
    struct rate_bucket *b = find(t, key);
    if (b == NULL) {
        b = place(t, key);
    }
    b->full_at_ms = (b->full_at_ms < now_ms ? now_ms : b->full_at_ms) + count * t->token_ms;
    return true;
}

bool rate_take(struct rate_table *t, const uint8_t key[16], int64_t now_ms, int64_t *wait_s)
{
    return rate_take_many(t, key, 1, now_ms, wait_s);
}
