/* Pages of a replica's file go bad, one kind after the other: unsent work is carried over. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "common/changelog/device/freeze.h"
#include "common/changelog/device/salvage.h"
#include "tests/support/device.h"
#include "tests/support/scratch.h"

#define PAGE   4096
#define MEMOS  400
#define NEEDED 32 /* the rows of a leaf, at most */

struct fixture {
    struct scratch scratch;
    char old[128], new[128];
    struct device d;
};

static int setup(void **state)
{
    static struct fixture f;
    scratch_init(&f.scratch);
    (void)scratch_path(&f.scratch, "old.db", f.old);
    (void)scratch_path(&f.scratch, "new.db", f.new);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    scratch_release(&f->scratch);
    return 0;
}

/* A device with 400 memos that the server never saw; `frozen` ones are ready to go. */
static void make(struct fixture *f, bool frozen)
{
    device_init(&f->d, 1, f->old);
    for (int i = 0; i < MEMOS; i++) {
        char sql[512];
        (void)snprintf(sql, sizeof sql,
                       "INSERT INTO memo (id, title, text) VALUES (x'%012x7000800000000000%04x',"
                       " 'memo %d', hex(zeroblob(100)))",
                       (unsigned)(i + 1) * 5000, (unsigned)i, i);
        device_run(&f->d, "memo.new", sql);
    }
    if (frozen) {
        OK(db_begin(f->d.db, DB_LOCK_WRITE));
        OK(db_end(f->d.db, freeze_all(&f->d.r)));
    }
}

static int64_t root_of(struct fixture *f, const char *name)
{
    char sql[128];
    (void)snprintf(sql, sizeof sql, "SELECT rootpage FROM sqlite_schema WHERE name = '%s'", name);
    return device_int(&f->d, sql);
}

static void read_page(FILE *file, int64_t no, uint8_t page[PAGE])
{
    assert_int_equal(fseek(file, (long)(no - 1) * PAGE, SEEK_SET), 0);
    assert_int_equal(fread(page, 1, PAGE, file), PAGE);
}

static bool is_interior(const uint8_t page[PAGE])
{
    return page[0] == 2 || page[0] == 5;
}

static int64_t child_of(const uint8_t page[PAGE], int nth)
{
    assert_true((page[3] << 8 | page[4]) > nth);
    const uint8_t *at = page + (page[12 + 2 * nth] << 8 | page[13 + 2 * nth]);
    return (int64_t)at[0] << 24 | (int64_t)at[1] << 16 | (int64_t)at[2] << 8 | at[3];
}

/* The root, or one of the first leaves: the `nth` from 1. */
static void spoil(struct fixture *f, int64_t no, int nth)
{
    uint8_t page[PAGE], below[PAGE];
    FILE *file = fopen(f->old, "r+b");
    assert_non_null(file);
    read_page(file, no, page);
    while (nth > 0 && is_interior(page)) {
        read_page(file, child_of(page, 0), below);
        no = child_of(page, is_interior(below) ? 0 : nth);
        read_page(file, no, page);
    }
    memset(page, 0xff, sizeof page);
    assert_int_equal(fseek(file, (long)(no - 1) * PAGE, SEEK_SET), 0);
    assert_int_equal(fwrite(page, 1, PAGE, file), PAGE);
    assert_int_equal(fclose(file), 0);
}

/* Opens what was salvaged as `d`, with everything frozen. */
static void salvage(struct fixture *f, struct salvage *out)
{
    struct db *old, *new;
    struct db_options options = {.mode = DB_WRITE};
    OK(db_open(&old, f->old, &options));
    options.mode = DB_CREATE;
    OK(db_open(&new, f->new, &options));
    OK(replica_salvage(old, new, out));
    db_close(old);
    db_close(new);
    fake_host_init(&f->d.machine, 1, INT64_C(1764000000000));
    arena_init(&f->d.arena, (size_t)1024 * 1024);
    struct host host = fake_host_as_host(&f->d.machine);
    options.mode = DB_WRITE;
    OK(db_open(&f->d.db, f->new, &options));
    OK(replica_open(&f->d.r, f->d.db, &host));
    OK(db_begin(f->d.db, DB_LOCK_WRITE));
    OK(db_end(f->d.db, freeze_all(&f->d.r)));
}

static void pages(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *what;
        const char *root;
        int nth;
        bool frozen;
        int64_t kept_least, lost_most;
    } cases[] = {
        {"a leaf of a table", "memo", 3, false, MEMOS - NEEDED, NEEDED},
        {"a leaf of a table, frozen already", "memo", 3, true, MEMOS, 0},
        {"a table's root", "memo", 0, true, MEMOS, 0},
        {"a leaf of the outbox", "outbox", 2, false, MEMOS, 0},
        {"the outbox's root", "outbox", 0, false, MEMOS, 0},
        {"the outbox's root, frozen already", "outbox", 0, true, MEMOS, 0},
        {"a leaf of what was frozen", "sent", 4, true, MEMOS, 0},
        {"the root of what was frozen", "sent", 0, true, MEMOS, 0},
        {"an index", "sent_waiting", 0, true, MEMOS, 0},
    };
    for (size_t i = 0; i < count_of(cases); i++) {
        struct salvage out;
        (void)remove(f->old);
        (void)remove(f->new);
        make(f, cases[i].frozen);
        int64_t root = root_of(f, cases[i].root);
        device_release(&f->d);
        spoil(f, root, cases[i].nth);
        salvage(f, &out);
        int64_t sent = device_int(&f->d, "SELECT count(*) FROM sent WHERE state = 0");
        int64_t seqs = device_int(&f->d, "SELECT max(device_seq) - min(device_seq) + 1 FROM sent");
        if (sent < cases[i].kept_least || out.lost > cases[i].lost_most ||
            sent + out.lost != MEMOS || seqs != sent) {
            fail_msg("%s: sent %lld, lost %lld, numbers %lld", cases[i].what, (long long)sent,
                     (long long)out.lost, (long long)seqs);
        }
        salvage_release(&out);
        device_release(&f->d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(pages, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
