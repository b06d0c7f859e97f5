/* SHA-256, by the processor's own instructions where it has them, else by libsodium. Each
 * transaction is hashed several times on its way (identity, seal, chain): in plain C that costs
 * more than storing it. */
#ifndef PROTOCOL_SHA256_H
#define PROTOCOL_SHA256_H

#include <sodium.h>

#include "protocol/bytes.h"

#define SHA256_SIZE crypto_hash_sha256_BYTES

struct sha256 {
    crypto_hash_sha256_state state; /* either way of hashing keeps its state in this form */
};

void sha256_init(struct sha256 *h);
void sha256_update(struct sha256 *h, const void *at, size_t size);
void sha256_final(struct sha256 *h, uint8_t out[SHA256_SIZE]);

void sha256_of(struct bytes b, uint8_t out[SHA256_SIZE]);

#endif
