/* See session_cache.h. The session that a ticket brings is written to the file at once: whoever
 * reads it is the owner of the device's key as well, so that it protects nothing that the key
 * doesn't. It keeps the result of the certificate check that its first handshake made. */
#include "client/net/session_cache.h"

#include <fcntl.h>
#include <openssl/ssl.h>
#include <unistd.h>

static void read_file(struct session_cache *c)
{
    int file = open(c->file, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return; /* there was no connection yet */
    }
    ssize_t size = read(file, c->session, sizeof c->session);
    c->size = size > 0 ? (size_t)size : 0;
    close(file);
}

/* A session that can't be kept costs a full handshake next time and nothing else: so errors end
 * the attempt silently. Written beside and renamed, for a reader never to see half of it. */
static void write_file(const struct session_cache *c)
{
    char beside[4096];
    int length = snprintf(beside, sizeof beside, "%s.%ld", c->file, (long)getpid());
    if (length < 0 || (size_t)length >= sizeof beside) {
        return;
    }
    int file = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) {
        return;
    }
    bool whole = write(file, c->session, c->size) == (ssize_t)c->size;
    close(file);
    if (!whole || rename(beside, c->file) != 0) {
        unlink(beside);
    }
}

void session_cache_init(struct session_cache *c, const char *file)
{
    c->file = file;
    c->size = 0;
    if (file != NULL) {
        read_file(c);
    }
}

void session_cache_forget(struct session_cache *c)
{
    c->size = 0;
    if (c->file != NULL) {
        unlink(c->file);
    }
}

/* OpenSSL gives a session: a TLS 1.3 server sends them after the handshake. */
static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    struct session_cache *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    int size = i2d_SSL_SESSION(session, NULL);
    if (size > 0 && (size_t)size <= sizeof c->session) {
        unsigned char *to = c->session;
        c->size = (size_t)i2d_SSL_SESSION(session, &to);
        if (c->file != NULL) {
            write_file(c);
        }
    }
    return 0; /* OpenSSL keeps its own reference */
}

static void on_info(const SSL *ssl, int where, int result)
{
    (void)result;
    struct session_cache *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    if ((where & SSL_CB_HANDSHAKE_START) == 0 || c->size == 0 || !SSL_in_before(ssl)) {
        return;
    }
    const unsigned char *from = c->session;
    SSL_SESSION *session = d2i_SSL_SESSION(NULL, &from, (long)c->size);
    if (session != NULL) {
        /* The hook gets the connection as const; there is no other place between its making by
         * libcurl and its first byte. */
        SSL_set_session((SSL *)(uintptr_t)ssl, session);
        SSL_SESSION_free(session);
    }
}

void session_cache_attach(struct session_cache *c, void *ssl_ctx)
{
    SSL_CTX *ctx = ssl_ctx;
    SSL_CTX_set_app_data(ctx, c);
    SSL_CTX_clear_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_new_session);
    SSL_CTX_set_info_callback(ctx, on_info);
}
