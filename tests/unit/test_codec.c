/* Every message survives the way through its bytes, whole, in pieces and compressed; a transaction
 * keeps its identity; cut and foreign bytes are told apart. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "protocol/codec.h"
#include "tests/support/message_equal.h"
#include "tests/support/random_message.h"

#define ARENA_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define ROUNDS          60

struct world {
    struct arena made;
    struct arena read;
    struct buf bytes;
    struct random_source random;
};

static void world_init(struct world *w, uint64_t seed)
{
    arena_init(&w->made, ARENA_BYTES_MAX);
    arena_init(&w->read, ARENA_BYTES_MAX);
    buf_init(&w->bytes, MESSAGE_BYTES_MAX);
    w->random = (struct random_source){.state = seed, .arena = &w->made};
}

static void world_release(struct world *w)
{
    arena_release(&w->made);
    arena_release(&w->read);
    buf_release(&w->bytes);
}

static void test_round_trip(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        struct world w;
        world_init(&w, seed);
        for (int kind = MESSAGE_HELLO; kind <= MESSAGE_WANT; kind++) {
            struct message made, read;
            size_t used = 0;
            random_message(&w.random, (enum message_kind)kind, seed, &made);
            buf_clear(&w.bytes);
            assert_int_equal(message_encode(&made, &w.bytes), WIRE_OK);
            assert_int_equal(message_decode(buf_bytes(&w.bytes), &w.read, &read, &used), WIRE_OK);
            assert_int_equal(used, w.bytes.size);
            if (!message_equal(&made, &read)) {
                fail_msg("%s of seed %d came back changed", message_name(made.kind), (int)seed);
            }
        }
        world_release(&w);
    }
}

/* The server rebuilds the row form from a batch to find a transaction's identity. */
static void test_batch_keeps_row_form(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        struct world w;
        struct message made, read;
        struct buf before, after;
        size_t used;
        world_init(&w, seed);
        buf_init(&before, MESSAGE_BYTES_MAX);
        buf_init(&after, MESSAGE_BYTES_MAX);
        random_message(&w.random, MESSAGE_BATCH, 40, &made);
        assert_int_equal(message_encode(&made, &w.bytes), WIRE_OK);
        assert_int_equal(message_decode(buf_bytes(&w.bytes), &w.read, &read, &used), WIRE_OK);
        for (size_t i = 0; i < made.batch.count; i++) {
            struct transaction again;
            buf_clear(&before);
            buf_clear(&after);
            assert_int_equal(transaction_encode(&made.batch.transactions[i], &before), WIRE_OK);
            assert_int_equal(transaction_encode(&read.batch.transactions[i], &after), WIRE_OK);
            assert_true(bytes_equal(buf_bytes(&before), buf_bytes(&after)));
            assert_int_equal(transaction_decode(buf_bytes(&after), &w.read, &again), WIRE_OK);
            buf_clear(&after);
            assert_int_equal(transaction_encode(&again, &after), WIRE_OK);
            assert_true(bytes_equal(buf_bytes(&before), buf_bytes(&after)));
        }
        buf_release(&before);
        buf_release(&after);
        world_release(&w);
    }
}

/* A message cut anywhere asks for more, and says nothing else. */
static void test_cut_anywhere(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 7);
    for (int kind = MESSAGE_HELLO; kind <= MESSAGE_WANT; kind++) {
        struct message made, read;
        size_t used;
        random_message(&w.random, (enum message_kind)kind, 5, &made);
        buf_clear(&w.bytes);
        assert_int_equal(message_encode(&made, &w.bytes), WIRE_OK);
        for (size_t size = 0; size < w.bytes.size; size++) {
            assert_int_equal(message_decode(bytes_of(w.bytes.at, size), &w.read, &read, &used),
                             WIRE_MORE);
        }
    }
    world_release(&w);
}

/* Flipped bytes: any answer but a crash, and what is read can be written. */
static void test_damage(void **state)
{
    (void)state;
    struct world w;
    struct buf again; /* what was read borrows from w.bytes */
    world_init(&w, 11);
    buf_init(&again, MESSAGE_BYTES_MAX);
    for (int round = 0; round < 20000; round++) {
        struct message made, read;
        size_t used;
        int kind = 1 + round % MESSAGE_WANT;
        arena_clear(&w.made);
        arena_clear(&w.read);
        random_message(&w.random, (enum message_kind)kind, 6, &made);
        buf_clear(&w.bytes);
        assert_int_equal(message_encode(&made, &w.bytes), WIRE_OK);
        for (int flips = 0; flips < 3; flips++) {
            w.bytes.at[random_below(&w.random, w.bytes.size)] = (uint8_t)random_next(&w.random);
        }
        if (message_decode(buf_bytes(&w.bytes), &w.read, &read, &used) == WIRE_OK) {
            buf_clear(&again);
            assert_int_equal(message_encode(&read, &again), WIRE_OK);
        }
    }
    buf_release(&again);
    world_release(&w);
}

/* The first `count` kinds of messages, flushed after each `flush`th (0: never). */
static void packed_in_pieces(size_t count, size_t flush)
{
    struct world w;
    struct message made[MESSAGE_WANT];
    struct buf packed;
    world_init(&w, 3);
    buf_init(&packed, MESSAGE_BYTES_MAX);
    struct packer *p = packer_new(3);
    assert_non_null(p);
    for (size_t i = 0; i < count; i++) {
        random_message(&w.random, (enum message_kind)(i + 1), 300, &made[i]);
        assert_int_equal(packer_put(p, &made[i], &packed), WIRE_OK);
        if (flush > 0 && i % flush == 0) {
            assert_int_equal(packer_flush(p, &packed), WIRE_OK);
        }
    }
    assert_int_equal(packer_end(p, &packed), WIRE_OK);
    packer_free(p);

    struct unpacker *u = unpacker_new(PUSH_PLAIN_BYTES_MAX);
    size_t got = 0;
    for (size_t at = 0; at < packed.size;) {
        size_t piece = 1 + random_below(&w.random, 200);
        piece = piece > packed.size - at ? packed.size - at : piece;
        assert_false(unpacker_is_complete(u));
        assert_int_equal(unpacker_feed(u, bytes_of(packed.at + at, piece)), WIRE_OK);
        at += piece;
        for (;;) {
            struct message read;
            enum wire_error err = unpacker_next(u, &w.read, &read);
            if (err == WIRE_MORE) {
                break;
            }
            assert_int_equal(err, WIRE_OK);
            assert_true(message_equal(&made[got], &read));
            got++;
        }
    }
    assert_int_equal(got, count);
    assert_true(unpacker_is_complete(u));
    assert_int_equal(unpacker_feed(u, bytes_text("x")), WIRE_OK);
    struct message read;
    assert_int_equal(unpacker_next(u, &w.read, &read), WIRE_MALFORMED); /* bytes behind the frame */
    unpacker_free(u);
    buf_release(&packed);
    world_release(&w);
}

static void test_packed_in_pieces(void **state)
{
    (void)state;
    packed_in_pieces(MESSAGE_WANT, 4);
    packed_in_pieces(MESSAGE_WANT, 0); /* held back, until there are too many */
    packed_in_pieces(1, 0);            /* held back to the end */
    packed_in_pieces(2, 1);
}

/* 64 MiB of zeros in one text, a few kilobytes packed: stopped at the limit. */
static void test_bomb(void **state)
{
    (void)state;
    struct world w;
    struct buf packed;
    world_init(&w, 5);
    buf_init(&packed, MESSAGE_BYTES_MAX);
    struct message big = {.kind = MESSAGE_ROWS};
    big.rows.scope.kind = SCOPE_BOOK;
    big.rows.column_count = 1;
    big.rows.count = 240;
    big.rows.rows = arena_array(&w.made, big.rows.count, sizeof *big.rows.rows);
    struct value *values = arena_array(&w.made, big.rows.count, sizeof *values);
    uint8_t *zeros = arena_alloc(&w.made, ROW_BYTES_MAX);
    for (size_t i = 0; i < big.rows.count; i++) {
        values[i] = value_blob(bytes_of(zeros, ROW_BYTES_MAX - i));
        big.rows.rows[i].values = &values[i];
    }
    struct packer *p = packer_new(3);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(packer_put(p, &big, &packed), WIRE_OK);
    }
    assert_int_equal(packer_end(p, &packed), WIRE_OK);
    packer_free(p);
    assert_true(packed.size < 64 * 1024);

    struct unpacker *u = unpacker_new(PUSH_PLAIN_BYTES_MAX);
    enum wire_error err = WIRE_OK;
    struct message read;
    assert_int_equal(unpacker_feed(u, buf_bytes(&packed)), WIRE_OK);
    for (int i = 0; i < 5 && err == WIRE_OK; i++) {
        err = unpacker_next(u, &w.read, &read);
    }
    assert_int_equal(err, WIRE_LIMIT);
    assert_int_equal(unpacker_next(u, &w.read, &read), WIRE_LIMIT); /* for good */
    assert_false(unpacker_is_complete(u));
    unpacker_free(u);
    buf_release(&packed);
    world_release(&w);
}

static void test_value_alone(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 13);
    for (int i = 0; i < 5000; i++) {
        struct value made = random_value(&w.random);
        struct value read;
        size_t used;
        buf_clear(&w.bytes);
        assert_int_equal(value_encode(&made, &w.bytes), WIRE_OK);
        assert_int_equal(value_decode(buf_bytes(&w.bytes), &read, &used), WIRE_OK);
        assert_int_equal(used, w.bytes.size);
        assert_true(value_equal(&made, &read));
    }
    world_release(&w);
}

/* What small things cost: the header's promise that nothing empty is sent. */
static void test_small_is_small(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 17);
    struct message end = {.kind = MESSAGE_END};
    struct message hint = {.kind = MESSAGE_HINT};
    assert_int_equal(message_encode(&end, &w.bytes), WIRE_OK);
    assert_int_equal(w.bytes.size, 2);
    assert_int_equal(message_encode(&hint, &w.bytes), WIRE_OK);
    assert_int_equal(w.bytes.size, 4);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),       cmocka_unit_test(test_batch_keeps_row_form),
        cmocka_unit_test(test_cut_anywhere),     cmocka_unit_test(test_damage),
        cmocka_unit_test(test_packed_in_pieces), cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_value_alone),      cmocka_unit_test(test_small_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
