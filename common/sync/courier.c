/* See courier.h. Numbers are big-endian.
 *
 *   0 magic (8)   8 version (4)     12 device (16)   28 public key (32)   60 epoch (4)
 *  64 timeline counter (4)          68 timeline id (16)                   84 server tag (8)
 *  92 made_ms (8)                  100 size of the sealed part (8)       108 sealed part
 *     signature (64) over all before it */
#include "common/sync/courier.h"

#include <sodium.h>

#define COURIER_VERSION  1
#define HEAD_BYTES       108
#define SIGNATURE_BYTES  64
#define REQUEST_SIZE_MAX PUSH_BYTES_MAX

/* As in PNG: what turns line ends around or drops the eighth bit breaks it at once. */
static const uint8_t magic[8] = {0x89, 'L', 'W', 'C', '\r', '\n', 0x1a, '\n'};

static void put_number(uint8_t *to, uint64_t n, size_t size)
{
    for (size_t i = size; i > 0; i--) {
        to[i - 1] = (uint8_t)n;
        n >>= 8;
    }
}

static uint64_t take_number(const uint8_t *from, size_t size)
{
    uint64_t n = 0;
    for (size_t i = 0; i < size; i++) {
        n = n << 8 | from[i];
    }
    return n;
}

void courier_tag(const uint8_t server_key[COURIER_KEY_BYTES], uint8_t tag[8])
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, server_key, COURIER_KEY_BYTES);
    memcpy(tag, hash, 8);
}

/* ---- writing ---- */

void courier_put_request(struct buf *requests, struct bytes request)
{
    uint8_t size[4];
    put_number(size, request.size, sizeof size);
    buf_put(requests, bytes_of(size, sizeof size));
    buf_put(requests, request);
}

static void put_head(const struct courier_head *head, size_t sealed_size, uint8_t to[HEAD_BYTES])
{
    memcpy(to, magic, sizeof magic);
    put_number(to + 8, COURIER_VERSION, 4);
    memcpy(to + 12, head->device, 16);
    memcpy(to + 28, head->public_key, 32);
    put_number(to + 60, head->epoch, 4);
    put_number(to + 64, head->timeline.counter, 4);
    memcpy(to + 68, head->timeline.id, 16);
    memcpy(to + 84, head->server_tag, 8);
    put_number(to + 92, (uint64_t)head->made_ms, 8);
    put_number(to + 100, sealed_size, 8);
}

static struct err seal(struct bytes requests, const uint8_t server_key[COURIER_KEY_BYTES],
                       struct buf *out)
{
    size_t size = requests.size + crypto_box_SEALBYTES;
    uint8_t *sealed = malloc(size);
    if (sealed == NULL) {
        return err_make(ERR_NOMEM, 0, "courier");
    }
    bool good = crypto_box_seal(sealed, requests.at, requests.size, server_key) == 0;
    buf_put(out, bytes_of(sealed, good ? size : 0));
    free(sealed);
    return good ? err_ok() : err_make(ERR_CORRUPT, 0, "courier: the server's key");
}

struct err courier_write(const struct courier_head *head, struct bytes requests,
                         const uint8_t server_key[COURIER_KEY_BYTES], const uint8_t secret_key[64],
                         struct buf *out)
{
    struct courier_head h = *head;
    uint8_t bytes[HEAD_BYTES];
    uint8_t signature[SIGNATURE_BYTES];
    memcpy(h.public_key, secret_key + 32, sizeof h.public_key); /* libsodium: seed, public */
    courier_tag(server_key, h.server_tag);
    put_head(&h, requests.size + crypto_box_SEALBYTES, bytes);
    buf_put(out, bytes_of(bytes, sizeof bytes));
    struct err err = seal(requests, server_key, out);
    if (err.code != ERR_OK || out->bad) {
        return err.code != ERR_OK ? err : err_make(ERR_LIMIT, 0, "courier");
    }
    (void)crypto_sign_ed25519_detached(signature, NULL, out->at, out->size, secret_key);
    buf_put(out, bytes_of(signature, sizeof signature));
    return out->bad ? err_make(ERR_LIMIT, 0, "courier") : err_ok();
}

/* ---- reading ---- */

static void take_head(const uint8_t *at, struct courier_head *out)
{
    memcpy(out->device, at + 12, 16);
    memcpy(out->public_key, at + 28, 32);
    out->epoch = (uint32_t)take_number(at + 60, 4);
    out->timeline.counter = (uint32_t)take_number(at + 64, 4);
    memcpy(out->timeline.id, at + 68, 16);
    memcpy(out->server_tag, at + 84, 8);
    out->made_ms = (int64_t)take_number(at + 92, 8);
}

enum courier_fault courier_read(struct bytes file, struct courier_file *out)
{
    *out = (struct courier_file){.sealed = {0}};
    size_t same = file.size < sizeof magic ? file.size : sizeof magic;
    if (same == 0 || memcmp(file.at, magic, same) != 0) {
        return COURIER_FOREIGN;
    }
    if (file.size >= 12 && take_number(file.at + 8, 4) != COURIER_VERSION) {
        return COURIER_NEWER;
    }
    if (file.size < HEAD_BYTES + SIGNATURE_BYTES) {
        return COURIER_TRUNCATED;
    }
    uint64_t sealed = take_number(file.at + 100, 8);
    size_t room = file.size - HEAD_BYTES - SIGNATURE_BYTES;
    if (sealed > room) {
        return sealed > COURIER_BYTES_MAX ? COURIER_DAMAGED : COURIER_TRUNCATED;
    }
    take_head(file.at, &out->head);
    out->sealed = bytes_of(file.at + HEAD_BYTES, (size_t)sealed);
    size_t before = HEAD_BYTES + (size_t)sealed;
    bool good = sealed == room && crypto_sign_ed25519_verify_detached(
                                      file.at + before, file.at, before, out->head.public_key) == 0;
    return good ? COURIER_OK : COURIER_DAMAGED;
}

enum courier_fault courier_open(const struct courier_file *file,
                                const uint8_t secret[COURIER_KEY_BYTES], struct buf *requests)
{
    uint8_t server_key[COURIER_KEY_BYTES];
    uint8_t tag[8];
    if (crypto_scalarmult_base(server_key, secret) != 0) {
        return COURIER_DAMAGED;
    }
    courier_tag(server_key, tag);
    if (memcmp(tag, file->head.server_tag, sizeof tag) != 0) {
        return COURIER_OTHER_SERVER;
    }
    if (file->sealed.size < crypto_box_SEALBYTES) {
        return COURIER_DAMAGED;
    }
    size_t size = file->sealed.size - crypto_box_SEALBYTES;
    uint8_t *plain = malloc(size + 1);
    if (plain == NULL) {
        return COURIER_NO_MEMORY;
    }
    bool good =
        crypto_box_seal_open(plain, file->sealed.at, file->sealed.size, server_key, secret) == 0;
    buf_put(requests, bytes_of(plain, good ? size : 0));
    free(plain);
    return !good ? COURIER_DAMAGED : requests->bad ? COURIER_NO_MEMORY : COURIER_OK;
}

bool courier_next(struct bytes *requests, struct bytes *request)
{
    if (requests->size < 4) {
        return false;
    }
    uint64_t size = take_number(requests->at, 4);
    if (size > REQUEST_SIZE_MAX || size > requests->size - 4) {
        return false;
    }
    *request = bytes_of(requests->at + 4, (size_t)size);
    *requests = bytes_of(requests->at + 4 + size, requests->size - 4 - (size_t)size);
    return true;
}
