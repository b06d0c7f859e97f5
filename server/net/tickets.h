/* Keys of TLS session tickets, in a file beside the certificate: a restarted server still knows the
 * tickets that it gave, so that a crowd which comes back resumes, at a tenth of a handshake's cost.
 *
 *   ticket = key's name (4) · nonce (12) · ChaCha20-Poly1305 over the session (name authenticated)
 *
 * A key gives tickets for a day and takes them for one more; then it is overwritten, and what was
 * said in sessions that it sealed can't be read by who steals the file later. The file is for its
 * owner alone, belongs in no backup, and may be deleted: then all shake hands in full once. Belongs
 * to the loop's thread. */
#ifndef SERVER_NET_TICKETS_H
#define SERVER_NET_TICKETS_H

#include "common/base/base.h"

#define TICKET_KEY_MS     INT64_C(86400000)
#define TICKET_EXTRA_SIZE ((size_t)(4 + 12 + 16)) /* what a ticket is longer than its session */

struct ticket_key {
    int64_t made_ms; /* wall clock; 0: none */
    uint8_t name[4];
    uint8_t secret[32];
};

struct tickets {
    struct ticket_key now, before;
    const char *path; /* the caller's */
};

/* Takes the keys of the file, as far as they are young enough, and makes what is missing. One that
 * can't be read is as none. ERR_IO: it can't be written; the keys live in memory then. */
MUST_USE struct err tickets_init(struct tickets *t, const char *path, int64_t now_ms);
void tickets_release(struct tickets *t);
/* `to` has room for `room` bytes; gives how many it took, 0: too few. */
size_t tickets_seal(struct tickets *t, int64_t now_ms, struct bytes session, uint8_t *to,
                    size_t room);
/* In place: the session's bytes lie within `ticket`. False: not ours, changed, or too old. */
MUST_USE bool tickets_open(const struct tickets *t, int64_t now_ms, uint8_t *ticket, size_t size,
                           struct bytes *session);

#endif
