/* Visits straight into an enrolled replica, as commands would write them, without starting a
 * process for each:
 *
 *     bench_fill HOME insert COUNT [CSV]   a transaction each; the same rows as CSV for the floors
 *     bench_fill HOME update COUNT         another outcome for COUNT visits, a transaction each
 *     bench_fill HOME cover 0              as if two backups covered all that was sent so far */
#include "client/home.h"
#include "common/changelog/device/sent.h"
#include "common/db/db.h"
#include "tests/bench/stopwatch.h"
#include "tests/bench/visits.h"

#define CUSTOMERS_MAX   1000
#define SCOPES_HELD_MAX 16

struct fill {
    struct home home;
    uint8_t customers[CUSTOMERS_MAX][16];
    size_t customer_count;
};

static void customers_load(struct fill *f)
{
    struct stmt st;
    need(db_use(f->home.db, "SELECT id FROM customer ORDER BY id LIMIT 1000", &st), "customers");
    while (f->customer_count < CUSTOMERS_MAX && db_step_row(&st)) {
        if (col_id(&st, 0, f->customers[f->customer_count])) {
            f->customer_count++;
        }
    }
    stmt_reset(&st);
    if (f->customer_count == 0) {
        need(err_make(ERR_NOT_FOUND, 0, "customers_load"), "the replica holds no customer");
    }
}

static void insert_one(struct fill *f, const struct visit_maker *maker, int64_t n, FILE *csv)
{
    struct visit_row row;
    struct complaint why = {0};
    struct buf line;
    visit_make(maker, n, &row);
    need(replica_begin(&f->home.replica, "visit.log"), "begin");
    struct err err = row_insert(f->home.db, catalogue_table(TABLE_visit), row.id, row.cells,
                                VISIT_COLUMNS, &why);
    if (err.code != ERR_OK) {
        fprintf(stderr, "%s %s %s\n", why.code, why.field, why.detail);
    }
    need(replica_end(&f->home.replica, err), "end");
    if (csv != NULL) {
        buf_init(&line, 4096);
        visit_csv(&row, &line);
        fwrite(line.at, 1, line.size, csv);
        buf_release(&line);
    }
}

static void insert(struct fill *f, int64_t count, const char *path)
{
    struct visit_maker maker = {.customers = (const uint8_t(*)[16])f->customers,
                                .customer_count = f->customer_count,
                                .last_ms = replica_now_ms(&f->home.replica),
                                .total = count,
                                .seed = f->home.replica.number};
    FILE *csv = path != NULL ? fopen(path, "w") : NULL;
    memcpy(maker.person, f->home.replica.person, 16);
    for (int64_t i = 0; i < count; i++) {
        insert_one(f, &maker, i, csv);
    }
    if (csv != NULL) {
        fclose(csv);
    }
}

static void update(struct fill *f, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        struct stmt st;
        need(replica_begin(&f->home.replica, "visit.set"), "begin");
        need(db_use(f->home.db,
                    "UPDATE visit SET outcome = CASE outcome WHEN 'other' THEN 'closed'"
                    " ELSE 'other' END WHERE id = (SELECT id FROM visit ORDER BY id LIMIT 1"
                    " OFFSET ?1)",
                    &st),
             "update");
        bind_int(&st, 1, i);
        need(replica_end(&f->home.replica, db_step_done(&st, "update")), "end");
    }
}

/* The mark of every scope rises to where its cursor stands. */
static void cover(struct fill *f)
{
    struct cursor marks[SCOPES_HELD_MAX];
    size_t count = 0;
    struct stmt st;
    need(
        db_use(f->home.db, "SELECT s.kind, s.id FROM cursor c JOIN scope s ON s.no = c.scope", &st),
        "cursor");
    while (count < SCOPES_HELD_MAX && db_step_row(&st)) {
        marks[count] = (struct cursor){.done = INT64_MAX - 1};
        marks[count].scope.kind = (uint8_t)col_int(&st, 0);
        count += col_id(&st, 1, marks[count].scope.id) ? 1 : 0;
    }
    stmt_reset(&st);
    bool rose = false;
    need(db_begin(f->home.db, DB_LOCK_WRITE), "begin");
    need(db_end(f->home.db, sent_covered(&f->home.replica, marks, count, &rose)), "sent_covered");
    need(db_shrink(f->home.db), "db_shrink");
}

int main(int argc, char **argv)
{
    struct fill *f = calloc(1, sizeof *f);
    if (f == NULL || argc < 4) {
        fprintf(stderr, "usage: bench_fill HOME insert COUNT [CSV] | update COUNT | cover 0\n");
        free(f);
        return 2;
    }
    need(home_find(&f->home, argv[1]), "home_find");
    need(home_open(&f->home, false), "home_open");
    /* Filling isn't what is measured: 100,000 waits for the disk would only take minutes. */
    need(db_exec(f->home.db, "PRAGMA synchronous = OFF"), "synchronous");
    int64_t count = strtoll(argv[3], NULL, 10);
    if (strcmp(argv[2], "insert") == 0) {
        customers_load(f);
        insert(f, count, argc > 4 ? argv[4] : NULL);
    } else if (strcmp(argv[2], "cover") == 0) {
        cover(f);
    } else if (strcmp(argv[2], "update") == 0) {
        update(f, count);
    } else {
        need(err_make(ERR_INVALID, 0, "main"), argv[2]);
    }
    home_close(&f->home);
    free(f);
    return 0;
}
