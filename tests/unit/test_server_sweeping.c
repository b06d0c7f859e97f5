/* The hourly sweep of pictures: by the real writer and pool, on a store of its own. */
#define _XOPEN_SOURCE 700 /* nftw */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/net/blob_sweeping.h"
#include "server/store/machine.h"
#include "tests/support/firm.h"

#define WAIT_MS 10000

struct place {
    struct firm *firm;
    char dir[64];
    struct blob_store blobs;
    struct writer *writer;
    struct pool *pool;
    struct blob_sweeping sweeping;
};

static void on_grouped(void *context, size_t jobs, struct err err, int64_t took_us)
{
    (void)context;
    (void)jobs;
    (void)took_us;
    assert_int_equal(err.code, ERR_OK);
}

static void on_changed(void *context)
{
    (void)context;
}

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->firm = firm_new();
    (void)snprintf(p->dir, sizeof p->dir, "/tmp/test_server_sweeping-%ld", (long)getpid());
    assert_int_equal(blob_store_open(&p->blobs, p->dir).code, ERR_OK);
    const struct writer_options writer = {.path = p->firm->path,
                                          .queue_max = 4,
                                          .group_max = 4,
                                          .grouped = on_grouped,
                                          .changed = on_changed};
    assert_int_equal(writer_open(&p->writer, &writer).code, ERR_OK);
    assert_int_equal(pool_open(&p->pool, p->firm->path, NULL, 1, 4).code, ERR_OK);
    p->sweeping.blobs = &p->blobs;
    p->sweeping.pool = p->pool;
    *state = p;
    return 0;
}

static int remove_it(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static int tear_down(void **state)
{
    struct place *p = *state;
    writer_end(p->writer);
    pool_close(p->pool);
    writer_close(p->writer);
    blob_store_close(&p->blobs);
    (void)nftw(p->dir, remove_it, 8, FTW_DEPTH | FTW_PHYS);
    firm_free(p->firm);
    free(p);
    return 0;
}

/* A picture that no row names, brought so many days ago. */
static void put_old(struct place *p, const char *content, int days, char name[BLOB_NAME_SIZE])
{
    char path[256];
    assert_int_equal(blob_put(&p->blobs, bytes_text(content), name).code, ERR_OK);
    (void)snprintf(path, sizeof path, "%s/%.2s/%s", p->dir, name, name + 2);
    const struct timespec then = {.tv_sec = machine_wall_ms() / 1000 - days * 86400};
    const struct timespec times[] = {then, then};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool is_there(struct place *p, const char *name)
{
    int64_t size;
    return blob_size(&p->blobs, name, &size).code == ERR_OK;
}

/* Looks as the writer does, until it is done with what it has begun. */
static void look(struct place *p)
{
    int64_t end_ms = machine_mono_ms() + WAIT_MS;
    blob_sweeping_look(&p->sweeping, p->writer);
    while (atomic_load(&p->sweeping.busy)) {
        assert_true(machine_mono_ms() < end_ms);
        blob_sweeping_look(&p->sweeping, p->writer); /* it doesn't begin another meanwhile */
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
}

static void test_each_hour(void **state)
{
    struct place *p = *state;
    char old[BLOB_NAME_SIZE], young[BLOB_NAME_SIZE], later[BLOB_NAME_SIZE];
    put_old(p, "one", 8, old);
    put_old(p, "two", 6, young);
    look(p);
    assert_false(is_there(p, old));
    assert_true(is_there(p, young)); /* its row may be on its way */
    put_old(p, "three", 8, later);
    look(p);
    assert_true(is_there(p, later)); /* it isn't an hour yet */
    assert_in_range(p->sweeping.due_ms - machine_mono_ms(), 3590000, 3600000);
    p->sweeping.due_ms = machine_mono_ms() - 1;
    look(p);
    assert_false(is_there(p, later));
    assert_true(is_there(p, young));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_hour, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
