/* A signature holds for one method, one path, one body, one key and one time; headers in any other
 * form than ours are refused before anything is computed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>

#include "protocol/signature.h"

#define CREATED_S 1764000000

struct signer {
    uint8_t public_key[32];
    uint8_t secret_key[64];
};

static struct signer signer_from(uint8_t seed_byte)
{
    struct signer s;
    uint8_t seed[32];
    memset(seed, seed_byte, sizeof seed);
    crypto_sign_seed_keypair(s.public_key, s.secret_key, seed);
    return s;
}

static bool parse(const struct signature_headers *h, struct signature_claim *claim)
{
    return signature_parse(bytes_text(h->digest), bytes_text(h->input), bytes_text(h->signature),
                           claim);
}

static void test_good(void **state)
{
    (void)state;
    struct signer s = signer_from(1);
    struct signature_headers h;
    struct signature_claim claim;
    char keyid[SIGNATURE_KEYID_MAX + 1];
    struct bytes body = bytes_text("a body");

    signature_keyid(s.public_key, keyid);
    assert_int_equal(strlen(keyid), 12);
    signature_make("POST", "/v1/sync", body, CREATED_S, s.public_key, s.secret_key, &h);
    assert_true(parse(&h, &claim));
    assert_string_equal(claim.keyid, keyid);
    assert_int_equal(claim.created_s, CREATED_S);
    assert_true(claim.covers_digest);
    assert_true(signature_verify(&claim, "POST", "/v1/sync", body, s.public_key));

    signature_make("GET", "/v1/live", (struct bytes){0}, CREATED_S, s.public_key, s.secret_key, &h);
    assert_string_equal(h.digest, "");
    assert_true(parse(&h, &claim));
    assert_true(signature_verify(&claim, "GET", "/v1/live", (struct bytes){0}, s.public_key));
    assert_false(signature_verify(&claim, "GET", "/v1/live", body, s.public_key));
}

/* The bytes that README.md shows: another program must come to the same. */
static void test_known_bytes(void **state)
{
    (void)state;
    struct signer s = signer_from(1);
    struct signature_headers h;
    signature_make("POST", "/v1/sync", bytes_text("abc"), CREATED_S, s.public_key, s.secret_key,
                   &h);
    assert_string_equal(h.digest, "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:");
    assert_string_equal(h.input, "s=(\"@method\" \"@path\" \"content-digest\");created=1764000000;"
                                 "keyid=\"NHUPmL1Z_PyU\"");
}

static void test_altered(void **state)
{
    (void)state;
    struct signer s = signer_from(1);
    struct signer other = signer_from(2);
    struct bytes body = bytes_text("a body");
    static const struct {
        const char *what, *method, *path, *body, *old_params, *new_params;
    } cases[] = {
        {"another body", "POST", "/v1/sync", "a bodx", NULL, NULL},
        {"a longer body", "POST", "/v1/sync", "a body.", NULL, NULL},
        {"no body", "POST", "/v1/sync", "", NULL, NULL},
        {"another path", "POST", "/v1/live", "a body", NULL, NULL},
        {"another method", "PUT", "/v1/sync", "a body", NULL, NULL},
        {"a later time", "POST", "/v1/sync", "a body", "1764000000", "1764000001"},
    };
    struct signature_headers h;
    struct signature_claim claim;
    signature_make("POST", "/v1/sync", body, CREATED_S, s.public_key, s.secret_key, &h);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct signature_headers altered = h;
        if (cases[i].old_params != NULL) {
            char *at = strstr(altered.input, cases[i].old_params);
            assert_non_null(at);
            memcpy(at, cases[i].new_params, strlen(cases[i].new_params));
        }
        assert_true(parse(&altered, &claim));
        if (signature_verify(&claim, cases[i].method, cases[i].path, bytes_text(cases[i].body),
                             s.public_key)) {
            fail_msg("accepted: %s", cases[i].what);
        }
    }
    assert_true(parse(&h, &claim));
    assert_false(signature_verify(&claim, "POST", "/v1/sync", body, other.public_key));
    claim.signature[5] ^= 1;
    assert_false(signature_verify(&claim, "POST", "/v1/sync", body, s.public_key));
}

#define DIGEST "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:"
#define INPUT  "s=(\"@method\" \"@path\" \"content-digest\");created=1764000000;keyid=\"k7Jq2w\""
#define SIG                                                                                        \
    "s=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==:"

static void test_forms(void **state)
{
    (void)state;
    static const struct {
        const char *what, *digest, *input, *signature;
        bool good;
    } cases[] = {
        {"our form", DIGEST, INPUT, SIG, true},
        {"nothing", "", "", "", false},
        {"no digest where it is covered", "", INPUT, SIG, false},
        {"a digest that isn't covered", DIGEST,
         "s=(\"@method\" \"@path\");created=1764000000;keyid=\"k7Jq2w\"", SIG, false},
        {"no body", "", "s=(\"@method\" \"@path\");created=1764000000;keyid=\"k7Jq2w\"", SIG, true},
        {"another hash", "sha-512=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:", INPUT, SIG,
         false},
        {"digest without its end", "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=", INPUT,
         SIG, false},
        {"digest with bits beyond its end",
         "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa1=:", INPUT, SIG, false},
        {"two digests", DIGEST ", " DIGEST, INPUT, SIG, false},
        {"another label", DIGEST,
         "x=(\"@method\" \"@path\" \"content-digest\");created=1764000000;keyid=\"k\"", SIG, false},
        {"another order", DIGEST,
         "s=(\"@path\" \"@method\" \"content-digest\");created=1764000000;keyid=\"k\"", SIG, false},
        {"nothing covered", DIGEST, "s=();created=1764000000;keyid=\"k\"", SIG, false},
        {"a time with a sign", DIGEST,
         "s=(\"@method\" \"@path\" \"content-digest\");created=-1;keyid=\"k\"", SIG, false},
        {"a time with too many digits", DIGEST,
         "s=(\"@method\" \"@path\" \"content-digest\");created=1764000000000;keyid=\"k\"", SIG,
         false},
        {"a time that begins with zero", DIGEST,
         "s=(\"@method\" \"@path\" \"content-digest\");created=0764000000;keyid=\"k\"", SIG, false},
        {"no key", DIGEST,
         "s=(\"@method\" \"@path\" \"content-digest\");created=1764000000;keyid=\"\"", SIG, false},
        {"a key with a quote in it", DIGEST,
         "s=(\"@method\" \"@path\" \"content-digest\");created=1764000000;keyid=\"k\\\"q\"", SIG,
         false},
        {"a key of 17 characters", DIGEST,
         "s=(\"@method\" \"@path\" "
         "\"content-digest\");created=1764000000;keyid=\"12345678901234567\"",
         SIG, false},
        {"a parameter more", DIGEST, INPUT ";alg=\"ed25519\"", SIG, false},
        {"a short signature", DIGEST, INPUT, "s=:AAAA:", false},
        {"a signature of another label", DIGEST, INPUT, "x=:AAAA:", false},
        {"bytes behind the signature", DIGEST, INPUT, SIG " ", false},
        {"two signatures", DIGEST, INPUT, SIG ", " SIG, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct signature_claim claim;
        if (signature_parse(bytes_text(cases[i].digest), bytes_text(cases[i].input),
                            bytes_text(cases[i].signature), &claim) != cases[i].good) {
            fail_msg("wrong about: %s", cases[i].what);
        }
    }
}

static int set_up(void **state)
{
    (void)state;
    return sodium_init() < 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_known_bytes),
        cmocka_unit_test(test_altered),
        cmocka_unit_test(test_forms),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
