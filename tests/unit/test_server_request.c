/* What is refused before a body is read, and with which status. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "server/net/limits.h"
#include "server/net/request.h"

struct field {
    const char *name, *value;
};

static int status_of(const struct field *fields, size_t count, struct request *r)
{
    struct request_head head = {0};
    struct refusal refusal;
    memset(r, 0, sizeof *r);
    r->route = ROUTE_NONE;
    for (size_t i = 0; i < count && fields[i].name != NULL; i++) {
        request_header(r, &head, bytes_text(fields[i].name), bytes_text(fields[i].value));
    }
    return request_head_check(r, &head, &refusal) ? 200 : refusal.status;
}

#define POST_SYNC                                                                                  \
    {":method", "POST"},                                                                           \
    {                                                                                              \
        ":path", "/v1/sync"                                                                        \
    }
#define TYPE                                                                                       \
    {                                                                                              \
        "content-type", "application/cbor-seq"                                                     \
    }
#define ZSTD                                                                                       \
    {                                                                                              \
        "content-encoding", "zstd"                                                                 \
    }

#define BYTES                                                                                      \
    {                                                                                              \
        "content-type", "application/octet-stream"                                                 \
    }

static void test_heads(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct field fields[8];
        int status;
    } cases[] = {
        {"the CA", {{":method", "GET"}, {":path", "/v1/ca"}}, 200},
        {"a push", {POST_SYNC, TYPE, ZSTD}, 200},
        {"an enrolment", {{":method", "POST"}, {":path", "/v1/enroll"}, TYPE}, 200},
        {"no such path", {{":method", "GET"}, {":path", "/"}}, 404},
        {"a query is another path", {{":method", "GET"}, {":path", "/v1/ca?x=1"}}, 404},
        {"a folder up", {{":method", "GET"}, {":path", "/v1/../v1/ca"}}, 404},
        {"no path at all", {{":method", "GET"}}, 404},
        {"another method", {{":method", "PUT"}, {":path", "/v1/ca"}}, 405},
        {"a method's name is long", {{":method", "PROPFINDXYZ"}, {":path", "/v1/ca"}}, 405},
        {"a piece of a picture", {{":method", "PUT"}, {":path", "/v1/blob/ab/0"}, BYTES}, 200},
        {"a piece, the path first", {{":path", "/v1/blob/ab/0"}, {":method", "PUT"}, BYTES}, 200},
        {"a picture", {{":method", "GET"}, {":path", "/v1/blob/ab/0"}}, 200},
        {"a picture by POST", {{":method", "POST"}, {":path", "/v1/blob/ab/0"}}, 405},
        {"a piece that says to be HTML",
         {{":method", "PUT"}, {":path", "/v1/blob/ab/0"}, {"content-type", "text/html"}},
         415},
        {"a piece that is too large",
         {{":method", "PUT"}, {":path", "/v1/blob/ab/0"}, BYTES, {"content-length", "262145"}},
         413},
        {"no type", {POST_SYNC, ZSTD}, 415},
        {"another type", {POST_SYNC, {"content-type", "text/html"}, ZSTD}, 415},
        {"another encoding", {POST_SYNC, TYPE, {"content-encoding", "gzip"}}, 415},
        {"no encoding where zstd is asked for", {POST_SYNC, TYPE}, 415},
        {"zstd where none is", {{":method", "POST"}, {":path", "/v1/enroll"}, TYPE, ZSTD}, 415},
        {"a length over the limit", {POST_SYNC, TYPE, ZSTD, {"content-length", "1048577"}}, 413},
        {"a length just at it", {POST_SYNC, TYPE, ZSTD, {"content-length", "1048576"}}, 200},
        {"a length beyond numbers",
         {POST_SYNC, TYPE, ZSTD, {"content-length", "99999999999999999999"}},
         413},
        {"two signatures", {POST_SYNC, TYPE, ZSTD, {"signature", "a"}, {"signature", "b"}}, 400},
    };
    for (size_t i = 0; i < count_of(cases); i++) {
        struct request r;
        int status = status_of(cases[i].fields, count_of(cases[i].fields), &r);
        if (status != cases[i].status) {
            fail_msg("%s: %d", cases[i].what, status);
        }
    }
}

static int status_of_many(size_t fields, size_t value_size, size_t path_size)
{
    static char value[HEADER_BYTES_MAX * 2], path[PATH_BYTES_MAX * 2];
    struct request r = {.route = ROUTE_NONE};
    struct request_head head = {0};
    struct refusal refusal;
    memset(value, 'v', sizeof value);
    memset(path, 'p', sizeof path);
    path[0] = '/';
    request_header(&r, &head, bytes_text(":method"), bytes_text("GET"));
    request_header(&r, &head, bytes_text(":path"),
                   path_size == 0 ? bytes_text("/v1/ca") : bytes_of(path, path_size));
    for (size_t i = 2; i < fields; i++) {
        request_header(&r, &head, bytes_text("x"), bytes_of(value, value_size));
    }
    return request_head_check(&r, &head, &refusal) ? 200 : refusal.status;
}

static void test_sizes(void **state)
{
    (void)state;
    assert_int_equal(status_of_many(64, 1, 0), 200);
    assert_int_equal(status_of_many(65, 1, 0), 431);
    assert_int_equal(status_of_many(3, HEADER_BYTES_MAX - 200, 0), 200);
    assert_int_equal(status_of_many(3, HEADER_BYTES_MAX, 0), 431);
    assert_int_equal(status_of_many(2, 0, PATH_BYTES_MAX), 404);
    assert_int_equal(status_of_many(2, 0, PATH_BYTES_MAX + 1), 414);
}

static void test_a_value_too_long_matches_nothing(void **state)
{
    (void)state;
    char value[SIGNATURE_HEADER_MAX + 1];
    memset(value, 's', sizeof value);
    struct request r = {.route = ROUTE_NONE};
    struct request_head head = {0};
    request_header(&r, &head, bytes_text("signature"), bytes_of(value, sizeof value));
    assert_string_equal(r.signature, "?");
    request_header(&r, &head, bytes_text("content-digest"), bytes_of("a\0b", 3));
    assert_string_equal(r.digest, "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_a_value_too_long_matches_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
