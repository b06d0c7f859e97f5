/* The firm's certificates: who signed what, for which names, from when to when. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <mbedtls/oid.h>
#include <mbedtls/x509_crt.h>

#include "server/admin/certificate.h"

static void parse(const struct buf *pem, mbedtls_x509_crt *crt)
{
    struct buf text;
    buf_init(&text, pem->size + 1);
    buf_put(&text, buf_bytes(pem));
    mbedtls_x509_crt_init(crt);
    assert_int_equal(
        mbedtls_x509_crt_parse(crt, (const unsigned char *)buf_text(&text), text.size + 1), 0);
    buf_release(&text);
}

static void test_a_leaf_of_the_ca(void **state)
{
    (void)state;
    static const char *const hosts[] = {"sales.example.com", "192.0.2.7", "2001:db8::1"};
    struct certificates c;
    certificates_init(&c);
    assert_int_equal(certificates_make(&c, hosts, count_of(hosts)).code, ERR_OK);

    mbedtls_x509_crt ca;
    mbedtls_x509_crt leaf;
    parse(&c.ca, &ca);
    parse(&c.leaf, &leaf);
    uint32_t flags = 0;
    assert_int_equal(
        mbedtls_x509_crt_verify(&leaf, &ca, NULL, "sales.example.com", &flags, NULL, NULL), 0);
    assert_int_not_equal(
        mbedtls_x509_crt_verify(&leaf, &ca, NULL, "other.example.com", &flags, NULL, NULL), 0);
    assert_int_equal(leaf.valid_from.year, 1970);
    assert_int_equal(leaf.valid_to.year, 2049);
    assert_int_equal(leaf.valid_to.mon, 12);
    assert_int_equal(ca.valid_from.year, 1970);
    assert_int_equal(mbedtls_x509_crt_check_extended_key_usage(
                         &leaf, MBEDTLS_OID_SERVER_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)),
                     0);
    mbedtls_x509_crt_free(&ca);
    mbedtls_x509_crt_free(&leaf);

    char host[HOST_TEXT_MAX];
    assert_int_equal(leaf_first_host(buf_bytes(&c.leaf), host).code, ERR_OK);
    assert_string_equal(host, "sales.example.com");
    certificates_release(&c);
}

static void test_an_address_may_stand_first(void **state)
{
    (void)state;
    static const char *const hosts[] = {"2001:db8::1", "localhost"};
    struct certificates c;
    char host[HOST_TEXT_MAX];
    certificates_init(&c);
    assert_int_equal(certificates_make(&c, hosts, count_of(hosts)).code, ERR_OK);
    assert_int_equal(leaf_first_host(buf_bytes(&c.leaf), host).code, ERR_OK);
    assert_string_equal(host, "2001:db8::1");
    certificates_release(&c);
}

/* Two firms never have one key, and a key's hash is always the same. */
static void test_the_hash_of_the_ca_key(void **state)
{
    (void)state;
    static const char *const hosts[] = {"localhost"};
    struct certificates a;
    struct certificates b;
    uint8_t first[32];
    uint8_t again[32];
    uint8_t other[32];
    certificates_init(&a);
    certificates_init(&b);
    assert_int_equal(certificates_make(&a, hosts, 1).code, ERR_OK);
    assert_int_equal(certificates_make(&b, hosts, 1).code, ERR_OK);
    assert_int_equal(ca_key_hash(buf_bytes(&a.ca), first).code, ERR_OK);
    assert_int_equal(ca_key_hash(buf_bytes(&a.ca), again).code, ERR_OK);
    assert_int_equal(ca_key_hash(buf_bytes(&b.ca), other).code, ERR_OK);
    assert_memory_equal(first, again, sizeof first);
    assert_memory_not_equal(first, other, sizeof first);
    assert_int_equal(ca_key_hash(bytes_text("no certificate"), first).code, ERR_INVALID);
    certificates_release(&a);
    certificates_release(&b);
}

static void test_what_may_be_a_host(void **state)
{
    (void)state;
    static const char *const good[] = {"localhost", "a.b-c.example", "10.0.0.1", "::1"};
    static const char *const bad[] = {"", ".", "a,b", "-a", "a.", "a b", "a:8443", "[::1]", "店"};
    for (size_t i = 0; i < count_of(good); i++) {
        assert_true(host_is_valid(good[i]));
    }
    for (size_t i = 0; i < count_of(bad); i++) {
        assert_false(host_is_valid(bad[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_leaf_of_the_ca),
        cmocka_unit_test(test_an_address_may_stand_first),
        cmocka_unit_test(test_the_hash_of_the_ca_key),
        cmocka_unit_test(test_what_may_be_a_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
