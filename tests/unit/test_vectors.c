/* The files of protocol/vectors/ are what the codec makes today, and what the codec reads from
 * them is what they say. Another program reads them in e2e/test_other_decoder.py. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>

#include "protocol/codec.h"
#include "tests/support/message_json.h"
#include "tests/support/vector_files.h"
#include "tests/support/vector_set.h"

#ifndef VECTORS_DIR
#error "the build says where the vectors are"
#endif

#define FILE_BYTES_MAX ((size_t)4 * 1024 * 1024)

static void read_file(const char *name, struct buf *out)
{
    char path[512];
    (void)snprintf(path, sizeof path, VECTORS_DIR "/%s", name);
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        fail_msg("%s is missing: run make_vectors", path);
        return;
    }
    buf_clear(out);
    uint8_t *to = buf_reserve(out, FILE_BYTES_MAX);
    assert_non_null(to);
    out->size = fread(to, 1, FILE_BYTES_MAX, f);
    assert_int_equal(fclose(f), 0);
}

static void test_files_are_current(void **state)
{
    (void)state;
    struct arena arena;
    struct buf file;
    size_t count;
    arena_init(&arena, VECTOR_ARENA_BYTES_MAX);
    buf_init(&file, FILE_BYTES_MAX);
    const struct vector_file *files = vector_files(&arena, &count);
    assert_non_null(files);
    for (size_t i = 0; i < count; i++) {
        read_file(files[i].name, &file);
        if (!bytes_equal(buf_bytes(&file), files[i].content)) {
            fail_msg("%s differs: run make_vectors and read the difference", files[i].name);
        }
    }
    buf_release(&file);
    arena_release(&arena);
}

static void read_hex(const char *folder, const char *name, struct buf *bytes)
{
    char path[256];
    struct buf hex;
    buf_init(&hex, FILE_BYTES_MAX);
    (void)snprintf(path, sizeof path, "%s/%s.hex", folder, name);
    read_file(path, &hex);
    buf_clear(bytes);
    assert_true(vector_unhex(buf_bytes(&hex), bytes));
    buf_release(&hex);
}

static void test_valid(void **state)
{
    (void)state;
    struct arena arena;
    struct buf bytes, again, expected, got;
    arena_init(&arena, VECTOR_ARENA_BYTES_MAX);
    buf_init(&bytes, FILE_BYTES_MAX);
    buf_init(&again, FILE_BYTES_MAX);
    buf_init(&expected, FILE_BYTES_MAX);
    buf_init(&got, FILE_BYTES_MAX);
    for (const struct valid_vector *v = valid_vectors; v->name != NULL; v++) {
        struct message m;
        size_t used;
        char json[256];
        read_hex("valid", v->name, &bytes);
        assert_int_equal(message_decode(buf_bytes(&bytes), &arena, &m, &used), WIRE_OK);
        assert_int_equal(used, bytes.size);
        (void)snprintf(json, sizeof json, "valid/%s.json", v->name);
        read_file(json, &expected);
        buf_clear(&got);
        message_json(&m, &got);
        if (!bytes_equal(buf_bytes(&expected), buf_bytes(&got))) {
            fail_msg("%s reads as\n%s", v->name, buf_text(&got));
        }
        buf_clear(&again);
        assert_int_equal(message_encode(&m, &again), WIRE_OK);
        assert_true(bytes_equal(buf_bytes(&bytes), buf_bytes(&again)));
    }
    buf_release(&bytes);
    buf_release(&again);
    buf_release(&expected);
    buf_release(&got);
    arena_release(&arena);
}

static const char *code_of(enum wire_error err)
{
    switch (err) {
    case WIRE_OK:
        return "ok";
    case WIRE_MORE:
        return "cut";
    case WIRE_MALFORMED:
        return "malformed";
    case WIRE_LIMIT:
        return "too_large";
    case WIRE_NOMEM:
        break;
    }
    return "no memory";
}

static void test_invalid(void **state)
{
    (void)state;
    struct arena arena;
    struct buf bytes;
    arena_init(&arena, VECTOR_ARENA_BYTES_MAX);
    buf_init(&bytes, FILE_BYTES_MAX);
    for (const struct invalid_vector *v = invalid_vectors; v->name != NULL; v++) {
        struct message m;
        size_t used;
        read_hex("invalid", v->name, &bytes);
        enum wire_error err = message_decode(buf_bytes(&bytes), &arena, &m, &used);
        if (strcmp(code_of(err), v->code) != 0) {
            fail_msg("%s: %s, not %s", v->name, code_of(err), v->code);
        }
    }
    buf_release(&bytes);
    arena_release(&arena);
}

static int set_up(void **state)
{
    (void)state;
    return sodium_init() < 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_current),
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_invalid),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
