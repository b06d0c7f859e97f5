/* See sha256.h. The instructions (Intel SHA extensions, also AMD's since Zen) do four rounds at a
 * time on two registers that hold the state as ABEF and CDGH; FIPS 180-4 has the constants. */
#include "protocol/sha256.h"

#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>
#define HAS_WAY_BY_INSTRUCTION 1
#else
#define HAS_WAY_BY_INSTRUCTION 0
#endif

#define BLOCK_SIZE  64
#define LENGTH_SIZE 8

void sha256_init(struct sha256 *h)
{
    crypto_hash_sha256_init(&h->state);
}

void sha256_of(struct bytes b, uint8_t out[SHA256_SIZE])
{
    struct sha256 h;
    sha256_init(&h);
    sha256_update(&h, b.at, b.size);
    sha256_final(&h, out);
}

#if HAS_WAY_BY_INSTRUCTION

static bool by_instruction(void)
{
    return __builtin_cpu_supports("sha") && __builtin_cpu_supports("sse4.1");
}

static const uint32_t constants[BLOCK_SIZE] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* The schedule's next four words, from the sixteen before them. */
__attribute__((target("sha,sse4.1"))) static inline __m128i next_words(const __m128i words[4],
                                                                       unsigned i)
{
    __m128i last = words[(i + 3) % 4];
    __m128i sum = _mm_sha256msg1_epu32(words[i % 4], words[(i + 1) % 4]);
    sum = _mm_add_epi32(sum, _mm_alignr_epi8(last, words[(i + 2) % 4], 4));
    return _mm_sha256msg2_epu32(sum, last);
}

__attribute__((target("sha,sse4.1"))) static void blocks(uint32_t state[8], const uint8_t *at,
                                                         size_t count)
{
    const __m128i big_endian =
        _mm_set_epi64x(INT64_C(0x0c0d0e0f08090a0b), INT64_C(0x0405060700010203));
    __m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)state), 0xb1);
    __m128i high =
        _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)(state + 4)), 0x1b);
    __m128i abef = _mm_alignr_epi8(low, high, 8);
    __m128i cdgh = _mm_blend_epi16(high, low, 0xf0);
    for (; count > 0; count--, at += BLOCK_SIZE) {
        const __m128i abef_before = abef;
        const __m128i cdgh_before = cdgh;
        __m128i words[4];
#pragma GCC unroll 16
        for (unsigned i = 0; i < 16; i++) {
            if (i < 4) {
                __m128i four = _mm_loadu_si128((const __m128i *)(const void *)(at + 16 * i));
                words[i] = _mm_shuffle_epi8(four, big_endian);
            } else {
                words[i % 4] = next_words(words, i);
            }
            __m128i sum = _mm_add_epi32(
                words[i % 4], _mm_loadu_si128((const __m128i *)(const void *)(constants + 4 * i)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    low = _mm_shuffle_epi32(abef, 0x1b);
    high = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)(void *)state, _mm_blend_epi16(low, high, 0xf0));
    _mm_storeu_si128((__m128i *)(void *)(state + 4), _mm_alignr_epi8(high, low, 8));
}

static size_t used_of(const struct sha256 *h)
{
    return (size_t)(h->state.count / 8 % BLOCK_SIZE); /* `count` is in bits */
}

static void update(struct sha256 *h, const uint8_t *at, size_t size)
{
    size_t used = used_of(h);
    h->state.count += (uint64_t)size * 8;
    if (used > 0 && used + size >= BLOCK_SIZE) {
        memcpy(h->state.buf + used, at, BLOCK_SIZE - used);
        blocks(h->state.state, h->state.buf, 1);
        at += BLOCK_SIZE - used;
        size -= BLOCK_SIZE - used;
        used = 0;
    }
    if (used == 0 && size >= BLOCK_SIZE) {
        blocks(h->state.state, at, size / BLOCK_SIZE);
        at += size - size % BLOCK_SIZE;
        size %= BLOCK_SIZE;
    }
    if (size > 0) {
        memcpy(h->state.buf + used, at, size);
    }
}

static void put_be(uint8_t *to, size_t size, uint64_t n)
{
    for (size_t i = size; i > 0; i--) {
        to[i - 1] = (uint8_t)n;
        n >>= 8;
    }
}

/* A one bit, zeros, and the length in bits at the end of a block. */
static void final(struct sha256 *h, uint8_t out[SHA256_SIZE])
{
    static const uint8_t padding[BLOCK_SIZE] = {0x80};
    uint8_t length[LENGTH_SIZE];
    size_t used = used_of(h);
    size_t end = BLOCK_SIZE - LENGTH_SIZE;
    put_be(length, sizeof length, h->state.count);
    update(h, padding, used < end ? end - used : BLOCK_SIZE + end - used);
    update(h, length, sizeof length);
    for (size_t i = 0; i < 8; i++) {
        put_be(out + 4 * i, 4, h->state.state[i]);
    }
}

void sha256_update(struct sha256 *h, const void *at, size_t size)
{
    if (by_instruction()) {
        update(h, at, size);
    } else {
        crypto_hash_sha256_update(&h->state, at, size);
    }
}

void sha256_final(struct sha256 *h, uint8_t out[SHA256_SIZE])
{
    if (by_instruction()) {
        final(h, out);
    } else {
        crypto_hash_sha256_final(&h->state, out);
    }
}

#else

void sha256_update(struct sha256 *h, const void *at, size_t size)
{
    crypto_hash_sha256_update(&h->state, at, size);
}

void sha256_final(struct sha256 *h, uint8_t out[SHA256_SIZE])
{
    crypto_hash_sha256_final(&h->state, out);
}

#endif
