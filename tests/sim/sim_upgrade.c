/* Opening an old file brings it up to date. A process or a machine that dies while it does leaves a
 * file that the next program brings up to date, with the rows and the waiting work that it had; and
 * a file that a newer program made is left alone. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/conversation.h"
#include "tests/support/scratch.h"
#include "tests/support/simdisk.h"

#ifdef LEGWORK_SANITIZED /* a process of its own for each, which takes its time there */
#define KILLS  20
#define STRIDE 10
#else
#define KILLS  40
#define STRIDE 1
#endif

struct side { /* a replica or a store */
    const char *name;
    bool is_replica;
};

struct old {
    const struct side *side;
    struct conversation c;
    struct scratch scratch;
    struct fake_host machine;
    struct buf file; /* as the old program left it */
    char path[128];
    struct simdisk *disk; /* where it lies; NULL: in the scratch folder */
    bool dies;            /* the disk, while the file is opened next */
    struct db *db;
    struct replica replica;
    struct store store;
};

static struct err open_it(struct old *o)
{
    const struct db_options options = {.mode = DB_WRITE,
                                       .busy_timeout_ms = 1000,
                                       .vfs = o->disk == NULL ? NULL : simdisk_name(o->disk)};
    struct host host = fake_host_as_host(&o->machine);
    struct err err = db_open(&o->db, o->path, &options);
    if (err.code == ERR_OK && o->dies) {
        err = db_exec(o->db,
                      "PRAGMA cache_size = 1"); /* statements reach the disk, not just commits */
    }
    if (err.code != ERR_OK) {
        return err;
    }
    return o->side->is_replica ? replica_open(&o->replica, o->db, &host)
                               : store_open(&o->store, o->db, &host, true);
}

static void close_it(struct old *o)
{
    if (o->side->is_replica) {
        replica_close(&o->replica);
    } else {
        store_close(&o->store);
    }
    db_close(o->db);
}

static void lay_file(struct old *o)
{
    char beside[160];
    for (const char *const *end = (const char *const[]){"-wal", "-shm", NULL}; *end != NULL;
         end++) {
        (void)snprintf(beside, sizeof beside, "%s%s", o->path, *end);
        if (o->disk != NULL) {
            simdisk_remove(o->disk, beside);
        } else {
            (void)unlink(beside);
        }
    }
    if (o->disk != NULL) {
        simdisk_put(o->disk, o->path, buf_bytes(&o->file));
    } else {
        conversation_write_file(o->path, buf_bytes(&o->file));
    }
}

/* Recorded files are single ones, as copies are; those of people have a WAL. */
static void keep_wal(struct old *o)
{
    const struct db_options options = {.mode = DB_WRITE};
    assert_int_equal(db_open(&o->db, o->path, &options).code, ERR_OK);
    db_close(o->db);
    buf_clear(&o->file);
    conversation_read_file(o->path, &o->file);
}

static void old_init(struct old *o, const struct side *side)
{
    *o = (struct old){.side = side};
    (void)snprintf(o->c.dir, sizeof o->c.dir, CONVERSATIONS_DIR "/v1/accepted");
    scratch_init(&o->scratch);
    (void)scratch_path(&o->scratch, "old.db", o->path);
    conversation_read_about(&o->c);
    fake_host_init(&o->machine, 1, o->c.server_ms);
    buf_init(&o->file, CONVERSATION_BYTES_MAX);
    conversation_read(&o->c, side->is_replica ? "replica.db.zst" : "store.db.zst", &o->file);
    lay_file(o);
    keep_wal(o);
}

static void old_release(struct old *o)
{
    buf_release(&o->file);
    scratch_release(&o->scratch);
}

/* All rows, and how many transactions wait. */
static void content(struct old *o, struct buf *out)
{
    int64_t waiting = 0;
    buf_clear(out);
    conversation_rows(o->db, 1, out);
    if (o->side->is_replica) {
        assert_int_equal(db_one_int(o->db, "SELECT count(DISTINCT tx) FROM outbox", &waiting).code,
                         ERR_OK);
        buf_printf(out, "%" PRId64 " wait\n", waiting);
    }
}

/* The next program brings the file up to date, to what it would have been. */
static void goes_on(struct old *o, const struct buf *before)
{
    struct buf after, report;
    buf_init(&after, CONVERSATION_BYTES_MAX);
    buf_init(&report, CONVERSATION_BYTES_MAX);
    assert_int_equal(open_it(o).code, ERR_OK);
    content(o, &after);
    assert_int_equal(before->size, after.size);
    assert_memory_equal(before->at, after.at, before->size);
    assert_int_equal(db_integrity(o->db, &report).code, ERR_OK);
    close_it(o);
    buf_release(&after);
    buf_release(&report);
}

static int64_t now_us(void)
{
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &t), 0);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Opens the file in a process of its own, which is killed after so long (-1: not at all). Gives the
 * time that it had; `*ended`: it was through before. */
static int64_t open_apart(struct old *o, int64_t kill_after_us, bool *ended)
{
    int status = 0;
    int64_t start = now_us();
    pid_t child = fork();
    if (child == 0) {
        _exit(open_it(o).code == ERR_OK ? 0 : 1);
    }
    while (kill_after_us >= 0 && now_us() - start < kill_after_us) {
    }
    if (kill_after_us >= 0) {
        (void)kill(child, SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    *ended = WIFEXITED(status);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return now_us() - start;
}

static void killed_at_any_moment(const struct side *side)
{
    struct old old, *o = &old;
    struct buf before;
    bool ended = false;
    int kills = 0;
    old_init(o, side);
    buf_init(&before, CONVERSATION_BYTES_MAX);
    int64_t whole = open_apart(o, -1, &ended);
    assert_int_equal(open_it(o).code, ERR_OK);
    content(o, &before);
    close_it(o);
    for (int i = 0; i < KILLS; i++) {
        lay_file(o);
        (void)open_apart(o, whole * i / KILLS, &ended);
        kills += !ended;
        goes_on(o, &before);
    }
    assert_true(kills > KILLS / 4);
    (void)printf("%s: %d kills within %d us\n", side->name, kills, (int)whole);
    buf_release(&before);
    old_release(o);
}

static uint64_t chance(void *context, uint64_t n)
{
    return fake_host_next(context) % n;
}

/* The process, or by turns the whole machine, is gone at the n-th write, sync, truncation or
 * removal of a file, for every n. */
static void dies_at_every_write(const struct side *side)
{
    struct old old, *o = &old;
    struct fake_host dice;
    struct buf before;
    bool struck = true;
    int64_t deaths = 0;
    old_init(o, side);
    buf_init(&before, CONVERSATION_BYTES_MAX);
    fake_host_init(&dice, 7, 0);
    o->disk = simdisk_new("old-disk", chance, &dice);
    (void)snprintf(o->path, sizeof o->path, "old.db");
    lay_file(o);
    assert_int_equal(open_it(o).code, ERR_OK);
    content(o, &before);
    close_it(o);
    for (int64_t n = 0; struck; n += STRIDE) {
        const struct simdisk_fault dies = {
            .operations = SIMDISK_ANY & ~SIMDISK_READ, .after = n, .effect = SIMDISK_DIES};
        lay_file(o);
        simdisk_arm(o->disk, &dies);
        o->dies = true;
        bool opened = open_it(o).code == ERR_OK;
        o->dies = false;
        struck = simdisk_is_dead(o->disk);
        deaths += struck;
        if (opened) { /* dies later, or as it is closed */
            close_it(o);
        } else {
            db_close(o->db);
            o->db = NULL;
        }
        simdisk_restart(o->disk, n / STRIDE % 2 == 0);
        goes_on(o, &before);
    }
    assert_true(deaths > 100 / STRIDE);
    (void)printf("%s: %d deaths\n", side->name, (int)deaths);
    buf_release(&before);
    simdisk_free(o->disk);
    o->disk = NULL;
    old_release(o);
}

static const struct side replica = {"replica", true};
static const struct side store = {"store", false};

static void a_replica_dies_at_every_write(void **state)
{
    (void)state;
    dies_at_every_write(&replica);
}

static void a_store_dies_at_every_write(void **state)
{
    (void)state;
    dies_at_every_write(&store);
}

/* Two programs that were just brought up to date are started together. */
static void two_at_once(const struct side *side)
{
    struct old old, *o = &old;
    struct buf before;
    old_init(o, side);
    buf_init(&before, CONVERSATION_BYTES_MAX);
    assert_int_equal(open_it(o).code, ERR_OK);
    content(o, &before);
    close_it(o);
    for (int i = 0; i < KILLS; i++) {
        pid_t children[2];
        lay_file(o);
        for (int k = 0; k < 2; k++) {
            children[k] = fork();
            if (children[k] == 0) {
                struct err err = open_it(o);
                if (err.code != ERR_OK) {
                    (void)fprintf(stderr, "%s: %s %d in %s\n", side->name, err_name(err.code),
                                  err.cause, err.where);
                }
                _exit(err.code == ERR_OK ? 0 : 1);
            }
        }
        for (int k = 0; k < 2; k++) {
            int status = 0;
            assert_int_equal(waitpid(children[k], &status, 0), children[k]);
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
        goes_on(o, &before);
    }
    buf_release(&before);
    old_release(o);
}

static void two_programs_open_it_at_once(void **state)
{
    (void)state;
    two_at_once(&replica);
    two_at_once(&store);
}

static void a_replica_killed_while_it_is_upgraded(void **state)
{
    (void)state;
    killed_at_any_moment(&replica);
}

static void a_store_killed_while_it_is_upgraded(void **state)
{
    (void)state;
    killed_at_any_moment(&store);
}

/* Neither a schema nor a catalogue of tomorrow is touched. */
static void refuses(const struct side *side, const char *sql)
{
    struct old old, *o = &old;
    const struct db_options options = {.mode = DB_WRITE, .busy_timeout_ms = 1000};
    struct buf before, after;
    old_init(o, side);
    buf_init(&before, CONVERSATION_BYTES_MAX);
    buf_init(&after, CONVERSATION_BYTES_MAX);
    assert_int_equal(open_it(o).code, ERR_OK);
    close_it(o);
    assert_int_equal(db_open(&o->db, o->path, &options).code, ERR_OK);
    assert_int_equal(db_exec(o->db, sql).code, ERR_OK);
    db_close(o->db);
    conversation_read_file(o->path, &before);
    assert_int_equal(open_it(o).code, ERR_VERSION);
    db_close(o->db);
    conversation_read_file(o->path, &after);
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.at, after.at, before.size);
    buf_release(&before);
    buf_release(&after);
    old_release(o);
}

static void a_newer_file_is_left_alone(void **state)
{
    (void)state;
    refuses(&replica, "PRAGMA user_version = 9999");
    refuses(&replica, "UPDATE device_state SET catalogue = 9999");
    refuses(&store, "PRAGMA user_version = 9999");
    refuses(&store, "UPDATE store_state SET catalogue = 9999");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replica_killed_while_it_is_upgraded),
        cmocka_unit_test(a_store_killed_while_it_is_upgraded),
        cmocka_unit_test(a_replica_dies_at_every_write),
        cmocka_unit_test(a_store_dies_at_every_write),
        cmocka_unit_test(two_programs_open_it_at_once),
        cmocka_unit_test(a_newer_file_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
