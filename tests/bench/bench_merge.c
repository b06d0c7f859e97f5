/* What the server's writer can judge and store: 50 devices push at once, in groups with one commit
 * each, as server/store does it. Requests are made before the clock starts; decoding them, judging,
 * committing and writing the verdicts are measured, sockets and signatures are not.
 *
 * First small pushes of 10 changes, then large ones, and the cost of a change again at each size of
 * the store that the argument (rows, default 100,000) allows. */
#include "common/sync/server_session.h"
#include "protocol/codec.h"
#include "tests/bench/stopwatch.h"
#include "tests/bench/visits.h"
#include "tests/support/fake_host.h"
#include "tests/support/scratch.h"

#define DEVICES        50
#define CUSTOMERS_EACH 40
#define SMALL_CHANGES  10
#define LARGE_CHANGES  200
#define BODY_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define NOW_MS         INT64_C(1795000000000)

struct device {
    struct enrolled who;
    uint8_t customers[CUSTOMERS_EACH][16];
    uint64_t next_seq;
    int64_t next_visit;
};

struct bench {
    struct scratch scratch;
    struct fake_host clock;
    struct host host;
    struct db *db;
    struct store store;
    struct db *read_db;
    struct store reader;
    struct arena arena;
    struct device devices[DEVICES];
    struct buf bodies[DEVICES];
    int64_t rows;
};

static struct err ok(void)
{
    return (struct err){.code = ERR_OK};
}

static struct cell text_cell(uint8_t column, const char *text)
{
    return (struct cell){.column = column, .value = value_text(bytes_text(text))};
}

static void need_written(struct err err, const struct complaint *why, const char *what)
{
    if (err.code != ERR_OK) {
        fprintf(stderr, "%s: %s %s %s\n", what, why->code, why->field, why->detail);
    }
    need(err, what);
}

static void book_of(struct bench *b, const uint8_t person[16], uint8_t book[16])
{
    struct stmt st;
    need(db_use(b->db, "SELECT id FROM book WHERE home_of_id = ?1", &st), "book");
    bind_id(&st, 1, person);
    if (!db_step_row(&st) || !col_id(&st, 0, book)) {
        need(err_make(ERR_NOT_FOUND, 0, "book_of"), "book");
    }
    stmt_reset(&st);
}

static void person_add(struct bench *b, struct server_write *w, int n, uint8_t id[16])
{
    struct complaint why = {0};
    char login[32];
    snprintf(login, sizeof login, "rep%02d", n);
    fake_host_as_host(&b->clock).random(&b->clock, id, 16);
    struct cell cells[] = {text_cell(COLUMN_person_login, login),
                           text_cell(COLUMN_person_name, login),
                           text_cell(COLUMN_person_role, "rep"),
                           {.column = COLUMN_person_active, .value = value_int(1)}};
    need_written(store_person_add(w, id, cells, count_of(cells), &why), &why, "store_person_add");
}

static void customers_add(struct bench *b, struct server_write *w, struct device *d,
                          const uint8_t book[16])
{
    const struct table *t = catalogue_table(TABLE_customer);
    for (int i = 0; i < CUSTOMERS_EACH; i++) {
        struct complaint why = {0};
        char name[40];
        snprintf(name, sizeof name, "客户 %u-%d", d->who.device_number, i);
        fake_host_as_host(&b->clock).random(&b->clock, d->customers[i], 16);
        struct cell cells[] = {
            text_cell(COLUMN_customer_name, name),
            text_cell(COLUMN_customer_kind, "customer"),
            {.column = COLUMN_customer_book_id, .value = value_blob(bytes_of(book, 16))}};
        int64_t seq = 0;
        need_written(
            server_write_put(w, t, d->customers[i], cells, count_of(cells), -1, &seq, NULL, &why),
            &why, "customer");
    }
}

static void enrol(struct bench *b, struct device *d, int n, const uint8_t person[16])
{
    struct enrol request = {.secret = {(uint8_t)n, 1}, .public_key = {(uint8_t)n, 2}};
    request.name = bytes_text("bench");
    request.app = bytes_text("bench");
    uint8_t hash[32];
    transaction_identity(bytes_of(request.secret, sizeof request.secret), hash); /* SHA-256 */
    need(store_invite(&b->store, person, hash, NOW_MS, NOW_MS + 1000), "store_invite");
    need(store_enrol(&b->store, &request, NOW_MS, &b->arena, &d->who), "store_enrol");
    d->next_seq = 1;
}

static void people_make(struct bench *b)
{
    uint8_t person[DEVICES][16];
    struct server_write *w = NULL;
    struct complaint why = {0};
    need(db_begin(b->db, DB_LOCK_WRITE), "begin");
    need(server_write_begin(&b->store, NULL, "bench", NOW_MS, &w), "server_write_begin");
    for (int i = 0; i < DEVICES; i++) {
        person_add(b, w, i, person[i]);
    }
    need_written(server_write_end(w, &why), &why, "server_write_end");
    for (int i = 0; i < DEVICES; i++) {
        enrol(b, &b->devices[i], i, person[i]);
    }
    need(server_write_begin(&b->store, NULL, "bench", NOW_MS, &w), "server_write_begin");
    for (int i = 0; i < DEVICES; i++) {
        uint8_t book[16];
        book_of(b, person[i], book);
        customers_add(b, w, &b->devices[i], book);
    }
    need_written(server_write_end(w, &why), &why, "server_write_end");
    need(db_end(b->db, ok()), "end");
}

static void bench_open(struct bench *b)
{
    char path[128];
    struct db_options options = {.mode = DB_CREATE, .busy_timeout_ms = 5000};
    struct store_founding founding = {.company_name = bytes_text("Bench"),
                                      .currency = bytes_text("CNY"),
                                      .tz = bytes_text("Asia/Shanghai"),
                                      .locale = bytes_text("zh")};
    scratch_init_on_disk(&b->scratch);
    fake_host_init(&b->clock, 1, NOW_MS);
    b->host = fake_host_as_host(&b->clock);
    arena_init(&b->arena, (size_t)256 * 1024 * 1024);
    need(db_open(&b->db, scratch_path(&b->scratch, "store.db", path), &options), "open");
    need(store_create(b->db, &b->host, &founding), "store_create");
    need(store_open(&b->store, b->db, &b->host, true), "store_open");
    options.mode = DB_READ;
    need(db_open(&b->read_db, path, &options), "open");
    need(store_open(&b->reader, b->read_db, &b->host, false), "store_open");
    for (int i = 0; i < DEVICES; i++) {
        buf_init(&b->bodies[i], BODY_BYTES_MAX);
    }
    people_make(b);
}

static void bench_close(struct bench *b)
{
    for (int i = 0; i < DEVICES; i++) {
        buf_release(&b->bodies[i]);
    }
    store_close(&b->reader);
    db_close(b->read_db);
    store_close(&b->store);
    db_close(b->db);
    arena_release(&b->arena);
    scratch_release(&b->scratch);
}

static void need_packed(enum wire_error e)
{
    if (e != WIRE_OK) {
        need(err_make(ERR_LIMIT, (int)e, "packer"), "body");
    }
}

/* The next push of a device: `count` visits, a transaction each. Shows the token of its enrolment,
 * which stays valid until a newer one is shown, and acknowledges all verdicts so far. */
static void body_make(struct bench *b, struct device *d, int count, struct buf *body)
{
    struct visit_maker maker = {.customers = (const uint8_t(*)[16])d->customers,
                                .customer_count = CUSTOMERS_EACH,
                                .last_ms = NOW_MS - INT64_C(3600000),
                                .total = 100000,
                                .seed = d->who.device_number};
    memcpy(maker.person, d->who.person, 16);
    arena_clear(&b->arena);
    struct visit_row *rows = arena_array(&b->arena, (size_t)count, sizeof *rows);
    struct change *changes = arena_array(&b->arena, (size_t)count, sizeof *changes);
    struct transaction *txs = arena_array(&b->arena, (size_t)count, sizeof *txs);
    if (rows == NULL || changes == NULL || txs == NULL) {
        need(err_make(ERR_NOMEM, 0, "body_make"), "body");
        return;
    }
    struct message hello = {.kind = MESSAGE_HELLO,
                            .hello = {.protocol = PROTOCOL_VERSION,
                                      .catalogue = CATALOGUE_VERSION,
                                      .cursors_under = CATALOGUE_VERSION,
                                      .epoch = d->who.epoch,
                                      .timeline = d->who.timeline,
                                      .wall_ms = NOW_MS,
                                      .verdict_seen = d->next_seq - 1,
                                      .flags = HELLO_MORE}};
    memcpy(hello.hello.device, d->who.device, 16);
    memcpy(hello.hello.token, d->who.token, 16);
    for (int i = 0; i < count; i++) {
        visit_make(&maker, d->next_visit++, &rows[i]);
        changes[i] = (struct change){.table = TABLE_visit,
                                     .op = CHANGE_INSERT,
                                     .cell_count = VISIT_COLUMNS,
                                     .cells = rows[i].cells};
        memcpy(changes[i].id, rows[i].id, 16);
        txs[i] = (struct transaction){.device_seq = d->next_seq++,
                                      .catalogue = CATALOGUE_VERSION,
                                      .written = {.wall_ms = NOW_MS - 1000},
                                      .intent = bytes_text("visit.log"),
                                      .change_count = 1,
                                      .changes = &changes[i]};
    }
    struct message batch = {.kind = MESSAGE_BATCH,
                            .batch = {.count = (size_t)count, .transactions = txs}};
    struct message end = {.kind = MESSAGE_END};
    struct packer *packer = packer_new(3);
    buf_clear(body);
    need_packed(packer_put(packer, &hello, body));
    need_packed(packer_put(packer, &batch, body));
    need_packed(packer_put(packer, &end, body));
    need_packed(packer_end(packer, body));
    packer_free(packer);
}

static void answer(struct bench *b, struct server_session *s, struct buf *out)
{
    bool done = false;
    server_session_committed(s, ok());
    buf_clear(out);
    while (server_session_next(s) == SERVER_READ && !done) {
        need(server_session_read(s, &b->reader, out, &done), "server_session_read");
    }
    server_session_read_end(s, &b->reader);
    server_session_free(s);
}

/* Every device pushes once; one group, one commit. Gives seconds. */
static double group(struct bench *b, int changes)
{
    struct server_session *sessions[DEVICES] = {0};
    struct buf out;
    buf_init(&out, (size_t)16 * 1024 * 1024);
    for (int i = 0; i < DEVICES; i++) {
        body_make(b, &b->devices[i], changes, &b->bodies[i]);
    }
    double start = clock_s();
    for (int i = 0; i < DEVICES; i++) {
        need(server_session_new(buf_bytes(&b->bodies[i]), b->devices[i].who.device_number, NOW_MS,
                                &b->host, &sessions[i]),
             "server_session_new");
    }
    need(db_begin(b->db, DB_LOCK_WRITE), "begin");
    for (int i = 0; i < DEVICES; i++) {
        need(server_session_judge(sessions[i], &b->store), "server_session_judge");
    }
    need(db_end(b->db, ok()), "commit");
    for (int i = 0; i < DEVICES; i++) {
        answer(b, sessions[i], &out);
    }
    double took = clock_s() - start;
    b->rows += (int64_t)DEVICES * changes;
    buf_release(&out);
    return took;
}

static void check_all_stored(struct bench *b)
{
    int64_t stored = 0;
    need(db_one_int(b->db, "SELECT count(*) FROM visit", &stored), "count");
    if (stored != b->rows) {
        fprintf(stderr, "%" PRId64 " visits pushed, %" PRId64 " stored\n", b->rows, stored);
        exit(1);
    }
}

static void small_pushes(struct bench *b)
{
    double took = 0;
    int groups = 0;
    for (; groups < 20; groups++) {
        took += group(b, SMALL_CHANGES);
    }
    figure("server merge: pushes of 10 changes, 50 devices, per second", groups * DEVICES / took, 0,
           "", "≥ 1,500");
}

static void growth(struct bench *b, int64_t rows_max)
{
    static const int64_t marks[] = {10000, 100000, 1000000};
    double first_us = 0;
    for (size_t m = 0; m < count_of(marks) && marks[m] <= rows_max; m++) {
        while (b->rows < marks[m]) {
            group(b, LARGE_CHANGES);
        }
        double took = group(b, LARGE_CHANGES) + group(b, LARGE_CHANGES);
        double us = took / (2.0 * DEVICES * LARGE_CHANGES) * 1e6;
        char what[100];
        snprintf(what, sizeof what, "cost per change at %" PRId64 " rows stored (floor: at 10,000)",
                 marks[m]);
        first_us = m == 0 ? us : first_us;
        figure(what, us, first_us, "µs", "flat within 20 %");
        if (m == 0) {
            figure("server merge: row changes per second, pushes of 200", 1e6 / us, 0, "",
                   "≥ 20,000");
        }
    }
}

int main(int argc, char **argv)
{
    struct bench *b = calloc(1, sizeof *b);
    if (b == NULL) {
        return 1;
    }
    bench_open(b);
    small_pushes(b);
    growth(b, argc > 1 ? strtoll(argv[1], NULL, 10) : 100000);
    check_all_stored(b);
    bench_close(b);
    free(b);
    return 0;
}
