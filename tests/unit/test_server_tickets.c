/* Session tickets: whose they are, how long they live, and that they outlive a restart. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/net/tickets.h"

#define NOW_MS  INT64_C(1700000000000)
#define SESSION "a session of somebody's"

static size_t seal(struct tickets *t, int64_t now_ms, uint8_t ticket[128])
{
    size_t size = tickets_seal(t, now_ms, bytes_text(SESSION), ticket, 128);
    assert_int_equal(size, strlen(SESSION) + TICKET_EXTRA_SIZE);
    return size;
}

static bool opens(const struct tickets *t, int64_t now_ms, const uint8_t *ticket, size_t size)
{
    uint8_t copy[128];
    struct bytes session;
    memcpy(copy, ticket, sizeof copy);
    return tickets_open(t, now_ms, copy, size, &session) &&
           bytes_equal(session, bytes_text(SESSION));
}

static void test_how_long_they_live(void **state)
{
    const char *path = *state;
    static const struct {
        const char *what;
        int64_t sealed_ms, opened_ms; /* after the key was made */
        bool opens;
    } cases[] = {
        {"at once", 0, 0, true},
        {"the next day", 0, TICKET_KEY_MS + 1000, true},
        {"given late in a key's day", TICKET_KEY_MS - 1, TICKET_KEY_MS * 2 - 1, true},
        {"two days after the key was made", TICKET_KEY_MS - 1, TICKET_KEY_MS * 2, false},
        {"before it was made: a clock that was set back", 0, -1000, false},
    };
    for (size_t i = 0; i < count_of(cases); i++) {
        struct tickets t;
        uint8_t ticket[128], next[128];
        (void)unlink(path);
        assert_int_equal(tickets_init(&t, path, NOW_MS).code, ERR_OK);
        size_t size = seal(&t, NOW_MS + cases[i].sealed_ms, ticket);
        (void)seal(&t, NOW_MS + cases[i].opened_ms, next); /* may make another key */
        if (opens(&t, NOW_MS + cases[i].opened_ms, ticket, size) != cases[i].opens) {
            fail_msg("%s", cases[i].what);
        }
        tickets_release(&t);
    }
}

static void test_a_restart_knows_them(void **state)
{
    const char *path = *state;
    struct tickets t, again;
    uint8_t ticket[128];
    struct stat st;
    (void)unlink(path);
    assert_int_equal(tickets_init(&t, path, NOW_MS).code, ERR_OK);
    size_t size = seal(&t, NOW_MS, ticket);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(tickets_init(&again, path, NOW_MS + 1000).code, ERR_OK);
    assert_true(opens(&again, NOW_MS + 1000, ticket, size));
    assert_int_equal(tickets_init(&again, path, NOW_MS + TICKET_KEY_MS + 1).code, ERR_OK);
    assert_true(opens(&again, NOW_MS + TICKET_KEY_MS + 1, ticket, size));
    assert_int_equal(tickets_init(&again, path, NOW_MS + 3 * TICKET_KEY_MS).code, ERR_OK);
    assert_false(opens(&again, NOW_MS + 3 * TICKET_KEY_MS, ticket, size));
    assert_int_equal(tickets_init(&again, path, NOW_MS).code, ERR_OK); /* nothing of it is left */
    assert_false(opens(&again, NOW_MS, ticket, size));
    assert_int_equal(truncate(path, 20), 0);
    assert_int_equal(tickets_init(&again, path, NOW_MS).code, ERR_OK);
    (void)seal(&again, NOW_MS, ticket);
    assert_int_equal(tickets_init(&again, "/nowhere/tickets", NOW_MS).code, ERR_IO);
    (void)seal(&again, NOW_MS, ticket); /* from memory */
}

static void test_what_is_not_ours(void **state)
{
    const char *path = *state;
    struct tickets t, other;
    uint8_t ticket[128];
    (void)unlink(path);
    assert_int_equal(tickets_init(&t, path, NOW_MS).code, ERR_OK);
    size_t size = seal(&t, NOW_MS, ticket);
    for (size_t i = 0; i < size; i++) {
        ticket[i] ^= 1;
        assert_false(opens(&t, NOW_MS, ticket, size));
        ticket[i] ^= 1;
        assert_false(opens(&t, NOW_MS, ticket, i)); /* cut */
    }
    (void)unlink(path);
    assert_int_equal(tickets_init(&other, path, NOW_MS).code, ERR_OK);
    assert_false(opens(&other, NOW_MS, ticket, size));
    assert_int_equal(tickets_seal(&t, NOW_MS, bytes_text(SESSION), ticket, 40), 0); /* no room */
}

int main(void)
{
    char path[64];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_how_long_they_live, path),
        cmocka_unit_test_prestate(test_a_restart_knows_them, path),
        cmocka_unit_test_prestate(test_what_is_not_ours, path),
    };
    (void)snprintf(path, sizeof path, "/tmp/test_server_tickets-%ld", (long)getpid());
    int failed = sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(path);
    return failed;
}
