/* See sync_loop.h.
 *
 *   sync_once:  session ─REQUEST─► sign, send ─► pieces ─► session ─► … ─► DONE
 *                  ▲                  │ no answer, 429, 5xx: wait with full jitter, new session
 *                  └──────────────────┘ 401 `clock`: signed again with the server's time, once
 *                  stalled (watchdog.h): told in one line, another connection, at once and once
 *   sync_wait:  GET /v1/live, open beside the syncs, until a hint or a local change; where no
 *               stream is to be had, the poll's clock
 *
 * What was received is stored by the session piece by piece, so a new session goes on from there.
 */
#include "client/sync_loop.h"

#include "client/net/come_back.h"
#include "client/machine.h"
#include "client/wake.h"
#include "client/watchdog.h"
#include "common/base/log.h"
#include "protocol/codec.h"

#include <sodium.h>

#define SERVER_BYTES_MAX 512
#define LIVE_BYTES_MAX   ((size_t)64 * 1024)
#define FAULT_ARENA_MAX  ((size_t)256 * 1024)
#define COMMIT_MS        8   /* the last of the looks 1, 2, 4… ms after a write */
#define SLEEP_STEP_MS    500 /* between looks at the watcher and at local changes */

struct sync_loop {
    struct home *home;
    struct sync_watcher watcher;
    struct http *http;
    int lock;
    int wake; /* readable when something was written in the folder */
    uint8_t secret_key[64];
    int64_t clock_fix_ms; /* what a `clock` answer added to the corrected clock */
    struct arena arena;   /* settings, for the loop's life */
    /* of the request under way */
    struct client_session *session;
    struct http_traffic before;      /* until the sync began */
    struct http_traffic past;        /* over connections that were given up */
    struct client_progress progress; /* of the session, when its last request ended */
    struct watchdog watchdog;
    bool stalled; /* the last request was given up by it */
    /* of the live stream */
    struct buf live;
    bool advanced;        /* a hint came since the last sync began */
    int64_t heard_ms;     /* monotonic, when something was last heard */
    int64_t data_version; /* of the replica as this process knows it */
    int64_t outbox_last;  /* what the last sync could know of */
    int64_t began_ms;     /* monotonic, last sync */
};

/* ---- stalls ---- */

static struct http_traffic traffic_so_far(struct sync_loop *loop)
{
    struct http_traffic now = http_traffic(loop->http);
    return (struct http_traffic){loop->past.up + now.up, loop->past.down + now.down};
}

static int64_t bytes_so_far(struct sync_loop *loop)
{
    struct http_traffic t = traffic_so_far(loop);
    return t.up + t.down;
}

/* Asked several times a second while a request runs. */
static bool should_stop(void *context)
{
    struct sync_loop *loop = context;
    if (loop->watcher.cancelled(loop->watcher.context)) {
        return true;
    }
    loop->stalled = watchdog_look(&loop->watchdog, machine_mono_ms(), bytes_so_far(loop));
    return loop->stalled;
}

static struct err open_http(struct sync_loop *loop, struct http **out);

/* What hangs may hang in the connection, in the handle, or in what a box on the way remembers of
 * them: all of it is made anew. */
static struct err start_afresh(struct sync_loop *loop)
{
    struct log_line line;
    struct http *fresh = NULL;
    const struct client_progress *p = &loop->progress;
    struct http_traffic sum = traffic_so_far(loop);
    log_begin(&line, machine_wall_ms(), "stall");
    log_text(&line, "state", p->state);
    log_text(&line, "last", p->last);
    log_int(&line, "messages", p->messages);
    log_int(&line, "up", sum.up - loop->before.up);
    log_int(&line, "down", sum.down - loop->before.down);
    log_int(&line, "age_ms", machine_mono_ms() - loop->watchdog.moved_ms);
    log_end(&line, stderr);
    struct err err = open_http(loop, &fresh);
    if (err.code == ERR_OK) {
        loop->past = sum;
        http_close(loop->http);
        wake_close(loop->wake);
        loop->http = fresh;
        err = replica_stalled(&loop->home->replica);
    }
    return err;
}

/* ---- opening ---- */

static struct err open_http(struct sync_loop *loop, struct http **out)
{
    struct bytes server;
    struct bytes ca;
    struct err err = home_setting(loop->home->db, "server", &loop->arena, &server);
    if (err.code == ERR_OK) {
        err = home_setting(loop->home->db, "ca", &loop->arena, &ca);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    if (server.size == 0 || ca.size == 0) {
        return err_make(ERR_CORRUPT, 0, "settings");
    }
    char session_file[HOME_FILE_MAX];
    home_file(loop->home, "tls.session", session_file);
    struct http_options options = {.server = (const char *)server.at,
                                   .ca = ca,
                                   .session_file = session_file,
                                   .cancelled = should_stop,
                                   .context = loop};
    return http_open(out, &options);
}

static struct err open_loop(struct sync_loop **out, struct home *home,
                            const struct sync_watcher *watcher, bool alone)
{
    *out = NULL;
    struct sync_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL) {
        return err_make(ERR_NOMEM, 0, "sync");
    }
    loop->home = home;
    loop->watcher = *watcher;
    loop->lock = -1;
    loop->wake = wake_open(home->dir);
    arena_init(&loop->arena, FAULT_ARENA_MAX);
    buf_init(&loop->live, LIVE_BYTES_MAX);
    struct err err = alone ? home_lock(home, &loop->lock) : err_ok();
    if (err.code == ERR_OK) {
        err = home_key_read(home, loop->secret_key);
    }
    if (err.code == ERR_OK) {
        err = open_http(loop, &loop->http);
    }
    if (err.code != ERR_OK) {
        sync_loop_close(loop);
        return err;
    }
    *out = loop;
    return err_ok();
}

struct err sync_loop_open(struct sync_loop **out, struct home *home,
                          const struct sync_watcher *watcher)
{
    return open_loop(out, home, watcher, true);
}

struct err sync_loop_open_beside(struct sync_loop **out, struct home *home,
                                 const struct sync_watcher *watcher)
{
    return open_loop(out, home, watcher, false);
}

void sync_loop_close(struct sync_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    http_close(loop->http);
    home_unlock(loop->lock);
    sodium_memzero(loop->secret_key, sizeof loop->secret_key);
    buf_release(&loop->live);
    arena_release(&loop->arena);
    free(loop);
}

/* ---- one request ---- */

static struct http_traffic traffic_since(struct sync_loop *loop)
{
    struct http_traffic now = traffic_so_far(loop);
    return (struct http_traffic){now.up - loop->before.up, now.down - loop->before.down};
}

static struct err on_piece(void *context, struct bytes piece)
{
    struct sync_loop *loop = context;
    struct err err = client_session_received(loop->session, piece);
    if (loop->watcher.progress != NULL) {
        loop->watcher.progress(loop->watcher.context, client_session_tally(loop->session),
                               traffic_since(loop));
    }
    return err;
}

static void sign(struct sync_loop *loop, struct http_request *request,
                 struct signature_headers *signature)
{
    int64_t now_ms = replica_now_ms(&loop->home->replica) + loop->clock_fix_ms;
    signature_make(request->method, request->path, request->body, now_ms / 1000,
                   loop->secret_key + 32, loop->secret_key, signature);
    request->signature = signature;
}

static struct err send_signed(struct sync_loop *loop, struct http_request *request,
                              struct http_answer *answer)
{
    struct signature_headers signature;
    sign(loop, request, &signature);
    loop->stalled = false;
    watchdog_begin(&loop->watchdog, machine_mono_ms(), bytes_so_far(loop));
    struct err err = http_send(loop->http, request, answer);
    request->signature = NULL;
    return err.code == ERR_CANCELLED && loop->stalled ? err_make(ERR_NETWORK, 0, "stall") : err;
}

/* The body of an answer other than 200; false: there was none of ours. */
static bool read_fault(const struct http_answer *answer, struct arena *arena, struct fault *out)
{
    struct message message;
    size_t used;
    if (message_decode(buf_bytes(&answer->fault), arena, &message, &used) != WIRE_OK ||
        message.kind != MESSAGE_FAULT) {
        return false;
    }
    *out = message.fault;
    return true;
}

/* A device whose clock is far off learns the time from the refusal and signs again, once. */
static struct err send_in_time(struct sync_loop *loop, struct http_request *request,
                               struct arena *arena, struct http_answer *answer, struct fault *fault,
                               bool *has_fault)
{
    struct err err = send_signed(loop, request, answer);
    *has_fault = err.code == ERR_OK && answer->status != 200 && read_fault(answer, arena, fault);
    if (!*has_fault || strcmp(fault->code, "clock") != 0 || fault->server_ms == 0) {
        return err;
    }
    loop->clock_fix_ms = fault->server_ms - replica_now_ms(&loop->home->replica);
    http_answer_release(answer);
    err = send_signed(loop, request, answer);
    *has_fault = err.code == ERR_OK && answer->status != 200 && read_fault(answer, arena, fault);
    return err;
}

struct err sync_request(struct sync_loop *loop, struct http_request *request,
                        struct http_answer *answer, struct sync_fault *fault)
{
    struct fault said;
    bool has_fault;
    struct arena arena;
    arena_init(&arena, FAULT_ARENA_MAX);
    *fault = (struct sync_fault){.limit = 0};
    struct err err = send_in_time(loop, request, &arena, answer, &said, &has_fault);
    if (has_fault) {
        (void)snprintf(fault->code, sizeof fault->code, "%s", said.code);
        fault->limit = said.limit;
    }
    arena_release(&arena);
    if (loop->stalled) {
        loop->progress = (struct client_progress){.state = "REQUEST", .last = "none"};
        struct err fresh = start_afresh(loop);
        err = fresh.code == ERR_OK ? err : fresh;
    }
    return err;
}

/* What the retry looks at. */
struct attempt {
    struct err err; /* of the transport */
    int status;
    int64_t retry_after_s;
};

static void exchange(struct sync_loop *loop, struct bytes body, struct attempt *attempt,
                     struct sync_result *out)
{
    struct http_request request = {.method = "POST",
                                   .path = "/v1/sync",
                                   .body = body,
                                   .packed = true,
                                   .accepts = "application/cbor-seq",
                                   .received = on_piece,
                                   .context = loop};
    struct http_answer answer;
    struct fault fault;
    bool has_fault;
    struct arena arena;
    arena_init(&arena, FAULT_ARENA_MAX);
    struct err err = send_in_time(loop, &request, &arena, &answer, &fault, &has_fault);
    *attempt = (struct attempt){err, answer.status, answer.retry_after_s};
    out->status = answer.status;
    out->stranger = answer.stranger;
    if (has_fault) {
        snprintf(out->code, sizeof out->code, "%s", fault.code);
    }
    loop->progress = client_session_progress(loop->session);
    client_session_ended(loop->session, err.code == ERR_OK ? answer.status : 0, err,
                         has_fault ? &fault : NULL);
    http_answer_release(&answer);
    arena_release(&arena);
}

/* Two sides that differ and can't be made equal are a reason to look at both. */
static void tell_of_repair(const struct client_tally *tally)
{
    struct log_line line;
    if (tally->repaired == 0 && !tally->gave_up) {
        return;
    }
    log_begin(&line, machine_wall_ms(), "repair");
    log_text(&line, "end", tally->gave_up ? "gave_up" : "done");
    log_int(&line, "rows", tally->repaired);
    log_int(&line, "requests", tally->requests);
    log_end(&line, stderr);
}

/* One session from its first request to its end. */
static struct err run_session(struct sync_loop *loop, bool verify, struct attempt *attempt,
                              struct sync_result *out)
{
    struct client_session_options options = {.verify = verify};
    struct err err = client_session_new(&loop->home->replica, &options, &loop->session);
    if (err.code != ERR_OK) {
        return err;
    }
    for (bool going = true; going;) {
        struct client_action action = client_session_next(loop->session);
        switch (action.kind) {
        case CLIENT_REQUEST:
            exchange(loop, action.body, attempt, out);
            break;
        case CLIENT_DONE:
            going = false;
            break;
        case CLIENT_FAILED:
            err = action.err;
            if (action.code != NULL && out->code[0] == 0) {
                snprintf(out->code, sizeof out->code, "%s", action.code);
            }
            going = false;
            break;
        }
    }
    out->tally = *client_session_tally(loop->session);
    tell_of_repair(&out->tally);
    client_session_free(loop->session);
    loop->session = NULL;
    return err;
}

/* ---- tries ---- */

/* Would the same request, later, have another answer? */
static bool is_worth_retry(const struct attempt *a)
{
    return a->err.code == ERR_NETWORK || a->status == 408 || a->status == 429 || a->status >= 500;
}

bool sync_is_cancelled(const struct sync_loop *loop)
{
    return loop->watcher.cancelled(loop->watcher.context);
}

/* Full jitter: when an outage ends, 400 reps return at once, and equal delays would keep them in
 * step. What the server asked for in Retry-After is the least that is waited. */
static void back_off(struct sync_loop *loop, int attempt, int64_t retry_after_s)
{
    int64_t most = SYNC_BACKOFF_MS;
    for (int i = 0; i < attempt && most < SYNC_BACKOFF_MS_MAX; i++) {
        most *= 2;
    }
    int64_t wait_ms = (int64_t)randombytes_uniform((uint32_t)most);
    int64_t asked_ms = retry_after_s * 1000;
    wait_ms += asked_ms < SYNC_BACKOFF_MS_MAX ? asked_ms : SYNC_BACKOFF_MS_MAX;
    for (int64_t end = machine_mono_ms() + wait_ms; !sync_is_cancelled(loop);) {
        int64_t left = end - machine_mono_ms();
        if (left <= 0) {
            break;
        }
        machine_sleep_ms(left < SLEEP_STEP_MS ? left : SLEEP_STEP_MS);
    }
}

/* What failed tries did count too: their verdicts and rows are stored. */
static void add_tally(struct client_tally *sum, const struct client_tally *more)
{
    sum->pushed += more->pushed;
    sum->accepted += more->accepted;
    sum->merged += more->merged;
    sum->parked += more->parked;
    sum->refused += more->refused;
    sum->pulled += more->pulled;
    sum->requests += more->requests;
    sum->left += more->left;
    sum->restored = sum->restored || more->restored;
    sum->again += more->again;
    sum->witnessed += more->witnessed;
    sum->digest_asked = more->digest_asked;
    sum->digest_equal = more->digest_equal;
    sum->contents_asked = more->contents_asked;
    sum->contents_equal = more->contents_equal;
    sum->repaired += more->repaired;
    sum->gave_up = sum->gave_up || more->gave_up;
}

/* What is saved from now on is the next sync's. */
static void note_what_is_there(struct sync_loop *loop)
{
    loop->data_version = db_data_version(loop->home->db);
    if (replica_outbox_last(&loop->home->replica, &loop->outbox_last).code != ERR_OK) {
        loop->outbox_last = 0; /* a needless sync does no harm */
    }
}

struct err sync_once(struct sync_loop *loop, bool verify, int tries, struct sync_result *out)
{
    struct client_tally sum = {0};
    bool asked_back = false;
    loop->advanced = false; /* hints from now on are about what this sync may miss */
    loop->began_ms = machine_mono_ms();
    loop->before = traffic_so_far(loop);
    bool restarted = false;
    struct err err = err_ok();
    for (int i = 0; i < tries; i++) {
        struct attempt attempt = {.err = err_ok()};
        *out = (struct sync_result){.status = 0};
        note_what_is_there(loop);
        err = run_session(loop, verify, &attempt, out);
        bool unknown = attempt.status == 401 && strcmp(out->code, "reenrol") == 0;
        if (unknown && !asked_back) { /* once: a restored server may have lost this device */
            asked_back = true;
            if (come_back(loop->home, loop->http, loop->secret_key + 32)) {
                add_tally(&sum, &out->tally);
                i--;
                continue;
            }
        }
        add_tally(&sum, &out->tally);
        if (err.code == ERR_OK || !is_worth_retry(&attempt) || sync_is_cancelled(loop)) {
            break;
        }
        err = err_make(ERR_NETWORK, attempt.err.cause, "sync");
        if (loop->stalled) {
            struct err fresh = start_afresh(loop);
            if (fresh.code != ERR_OK) {
                err = fresh;
                break;
            }
            i -= restarted ? 0 : 1; /* once at once, and without counting as a try */
            if (!restarted) {
                restarted = true;
                continue;
            }
        }
        if (attempt.retry_after_s > SYNC_PATIENCE_S) {
            break; /* a full disk there, say: who waits had better hear it now */
        }
        if (i + 1 < tries) {
            back_off(loop, i, attempt.retry_after_s);
        }
    }
    out->tally = sum;
    out->traffic = traffic_since(loop);
    return err;
}

/* ---- waiting for the next ---- */

/* Hints are tiny and rare: all that came is decoded from its start each time. */
static struct err on_live_piece(void *context, struct bytes piece)
{
    struct sync_loop *loop = context;
    loop->heard_ms = machine_mono_ms();
    buf_put(&loop->live, piece);
    struct arena arena;
    arena_init(&arena, FAULT_ARENA_MAX);
    struct err err = loop->live.bad ? err_make(ERR_PROTOCOL, 0, "live") : err_ok();
    while (err.code == ERR_OK) {
        struct message message;
        size_t used;
        enum wire_error wire = message_decode(buf_bytes(&loop->live), &arena, &message, &used);
        if (wire == WIRE_MORE || loop->live.size == 0) {
            break;
        }
        if (wire != WIRE_OK || message.kind != MESSAGE_HINT) {
            err = err_make(ERR_PROTOCOL, (int)wire, "live");
            break;
        }
        loop->advanced = loop->advanced || message.hint.advanced;
        loop->live.size -= used;
        memmove(loop->live.at, loop->live.at + used, loop->live.size);
    }
    arena_release(&arena);
    return err;
}

/* Commands write more than there is to send: their opening alone notes clocks. A sync for that
 * would go ahead of the one that carries the work. */
static bool saved_here(struct sync_loop *loop)
{
    int64_t version = db_data_version(loop->home->db);
    int64_t last = 0;
    if (version == loop->data_version) {
        return false;
    }
    loop->data_version = version;
    struct err err = replica_outbox_last(&loop->home->replica, &last);
    return err.code != ERR_OK || last > loop->outbox_last;
}

/* The file is written to before the commit can be seen, by what the disk takes to make it durable;
 * nothing tells of that moment. */
static bool saved_just_now(struct sync_loop *loop)
{
    bool written = wake_drain(loop->wake);
    bool saved = saved_here(loop);
    for (int ms = 1; written && !saved && ms <= COMMIT_MS; ms *= 2) {
        machine_sleep_ms(ms);
        saved = saved_here(loop);
    }
    return saved;
}

static bool is_silent(const struct sync_loop *loop)
{
    return machine_mono_ms() - loop->heard_ms > LIVE_SILENCE_MS;
}

static bool heard_enough(void *context)
{
    struct sync_loop *loop = context;
    bool saved = saved_just_now(loop);
    return saved || loop->advanced || sync_is_cancelled(loop) || is_silent(loop);
}

static struct err open_stream(struct sync_loop *loop)
{
    struct http_request request = {.method = "GET",
                                   .path = "/v1/live",
                                   .accepts = "application/cbor-seq",
                                   .received = on_live_piece,
                                   .context = loop};
    struct signature_headers signature;
    buf_clear(&loop->live);
    loop->heard_ms = machine_mono_ms();
    sign(loop, &request, &signature);
    return http_stream_open(loop->http, &request);
}

/* True: the wait is over for a reason that the stream lived to see. A new stream's first hint asks
 * for a sync, since something may have happened before it was there. */
static bool listen_live(struct sync_loop *loop)
{
    struct err err = err_ok();
    if (!http_stream_is_open(loop->http)) {
        err = open_stream(loop);
    }
    if (err.code == ERR_OK) {
        err = http_stream_wait(loop->http, loop->wake, heard_enough, loop);
    }
    if (err.code == ERR_OK && is_silent(loop)) {
        http_stream_close(loop->http);
        loop->progress = (struct client_progress){.state = "LIVE", .last = "hint"};
        loop->watchdog.moved_ms = loop->heard_ms;
        struct err fresh =
            start_afresh(loop); /* the next sync mustn't wait on the same dead line */
        (void)fresh;            /* without memory for it the next sync says so */
        return false;
    }
    return err.code == ERR_OK;
}

/* Half of the time to all of it, so that a crowd of devices doesn't ask in step. */
static void wait_for_poll(struct sync_loop *loop)
{
    int64_t wait_ms = LIVE_POLL_MS / 2 + (int64_t)randombytes_uniform(LIVE_POLL_MS / 2);
    int64_t end = machine_mono_ms() + wait_ms;
    while (machine_mono_ms() < end && !sync_is_cancelled(loop) && !saved_here(loop)) {
        machine_sleep_ms(SLEEP_STEP_MS);
    }
}

void sync_wait(struct sync_loop *loop)
{
    if (!listen_live(loop)) {
        wait_for_poll(loop);
    }
    int64_t left = loop->began_ms + SYNC_INTERVAL_MS - machine_mono_ms();
    if (left > 0) { /* where much is going on, several hints make one sync */
        machine_sleep_ms(left);
    }
}
