/* See hello.h. libcurl asks for padding of the ClientHello to 512 bytes (an old load balancer's
 * bug), and OpenSSL's own lists name 30 suites, 5 groups and 20 kinds of signature: together some
 * 300 bytes of a connection that in all takes 1,400. */
#include "client/net/hello.h"

#include <openssl/ssl.h>

static const char suites[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:"
                             "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:"
                             "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES256-GCM-SHA384";

bool hello_shorten(void *ssl_ctx)
{
    /* Not const: OpenSSL's macros cast that away, which clang doesn't let pass. */
    char groups[] = "X25519:P-256";
    char signatures[] = "ECDSA+SHA256:ECDSA+SHA384:RSA-PSS+SHA256:RSA+SHA256:RSA+SHA384";
    SSL_CTX *ctx = ssl_ctx;
    SSL_CTX_clear_options(ctx, SSL_OP_TLSEXT_PADDING);
    return SSL_CTX_set_cipher_list(ctx, suites) == 1 &&
           SSL_CTX_set1_groups_list(ctx, groups) == 1 &&
           SSL_CTX_set1_sigalgs_list(ctx, signatures) == 1;
}
