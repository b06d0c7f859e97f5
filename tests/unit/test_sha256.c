/* SHA-256 as FIPS 180-4 has it, however the bytes come and whichever way this machine takes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocol/sha256.h"

static void known_values(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *hex;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t hash[SHA256_SIZE];
        char hex[2 * SHA256_SIZE + 1];
        sha256_of(bytes_text(cases[i].text), hash);
        assert_string_equal(sodium_bin2hex(hex, sizeof hex, hash, sizeof hash), cases[i].hex);
    }
}

/* Every size around the edges of blocks, given in two pieces, cut everywhere. */
static void pieces_make_no_difference(void **state)
{
    (void)state;
    uint8_t text[300];
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (uint8_t)(i * 7 + 1);
    }
    for (size_t size = 0; size <= sizeof text; size++) {
        uint8_t expected[SHA256_SIZE];
        crypto_hash_sha256(expected, text, size);
        for (size_t cut = 0; cut <= size; cut++) {
            uint8_t hash[SHA256_SIZE];
            struct sha256 h;
            sha256_init(&h);
            sha256_update(&h, text, cut);
            sha256_update(&h, text + cut, size - cut);
            sha256_final(&h, hash);
            assert_memory_equal(hash, expected, sizeof hash);
        }
    }
}

static void long_ones(void **state)
{
    (void)state;
    static uint8_t text[1000000];
    uint8_t hash[SHA256_SIZE];
    uint8_t expected[SHA256_SIZE];
    memset(text, 'a', sizeof text);
    sha256_of(bytes_of(text, sizeof text), hash);
    crypto_hash_sha256(expected, text, sizeof text);
    assert_memory_equal(hash, expected, sizeof hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(pieces_make_no_difference),
        cmocka_unit_test(long_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
