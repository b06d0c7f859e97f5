/* The firm's own certificate authority, as an invitation names it: by the hash of its key. */
#ifndef CLIENT_NET_AUTHORITY_H
#define CLIENT_NET_AUTHORITY_H

#include "common/base/base.h"

#define AUTHORITY_PEM_BYTES_MAX ((size_t)16 * 1024)

/* SHA-256 over the SubjectPublicKeyInfo of the first certificate in `pem`; false: there is none. */
MUST_USE bool authority_key_hash(struct bytes pem, uint8_t hash[32]);

#endif
