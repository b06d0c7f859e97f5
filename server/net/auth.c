/* See auth.h. The order matters: only who holds a device's key learns that it is revoked, or what
 * the time is wrong by. */
#include "server/net/auth.h"

#include "common/base/base.h"
#include "protocol/signature.h"

#include <sodium.h>

static struct err refused(struct refusal *out, int status, const char *code)
{
    *out = (struct refusal){.status = status, .code = code};
    return err_make(ERR_AUTH, status, "auth_check");
}

/* Signed with a body: the digest must be there and right. Told apart from a wrong signature, since
 * a body broken on its way is worth another try. */
static bool digest_fits(const struct request *r, const struct signature_claim *claim)
{
    if (r->body.size == 0) {
        return true;
    }
    uint8_t digest[crypto_hash_sha256_BYTES];
    (void)crypto_hash_sha256(digest, r->body.at, r->body.size);
    return claim->covers_digest && memcmp(digest, claim->digest, sizeof digest) == 0;
}

static bool is_fresh(const struct signature_claim *claim, int64_t received_ms)
{
    int64_t now_s = received_ms / 1000;
    return claim->created_s >= now_s - SIGNATURE_SKEW_S &&
           claim->created_s <= now_s + SIGNATURE_SKEW_S;
}

struct err auth_check(const struct request *r, struct store *reader, struct store_device *device,
                      struct refusal *refusal)
{
    struct signature_claim claim;
    if (!signature_parse(bytes_text(r->digest), bytes_text(r->signature_input),
                         bytes_text(r->signature), &claim)) {
        return refused(refusal, 401, "signature");
    }
    if (!digest_fits(r, &claim)) {
        return refused(refusal, 400, "bad_digest");
    }
    struct err err = store_device_by_key(reader, claim.keyid, device);
    if (err.code == ERR_NOT_FOUND) {
        return refused(refusal, 401, "reenrol");
    }
    if (err.code != ERR_OK) {
        return err;
    }
    if (!signature_verify(&claim, r->method, r->path, buf_bytes(&r->body), device->public_key)) {
        return refused(refusal, 401, "signature");
    }
    if (!is_fresh(&claim, r->received_ms)) {
        return refused(refusal, 401, "clock");
    }
    if (device->revoked) {
        return refused(refusal, 401, "device_revoked");
    }
    return err_ok();
}
