/* One connection: socket, TLS and HTTP/2 in a row, with the deadlines of its state.
 *
 *   HALF_OPEN ── handshake done, h2 agreed ──► OPEN ── over, or a limit hit ──► CLOSING ──► freed
 *   5 s                                        idle 90 s, write stall 30 s       write stall
 *
 * In CLOSING what stands in the output (an alert, a GOAWAY) is still written, nothing is read. */
#ifndef SERVER_NET_CONN_H
#define SERVER_NET_CONN_H

#include "server/net/net.h"

/* A turn of the loop begins: some of those who wait for their handshake may be read. A handshake
 * takes longer than all else here: without a share to each turn, a crowd that comes back would keep
 * those who are there from being heard. True: others go on waiting. */
bool conn_admit_some(struct net *n);
/* Takes the next connection from the listener; one over a limit is closed at once. */
void conn_accept(struct net *n);
void conn_flush(struct conn *c); /* sends what the streams and TLS have, as far as limits allow */
void conn_sweep(struct conn *c, int64_t now_ms);
void conn_shut_down(struct conn *c); /* says goodbye; closes at once where no stream is open */
void conn_close(struct conn *c);     /* now; freed when its handles are */
struct conn *conn_next(const struct conn *c);

#endif
