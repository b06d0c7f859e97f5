/* The wire between a device and the server: a request is carried whole or not at all, an answer
 * comes in pieces of any size, and a plan says what goes wrong. */
#include "tests/support/world.h"

#include "common/sync/server_session.h"

#define REQUESTS_MAX     1000
#define ANSWER_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct exchange { /* one request and what came back */
    struct bytes body;
    bool dies;  /* before the commit */
    int status; /* 0: nothing came back */
    struct buf answer;
    struct fault fault;
};

/* The server dies between judging and its commit: nothing of it is durable, nobody hears of it. */
static void die_before_commit(struct world *w, struct server_session *s)
{
    struct err err = db_end(w->writer_db, err_make(ERR_CANCELLED, 0, "power cut"));
    (void)err;
    server_session_committed(s, err_make(ERR_CANCELLED, 0, "power cut"));
    server_session_free(s);
    world_restart_server(w);
}

static void judge(struct world *w, struct server_session *s)
{
    world_must(w, w->writer_db, db_begin(w->writer_db, DB_LOCK_WRITE));
    struct err err = server_session_judge(s, &w->writer);
    world_must(w, w->writer_db, err);
}

static void read_answer(struct world *w, struct server_session *s, struct exchange *x)
{
    bool done = false;
    while (!done) {
        world_must(w, w->reader_db, server_session_read(s, &w->reader, &x->answer, &done));
    }
    server_session_read_end(s, &w->reader);
    x->status = 200;
}

static void serve(struct world_device *d, struct exchange *x)
{
    struct world *w = d->world;
    struct host host = fake_host_as_host(&w->server);
    struct server_session *s = NULL;
    struct err err = server_session_new(x->body, d->replica.number, w->server.wall_ms, &host, &s);
    if (s == NULL) {
        world_must(w, NULL, err);
    }
    for (;;) {
        switch (server_session_next(s)) {
        case SERVER_JUDGE:
            judge(w, s);
            if (x->dies) {
                die_before_commit(w, s);
                return;
            }
            err = db_end(w->writer_db, err_ok());
            world_must(w, w->writer_db, err);
            server_session_committed(s, err);
            break;
        case SERVER_READ:
            read_answer(w, s, x);
            break;
        case SERVER_FAULT:
            x->status = server_session_fault(s, &x->fault);
            w->fault_status = x->status;
            if (!w->allows_faults) {
                world_fail(w, "the server answers %d %s", x->status, x->fault.code);
            }
            server_session_free(s);
            return;
        case SERVER_DONE:
            server_session_free(s);
            return;
        }
    }
}

/* Feeds the answer in pieces, as far as `limit`. */
static struct err feed(struct world *w, struct client_session *c, const struct buf *answer,
                       size_t limit)
{
    struct err err = err_ok();
    size_t size = answer->size < limit ? answer->size : limit;
    for (size_t at = 0; at < size && err.code == ERR_OK;) {
        size_t piece = 1 + (size_t)world_below(w, 8192);
        piece = piece > size - at ? size - at : piece;
        err = client_session_received(c, bytes_of(answer->at + at, piece));
        at += piece;
    }
    return err;
}

static void carry(struct world_device *d, struct exchange *x, enum fault_kind kind)
{
    switch (kind) {
    case FAULT_REQUEST_LOST:
        break;
    case FAULT_BUSY:
        x->status = 503;
        x->fault = (struct fault){.code = "busy", .limit = 1};
        break;
    case FAULT_SERVER_DIES:
        x->dies = true;
        serve(d, x);
        break;
    case FAULT_TWICE:
        serve(d, x);
        buf_clear(&x->answer);
        serve(d, x);
        break;
    case FAULT_SERVER_RESTARTS:
        serve(d, x);
        world_restart_server(d->world);
        x->status = 0;
        break;
    case FAULT_NONE:
    case FAULT_ANSWER_CUT:
    case FAULT_DEVICE_DIES:
        serve(d, x);
        break;
    }
}

/* False: the device died and its session with it. */
static bool one_request(struct world_device *d, struct client_session *c, struct bytes body,
                        const struct fault_plan *plan, struct sync_result *result)
{
    struct exchange x = {.body = body};
    enum fault_kind kind = plan->kind;
    size_t at = plan->at;
    bool cut = kind == FAULT_ANSWER_CUT || kind == FAULT_DEVICE_DIES;
    struct err err = err_make(ERR_NETWORK, 0, "the wire");
    buf_init(&x.answer, ANSWER_BYTES_MAX);
    if (plan->kept != NULL) {
        buf_put(plan->kept, body);
    }
    carry(d, &x, kind);
    if (plan->meanwhile != NULL) {
        plan->meanwhile(d, plan->context);
    }
    if (x.status == 200) {
        err = feed(d->world, c, &x.answer, cut ? at : SIZE_MAX);
        if (err.code != ERR_OK) {
            world_fail(d->world, "the device rejects an answer: %s %d in %s: %s",
                       err_name(err.code), err.cause, err.where, db_message(d->db));
        }
        if (cut && at < x.answer.size) {
            x.status = 0;
            err = err_make(ERR_NETWORK, 0, "the wire");
        }
    }
    result->answer_bytes = x.answer.size;
    buf_release(&x.answer);
    if (kind == FAULT_DEVICE_DIES) {
        return false;
    }
    client_session_ended(c, x.status, err, x.status > 200 ? &x.fault : NULL);
    return true;
}

static const struct fault_plan undisturbed = {.kind = FAULT_NONE};

struct sync_result device_sync_with(struct world_device *d, const struct fault_plan *plan,
                                    const struct client_session_options *options)
{
    static const struct client_session_options plain = {.verify = true};
    struct sync_result result = {.end = SYNC_CUT};
    struct client_session *c = NULL;
    bool alive = true;
    world_must(d->world, d->db,
               client_session_new(&d->replica, options == NULL ? &plain : options, &c));
    for (int request = 0; alive && request < REQUESTS_MAX; request++) {
        struct client_action action = client_session_next(c);
        if (action.kind != CLIENT_REQUEST) {
            result.end = action.kind == CLIENT_DONE ? SYNC_FINISHED : SYNC_FAILED;
            snprintf(result.code, sizeof result.code, "%s",
                     action.kind == CLIENT_FAILED && action.code != NULL ? action.code : "");
            break;
        }
        const struct fault_plan *now = request == plan->request ? plan : &undisturbed;
        alive = one_request(d, c, action.body, now, &result);
    }
    result.tally = *client_session_tally(c);
    if (result.tally.sums_wrong && !d->world->damaged) {
        world_fail(d->world, "device %zu kept sums that weren't its rows'",
                   (size_t)(d - d->world->devices));
    }
    if (result.tally.patrol_found > 0 && !d->world->damaged) {
        world_fail(d->world, "device %zu takes rows for damaged that came so",
                   (size_t)(d - d->world->devices));
    }
    client_session_free(c);
    if (!alive) {
        device_restart(d);
    } else if (result.end == SYNC_CUT) {
        world_fail(d->world, "a sync that doesn't end");
    }
    return result;
}

struct sync_result device_sync(struct world_device *d)
{
    struct sync_result result = device_sync_with(d, &undisturbed, NULL);
    if (result.end != SYNC_FINISHED) {
        world_fail(d->world, "sync of device %zu fails: %s", (size_t)(d - d->world->devices),
                   result.code);
    }
    return result;
}

int device_request_comes(struct world_device *d, const struct buf *request)
{
    struct exchange x = {.body = buf_bytes(request)};
    buf_init(&x.answer, ANSWER_BYTES_MAX);
    serve(d, &x);
    buf_release(&x.answer);
    return x.status;
}

/* Two rounds bring every change up and down; a third answers what came of the second (a server
 * rule, a kept value). More would hide work that never ends. */
void world_heal(struct world *w)
{
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < WORLD_DEVICES; i++) {
            world_pass(w, 1000);
            device_sync(&w->devices[i]);
        }
    }
}
