/* See tickets.h. The file: both keys one after the other, the newer first; each is the time at
 * which it was made (8 bytes, big-endian), name and secret. */
#include "server/net/tickets.h"

#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

#define KEY_BYTES   (8 + 4 + 32)
#define NAME_BYTES  4
#define NONCE_BYTES crypto_aead_chacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES   crypto_aead_chacha20poly1305_ietf_ABYTES

static_assert(TICKET_EXTRA_SIZE == NAME_BYTES + NONCE_BYTES + TAG_BYTES, "as the header says");

static void key_put(const struct ticket_key *k, uint8_t to[KEY_BYTES])
{
    for (int i = 0; i < 8; i++) {
        to[i] = (uint8_t)((uint64_t)k->made_ms >> (56 - 8 * i));
    }
    memcpy(to + 8, k->name, NAME_BYTES);
    memcpy(to + 8 + NAME_BYTES, k->secret, sizeof k->secret);
}

static void key_take(const uint8_t from[KEY_BYTES], struct ticket_key *k)
{
    uint64_t made_ms = 0;
    for (int i = 0; i < 8; i++) {
        made_ms = made_ms << 8 | from[i];
    }
    k->made_ms = (int64_t)made_ms;
    memcpy(k->name, from + 8, NAME_BYTES);
    memcpy(k->secret, from + 8 + NAME_BYTES, sizeof k->secret);
}

/* A clock that was set back leaves keys of the future: those give and take nothing. */
static bool is_younger(const struct ticket_key *k, int64_t age_ms, int64_t now_ms)
{
    return k->made_ms > 0 && k->made_ms <= now_ms && now_ms - k->made_ms < age_ms;
}

static void load(struct tickets *t)
{
    uint8_t both[2 * KEY_BYTES];
    int fd = open(t->path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, both, sizeof both) == (ssize_t)sizeof both) {
        key_take(both, &t->now);
        key_take(both + KEY_BYTES, &t->before);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    sodium_memzero(both, sizeof both);
}

/* Over the old bytes, so that keys which are gone are gone from the disk. A cut write costs some
 * full handshakes. */
static struct err save(const struct tickets *t)
{
    uint8_t both[2 * KEY_BYTES];
    key_put(&t->now, both);
    key_put(&t->before, both + KEY_BYTES);
    int fd = open(t->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write(fd, both, sizeof both) == (ssize_t)sizeof both && fsync(fd) == 0;
    struct err err = good ? err_ok() : err_make(ERR_IO, errno, "tickets");
    if (fd >= 0) {
        (void)close(fd);
    }
    sodium_memzero(both, sizeof both);
    return err;
}

static struct err turn(struct tickets *t, int64_t now_ms)
{
    t->before =
        is_younger(&t->now, 2 * TICKET_KEY_MS, now_ms) ? t->now : (struct ticket_key){.made_ms = 0};
    t->now.made_ms = now_ms;
    randombytes_buf(t->now.name, sizeof t->now.name);
    randombytes_buf(t->now.secret, sizeof t->now.secret);
    return save(t);
}

struct err tickets_init(struct tickets *t, const char *path, int64_t now_ms)
{
    memset(t, 0, sizeof *t);
    t->path = path;
    load(t);
    return is_younger(&t->now, TICKET_KEY_MS, now_ms) ? err_ok() : turn(t, now_ms);
}

void tickets_release(struct tickets *t)
{
    sodium_memzero(t, sizeof *t);
}

size_t tickets_seal(struct tickets *t, int64_t now_ms, struct bytes session, uint8_t *to,
                    size_t room)
{
    if (session.size > room || room - session.size < TICKET_EXTRA_SIZE) {
        return 0;
    }
    if (!is_younger(&t->now, TICKET_KEY_MS, now_ms)) {
        struct err err = turn(t, now_ms);
        (void)err; /* the next start has older keys: some full handshakes more */
    }
    memcpy(to, t->now.name, NAME_BYTES);
    randombytes_buf(to + NAME_BYTES, NONCE_BYTES);
    unsigned long long size;
    (void)crypto_aead_chacha20poly1305_ietf_encrypt(to + NAME_BYTES + NONCE_BYTES, &size,
                                                    session.at, session.size, to, NAME_BYTES, NULL,
                                                    to + NAME_BYTES, t->now.secret);
    return NAME_BYTES + NONCE_BYTES + (size_t)size;
}

bool tickets_open(const struct tickets *t, int64_t now_ms, uint8_t *ticket, size_t size,
                  struct bytes *session)
{
    const struct ticket_key *keys[] = {&t->now, &t->before};
    for (size_t i = 0; i < count_of(keys) && size >= TICKET_EXTRA_SIZE; i++) {
        uint8_t *body = ticket + NAME_BYTES + NONCE_BYTES;
        unsigned long long plain;
        if (is_younger(keys[i], 2 * TICKET_KEY_MS, now_ms) &&
            memcmp(keys[i]->name, ticket, NAME_BYTES) == 0 &&
            crypto_aead_chacha20poly1305_ietf_decrypt(
                body, &plain, NULL, body, size - NAME_BYTES - NONCE_BYTES, ticket, NAME_BYTES,
                ticket + NAME_BYTES, keys[i]->secret) == 0) {
            *session = bytes_of(body, (size_t)plain);
            return true;
        }
    }
    return false;
}
