/* See device.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/device.h"

#define DEVICE_EPOCH_MS INT64_C(1764000000000)

static void open_db(struct device *d, const char *path)
{
    struct db_options options = {.mode = DB_CREATE, .busy_timeout_ms = 2000, .shrinks = true};
    OK(db_open(&d->db, path == NULL ? ":memory:" : path, &options));
}

void device_init(struct device *d, uint64_t seed, const char *path)
{
    *d = (struct device){0};
    fake_host_init(&d->machine, seed, DEVICE_EPOCH_MS);
    arena_init(&d->arena, (size_t)64 * 1024 * 1024);
    open_db(d, path);
    struct enrolled who = {.device_number = 7,
                           .epoch = 1,
                           .timeline = {.counter = 1, .id = {5}},
                           .digest_key = {1, 2, 3},
                           .server_ms = DEVICE_EPOCH_MS};
    struct host host = fake_host_as_host(&d->machine);
    host.random(host.context, who.device, sizeof who.device);
    host.random(host.context, who.person, sizeof who.person);
    OK(replica_create(d->db, &who));
    OK(replica_open(&d->r, d->db, &host));
}

static void close_all(struct device *d)
{
    replica_close(&d->r);
    db_close(d->db);
}

void device_release(struct device *d)
{
    close_all(d);
    arena_release(&d->arena);
}

void device_reopen(struct device *d, const char *path)
{
    close_all(d);
    open_db(d, path);
    struct host host = fake_host_as_host(&d->machine);
    OK(replica_open(&d->r, d->db, &host));
}

void device_run(struct device *d, const char *intent, const char *sql)
{
    OK(replica_begin(&d->r, intent));
    struct err err = replica_end(&d->r, db_exec(d->db, sql));
    if (err.code != ERR_OK) {
        fail_msg("%s: %s", sql, db_message(d->db));
    }
}

int64_t device_int(struct device *d, const char *sql)
{
    int64_t out = 0;
    OK(db_one_int(d->db, sql, &out));
    return out;
}

const char *device_text(struct device *d, const char *sql)
{
    struct stmt st;
    OK(db_prepare(d->db, sql, &st, NULL));
    const char *text = "(no row)";
    if (db_step_row(&st)) {
        text = (const char *)arena_copy(&d->arena, bytes_text(col_text(&st, 0))).at;
    }
    stmt_close(&st);
    assert_non_null(text);
    return text;
}
