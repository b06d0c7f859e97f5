/* See authority.h. */
#include "client/net/authority.h"

#include <openssl/pem.h>
#include <sodium.h>

bool authority_key_hash(struct bytes pem, uint8_t hash[32])
{
    if (pem.size == 0 || pem.size > AUTHORITY_PEM_BYTES_MAX) {
        return false;
    }
    BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.size);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    unsigned char *der = NULL;
    int size = certificate ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der) : 0;
    if (size > 0) {
        crypto_hash_sha256(hash, der, (unsigned long long)size);
    }
    OPENSSL_free(der);
    X509_free(certificate);
    BIO_free(bio);
    return size > 0;
}
