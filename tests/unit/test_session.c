/* The device's half of a sync against a server that is a script: which messages may stand where,
 * what every kind of answer leads to, and what is kept of an answer that was cut. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <zstd.h>

#include "common/sync/client_session.h"
#include "protocol/codec.h"
#include "tests/support/device.h"

#define HEX1        "x'01010101010101010101010101010101'"
#define INSERT_MEMO "INSERT INTO memo (id, title) VALUES (" HEX1 ", 'a')"
static const uint8_t id1[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
static const struct scope_id mine = {.kind = SCOPE_PRIVATE, .id = {1}};

struct fixture {
    struct device d;
    struct client_session *s;
    struct buf answer;
    struct packer *packer;
    struct arena arena;
    struct hello hello; /* of the last request */
    size_t batches;
    struct batch batch; /* its last one */
};

static void begin_with(struct fixture *f, const struct client_session_options *o)
{
    client_session_free(f->s);
    OK(client_session_new(&f->d.r, o, &f->s));
}

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){.s = NULL};
    device_init(&f.d, 1, NULL);
    buf_init(&f.answer, 1 << 20);
    arena_init(&f.arena, 1 << 26);
    begin_with(&f, &(struct client_session_options){.verify = false});
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    client_session_free(f->s);
    packer_free(f->packer);
    buf_release(&f->answer);
    arena_release(&f->arena);
    device_release(&f->d);
    return 0;
}

/* The next request, read as the server would. */
static void ask(struct fixture *f)
{
    struct client_action action = client_session_next(f->s);
    struct message m = {0};
    if (action.kind != CLIENT_REQUEST) {
        fail_msg("no request: %s in %s", action.code, action.err.where);
    }
    struct unpacker *u = unpacker_new(PUSH_PLAIN_BYTES_MAX);
    assert_int_equal(unpacker_feed(u, action.body), WIRE_OK);
    f->batches = 0;
    assert_int_equal(unpacker_next(u, &f->arena, &m), WIRE_OK);
    assert_int_equal(m.kind, MESSAGE_HELLO);
    f->hello = m.hello;
    while (unpacker_next(u, &f->arena, &m) == WIRE_OK && m.kind == MESSAGE_BATCH) {
        f->batches++;
        f->batch = m.batch;
    }
    assert_int_equal(m.kind, MESSAGE_END);
    assert_true(unpacker_is_complete(u));
    unpacker_free(u);
    packer_free(f->packer);
    f->packer = packer_new(3);
    buf_clear(&f->answer);
}

static void say(struct fixture *f, const struct message *m)
{
    assert_int_equal(packer_put(f->packer, m, &f->answer), WIRE_OK);
    assert_int_equal(packer_flush(f->packer, &f->answer), WIRE_OK);
}

static void say_answer(struct fixture *f, enum answer_status status)
{
    struct message m = {.kind = MESSAGE_ANSWER};
    m.answer =
        (struct answer){.status = (uint8_t)status,
                        .protocol = PROTOCOL_VERSION,
                        .catalogue = CATALOGUE_VERSION,
                        .server_ms = 1764000005000,
                        .timeline = {.counter = 1, .id = {5}},
                        .epoch = status == ANSWER_NEW_EPOCH ? f->hello.epoch + 1 : f->hello.epoch,
                        .token = {7},
                        .mask = ROLE_REP};
    say(f, &m);
}

static void say_kind(struct fixture *f, enum message_kind kind)
{
    struct message m = {.kind = kind};
    if (kind != MESSAGE_END) {
        m.scope = mine;
    }
    say(f, &m);
}

static void say_row(struct fixture *f, const char *title, int64_t seq)
{
    struct value value = value_text(bytes_text(title));
    struct row row = {.seq = seq, .values = &value};
    struct message m = {.kind = MESSAGE_ROWS};
    memcpy(row.id, id1, 16);
    m.rows = (struct rows){.scope = mine,
                           .table = TABLE_memo,
                           .whole = true,
                           .column_count = 1,
                           .columns = {COLUMN_memo_title},
                           .count = 1,
                           .rows = &row};
    say(f, &m);
}

static void say_checkpoint(struct fixture *f, int64_t pos)
{
    struct message m = {.kind = MESSAGE_CHECKPOINT};
    m.checkpoint.cursor = (struct cursor){.scope = mine, .pos = pos, .goal = 99};
    say(f, &m);
}

static void say_verdict(struct fixture *f, uint64_t number, uint64_t device_seq, int64_t seq)
{
    struct verdict_row row = {.table = TABLE_memo, .scope = mine, .seq = seq};
    struct verdict v = {.number = number,
                        .epoch = f->hello.epoch,
                        .device_seq = device_seq,
                        .row_count = 1,
                        .rows = &row};
    struct message m = {.kind = MESSAGE_VERDICTS, .verdicts = {.count = 1, .verdicts = &v}};
    memcpy(row.id, id1, 16);
    say(f, &m);
}

static struct err hear(struct fixture *f)
{
    struct err err = client_session_received(f->s, buf_bytes(&f->answer));
    buf_clear(&f->answer);
    return err;
}

static void finish(struct fixture *f)
{
    const struct message end = {.kind = MESSAGE_END};
    assert_int_equal(packer_put(f->packer, &end, &f->answer), WIRE_OK);
    assert_int_equal(packer_end(f->packer, &f->answer), WIRE_OK);
    OK(hear(f));
    client_session_ended(f->s, 200, err_ok(), NULL);
}

static void expect_end(struct fixture *f, enum client_action_kind kind, const char *code)
{
    struct client_action action = client_session_next(f->s);
    assert_int_equal(action.kind, kind);
    if (kind == CLIENT_FAILED) {
        assert_string_equal(action.code, code);
    }
}

/* ---- which message may stand where ---- */

static void every_state_knows_its_messages(void **state)
{
    (void)state;
    for (int kind = MESSAGE_HELLO; kind <= MESSAGE_WANT; kind++) {
        for (int answered = 0; answered < 2; answered++) {
            void *one = NULL;
            struct message m = {.kind = (enum message_kind)kind};
            bool fits = answered ? (kind >= MESSAGE_VERDICTS && kind <= MESSAGE_SCOPE_LEAVE) ||
                                       kind == MESSAGE_DIGEST || kind == MESSAGE_END
                                 : kind == MESSAGE_ANSWER;
            if (kind == MESSAGE_ROWS || kind == MESSAGE_DEPARTURE || kind == MESSAGE_CHECKPOINT ||
                kind == MESSAGE_PARTS || (kind == MESSAGE_ANSWER && !answered)) {
                continue; /* they have tests of their own below */
            }
            setup(&one);
            struct fixture *f = one;
            if (kind == MESSAGE_SCOPE_ENTER || kind == MESSAGE_SCOPE_LEAVE) {
                m.scope = mine;
            }
            ask(f);
            if (answered) {
                say_answer(f, ANSWER_OK);
            }
            OK(hear(f));
            if (message_encode(&m, &f->answer) != WIRE_OK) {
                teardown(&one);
                continue; /* an empty one of this kind has no bytes */
            }
            buf_clear(&f->answer);
            say(f, &m);
            struct err err = hear(f);
            if ((err.code == ERR_OK) != fits) {
                fail_msg("%s %s: %s", message_name((enum message_kind)kind),
                         answered ? "after the answer" : "first", err_name(err.code));
            }
            teardown(&one);
        }
    }
}

/* ---- answers that say no ---- */

static void answers_that_say_no(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum answer_status status;
        const char *code;
    } cases[] = {{ANSWER_REENROL, "reenrol"},
                 {ANSWER_UPGRADE, "upgrade"},
                 {ANSWER_NEW_TIMELINE, "new_timeline"}};
    device_run(&f->d, "test", INSERT_MEMO);
    for (size_t i = 0; i < count_of(cases); i++) {
        begin_with(f, &(struct client_session_options){.verify = false});
        ask(f);
        say_answer(f, cases[i].status);
        finish(f);
        expect_end(f, CLIENT_FAILED, cases[i].code);
        assert_int_equal(device_int(&f->d, "SELECT count(*) FROM outbox"), 1); /* work is kept */
    }
}

static void statuses_of_http(void **state)
{
    struct fixture *f = *state;
    const struct fault revoked = {.code = "device_revoked"};
    ask(f);
    client_session_ended(f->s, 401, err_ok(), &revoked);
    expect_end(f, CLIENT_FAILED, "device_revoked");
    begin_with(f, &(struct client_session_options){.verify = false});
    ask(f);
    client_session_ended(f->s, 0, err_make(ERR_NETWORK, 7, "connect"), NULL);
    expect_end(f, CLIENT_FAILED, "network");
    assert_int_equal(client_session_next(f->s).err.cause, 7);
}

static void too_large_is_sent_in_halves(void **state)
{
    struct fixture *f = *state;
    const struct fault fault = {.code = "too_large"};
    for (int i = 0; i < 4; i++) {
        device_run(&f->d, "test", i == 0 ? INSERT_MEMO : "UPDATE memo SET title = title || 'x'");
    }
    begin_with(f, &(struct client_session_options){.push_tx_max = 4});
    ask(f);
    assert_int_equal(f->batch.count, 4);
    client_session_ended(f->s, 413, err_ok(), &fault);
    ask(f);
    assert_int_equal(f->batch.count, 2);
    assert_int_equal(f->hello.flags & HELLO_MORE, HELLO_MORE);
}

/* ---- epochs ---- */

static void a_new_epoch_renumbers(void **state)
{
    struct fixture *f = *state;
    device_run(&f->d, "test", INSERT_MEMO);
    ask(f);
    say_answer(f, ANSWER_OK);
    say_kind(f, MESSAGE_SCOPE_ENTER);
    say_verdict(f, 1, 1, 10);
    finish(f);
    expect_end(f, CLIENT_DONE, "");
    device_run(&f->d, "test", "UPDATE memo SET title = 'b'");
    device_run(&f->d, "test", "UPDATE memo SET title = 'c'");
    begin_with(f, &(struct client_session_options){.verify = false});
    ask(f);
    assert_int_equal(f->batch.transactions[0].device_seq, 2);
    say_answer(f, ANSWER_NEW_EPOCH);
    finish(f);
    ask(f);
    assert_int_equal(f->hello.epoch, 2);
    assert_int_equal(f->hello.token[0], 7);
    assert_int_equal(f->hello.flags, HELLO_COURIER);
    assert_int_equal(f->batch.count, 2);
    assert_int_equal(f->batch.transactions[0].device_seq, 1);
    assert_int_equal(f->batch.transactions[1].device_seq, 2);
    assert_int_equal(f->batch.transactions[1].rest_count, 1);
    assert_int_equal(f->batch.transactions[1].rests_on[0], 1);
}

static void epochs_without_end(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++) {
        ask(f);
        say_answer(f, ANSWER_NEW_EPOCH);
        finish(f);
    }
    ask(f);
    say_answer(f, ANSWER_NEW_EPOCH);
    assert_int_equal(hear(f).code, ERR_PROTOCOL);
    expect_end(f, CLIENT_FAILED, "protocol");
}

/* ---- rows ---- */

static void a_cut_keeps_what_a_checkpoint_closed(void **state)
{
    struct fixture *f = *state;
    ask(f);
    say_answer(f, ANSWER_OK);
    say_kind(f, MESSAGE_SCOPE_ENTER);
    say_row(f, "first", 5);
    say_checkpoint(f, 5);
    say_row(f, "second", 6);
    OK(hear(f));
    client_session_ended(f->s, 200, err_ok(), NULL); /* no END came */
    expect_end(f, CLIENT_FAILED, "network");
    assert_string_equal(device_text(&f->d, "SELECT title || _seq FROM memo"), "first5");
    begin_with(f, &(struct client_session_options){.verify = false});
    ask(f);
    assert_int_equal(f->hello.cursor_count, 1);
    assert_int_equal(f->hello.cursors[0].pos, 5);
    assert_int_equal(f->hello.cursors[0].goal, 99);
    assert_int_equal(f->hello.token[0], 7);
}

/* To a server that has answered in protocol 2 a hello doesn't say what the key says, and the answer
 * doesn't say the timeline's id again. */
static void what_the_key_says_is_left_out(void **state)
{
    struct fixture *f = *state;
    static const uint8_t left_out[16];
    struct message enter = {.kind = MESSAGE_SCOPE_ENTER, .scope.kind = SCOPE_PRIVATE};
    memcpy(enter.scope.id, f->d.r.person, 16);
    ask(f);
    assert_memory_equal(f->hello.device, f->d.r.device, 16);
    say_answer(f, ANSWER_OK);
    say(f, &enter);
    say_kind(f, MESSAGE_SCOPE_ENTER);
    finish(f);
    begin_with(f, &(struct client_session_options){.verify = false});
    ask(f);
    assert_memory_equal(f->hello.device, left_out, 16);
    assert_int_equal(f->hello.cursor_count, 2);
    assert_int_equal(f->hello.cursors[0].scope.kind, SCOPE_PRIVATE);
    assert_memory_equal(f->hello.cursors[0].scope.id, left_out, 16);
    assert_memory_equal(f->hello.cursors[1].scope.id, mine.id, 16);

    struct message answer = {.kind = MESSAGE_ANSWER};
    answer.answer = (struct answer){.protocol = PROTOCOL_VERSION,
                                    .catalogue = CATALOGUE_VERSION,
                                    .server_ms = 1764000006000,
                                    .timeline = f->hello.timeline,
                                    .epoch = f->hello.epoch,
                                    .token = {8},
                                    .mask = ROLE_REP};
    memset(answer.answer.timeline.id, 0, sizeof answer.answer.timeline.id);
    say(f, &answer);
    finish(f);
    expect_end(f, CLIENT_DONE, NULL);
    assert_int_equal(
        device_int(&f->d,
                   "SELECT count(*) FROM device_state WHERE substr(timeline_id, 1, 1) = x'05'"
                   " AND substr(token, 1, 1) = x'08'"),
        1);
}

static void rows_need_a_checkpoint_and_a_scope(void **state)
{
    struct fixture *f = *state;
    ask(f);
    say_answer(f, ANSWER_OK);
    say_kind(f, MESSAGE_SCOPE_ENTER);
    say_row(f, "open", 5);
    say_kind(f, MESSAGE_END);
    assert_int_equal(hear(f).code, ERR_PROTOCOL);
    assert_int_equal(device_int(&f->d, "SELECT count(*) FROM memo"), 0);
    begin_with(f, &(struct client_session_options){.verify = false});
    ask(f);
    say_answer(f, ANSWER_OK);
    say_row(f, "nobody entered this scope", 5);
    say_checkpoint(f, 5);
    say_kind(f, MESSAGE_END);
    assert_int_equal(hear(f).code, ERR_PROTOCOL);
    assert_int_equal(device_int(&f->d, "SELECT count(*) FROM memo"), 0);
}

/* A command of the user goes through while the server is between two chunks. */
static void nobody_waits_for_the_network(void **state)
{
    struct fixture *f = *state;
    ask(f);
    say_answer(f, ANSWER_OK);
    say_kind(f, MESSAGE_SCOPE_ENTER);
    say_row(f, "half", 5);
    OK(hear(f));
    assert_false(db_in_transaction(f->d.db));
    device_run(&f->d, "test",
               "INSERT INTO memo (id, title) VALUES (x'02020202020202020202020202020202', 'm')");
    say_checkpoint(f, 5);
    finish(f);
    expect_end(f, CLIENT_DONE, "");
    assert_int_equal(device_int(&f->d, "SELECT count(*) FROM memo"), 2);
}

/* An answer of earlier comes again, as from a box on the way that keeps what it saw: rows and
 * verdicts that are known by number are known already, and the newer ones stand. */
static void a_stale_answer_changes_nothing(void **state)
{
    static const char *const shown[] = {
        "SELECT group_concat(title || _seq) FROM memo",
        "SELECT group_concat(hex(scope) || done) FROM cursor",
        "SELECT count(*) FROM inbox",
    };
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++) { /* old, new, old */
        bool stale = i == 2;
        char before[count_of(shown)][200];
        for (size_t n = 0; n < count_of(shown) && stale; n++) {
            (void)snprintf(before[n], sizeof before[n], "%s", device_text(&f->d, shown[n]));
        }
        begin_with(f, &(struct client_session_options){.verify = false});
        ask(f);
        say_answer(f, ANSWER_OK);
        if (i == 0 || stale) {
            say_kind(f, MESSAGE_SCOPE_ENTER);
        }
        say_row(f, i == 1 ? "new" : "old", i == 1 ? 9 : 5);
        say_checkpoint(f, i == 1 ? 9 : 5);
        finish(f);
        for (size_t n = 0; n < count_of(shown) && stale; n++) {
            assert_string_equal(device_text(&f->d, shown[n]), before[n]);
        }
    }
    assert_string_equal(device_text(&f->d, "SELECT title || _seq FROM memo"), "new9");
}

/* Few bytes that unpack to more than a message may have: the session ends there, without waiting
 * for the 32 MiB that it announces, and nothing of it is stored. */
static void a_bomb_ends_the_session(void **state)
{
    static const uint8_t head[] = {0x82, MESSAGE_ROWS, 0x5a, 0x02, 0x00, 0x00, 0x00};
    struct fixture *f = *state;
    size_t size = sizeof head + (20 << 20);
    uint8_t *plain = calloc(1, size);
    uint8_t *packed = malloc(ZSTD_compressBound(size));
    assert_non_null(plain);
    assert_non_null(packed);
    memcpy(plain, head, sizeof head);
    size = ZSTD_compress(packed, ZSTD_compressBound(size), plain, size, 3);
    assert_true(size < 4096);
    ask(f);
    assert_int_equal(client_session_received(f->s, bytes_of(packed, size)).code, ERR_PROTOCOL);
    expect_end(f, CLIENT_FAILED, "protocol");
    assert_int_equal(device_int(&f->d, "SELECT count(*) FROM cursor"), 0);
    free(packed);
    free(plain);
}

/* ---- clocks, requests, marks ---- */

static void clocks_are_set_by_the_middle(void **state)
{
    struct fixture *f = *state;
    int64_t wall = f->d.machine.wall_ms;
    ask(f);
    fake_host_pass(&f->d.machine, 400);
    say_answer(f, ANSWER_OK);
    finish(f);
    assert_int_equal(f->d.r.offset_ms, 1764000005000 - (wall + 200));
    assert_int_equal(device_int(&f->d, "SELECT offset_ms FROM device_state"), f->d.r.offset_ms);
    assert_int_equal(device_int(&f->d, "SELECT seen_ms FROM device_state"), 1764000005000);
    assert_int_equal(device_int(&f->d, "SELECT last_sync_at FROM device_state"), 1764000005000);
}

static void all_but_the_last_say_more(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++) {
        device_run(&f->d, "test", i == 0 ? INSERT_MEMO : "UPDATE memo SET title = title || 'x'");
    }
    begin_with(f, &(struct client_session_options){.push_tx_max = 1});
    for (uint64_t i = 1; i <= 3; i++) {
        ask(f);
        assert_int_equal(f->batch.transactions[0].device_seq, i);
        assert_int_equal(f->hello.flags & HELLO_MORE, i < 3 ? HELLO_MORE : 0);
        say_answer(f, ANSWER_OK);
        if (i == 1) {
            say_kind(f, MESSAGE_SCOPE_ENTER);
        }
        say_verdict(f, i, i, (int64_t)i);
        finish(f);
    }
    expect_end(f, CLIENT_DONE, "");
    assert_int_equal(client_session_tally(f->s)->pushed, 3);
    assert_int_equal(client_session_tally(f->s)->accepted, 3);
    assert_int_equal(client_session_tally(f->s)->requests, 3);
}

static void no_verdict_is_no_progress(void **state)
{
    struct fixture *f = *state;
    device_run(&f->d, "test", INSERT_MEMO);
    device_run(&f->d, "test", "UPDATE memo SET title = 'b'");
    begin_with(f, &(struct client_session_options){.push_tx_max = 1});
    ask(f);
    say_answer(f, ANSWER_OK);
    finish(f);
    expect_end(f, CLIENT_FAILED, "protocol");
}

static void marks_let_judged_work_go(void **state)
{
    struct fixture *f = *state;
    struct cursor mark = {.scope = mine, .done = 9};
    struct message m = {.kind = MESSAGE_ANSWER};
    device_run(&f->d, "test", INSERT_MEMO);
    ask(f);
    say_answer(f, ANSWER_OK);
    say_kind(f, MESSAGE_SCOPE_ENTER);
    say_checkpoint(f, 5);
    say_verdict(f, 1, 1, 10);
    finish(f);
    for (; mark.done <= 10; mark.done++) {
        assert_int_equal(device_int(&f->d, "SELECT count(*) FROM sent"), 1);
        begin_with(f, &(struct client_session_options){.verify = false});
        ask(f);
        m.answer = (struct answer){.protocol = PROTOCOL_VERSION,
                                   .server_ms = 1764000005000,
                                   .timeline = {.counter = 1, .id = {5}},
                                   .epoch = 1,
                                   .token = {7},
                                   .mark_count = 1,
                                   .marks = &mark};
        say(f, &m);
        finish(f);
    }
    assert_int_equal(device_int(&f->d, "SELECT count(*) FROM sent"), 0);
    assert_int_equal(device_int(&f->d, "PRAGMA freelist_count"), 0); /* and its room */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_knows_its_messages),
        TEST(answers_that_say_no),
        TEST(statuses_of_http),
        TEST(too_large_is_sent_in_halves),
        TEST(a_new_epoch_renumbers),
        TEST(epochs_without_end),
        TEST(a_cut_keeps_what_a_checkpoint_closed),
        TEST(rows_need_a_checkpoint_and_a_scope),
        TEST(nobody_waits_for_the_network),
        TEST(a_stale_answer_changes_nothing),
        TEST(a_bomb_ends_the_session),
        TEST(clocks_are_set_by_the_middle),
        TEST(what_the_key_says_is_left_out),
        TEST(all_but_the_last_say_more),
        TEST(no_verdict_is_no_progress),
        TEST(marks_let_judged_work_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
