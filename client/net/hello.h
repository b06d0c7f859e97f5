/* The first bytes of a connection, kept few: a short sync on a metered line is mostly handshake. */
#ifndef CLIENT_NET_HELLO_H
#define CLIENT_NET_HELLO_H

#include "common/base/base.h"

/* Offers what our server and a public certificate's server take, and nothing more. `ssl_ctx` is
 * OpenSSL's SSL_CTX. False: this OpenSSL knows one of the names no more. */
MUST_USE bool hello_shorten(void *ssl_ctx);

#endif
