/* HTTP Message Signatures (RFC 9421) and Content-Digest (RFC 9530) as far as the protocol uses
 * them: one signature labelled `s` over exactly "@method" "@path" "content-digest" (the last only
 * with a body), parameters created and keyid, Ed25519.
 *
 *   content-digest: sha-256=:BASE64:
 *   signature-input: s=("@method" "@path" "content-digest");created=1764000000;keyid="k7Jq2w"
 *   signature: s=:BASE64:
 */
#ifndef PROTOCOL_SIGNATURE_H
#define PROTOCOL_SIGNATURE_H

#include "protocol/bytes.h"

#define SIGNATURE_KEYID_MAX  16
#define SIGNATURE_HEADER_MAX 256
#define SIGNATURE_SKEW_S     300 /* `created` may lie this far from the server's clock */

struct signature_headers { /* values, ended by a zero; digest "" without a body */
    char digest[SIGNATURE_HEADER_MAX];
    char input[SIGNATURE_HEADER_MAX];
    char signature[SIGNATURE_HEADER_MAX];
};

/* What a request's headers claim; nothing of it is proven before signature_verify. */
struct signature_claim {
    char keyid[SIGNATURE_KEYID_MAX + 1];
    int64_t created_s;
    bool covers_digest;
    uint8_t digest[32];
    uint8_t signature[64];
    char params[SIGNATURE_HEADER_MAX]; /* the text behind `s=`, as signed */
};

/* Short name of a public key: base64url of the first 9 bytes of its SHA-256, 12 characters. */
void signature_keyid(const uint8_t public_key[32], char keyid[SIGNATURE_KEYID_MAX + 1]);
/* `created_s` is server time: the device's clock plus the measured offset. */
void signature_make(const char *method, const char *path, struct bytes body, int64_t created_s,
                    const uint8_t public_key[32], const uint8_t secret_key[64],
                    struct signature_headers *out);
/* Strict: anything else than the form above is false. `digest` may be empty where no body is. */
MUST_USE bool signature_parse(struct bytes digest, struct bytes input, struct bytes signature,
                              struct signature_claim *out);
/* Whether the claim's signature is by `public_key`; the body's digest is compared too. */
MUST_USE bool signature_verify(const struct signature_claim *claim, const char *method,
                               const char *path, struct bytes body, const uint8_t public_key[32]);

#endif
