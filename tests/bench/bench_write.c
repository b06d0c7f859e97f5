/* What writing a visit on the device costs beside the same row in a plain table of the same columns
 * and pragmas: one transaction each under FULL and NORMAL, 10,000 in one. Rounds alternate and the
 * best of each side counts, so that a busy machine disturbs both alike. */
#include "common/changelog/device/replica.h"
#include "tests/bench/stopwatch.h"
#include "tests/bench/visits.h"
#include "tests/support/fake_host.h"
#include "tests/support/scratch.h"

#define SINGLE_COUNT 1500
#define BULK_COUNT   10000
#define ROUNDS       5
#define NOW_MS       INT64_C(1795000000000)

struct side {
    struct db *db;
    struct replica replica; /* unused by the plain side */
    int64_t next;
};

static const uint8_t customers[][16] = {{1}, {2}, {3}, {4}, {5}, {6}, {7}, {8}};
static const struct visit_maker maker = {.customers = customers,
                                         .customer_count = count_of(customers),
                                         .person = {9},
                                         .last_ms = NOW_MS,
                                         .total = 200000,
                                         .seed = 1};

static struct db *fresh(const struct scratch *s, const char *name, bool normal)
{
    char path[128];
    struct db *db = NULL;
    struct db_options options = {.mode = DB_CREATE, .busy_timeout_ms = 1000, .sync_normal = normal};
    need(db_open(&db, scratch_path(s, name, path), &options), "open");
    return db;
}

static void replica_begin_with(struct side *side, struct fake_host *clock)
{
    struct enrolled who = {.device_number = 7, .epoch = 1, .timeline = {.counter = 1}};
    struct host host = fake_host_as_host(clock);
    need(replica_create(side->db, &who), "replica_create");
    need(replica_open(&side->replica, side->db, &host), "replica_open");
}

static void write_plain(struct side *side, const struct visit_row *row)
{
    need(plain_insert(side->db, row), "plain_insert");
}

static void write_replica(struct side *side, const struct visit_row *row)
{
    struct complaint why = {0};
    const struct table *t = catalogue_table(TABLE_visit);
    struct err err = row_insert(side->db, t, row->id, row->cells, VISIT_COLUMNS, &why);
    if (err.code != ERR_OK) {
        fprintf(stderr, "%s %s %s\n", why.code, why.field, why.detail);
    }
    need(err, "row_insert");
}

/* Seconds for `count` visits, `each` of them in a transaction of its own. */
static double plain_seconds(struct side *side, int count, bool each)
{
    struct visit_row row;
    double start = clock_s();
    for (int i = 0; i < count; i++) {
        if (each || i == 0) {
            need(db_begin(side->db, DB_LOCK_WRITE), "begin");
        }
        visit_make(&maker, side->next++, &row);
        write_plain(side, &row);
        if (each || i == count - 1) {
            need(db_end(side->db, (struct err){.code = ERR_OK}), "end");
        }
    }
    return clock_s() - start;
}

static double replica_seconds(struct side *side, int count, bool each)
{
    struct visit_row row;
    double start = clock_s();
    for (int i = 0; i < count; i++) {
        if (each || i == 0) {
            need(replica_begin(&side->replica, "visit.log"), "begin");
        }
        visit_make(&maker, side->next++, &row);
        write_replica(side, &row);
        if (each || i == count - 1) {
            need(replica_end(&side->replica, (struct err){.code = ERR_OK}), "end");
        }
    }
    return clock_s() - start;
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

static void compare(const char *what, bool normal, int count, bool each, const char *target)
{
    struct scratch scratch;
    struct fake_host clock;
    struct side plain = {0};
    struct side replica = {0};
    double plain_s = 1e9;
    double replica_s = 1e9;
    scratch_init_on_disk(&scratch);
    fake_host_init(&clock, 1, NOW_MS);
    plain.db = fresh(&scratch, "plain.db", normal);
    need(plain_create(plain.db), "plain_create");
    replica.db = fresh(&scratch, "replica.db", normal);
    replica_begin_with(&replica, &clock);
    for (int round = 0; round < ROUNDS; round++) {
        plain_s = smaller(plain_s, plain_seconds(&plain, count, each));
        replica_s = smaller(replica_s, replica_seconds(&replica, count, each));
    }
    figure(what, replica_s / count * 1e6, plain_s / count * 1e6, "µs", target);
    replica_close(&replica.replica);
    db_close(replica.db);
    db_close(plain.db);
    scratch_release(&scratch);
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc == 1) { /* any argument: the last line alone, for a profiler */
        compare("a visit, one transaction each, FULL", false, SINGLE_COUNT, true, "≤ 1.15 ×");
        compare("a visit, one transaction each, NORMAL", true, SINGLE_COUNT, true, "≤ 1.60 ×");
    }
    compare("10,000 visits in one transaction, each", true, BULK_COUNT, false, "≤ 1.6 ×");
    return 0;
}
