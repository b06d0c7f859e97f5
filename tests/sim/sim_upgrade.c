/* Opening an old file brings it up to date. A process killed while it does leaves a file that the
 * next one brings up to date, with the rows and the waiting work that it had; and a file that a
 * newer program made is left alone. */
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

#ifdef LEGWORK_SANITIZED /* a process of its own for each, which takes its time there */
#define KILLS 20
#else
#define KILLS 100
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
    struct db *db;
    struct replica replica;
    struct store store;
};

static struct err open_it(struct old *o)
{
    const struct db_options options = {.mode = DB_WRITE, .busy_timeout_ms = 1000};
    struct host host = fake_host_as_host(&o->machine);
    struct err err = db_open(&o->db, o->path, &options);
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
        (void)unlink(beside);
    }
    conversation_write_file(o->path, buf_bytes(&o->file));
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
    struct buf before, after, report;
    bool ended = false;
    int kills = 0;
    old_init(o, side);
    buf_init(&before, CONVERSATION_BYTES_MAX);
    buf_init(&after, CONVERSATION_BYTES_MAX);
    buf_init(&report, CONVERSATION_BYTES_MAX);
    int64_t whole = open_apart(o, -1, &ended);
    assert_int_equal(open_it(o).code, ERR_OK);
    content(o, &before);
    close_it(o);
    for (int i = 0; i < KILLS; i++) {
        lay_file(o);
        (void)open_apart(o, whole * i / KILLS, &ended);
        kills += !ended;
        assert_int_equal(open_it(o).code, ERR_OK);
        content(o, &after);
        assert_int_equal(before.size, after.size);
        assert_memory_equal(before.at, after.at, before.size);
        assert_int_equal(db_integrity(o->db, &report).code, ERR_OK);
        close_it(o);
    }
    assert_true(kills > KILLS / 4);
    (void)printf("%s: %d kills within %d us\n", side->name, kills, (int)whole);
    buf_release(&before);
    buf_release(&after);
    buf_release(&report);
    old_release(o);
}

static const struct side replica = {"replica", true};
static const struct side store = {"store", false};

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
        cmocka_unit_test(a_newer_file_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
