/* The wire: a request arrives whole, twice, in part or never; an answer comes in pieces of any size
 * and may end or stop at any byte; somebody in between may answer himself. */
#include "tests/sim/engine/sim.h"

#define ANSWER_BYTES_MAX ((size_t)8 * 1024 * 1024)
#define LOW_SPEED_MS     30000 /* a device gives up on a line that is silent for so long */
#define REQUESTS_MAX     64    /* of one sync, where the outbox is small */

static struct sim_conn *conn_new(struct sim *s, int *index)
{
    for (int i = 0; i < SIM_CONNS; i++) {
        struct sim_conn *c = &s->conns[i];
        if (!c->used) {
            int life = c->life + 1;
            memset(c, 0, sizeof *c);
            c->used = true;
            c->life = life;
            c->server_life = s->server.life;
            c->device = -1;
            c->reader = -1;
            c->at = SIZE_MAX;
            buf_init(&c->request, PUSH_BYTES_MAX + 1);
            buf_init(&c->answer, ANSWER_BYTES_MAX);
            *index = i;
            return c;
        }
    }
    return NULL;
}

void wire_drop(struct sim_conn *c)
{
    buf_release(&c->request);
    buf_release(&c->answer);
    c->used = false;
}

/* Both ends are through with it. */
static void maybe_drop(struct sim *s, struct sim_conn *c)
{
    (void)s;
    if (c->device < 0 && c->session == NULL) {
        wire_drop(c);
    }
}

/* The device's end is over: it is told, and what the server still does is for nobody. */
static void hang_up(struct sim *s, struct sim_conn *c, int status, struct err err,
                    const struct fault *fault)
{
    struct sim_device *d = &s->devices[c->device];
    c->device = -1;
    d->conn = -1;
    device_ended(d, status, err, fault);
    maybe_drop(s, c);
}

static enum conn_fault draw_fault(struct sim *s)
{
    if (s->phase != PHASE_CHAOS || sim_below(s, 3) != 2) {
        return CONN_FINE;
    }
    return (enum conn_fault)sim_below(s, CONN_FAULTS);
}

static struct sim_conn *conn_for(struct sim_device *d, struct bytes body, int *index)
{
    struct sim *s = d->sim;
    struct sim_conn *c = conn_new(s, index);
    if (c == NULL) {
        return NULL;
    }
    c->device_life = d->life;
    c->number = d->number;
    c->who = d->who;
    bool slow = sim_below(s, 5) == 4 || s->turn == SIM_RIVALS; /* work meets on its way */
    int64_t slow_ms = slow ? 25000 : 2000;
    c->latency_ms = 5 + (int64_t)sim_below(s, s->phase == PHASE_CHAOS ? (uint64_t)slow_ms : 50);
    buf_put(&c->request, body);
    return c;
}

/* The same request once more, as a proxy may send it; nobody hears the answer. */
static void send_again(struct sim_device *d, struct bytes body)
{
    struct sim *s = d->sim;
    int index;
    if (conn_for(d, body, &index) != NULL) {
        sim_plan(s, EVENT_ARRIVES, (int64_t)sim_below(s, 60000), index, s->conns[index].life);
    }
}

void wire_request(struct sim_device *d, struct bytes body)
{
    struct sim *s = d->sim;
    int index;
    struct sim_conn *c = conn_for(d, body, &index);
    if (c == NULL) { /* the machine has too many open already */
        device_ended(d, 0, err_make(ERR_NETWORK, 0, "no connection"), NULL);
        return;
    }
    c->device = d->index;
    d->conn = index;
    c->fault = draw_fault(s);
    bool breaks = c->fault == CONN_CUT || c->fault == CONN_STALLED;
    c->at = breaks ? (size_t)sim_below(s, 3000) : SIZE_MAX;
    if (c->fault == CONN_TRUNCATED) {
        c->request.size = (size_t)sim_below(s, c->request.size);
    }
    sim_trace(s, "device %d asks, %s%d", d->index, c->fault == CONN_FINE ? "" : "fault ",
              (int)c->fault);
    if (c->fault == CONN_TWICE) {
        send_again(d, body);
    }
    if (c->fault == CONN_LOST) {
        sim_plan(s, EVENT_TIMEOUT, LOW_SPEED_MS, index, c->life);
    } else {
        sim_plan(s, EVENT_ARRIVES, c->latency_ms, index, c->life);
    }
}

/* Whoever stands between answers with a page, and a status that says "fine". */
static void portal_answers(struct sim *s, struct sim_conn *c)
{
    static const char page[] = "<html><head><title>Sign in</title></head></html>";
    struct sim_device *d = &s->devices[c->device];
    struct err err = client_session_received(d->session, bytes_text(page));
    if (err.code == ERR_OK) {
        sim_break(s, INV_ALIVE, "a page was taken for an answer");
    }
    d->misled = true;
    hang_up(s, c, 200, err, NULL);
}

void wire_arrives(struct sim *s, int conn)
{
    struct sim_conn *c = &s->conns[conn];
    if (c->fault == CONN_PORTAL && c->device >= 0) {
        portal_answers(s, c);
        return;
    }
    if (c->fault == CONN_BUSY && c->device >= 0) {
        const struct fault busy = {.code = "busy", .limit = 1};
        hang_up(s, c, 503, err_ok(), &busy);
        return;
    }
    if (!s->server.up) {
        c->server_life = s->server.life;
        if (c->device >= 0) {
            hang_up(s, c, 0, err_make(ERR_NETWORK, 0, "nobody listens"), NULL);
        } else {
            wire_drop(c);
        }
        return;
    }
    c->server_life = s->server.life;
    server_arrives(s, conn);
}

void wire_plan_chunk(struct sim *s, int conn)
{
    struct sim_conn *c = &s->conns[conn];
    if (!c->chunk_planned && c->device >= 0) {
        c->chunk_planned = true;
        sim_plan(s, EVENT_CHUNK, c->latency_ms, conn, c->life);
    }
}

static void deliver(struct sim *s, int conn, size_t size)
{
    struct sim_conn *c = &s->conns[conn];
    struct sim_device *d = &s->devices[c->device];
    struct bytes piece = bytes_of(c->answer.at + c->delivered, size);
    c->delivered += size;
    struct err err = client_session_received(d->session, piece);
    if (device_is_gone(d)) {
        return;
    }
    if (err.code == ERR_PROTOCOL || err.code == ERR_LIMIT) {
        sim_break(s, INV_ALIVE, "device %d refuses an answer: %s %d in %s", d->index,
                  err_name(err.code), err.cause, err.where);
    }
    if (err.code != ERR_OK) {
        hang_up(s, c, 200, err, NULL);
        device_failed(d, err);
    }
}

void wire_chunk(struct sim *s, int conn)
{
    struct sim_conn *c = &s->conns[conn];
    c->chunk_planned = false;
    if (c->device < 0) {
        maybe_drop(s, c);
        return;
    }
    if (c->status != 0) {
        hang_up(s, c, c->status, err_ok(), &c->http_fault);
        return;
    }
    size_t end = c->answer.size < c->at ? c->answer.size : c->at;
    size_t left = end - c->delivered;
    if (left > 0) {
        size_t size = sim_below(s, 4) == 3 ? 1 + (size_t)sim_below(s, left) : left;
        deliver(s, conn, size);
    }
    if (!c->used || c->device < 0) {
        if (c->used) {
            maybe_drop(s, c);
        }
        return;
    }
    if (c->delivered == c->at && c->fault == CONN_STALLED) {
        sim_plan(s, EVENT_TIMEOUT, LOW_SPEED_MS, conn, c->life);
    } else if (c->delivered == c->at) {
        hang_up(s, c, 200, err_make(ERR_NETWORK, 0, "cut"), NULL);
    } else if (c->delivered < c->answer.size) {
        wire_plan_chunk(s, conn);
    } else if (c->answered) {
        hang_up(s, c, 200, err_ok(), NULL);
    }
}

void wire_timeout(struct sim *s, int conn)
{
    struct sim_conn *c = &s->conns[conn];
    if (c->device >= 0) {
        hang_up(s, c, 0, err_make(ERR_NETWORK, 0, "silence"), NULL);
    } else {
        maybe_drop(s, c);
    }
}
