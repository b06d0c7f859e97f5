/* The server reads a request: which kind of message may stand where. Everything else about a
 * request is judging, and has its tests in test_judging.c. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "common/sync/server_request.h"
#include "protocol/codec.h"
#include "tests/support/random_message.h"

#define SOURCE_SEED 11

/* The status with which a request of these messages is refused; 0: it is taken. */
static int status_of(uint32_t protocol, const enum message_kind *kinds, size_t count)
{
    struct arena arena;
    struct buf body;
    struct server_request request;
    struct server_refusal why;
    arena_init(&arena, (size_t)1 << 26);
    buf_init(&body, (size_t)1 << 20);
    struct random_source source = {.state = SOURCE_SEED, .arena = &arena};
    struct packer *packer = packer_new(3);
    for (size_t i = 0; i < count; i++) {
        struct message m;
        random_message(&source, kinds[i], 2, &m);
        if (m.kind == MESSAGE_HELLO) {
            m.hello.protocol = protocol;
        }
        assert_int_equal(packer_put(packer, &m, &body), WIRE_OK);
    }
    assert_int_equal(packer_end(packer, &body), WIRE_OK);
    packer_free(packer);
    struct err err = server_request_read(buf_bytes(&body), &arena, &request, &why);
    assert_int_equal(err.code == ERR_OK, why.status == 0);
    if (why.status != 0) {
        assert_string_equal(why.code, "malformed");
    }
    buf_release(&body);
    arena_release(&arena);
    return why.status;
}

static bool may_follow_hello(uint32_t protocol, enum message_kind kind)
{
    bool brings_back = kind == MESSAGE_OFFER || kind == MESSAGE_WITNESS;
    bool compares = kind == MESSAGE_ASK || kind == MESSAGE_WANT;
    return kind == MESSAGE_BATCH || ((brings_back || compares) && protocol >= 2);
}

/* Each kind as the first message, behind the hello, behind what compares, and behind the end. */
static void try_all(uint32_t protocol)
{
    for (int i = MESSAGE_HELLO; i <= MESSAGE_WANT; i++) {
        enum message_kind kind = (enum message_kind)i;
        const enum message_kind first[] = {kind, MESSAGE_END};
        const enum message_kind second[] = {MESSAGE_HELLO, kind, MESSAGE_END};
        const enum message_kind late[] = {MESSAGE_HELLO, MESSAGE_ASK, kind, MESSAGE_END};
        const enum message_kind last[] = {MESSAGE_HELLO, MESSAGE_END, kind};
        const struct {
            const char *where;
            int got, wanted;
        } cases[] = {
            {"first", status_of(protocol, first, 2), kind == MESSAGE_HELLO ? 0 : 400},
            {"behind the hello", status_of(protocol, second, 3),
             may_follow_hello(protocol, kind) ? 0 : 400},
            {"behind what compares", status_of(protocol, late, 4),
             kind == MESSAGE_WANT && protocol >= 2 ? 0 : 400},
            {"behind the end", status_of(protocol, last, 3), 400},
        };
        for (size_t n = 0; n < count_of(cases); n++) {
            if (cases[n].got != cases[n].wanted) {
                fail_msg("protocol %u, %s %s: %d", protocol, message_name(kind), cases[n].where,
                         cases[n].got);
            }
        }
    }
}

static void every_state_knows_its_messages(void **state)
{
    (void)state;
    for (uint32_t protocol = PROTOCOL_VERSION_OLDEST; protocol <= PROTOCOL_VERSION; protocol++) {
        try_all(protocol);
    }
}

static void a_request_has_an_end(void **state)
{
    (void)state;
    const enum message_kind whole[] = {MESSAGE_HELLO, MESSAGE_BATCH, MESSAGE_END};
    assert_int_equal(status_of(PROTOCOL_VERSION, whole, 3), 0);
    for (size_t count = 0; count < 3; count++) {
        assert_int_equal(status_of(PROTOCOL_VERSION, whole, count), 400);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_state_knows_its_messages),
                                       cmocka_unit_test(a_request_has_an_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
