/* TLS as a filter between memory buffers: cipher bytes in, plain bytes out, and back. No socket is
 * named here, and mbedTLS nowhere else in the server's network code.
 *
 *   network ── tls_feed ──► tls_handshake / tls_read ──► HTTP/2
 *   network ◄── out buffer ◄── tls_write ◄── HTTP/2
 *
 * TLS 1.2 or later, ECDHE with AEAD suites, X25519 and P-256, ALPN `h2` or nothing, the leaf
 * certificate alone, session tickets whose keys rotate, no renegotiation, no early data. All of it
 * belongs to the loop's thread. */
#ifndef SERVER_NET_TLS_H
#define SERVER_NET_TLS_H

#include "common/base/base.h"

struct tls_server; /* certificate, key, tickets: shared by all connections */
struct tls;        /* one connection; some 36 KB, so made at its first byte */

enum tls_result {
    TLS_OK,
    TLS_MORE,   /* needs bytes that aren't here yet */
    TLS_CLOSED, /* the other side said goodbye */
    TLS_FAILED  /* broken, or not for us; an alert may stand in `out` */
};

/* ERR_NOT_FOUND, ERR_INVALID (not PEM, or key and certificate don't match) or ERR_NOMEM; `cause`
 * is mbedTLS's number. ERR_IO, with `*out` good all the same: the tickets' keys can't be kept there
 * (tickets.h). The paths outlive it. */
MUST_USE struct err tls_server_open(struct tls_server **out, const char *certificate_path,
                                    const char *key_path, const char *tickets_path);
void tls_server_close(struct tls_server *s);
int64_t tls_server_expires_ms(const struct tls_server *s); /* end of the certificate, UTC */

/* `out` gets cipher bytes and belongs to the caller. NULL: no memory. */
MUST_USE struct tls *tls_new(struct tls_server *s, struct buf *out);
void tls_free(struct tls *t);
/* `cipher` is borrowed until the next tls_feed and must be read up (TLS_MORE) before it. */
void tls_feed(struct tls *t, struct bytes cipher);
MUST_USE enum tls_result tls_handshake(struct tls *t); /* TLS_OK: done, and `h2` was agreed */
MUST_USE enum tls_result tls_read(struct tls *t, uint8_t *to, size_t room, size_t *size);
MUST_USE enum tls_result tls_write(struct tls *t, struct bytes plain);
void tls_goodbye(struct tls *t); /* close_notify into `out` */
/* Where no record is under way: the memory for records, two thirds of what a connection takes, goes
 * back to the system until the next large one. */
void tls_rest(struct tls *t);

#endif
