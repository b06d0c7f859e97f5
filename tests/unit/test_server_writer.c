/* The writer's groups: one commit for many, and what happens to the others when one spoils it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/base.h"

#include <pthread.h>

#include "server/store/machine.h"
#include "server/store/writer.h"
#include "tests/support/scratch.h"

#define JOBS_MAX 64

struct world;

/* A job that adds a number, and then fails as it is told. */
struct job {
    struct writer_job write;
    struct world *world;
    int number;
    enum err_code first, later; /* what attempts 0 and 1 give */
    int attempts;
    int done_count;
    struct err result;
};

struct world {
    struct scratch scratch;
    char path[128];
    struct writer *writer;
    pthread_mutex_t mutex;
    pthread_cond_t moved;
    bool held;    /* the first job waits, so that the others gather behind it */
    bool waiting; /* it does */
    size_t done, groups, jobs_in_groups, lost;
    size_t others_seen;
    struct job jobs[JOBS_MAX];
};

static void on_grouped(void *context, size_t jobs, struct err err, int64_t took_us)
{
    struct world *w = context;
    (void)took_us;
    (void)pthread_mutex_lock(&w->mutex);
    w->groups++;
    w->jobs_in_groups += jobs;
    w->lost += err.code != ERR_OK;
    (void)pthread_cond_broadcast(&w->moved);
    (void)pthread_mutex_unlock(&w->mutex);
}

static void on_changed(void *context)
{
    struct world *w = context;
    (void)pthread_mutex_lock(&w->mutex);
    w->others_seen++;
    (void)pthread_cond_broadcast(&w->moved);
    (void)pthread_mutex_unlock(&w->mutex);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    *state = w;
    assert_non_null(w);
    (void)pthread_mutex_init(&w->mutex, NULL);
    (void)pthread_cond_init(&w->moved, NULL);
    scratch_init(&w->scratch);
    (void)scratch_path(&w->scratch, "store.db", w->path);
    const struct db_options options = {.mode = DB_CREATE, .busy_timeout_ms = 1000};
    const struct store_founding founding = {.company_name = bytes_text("Firm"),
                                            .currency = bytes_text("CNY"),
                                            .tz = bytes_text("Asia/Shanghai"),
                                            .locale = bytes_text("en")};
    struct db *db;
    struct host host = machine_host();
    assert_int_equal(db_open(&db, w->path, &options).code, ERR_OK);
    assert_int_equal(store_create(db, &host, &founding).code, ERR_OK);
    assert_int_equal(db_exec(db, "CREATE TABLE seen (number INTEGER PRIMARY KEY) STRICT").code,
                     ERR_OK);
    db_close(db);
    const struct writer_options writer = {.path = w->path,
                                          .queue_max = 16,
                                          .group_max = 8,
                                          .context = w,
                                          .grouped = on_grouped,
                                          .changed = on_changed};
    assert_int_equal(writer_open(&w->writer, &writer).code, ERR_OK);
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    writer_close(w->writer);
    scratch_release(&w->scratch);
    (void)pthread_cond_destroy(&w->moved);
    (void)pthread_mutex_destroy(&w->mutex);
    free(w);
    return 0;
}

static struct err on_run(struct writer_job *write, struct store *st, int attempt)
{
    struct job *job = container_of(write, struct job, write);
    struct world *w = job->world;
    (void)pthread_mutex_lock(&w->mutex);
    job->attempts++;
    w->waiting = w->held && job->number == 0;
    (void)pthread_cond_broadcast(&w->moved);
    while (w->held && job->number == 0) {
        (void)pthread_cond_wait(&w->moved, &w->mutex);
    }
    (void)pthread_mutex_unlock(&w->mutex);
    enum err_code code = attempt == 0 ? job->first : job->later;
    struct err err = db_savepoint(st->db);
    struct stmt q;
    if (err.code == ERR_OK) {
        err = db_use(st->db, "INSERT INTO seen (number) VALUES (?1)", &q);
    }
    if (err.code == ERR_OK) {
        bind_int(&q, 1, job->number);
        err = db_step_done(&q, "seen");
    }
    if (err.code == ERR_OK) {
        err = err_make(code, 0, "as told");
    }
    struct err end = db_savepoint_end(st->db, err.code == ERR_OK);
    return err.code != ERR_OK ? err : end;
}

static void on_done(struct writer_job *write, struct err err)
{
    struct job *job = container_of(write, struct job, write);
    struct world *w = job->world;
    (void)pthread_mutex_lock(&w->mutex);
    job->done_count++;
    job->result = err;
    w->done++;
    (void)pthread_cond_broadcast(&w->moved);
    (void)pthread_mutex_unlock(&w->mutex);
}

static bool put(struct world *w, int number, enum err_code first, enum err_code later)
{
    struct job *job = &w->jobs[number];
    *job = (struct job){.world = w, .number = number, .first = first, .later = later};
    job->write.run = on_run;
    job->write.done = on_done;
    return writer_put(w->writer, &job->write);
}

/* Job 0 alone occupies the writer until `let_go`. */
static void hold(struct world *w)
{
    w->held = true;
    assert_true(put(w, 0, ERR_OK, ERR_OK));
    (void)pthread_mutex_lock(&w->mutex);
    while (!w->waiting) {
        (void)pthread_cond_wait(&w->moved, &w->mutex);
    }
    (void)pthread_mutex_unlock(&w->mutex);
}

static void let_go(struct world *w, size_t jobs)
{
    (void)pthread_mutex_lock(&w->mutex);
    w->held = false;
    (void)pthread_cond_broadcast(&w->moved);
    while (w->done < jobs || w->jobs_in_groups < jobs) {
        (void)pthread_cond_wait(&w->moved, &w->mutex);
    }
    (void)pthread_mutex_unlock(&w->mutex);
}

static int64_t stored(struct world *w)
{
    const struct db_options options = {.mode = DB_READ, .busy_timeout_ms = 1000};
    struct db *db;
    int64_t count = -1;
    assert_int_equal(db_open(&db, w->path, &options).code, ERR_OK);
    assert_int_equal(db_one_int(db, "SELECT count(*) FROM seen", &count).code, ERR_OK);
    db_close(db);
    return count;
}

static void test_what_waits_is_one_group(void **state)
{
    struct world *w = *state;
    hold(w);
    for (int i = 1; i <= 12; i++) {
        assert_true(put(w, i, ERR_OK, ERR_OK));
    }
    let_go(w, 13);
    assert_int_equal(w->groups, 3); /* the one held, then eight, then four */
    assert_int_equal(stored(w), 13);
}

static void test_a_refusal_concerns_nobody_else(void **state)
{
    struct world *w = *state;
    hold(w);
    assert_true(put(w, 1, ERR_OK, ERR_OK));
    assert_true(put(w, 2, ERR_AUTH, ERR_OK));
    assert_true(put(w, 3, ERR_OK, ERR_OK));
    let_go(w, 4);
    assert_int_equal(w->jobs[2].result.code, ERR_AUTH);
    assert_int_equal(w->jobs[2].attempts, 1);
    assert_int_equal(w->jobs[3].result.code, ERR_OK);
    assert_int_equal(w->lost, 0);
    assert_int_equal(stored(w), 3);
}

static void test_a_lost_group_is_tried_one_by_one(void **state)
{
    struct world *w = *state;
    hold(w);
    assert_true(put(w, 1, ERR_OK, ERR_OK));
    assert_true(put(w, 2, ERR_FULL, ERR_FULL));
    assert_true(put(w, 3, ERR_BUSY, ERR_OK));
    let_go(w, 4);
    static const struct {
        enum err_code result;
        int attempts;
    } expected[] = {{ERR_OK, 1}, {ERR_OK, 2}, {ERR_FULL, 2}, {ERR_OK, 1}};
    for (size_t i = 0; i < count_of(expected); i++) {
        assert_int_equal(w->jobs[i].result.code, expected[i].result);
        assert_int_equal(w->jobs[i].attempts, expected[i].attempts);
        assert_int_equal(w->jobs[i].done_count, 1);
    }
    assert_int_equal(w->lost, 1);
    assert_int_equal(stored(w), 3);
}

static void test_the_queue_is_bounded(void **state)
{
    struct world *w = *state;
    hold(w);
    for (int i = 1; i <= 16; i++) {
        assert_true(put(w, i, ERR_OK, ERR_OK));
    }
    assert_false(put(w, 17, ERR_OK, ERR_OK));
    assert_int_equal(writer_waiting(w->writer), 16);
    let_go(w, 17);
    assert_int_equal(stored(w), 17);
}

static void test_the_end_judges_what_waits(void **state)
{
    struct world *w = *state;
    for (int i = 1; i <= 10; i++) {
        assert_true(put(w, i, ERR_OK, ERR_OK));
    }
    writer_end(w->writer);
    assert_int_equal(w->done, 10);
    assert_false(put(w, 11, ERR_OK, ERR_OK));
    assert_int_equal(stored(w), 10);
}

static void test_it_sees_what_others_commit_and_only_that(void **state)
{
    struct world *w = *state;
    assert_true(put(w, 1, ERR_OK, ERR_OK));
    let_go(w, 1);
    const struct db_options options = {.mode = DB_WRITE, .busy_timeout_ms = 1000};
    struct db *db;
    assert_int_equal(w->others_seen, 0);
    assert_int_equal(db_open(&db, w->path, &options).code, ERR_OK);
    assert_int_equal(db_exec(db, "INSERT INTO seen VALUES (1000)").code, ERR_OK);
    db_close(db);
    (void)pthread_mutex_lock(&w->mutex);
    while (w->others_seen == 0) {
        (void)pthread_cond_wait(&w->moved, &w->mutex);
    }
    (void)pthread_mutex_unlock(&w->mutex);
    assert_int_equal(w->others_seen, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_waits_is_one_group, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_refusal_concerns_nobody_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_lost_group_is_tried_one_by_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_queue_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_end_judges_what_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_it_sees_what_others_commit_and_only_that, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
