/* HTTP/2 of one connection, by nghttp2, without I/O: plain bytes in, plain bytes out. It checks
 * what can be checked before a body is whole (limits, path, method, types), keeps the rest for the
 * worker, and feeds answers from their exchanges into the stream as the client takes them.
 *
 * An answer never ends before the client has ended its request: libcurl would hang. So an early
 * refusal sends its status at once and then reads on, up to REFUSED_DRAIN_BYTES. */
#ifndef SERVER_NET_H2_H
#define SERVER_NET_H2_H

#include "server/net/net.h"

struct h2;
struct stream;

/* `conn` is what a stream's answer wakes up. NULL: no memory. */
MUST_USE struct h2 *h2_new(struct net *net, struct conn *conn, const uint8_t address[16]);
void h2_free(struct h2 *h);
/* false: the connection is broken or abusive; flush what stands in the output, then close. */
MUST_USE bool h2_feed(struct h2 *h, struct bytes plain);
/* The next bytes to send, valid until the next call; none: nothing to send now. */
MUST_USE struct bytes h2_pull(struct h2 *h);
bool h2_is_over(const struct h2 *h); /* neither side has anything left to say */
bool h2_is_idle(const struct h2 *h); /* no stream open */
int64_t h2_idle_since(const struct h2 *h);
/* Looks at the streams' deadlines; false: close the connection. */
MUST_USE bool h2_sweep(struct h2 *h, int64_t now_ms);
void h2_shut_down(struct h2 *h); /* GOAWAY: open streams may finish, no new ones */

/* The exchange of this stream has news; gives the connection to flush. */
struct conn *stream_answered(struct stream *s);

#endif
