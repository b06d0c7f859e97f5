/* The firm's own certificates: a CA, and a leaf of the server signed by it. Both are valid from
 * 1970 to 2049, so that a device whose clock is years off still gets in. P-256 throughout. */
#ifndef SERVER_ADMIN_CERTIFICATE_H
#define SERVER_ADMIN_CERTIFICATE_H

#include "common/base/base.h"

#define HOSTS_MAX     32
#define HOST_TEXT_MAX 254

struct certificates { /* PEM, each ended by a zero that is counted in no size */
    struct buf ca;
    struct buf ca_key;
    struct buf leaf;
    struct buf leaf_key;
};

void certificates_init(struct certificates *c);
void certificates_release(struct certificates *c);
/* `hosts`: DNS names or addresses of either kind, in the order in which they will stand. */
MUST_USE struct err certificates_make(struct certificates *c, const char *const *hosts,
                                      size_t count);
/* A name that may stand in a certificate and in an invitation. */
bool host_is_valid(const char *host);

/* SHA-256 over the CA's SubjectPublicKeyInfo, which invitations carry. */
MUST_USE struct err ca_key_hash(struct bytes ca_pem, uint8_t hash[32]);
/* The first name of a leaf: where devices find the server unless told otherwise. */
MUST_USE struct err leaf_first_host(struct bytes leaf_pem, char host[HOST_TEXT_MAX]);

#endif
