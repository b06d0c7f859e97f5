/* See tls.h. Written for mbedTLS 2.28 (Debian 12) and 3.6 (Debian 13). */
#define _DEFAULT_SOURCE /* madvise */
#include "server/net/tls.h"

#include "common/base/day.h"
#include "server/net/tickets.h"
#include "server/store/machine.h"

#include <malloc.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <sys/mman.h>
#include <unistd.h>
#if MBEDTLS_VERSION_MAJOR >= 3
#include <psa/crypto.h>
#endif

#if MBEDTLS_VERSION_MAJOR >= 3
#define FIELD(name) MBEDTLS_PRIVATE(name)
#else
#define FIELD(name) name
#endif

#define RECORD_HEAD_BYTES 512 /* counters, header, initialisation vector: more than enough */
#define TICKET_LIFETIME_S ((uint32_t)(TICKET_KEY_MS / 1000))
#define SESSION_BYTES_MAX 1024

struct tls_server {
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context random;
    mbedtls_x509_crt certificate;
    mbedtls_pk_context key;
    struct tickets tickets;
    mbedtls_ssl_config config;
};

struct tls {
    mbedtls_ssl_context ssl;
    struct bytes in; /* cipher bytes not yet read */
    struct buf *out;
};

static const char *const alpn[] = {"h2", NULL};

static const int suites[] = {
#if MBEDTLS_VERSION_MAJOR >= 3
    MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
    MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
    MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
#endif
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    0};

/* Also the order in which they are offered: the library's own costs twice the CPU a handshake. */
#if MBEDTLS_VERSION_MAJOR >= 3
static const uint16_t groups[] = {MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
                                  MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
                                  MBEDTLS_SSL_IANA_TLS_GROUP_NONE};
#else
static const mbedtls_ecp_group_id groups[] = {MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_SECP256R1,
                                              MBEDTLS_ECP_DP_NONE};
#endif

static int parse_key(struct tls_server *s, const char *path)
{
#if MBEDTLS_VERSION_MAJOR >= 3
    int rc = mbedtls_pk_parse_keyfile(&s->key, path, NULL, mbedtls_ctr_drbg_random, &s->random);
    return rc != 0 ? rc
                   : mbedtls_pk_check_pair(&s->certificate.pk, &s->key, mbedtls_ctr_drbg_random,
                                           &s->random);
#else
    int rc = mbedtls_pk_parse_keyfile(&s->key, path, NULL);
    return rc != 0 ? rc : mbedtls_pk_check_pair(&s->certificate.pk, &s->key);
#endif
}

static void set_versions_and_groups(mbedtls_ssl_config *config)
{
#if MBEDTLS_VERSION_MAJOR >= 3
    mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_groups(config, groups);
#else
    mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_curves(config, groups);
#endif
}

static int on_ticket_write(void *context, const mbedtls_ssl_session *session, unsigned char *start,
                           const unsigned char *end, size_t *size, uint32_t *lifetime_s)
{
    uint8_t plain[SESSION_BYTES_MAX];
    size_t plain_size;
    int rc = mbedtls_ssl_session_save(session, plain, sizeof plain, &plain_size);
    if (rc == 0) {
        *size = tickets_seal(context, machine_wall_ms(), bytes_of(plain, plain_size), start,
                             (size_t)(end - start));
        *lifetime_s = TICKET_LIFETIME_S;
        rc = *size == 0 ? MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL : 0;
    }
    mbedtls_platform_zeroize(plain, sizeof plain);
    return rc;
}

static int on_ticket_parse(void *context, mbedtls_ssl_session *session, unsigned char *ticket,
                           size_t size)
{
    struct bytes plain;
    return tickets_open(context, machine_wall_ms(), ticket, size, &plain)
               ? mbedtls_ssl_session_load(session, plain.at, plain.size)
               : MBEDTLS_ERR_SSL_INVALID_MAC;
}

static int configure(struct tls_server *s)
{
    int rc = mbedtls_ssl_config_defaults(&s->config, MBEDTLS_SSL_IS_SERVER,
                                         MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    if (rc != 0) {
        return rc;
    }
    mbedtls_ssl_conf_rng(&s->config, mbedtls_ctr_drbg_random, &s->random);
    set_versions_and_groups(&s->config);
    mbedtls_ssl_conf_ciphersuites(&s->config, suites);
#if defined(MBEDTLS_SSL_RENEGOTIATION)
    mbedtls_ssl_conf_renegotiation(&s->config, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
#endif
    rc = mbedtls_ssl_conf_alpn_protocols(&s->config, (const char **)(uintptr_t)alpn);
    if (rc == 0) {
        rc = mbedtls_ssl_conf_own_cert(&s->config, &s->certificate, &s->key);
    }
    mbedtls_ssl_conf_session_tickets_cb(&s->config, on_ticket_write, on_ticket_parse, &s->tickets);
    return rc;
}

static int load(struct tls_server *s, const char *certificate_path, const char *key_path,
                const char **step)
{
    *step = "random";
    int rc = mbedtls_ctr_drbg_seed(&s->random, mbedtls_entropy_func, &s->entropy, NULL, 0);
    if (rc == 0) {
        *step = "certificate";
        rc = mbedtls_x509_crt_parse_file(&s->certificate, certificate_path);
    }
    if (rc == 0 && mbedtls_x509_time_is_past(&s->certificate.valid_to)) {
        *step = "certificate expired";
        rc = MBEDTLS_ERR_X509_CERT_VERIFY_FAILED; /* every device would refuse it */
    }
    if (rc == 0) {
        *step = "key";
        rc = parse_key(s, key_path);
    }
    if (rc == 0) {
        *step = "configuration";
        rc = configure(s);
    }
    return rc;
}

static enum err_code code_of(int cause)
{
    switch (cause) {
    case MBEDTLS_ERR_X509_FILE_IO_ERROR:
    case MBEDTLS_ERR_PK_FILE_IO_ERROR:
        return ERR_NOT_FOUND;
    case MBEDTLS_ERR_X509_ALLOC_FAILED:
    case MBEDTLS_ERR_PK_ALLOC_FAILED:
    case MBEDTLS_ERR_SSL_ALLOC_FAILED:
        return ERR_NOMEM;
    default: /* hundreds of numbers, one meaning for the person who starts the server */
        return ERR_INVALID;
    }
}

struct err tls_server_open(struct tls_server **out, const char *certificate_path,
                           const char *key_path, const char *tickets_path)
{
    *out = NULL;
    struct tls_server *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return err_make(ERR_NOMEM, 0, "tls_server_open");
    }
#if MBEDTLS_VERSION_MAJOR >= 3
    if (psa_crypto_init() != PSA_SUCCESS) { /* TLS 1.3 computes through it */
        free(s);
        return err_make(ERR_INTERNAL, 0, "psa_crypto_init");
    }
#endif
    mbedtls_entropy_init(&s->entropy);
    mbedtls_ctr_drbg_init(&s->random);
    mbedtls_x509_crt_init(&s->certificate);
    mbedtls_pk_init(&s->key);
    mbedtls_ssl_config_init(&s->config);
    const char *step;
    int rc = load(s, certificate_path, key_path, &step);
    if (rc != 0) {
        tls_server_close(s);
        return err_make(code_of(rc), rc, step);
    }
    *out = s;
    return tickets_init(&s->tickets, tickets_path, machine_wall_ms());
}

int64_t tls_server_expires_ms(const struct tls_server *s)
{
    const mbedtls_x509_time *end = &s->certificate.valid_to;
    const struct civil civil = {.year = end->year,
                                .month = end->mon,
                                .day = end->day,
                                .hour = end->hour,
                                .minute = end->min,
                                .second = end->sec};
    return civil_to_ms(&civil);
}

void tls_server_close(struct tls_server *s)
{
    if (s == NULL) {
        return;
    }
    mbedtls_ssl_config_free(&s->config);
    tickets_release(&s->tickets);
    mbedtls_pk_free(&s->key);
    mbedtls_x509_crt_free(&s->certificate);
    mbedtls_ctr_drbg_free(&s->random);
    mbedtls_entropy_free(&s->entropy);
    free(s);
}

static int bio_send(void *context, const unsigned char *from, size_t size)
{
    struct tls *t = context;
    buf_put(t->out, bytes_of(from, size));
    return t->out->bad ? MBEDTLS_ERR_SSL_ALLOC_FAILED : (int)size;
}

static int bio_receive(void *context, unsigned char *to, size_t room)
{
    struct tls *t = context;
    size_t n = t->in.size < room ? t->in.size : room;
    if (n == 0) {
        return MBEDTLS_ERR_SSL_WANT_READ;
    }
    memcpy(to, t->in.at, n);
    t->in = bytes_of(t->in.at + n, t->in.size - n);
    return (int)n;
}

struct tls *tls_new(struct tls_server *s, struct buf *out)
{
    struct tls *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return NULL;
    }
    t->out = out;
    mbedtls_ssl_init(&t->ssl);
    if (mbedtls_ssl_setup(&t->ssl, &s->config) != 0) {
        tls_free(t);
        return NULL;
    }
    mbedtls_ssl_set_bio(&t->ssl, t, bio_send, bio_receive, NULL);
    return t;
}

void tls_free(struct tls *t)
{
    if (t != NULL) {
        mbedtls_ssl_free(&t->ssl);
        free(t);
    }
}

void tls_feed(struct tls *t, struct bytes cipher)
{
    assert(t->in.size == 0);
    t->in = cipher;
}

static enum tls_result result_of(int rc)
{
    switch (rc) {
    case MBEDTLS_ERR_SSL_WANT_READ:
    case MBEDTLS_ERR_SSL_WANT_WRITE:
        return TLS_MORE;
    case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
    case MBEDTLS_ERR_SSL_CONN_EOF:
        return TLS_CLOSED;
    default:
        return TLS_FAILED;
    }
}

enum tls_result tls_handshake(struct tls *t)
{
    int rc = mbedtls_ssl_handshake(&t->ssl);
    if (rc != 0) {
        return result_of(rc);
    }
    /* A client that offers no protocol at all passes the library's own check. */
    if (mbedtls_ssl_get_alpn_protocol(&t->ssl) == NULL) {
        (void)mbedtls_ssl_send_alert_message(&t->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                             MBEDTLS_SSL_ALERT_MSG_NO_APPLICATION_PROTOCOL);
        return TLS_FAILED;
    }
    return TLS_OK;
}

enum tls_result tls_read(struct tls *t, uint8_t *to, size_t room, size_t *size)
{
    *size = 0;
    int rc = mbedtls_ssl_read(&t->ssl, to, room);
#if defined(MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
    while (rc == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
        rc = mbedtls_ssl_read(&t->ssl, to, room);
    }
#endif
    if (rc <= 0) {
        return rc == 0 ? TLS_CLOSED : result_of(rc);
    }
    *size = (size_t)rc;
    return TLS_OK;
}

enum tls_result tls_write(struct tls *t, struct bytes plain)
{
    while (plain.size > 0) {
        int rc = mbedtls_ssl_write(&t->ssl, plain.at, plain.size);
        if (rc <= 0) { /* bio_send takes all or breaks, so there is nothing to wait for */
            return TLS_FAILED;
        }
        plain = bytes_of(plain.at + rc, plain.size - (size_t)rc);
    }
    return TLS_OK;
}

void tls_goodbye(struct tls *t)
{
    (void)mbedtls_ssl_close_notify(&t->ssl); /* best effort: the connection ends either way */
}

/* mbedTLS holds room for a whole record each way, 16 KiB, as long as the connection lives, and
 * Debian's isn't built with the option that shrinks it. Between two records only what stands at the
 * buffers' beginnings is of use; the pages behind it become empty ones that take no memory. */
static void give_pages_back(unsigned char *buffer)
{
#if defined(__GLIBC__)
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = ((uintptr_t)buffer + RECORD_HEAD_BYTES + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)buffer + malloc_usable_size(buffer)) / page * page;
    if (end > begin) {
        (void)madvise(buffer + (begin - (uintptr_t)buffer), end - begin, MADV_DONTNEED);
    }
#else
    (void)buffer;
#endif
}

void tls_rest(struct tls *t)
{
    mbedtls_ssl_context *ssl = &t->ssl;
    if (t->in.size == 0 && mbedtls_ssl_check_pending(ssl) == 0 && ssl->FIELD(in_left) == 0 &&
        ssl->FIELD(out_left) == 0) {
        give_pages_back(ssl->FIELD(in_buf));
        give_pages_back(ssl->FIELD(out_buf));
    }
}
