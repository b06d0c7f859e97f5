/* Where the time of a sync goes: both halves in this process, without network, TLS and signature.
 *
 *     bench_push HOME DATA     one sync of an enrolled home with a server's folder, step by step
 *
 * Seconds of CPU for each step, all requests together; what bench_sync.py measures from outside. */
#include "client/home.h"
#include "common/sync/client_session.h"
#include "common/sync/server_session.h"
#include "server/store/ledger_file.h"
#include "tests/bench/stopwatch.h"

#define ANSWER_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define PIECE_BYTES      ((size_t)16 * 1024)
#define CACHE_KIB        16384

enum step { STEP_BUILD, STEP_DECODE, STEP_JUDGE, STEP_COMMIT, STEP_ANSWER, STEP_APPLY, STEPS };

struct bench {
    struct home home;
    struct ledger_file ledger;
    struct db *db, *read_db;
    struct store writer, reader;
    uint32_t number;
    double seconds[STEPS];
    double since;
};

static void lap(struct bench *b, enum step step)
{
    double now = cpu_s();
    b->seconds[step] += now - b->since;
    b->since = now;
}

static void store_find(struct bench *b, const char *dir)
{
    char path[1024];
    struct db_options options = {.mode = DB_WRITE, .busy_timeout_ms = 5000, .cache_kib = CACHE_KIB};
    (void)snprintf(path, sizeof path, "%s/ledger", dir);
    need(ledger_file_open(&b->ledger, path, false), path);
    (void)snprintf(path, sizeof path, "%s/store.db", dir);
    need(db_open(&b->db, path, &options), path);
    need(store_open(&b->writer, b->db, &b->home.replica.host, true), "store_open");
    options.mode = DB_READ;
    need(db_open(&b->read_db, path, &options), path);
    need(store_open(&b->reader, b->read_db, &b->home.replica.host, false), "store_open");
    store_use_ledger(&b->writer, &b->ledger.ledger);
    store_use_ledger(&b->reader, &b->ledger.ledger);
}

static void device_find(struct bench *b)
{
    struct stmt st;
    need(db_use(b->db, "SELECT number FROM device_key WHERE device = ?1", &st), "device");
    bind_id(&st, 1, b->home.replica.device);
    if (!db_step_row(&st)) {
        need(err_make(ERR_NOT_FOUND, 0, "device_find"), "the store doesn't know the device");
    }
    b->number = (uint32_t)col_int(&st, 0);
    stmt_reset(&st);
}

/* What the server makes of one request. */
static void serve(struct bench *b, struct bytes body, struct buf *out)
{
    struct server_session *s = NULL;
    struct clocks now = {0};
    bool done = false;
    b->home.replica.host.now(b->home.replica.host.context, &now);
    need(server_session_new(body, b->number, now.wall_ms, &b->home.replica.host, &s), "decode");
    lap(b, STEP_DECODE);
    need(db_begin(b->db, DB_LOCK_WRITE), "begin");
    need(server_session_judge(s, &b->writer), "judge");
    lap(b, STEP_JUDGE);
    need(db_end(b->db, err_ok()), "commit");
    lap(b, STEP_COMMIT);
    server_session_committed(s, err_ok());
    while (server_session_next(s) == SERVER_READ && !done) {
        need(server_session_read(s, &b->reader, out, &done), "answer");
    }
    server_session_read_end(s, &b->reader);
    if (server_session_next(s) != SERVER_DONE) {
        need(err_make(ERR_PROTOCOL, 0, "serve"), "the server answered with a fault");
    }
    server_session_free(s);
    lap(b, STEP_ANSWER);
}

static void sync_all(struct bench *b)
{
    struct client_session *s = NULL;
    struct client_session_options options = {0};
    struct buf out;
    buf_init(&out, ANSWER_BYTES_MAX);
    b->since = cpu_s();
    need(client_session_new(&b->home.replica, &options, &s), "client_session_new");
    for (;;) {
        struct client_action a = client_session_next(s);
        lap(b, STEP_BUILD);
        if (a.kind != CLIENT_REQUEST) {
            need(a.err, "sync");
            break;
        }
        buf_clear(&out);
        serve(b, a.body, &out);
        for (size_t at = 0; at < out.size; at += PIECE_BYTES) {
            size_t size = out.size - at < PIECE_BYTES ? out.size - at : PIECE_BYTES;
            need(client_session_received(s, bytes_of(out.at + at, size)), "apply");
        }
        client_session_ended(s, 200, err_ok(), NULL);
        lap(b, STEP_APPLY);
    }
    const struct client_tally *t = client_session_tally(s);
    printf("%" PRId64 " accepted, %" PRId64 " pulled, %" PRId64 " requests\n", t->accepted,
           t->pulled, t->requests);
    client_session_free(s);
    buf_release(&out);
}

int main(int argc, char **argv)
{
    static const char *const names[STEPS] = {"device: freeze and pack", "server: unpack and hash",
                                             "server: judge and store", "server: commit",
                                             "server: answer",          "device: apply"};
    struct bench *b = calloc(1, sizeof *b);
    if (b == NULL || argc != 3) {
        fprintf(stderr, "usage: bench_push HOME DATA\n");
        free(b);
        return 2;
    }
    need(home_find(&b->home, argv[1]), "home_find");
    need(home_open(&b->home, false), "home_open");
    store_find(b, argv[2]);
    device_find(b);
    sync_all(b);
    for (int i = 0; i < STEPS; i++) {
        figure(names[i], b->seconds[i] * 1000, 0, "ms", "");
    }
    store_close(&b->reader);
    db_close(b->read_db);
    store_close(&b->writer);
    db_close(b->db);
    ledger_file_close(&b->ledger);
    home_close(&b->home);
    free(b);
    return 0;
}
