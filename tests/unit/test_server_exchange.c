/* An answer between a worker's thread and the loop's: order, waiting for room, a client that goes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "server/net/exchange.h"
#include "server/net/limits.h"

#define PIECE  ((size_t)64 * 1024)
#define PIECES 40

struct world {
    uv_loop_t loop;
    struct mailbox mailbox;
    struct exchange *exchange;
    pthread_t thread;
    struct err worker_err;
    int pieces_written;
};

static void on_mail(uv_async_t *async)
{
    (void)async;
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    *state = w;
    return w == NULL || uv_loop_init(&w->loop) != 0 ||
           mailbox_init(&w->mailbox, &w->loop, on_mail).code != ERR_OK ||
           (w->exchange = exchange_new(&w->mailbox, NULL)) == NULL;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    exchange_cancel(w->exchange);
    exchange_drop(w->exchange);
    uv_close((uv_handle_t *)&w->mailbox.async, NULL);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    mailbox_release(&w->mailbox);
    (void)uv_loop_close(&w->loop);
    free(w);
    return 0;
}

static void *write_pieces(void *context)
{
    struct world *w = context;
    static uint8_t piece[PIECE];
    const struct answer_head head = {.status = 200};
    w->worker_err = exchange_start(w->exchange, &head);
    for (int i = 0; i < PIECES && w->worker_err.code == ERR_OK; i++) {
        memset(piece, i, sizeof piece);
        w->worker_err = exchange_write(w->exchange, bytes_of(piece, sizeof piece));
        w->pieces_written += w->worker_err.code == ERR_OK;
    }
    exchange_end(w->exchange);
    return NULL;
}

static void start_worker(struct world *w)
{
    assert_int_equal(pthread_create(&w->thread, NULL, write_pieces, w), 0);
}

static void test_bytes_come_in_order_and_in_bounds(void **state)
{
    struct world *w = *state;
    uint8_t got[1000];
    size_t total = 0;
    enum exchange_state s = EXCHANGE_OPEN;
    start_worker(w);
    while (s == EXCHANGE_OPEN) {
        size_t n = exchange_take(w->exchange, got, sizeof got, &s);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(got[i], (total + i) / PIECE);
        }
        total += n;
        (void)pthread_mutex_lock(&w->exchange->mutex);
        assert_true(w->exchange->queue.size - w->exchange->taken <= ANSWER_QUEUE_BYTES_MAX + PIECE);
        assert_true(w->exchange->queue.size <= 2 * ANSWER_QUEUE_BYTES_MAX + 2 * PIECE);
        (void)pthread_mutex_unlock(&w->exchange->mutex);
    }
    (void)pthread_join(w->thread, NULL);
    assert_int_equal(total, PIECE * PIECES);
    assert_int_equal(w->worker_err.code, ERR_OK);
}

static void test_a_waiting_worker_learns_that_the_client_left(void **state)
{
    struct world *w = *state;
    start_worker(w);
    for (bool full = false; !full;) {
        (void)pthread_mutex_lock(&w->exchange->mutex);
        full = w->exchange->queue.size > ANSWER_QUEUE_BYTES_MAX;
        (void)pthread_mutex_unlock(&w->exchange->mutex);
        struct timespec pause = {.tv_nsec = 1000000};
        (void)nanosleep(&pause, NULL);
    }
    exchange_cancel(w->exchange);
    (void)pthread_join(w->thread, NULL);
    assert_int_equal(w->worker_err.code, ERR_CANCELLED);
    assert_true(w->pieces_written < PIECES);
}

static void test_a_client_that_takes_nothing_is_given_up(void **state)
{
    struct world *w = *state;
    const _Atomic int pressed = 1;
    w->exchange->pressed = &pressed;
    start_worker(w);
    (void)pthread_join(w->thread, NULL);
    assert_int_equal(w->worker_err.code, ERR_CANCELLED);
}

static void test_a_hint_waits_for_nobody(void **state)
{
    struct world *w = *state;
    const struct answer_head head = {.status = 200};
    uint8_t got[8];
    enum exchange_state s;
    assert_int_equal(exchange_start(w->exchange, &head).code, ERR_OK);
    assert_true(exchange_hint(w->exchange, bytes_text("one")));
    assert_false(exchange_hint(w->exchange, bytes_text("two")));
    assert_int_equal(exchange_take(w->exchange, got, sizeof got, &s), 3);
    assert_int_equal(s, EXCHANGE_OPEN);
    assert_true(exchange_hint(w->exchange, bytes_text("two")));
    exchange_abort(w->exchange);
    (void)exchange_take(w->exchange, got, sizeof got, &s);
    assert_int_equal(s, EXCHANGE_ABORTED);
}

static void test_mail_is_one_letter_an_exchange(void **state)
{
    struct world *w = *state;
    const struct answer_head head = {.status = 200};
    struct answer_head seen;
    assert_false(exchange_head(w->exchange, &seen));
    assert_int_equal(exchange_start(w->exchange, &head).code, ERR_OK);
    assert_int_equal(exchange_write(w->exchange, bytes_text("x")).code, ERR_OK);
    exchange_end(w->exchange);
    struct exchange *x = mailbox_take(&w->mailbox);
    assert_ptr_equal(x, w->exchange);
    assert_null(mailbox_take(&w->mailbox));
    assert_true(exchange_head(x, &seen));
    assert_int_equal(seen.status, 200);
    exchange_drop(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bytes_come_in_order_and_in_bounds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_waiting_worker_learns_that_the_client_left, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_client_that_takes_nothing_is_given_up, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_hint_waits_for_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mail_is_one_letter_an_exchange, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
