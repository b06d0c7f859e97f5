/* Signs and checks requests. The text that is signed (RFC 9421 §2.5), without a newline at its end:
 *
 *   "@method": POST
 *   "@path": /v1/sync
 *   "content-digest": sha-256=:BASE64:
 *   "@signature-params": ("@method" "@path" "content-digest");created=1764000000;keyid="k7Jq2w"
 *
 * One form of headers is read and no other, so there is nothing to negotiate and little to parse.
 */
#include "protocol/signature.h"

#include "protocol/buf.h"

#include <sodium.h>
#include <stdio.h>

#define DIGEST_BASE64    44 /* characters of 32 bytes */
#define SIGNATURE_BASE64 88 /* of 64 bytes */
#define CREATED_DIGITS   12 /* to the year 33658 */
#define SIGNED_TEXT_MAX  2048
#define KEYID_HASH_BYTES 9

#define DIGEST_OPEN    "sha-256=:"
#define WITH_DIGEST    "(\"@method\" \"@path\" \"content-digest\")"
#define WITHOUT_DIGEST "(\"@method\" \"@path\")"

void signature_keyid(const uint8_t public_key[32], char keyid[SIGNATURE_KEYID_MAX + 1])
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, public_key, 32);
    sodium_bin2base64(keyid, SIGNATURE_KEYID_MAX + 1, hash, KEYID_HASH_BYTES,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

static void digest_header(const uint8_t digest[32], char header[SIGNATURE_HEADER_MAX])
{
    char base64[DIGEST_BASE64 + 1];
    sodium_bin2base64(base64, sizeof base64, digest, 32, sodium_base64_VARIANT_ORIGINAL);
    (void)snprintf(header, SIGNATURE_HEADER_MAX, DIGEST_OPEN "%s:", base64);
}

/* False where it would be longer than any request of ours. */
static bool signed_text(struct buf *out, const char *method, const char *path, const char *digest,
                        const char *params)
{
    buf_printf(out, "\"@method\": %s\n\"@path\": %s\n", method, path);
    if (digest[0] != 0) {
        buf_printf(out, "\"content-digest\": %s\n", digest);
    }
    buf_printf(out, "\"@signature-params\": %s", params);
    return !out->bad;
}

void signature_make(const char *method, const char *path, struct bytes body, int64_t created_s,
                    const uint8_t public_key[32], const uint8_t secret_key[64],
                    struct signature_headers *out)
{
    char keyid[SIGNATURE_KEYID_MAX + 1];
    char params[SIGNATURE_HEADER_MAX];
    *out = (struct signature_headers){0};
    signature_keyid(public_key, keyid);
    if (body.size > 0) {
        uint8_t digest[crypto_hash_sha256_BYTES];
        crypto_hash_sha256(digest, body.at, body.size);
        digest_header(digest, out->digest);
    }
    (void)snprintf(params, sizeof params, "%s;created=%lld;keyid=\"%s\"",
                   body.size > 0 ? WITH_DIGEST : WITHOUT_DIGEST, (long long)created_s, keyid);
    (void)snprintf(out->input, sizeof out->input, "s=%.*s", SIGNATURE_HEADER_MAX - 3, params);

    struct buf text;
    uint8_t signature[crypto_sign_BYTES];
    char base64[SIGNATURE_BASE64 + 1];
    buf_init(&text, SIGNED_TEXT_MAX);
    if (signed_text(&text, method, path, out->digest, params)) {
        crypto_sign_detached(signature, NULL, text.at, text.size, secret_key);
        sodium_bin2base64(base64, sizeof base64, signature, sizeof signature,
                          sodium_base64_VARIANT_ORIGINAL);
        (void)snprintf(out->signature, sizeof out->signature, "s=:%s:", base64);
    }
    buf_release(&text);
}

/* ---- reading ---- */

/* Takes `text` off the front of `in`. */
static bool skip(struct bytes *in, const char *text)
{
    size_t size = strlen(text);
    if (in->size < size || memcmp(in->at, text, size) != 0) {
        return false;
    }
    *in = bytes_of(in->at + size, in->size - size);
    return true;
}

/* Exactly `size` bytes as padded base64, and then `:` and nothing else. */
static bool take_base64(struct bytes in, uint8_t *to, size_t size)
{
    size_t base64 = (size + 2) / 3 * 4;
    size_t got = 0;
    const char *end = NULL;
    const char *from = (const char *)in.at;
    return in.size == base64 + 1 && in.at[base64] == ':' &&
           sodium_base642bin(to, size, from, base64, NULL, &got, &end,
                             sodium_base64_VARIANT_ORIGINAL) == 0 &&
           got == size && end == from + base64;
}

/* Digits without a leading zero. */
static bool take_number(struct bytes *in, int64_t *out)
{
    size_t digits = 0;
    *out = 0;
    while (digits < in->size && in->at[digits] >= '0' && in->at[digits] <= '9') {
        if (++digits > CREATED_DIGITS) {
            return false;
        }
        *out = *out * 10 + (in->at[digits - 1] - '0');
    }
    if (digits == 0 || (in->at[0] == '0' && digits > 1)) {
        return false;
    }
    *in = bytes_of(in->at + digits, in->size - digits);
    return true;
}

static bool is_keyid_character(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
           c == '_';
}

static bool take_keyid(struct bytes *in, char keyid[SIGNATURE_KEYID_MAX + 1])
{
    size_t size = 0;
    while (size < in->size && is_keyid_character(in->at[size])) {
        if (size == SIGNATURE_KEYID_MAX) {
            return false;
        }
        keyid[size] = (char)in->at[size];
        size++;
    }
    keyid[size] = 0;
    *in = bytes_of(in->at + size, in->size - size);
    return size > 0;
}

static bool parse_input(struct bytes in, struct signature_claim *out)
{
    if (in.size >= SIGNATURE_HEADER_MAX || !skip(&in, "s=")) {
        return false;
    }
    memcpy(out->params, in.at, in.size);
    out->params[in.size] = 0;
    out->covers_digest = skip(&in, WITH_DIGEST);
    return (out->covers_digest || skip(&in, WITHOUT_DIGEST)) && skip(&in, ";created=") &&
           take_number(&in, &out->created_s) && skip(&in, ";keyid=\"") &&
           take_keyid(&in, out->keyid) && skip(&in, "\"") && in.size == 0;
}

bool signature_parse(struct bytes digest, struct bytes input, struct bytes signature,
                     struct signature_claim *out)
{
    *out = (struct signature_claim){0};
    if (!parse_input(input, out) || out->covers_digest != (digest.size > 0)) {
        return false;
    }
    if (digest.size > 0 && !(skip(&digest, DIGEST_OPEN) && take_base64(digest, out->digest, 32))) {
        return false;
    }
    return skip(&signature, "s=:") && take_base64(signature, out->signature, 64);
}

/* Whether the body is the one that the claim speaks of. */
static bool body_fits(const struct signature_claim *claim, struct bytes body)
{
    uint8_t digest[crypto_hash_sha256_BYTES];
    if (!claim->covers_digest) {
        return body.size == 0;
    }
    crypto_hash_sha256(digest, body.at, body.size);
    return sodium_memcmp(digest, claim->digest, sizeof digest) == 0;
}

bool signature_verify(const struct signature_claim *claim, const char *method, const char *path,
                      struct bytes body, const uint8_t public_key[32])
{
    char digest[SIGNATURE_HEADER_MAX] = "";
    struct buf text;
    if (!body_fits(claim, body)) {
        return false;
    }
    if (claim->covers_digest) {
        digest_header(claim->digest, digest);
    }
    buf_init(&text, SIGNED_TEXT_MAX);
    bool good = signed_text(&text, method, path, digest, claim->params) &&
                crypto_sign_verify_detached(claim->signature, text.at, text.size, public_key) == 0;
    buf_release(&text);
    return good;
}
