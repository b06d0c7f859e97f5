/* See certificate.h. Written for mbedTLS 2.28 and 3.6 alike: what differs between them (serial
 * numbers aside) is kept out by writing the extensions as DER here. */
#include "server/admin/certificate.h"

#include <arpa/inet.h>
#include <mbedtls/asn1.h>
#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
#include <sodium.h>

#define VALID_FROM      "19700101000000"
#define VALID_TO        "20491231235959"
#define CA_NAME         "CN=Legwork CA"
#define LEAF_NAME       "CN=legworkd"
#define PEM_BYTES_MAX   16384
#define NAMES_BYTES_MAX (HOSTS_MAX * (HOST_TEXT_MAX + 4))
#define SERIAL_BYTES    16
#define SAN_DNS         2 /* tags of RFC 5280 §4.2.1.6 */
#define SAN_ADDRESS     7
#define DER_CONTEXT     0x80
#define DER_SEQUENCE    0x30

static int fill_random(void *context, unsigned char *to, size_t size)
{
    (void)context;
    randombytes_buf(to, size);
    return 0;
}

static struct err tls_err(int cause, const char *where)
{
    return cause == 0 ? err_ok() : err_make(ERR_INTERNAL, cause, where);
}

void certificates_init(struct certificates *c)
{
    buf_init(&c->ca, PEM_BYTES_MAX);
    buf_init(&c->ca_key, PEM_BYTES_MAX);
    buf_init(&c->leaf, PEM_BYTES_MAX);
    buf_init(&c->leaf_key, PEM_BYTES_MAX);
}

static void wipe(struct buf *b)
{
    if (b->at != NULL) {
        sodium_memzero(b->at, b->room);
    }
    buf_release(b);
}

void certificates_release(struct certificates *c)
{
    buf_release(&c->ca);
    buf_release(&c->leaf);
    wipe(&c->ca_key);
    wipe(&c->leaf_key);
}

bool host_is_valid(const char *host)
{
    uint8_t address[16];
    size_t size = strlen(host);
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1) {
        return true;
    }
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
    return size > 0 && size < HOST_TEXT_MAX && strspn(host, letters) == size && host[0] != '-' &&
           host[0] != '.' && host[size - 1] != '.';
}

static void put_der_size(struct buf *out, size_t size)
{
    if (size >= 0x100) {
        buf_put_u8(out, 0x82);
        buf_put_u8(out, (uint8_t)(size >> 8));
    } else if (size >= 0x80) {
        buf_put_u8(out, 0x81);
    }
    buf_put_u8(out, (uint8_t)size);
}

/* One GeneralName: a DNS name as text, an address as its 4 or 16 bytes. */
static void put_host(struct buf *out, const char *host)
{
    uint8_t address[16];
    struct bytes name = bytes_text(host);
    int tag = SAN_ADDRESS;
    if (inet_pton(AF_INET, host, address) == 1) {
        name = bytes_of(address, 4);
    } else if (inet_pton(AF_INET6, host, address) == 1) {
        name = bytes_of(address, 16);
    } else {
        tag = SAN_DNS;
    }
    buf_put_u8(out, (uint8_t)(DER_CONTEXT | tag));
    put_der_size(out, name.size);
    buf_put(out, name);
}

static int put_extension(mbedtls_x509write_cert *crt, const char *oid, size_t oid_size,
                         struct bytes der)
{
    return mbedtls_x509write_crt_set_extension(crt, oid, oid_size, 0, der.at, der.size);
}

static int put_names(mbedtls_x509write_cert *crt, const char *const *hosts, size_t count)
{
    struct buf names;
    struct buf der;
    buf_init(&names, NAMES_BYTES_MAX);
    buf_init(&der, NAMES_BYTES_MAX + 4);
    for (size_t i = 0; i < count; i++) {
        put_host(&names, hosts[i]);
    }
    buf_put_u8(&der, DER_SEQUENCE);
    put_der_size(&der, names.size);
    buf_put(&der, buf_bytes(&names));
    int rc = names.bad || der.bad
                 ? MBEDTLS_ERR_X509_BUFFER_TOO_SMALL
                 : put_extension(crt, MBEDTLS_OID_SUBJECT_ALT_NAME,
                                 MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), buf_bytes(&der));
    buf_release(&names);
    buf_release(&der);
    return rc;
}

static int set_serial(mbedtls_x509write_cert *crt)
{
    unsigned char serial[SERIAL_BYTES];
    randombytes_buf(serial, sizeof serial);
    serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40); /* positive, and never short */
#if MBEDTLS_VERSION_MAJOR >= 3
    return mbedtls_x509write_crt_set_serial_raw(crt, serial, sizeof serial);
#else
    mbedtls_mpi number;
    mbedtls_mpi_init(&number);
    int rc = mbedtls_mpi_read_binary(&number, serial, sizeof serial);
    rc = rc != 0 ? rc : mbedtls_x509write_crt_set_serial(crt, &number);
    mbedtls_mpi_free(&number);
    return rc;
#endif
}

static int make_key(mbedtls_pk_context *key)
{
    int rc = mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
    return rc != 0 ? rc
                   : mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key), fill_random,
                                         NULL);
}

/* What both certificates have in common. */
static int begin(mbedtls_x509write_cert *crt, const char *name, mbedtls_pk_context *subject,
                 mbedtls_pk_context *issuer)
{
    mbedtls_x509write_crt_init(crt);
    mbedtls_x509write_crt_set_version(crt, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(crt, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(crt, subject);
    mbedtls_x509write_crt_set_issuer_key(crt, issuer);
    int rc = set_serial(crt);
    rc = rc != 0 ? rc : mbedtls_x509write_crt_set_subject_name(crt, name);
    rc = rc != 0 ? rc : mbedtls_x509write_crt_set_issuer_name(crt, CA_NAME);
    rc = rc != 0 ? rc : mbedtls_x509write_crt_set_validity(crt, VALID_FROM, VALID_TO);
    rc = rc != 0 ? rc : mbedtls_x509write_crt_set_subject_key_identifier(crt);
    return rc != 0 ? rc : mbedtls_x509write_crt_set_authority_key_identifier(crt);
}

static int write_ca(mbedtls_pk_context *key, char *pem)
{
    mbedtls_x509write_cert crt;
    int rc = begin(&crt, CA_NAME, key, key);
    rc = rc != 0 ? rc : mbedtls_x509write_crt_set_basic_constraints(&crt, 1, 0);
    rc = rc != 0 ? rc
                 : mbedtls_x509write_crt_set_key_usage(&crt, MBEDTLS_X509_KU_KEY_CERT_SIGN |
                                                                 MBEDTLS_X509_KU_CRL_SIGN);
    rc = rc != 0 ? rc
                 : mbedtls_x509write_crt_pem(&crt, (unsigned char *)pem, PEM_BYTES_MAX, fill_random,
                                             NULL);
    mbedtls_x509write_crt_free(&crt);
    return rc;
}

static int write_leaf(mbedtls_pk_context *key, mbedtls_pk_context *ca, const char *const *hosts,
                      size_t count, char *pem)
{
    /* SEQUENCE { id-kp-serverAuth } */
    static const uint8_t server_auth[] = {0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06,
                                          0x01, 0x05, 0x05, 0x07, 0x03, 0x01};
    mbedtls_x509write_cert crt;
    int rc = begin(&crt, LEAF_NAME, key, ca);
    rc = rc != 0 ? rc : mbedtls_x509write_crt_set_basic_constraints(&crt, 0, -1);
    rc =
        rc != 0 ? rc : mbedtls_x509write_crt_set_key_usage(&crt, MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
    rc = rc != 0 ? rc
                 : put_extension(&crt, MBEDTLS_OID_EXTENDED_KEY_USAGE,
                                 MBEDTLS_OID_SIZE(MBEDTLS_OID_EXTENDED_KEY_USAGE),
                                 bytes_of(server_auth, sizeof server_auth));
    rc = rc != 0 ? rc : put_names(&crt, hosts, count);
    rc = rc != 0 ? rc
                 : mbedtls_x509write_crt_pem(&crt, (unsigned char *)pem, PEM_BYTES_MAX, fill_random,
                                             NULL);
    mbedtls_x509write_crt_free(&crt);
    return rc;
}

/* All four texts through one scratch buffer, which is wiped since keys pass through it. */
static int write_all(struct certificates *c, mbedtls_pk_context *ca, mbedtls_pk_context *leaf,
                     const char *const *hosts, size_t count)
{
    char pem[PEM_BYTES_MAX];
    int rc = write_ca(ca, pem);
    if (rc == 0) {
        buf_put_text(&c->ca, pem);
        rc = write_leaf(leaf, ca, hosts, count, pem);
    }
    if (rc == 0) {
        buf_put_text(&c->leaf, pem);
        rc = mbedtls_pk_write_key_pem(ca, (unsigned char *)pem, sizeof pem);
    }
    if (rc == 0) {
        buf_put_text(&c->ca_key, pem);
        rc = mbedtls_pk_write_key_pem(leaf, (unsigned char *)pem, sizeof pem);
    }
    if (rc == 0) {
        buf_put_text(&c->leaf_key, pem);
    }
    sodium_memzero(pem, sizeof pem);
    return rc;
}

struct err certificates_make(struct certificates *c, const char *const *hosts, size_t count)
{
    mbedtls_pk_context ca;
    mbedtls_pk_context leaf;
    mbedtls_pk_init(&ca);
    mbedtls_pk_init(&leaf);
    int rc = make_key(&ca);
    rc = rc != 0 ? rc : make_key(&leaf);
    rc = rc != 0 ? rc : write_all(c, &ca, &leaf, hosts, count);
    mbedtls_pk_free(&ca);
    mbedtls_pk_free(&leaf);
    bool full = c->ca.bad || c->ca_key.bad || c->leaf.bad || c->leaf_key.bad;
    return full ? err_make(ERR_NOMEM, 0, "certificates_make") : tls_err(rc, "certificates_make");
}

/* mbedTLS wants the zero behind PEM counted. */
static struct err parse_pem(struct bytes pem, mbedtls_x509_crt *crt)
{
    struct buf text;
    buf_init(&text, pem.size + 1);
    buf_put(&text, pem);
    buf_put_u8(&text, 0);
    int rc =
        text.bad ? MBEDTLS_ERR_X509_ALLOC_FAILED : mbedtls_x509_crt_parse(crt, text.at, text.size);
    buf_release(&text);
    return rc == 0 ? err_ok() : err_make(ERR_INVALID, rc, "parse_pem");
}

struct err ca_key_hash(struct bytes ca_pem, uint8_t hash[32])
{
    mbedtls_x509_crt crt;
    mbedtls_x509_crt_init(&crt);
    unsigned char der[512];
    struct err err = parse_pem(ca_pem, &crt);
    if (err.code == ERR_OK) {
        int size = mbedtls_pk_write_pubkey_der(&crt.pk, der, sizeof der);
        err = tls_err(size > 0 ? 0 : size, "ca_key_hash");
        if (size > 0) { /* it writes from the end */
            size_t used = (size_t)size;
            crypto_hash_sha256(hash, der + sizeof der - used, used);
        }
    }
    mbedtls_x509_crt_free(&crt);
    return err;
}

struct err leaf_first_host(struct bytes leaf_pem, char host[HOST_TEXT_MAX])
{
    mbedtls_x509_crt crt;
    mbedtls_x509_crt_init(&crt);
    struct err err = parse_pem(leaf_pem, &crt);
    if (err.code == ERR_OK) {
        const mbedtls_x509_buf *name = &crt.subject_alt_names.buf;
        int tag = name->tag & MBEDTLS_ASN1_TAG_VALUE_MASK;
        bool good = name->p != NULL && name->len < HOST_TEXT_MAX;
        if (good && tag == SAN_ADDRESS) {
            int family = name->len == 4 ? AF_INET : AF_INET6;
            good = inet_ntop(family, name->p, host, HOST_TEXT_MAX) != NULL;
        } else if (good) {
            memcpy(host, name->p, name->len);
            host[name->len] = 0;
        }
        err = good ? err_ok() : err_make(ERR_INVALID, 0, "leaf_first_host");
    }
    mbedtls_x509_crt_free(&crt);
    return err;
}
