/* TLS sessions that outlive the process: with the last one a new connection saves a round trip and
 * the certificates (about 640 B). libcurl doesn't resume sessions with our server by itself: it
 * switches tickets off and marks the sessions of HTTP/2 connections unusable. So the sessions are
 * kept here, from a hook into OpenSSL. */
#ifndef CLIENT_NET_SESSION_CACHE_H
#define CLIENT_NET_SESSION_CACHE_H

#include "common/base/base.h"

#define SESSION_BYTES_MAX ((size_t)16 * 1024)

struct session_cache {
    const char *file;                   /* borrowed; NULL: within this process only */
    uint8_t session[SESSION_BYTES_MAX]; /* DER; size 0: none */
    size_t size;
};

void session_cache_init(struct session_cache *c, const char *file);
/* Hooks into a connection's context. `ssl_ctx` is OpenSSL's SSL_CTX; `c` outlives the connection.
 */
void session_cache_attach(struct session_cache *c, void *ssl_ctx);
/* After a handshake that failed: the next one starts from nothing. */
void session_cache_forget(struct session_cache *c);

#endif
