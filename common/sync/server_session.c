/* The server's half of one sync request. The request is decoded whole and held as row forms, which
 * is what is hashed, judged and logged; the answer is made piece by piece.
 *
 *   new ──► JUDGE ──committed──► READ ──last piece──► DONE
 *    └────────┴─── FAULT: an HTTP status and a code instead of an answer
 *
 * Everything that must be written happens in JUDGE, on the writer: readers only read. */
#include "common/sync/server_session.h"

#include "common/changelog/download.h"
#include "common/changelog/gate.h"
#include "common/changelog/judge.h"
#include "common/changelog/verdicts.h"
#include "protocol/codec.h"

#define SESSION_ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define DECODE_ARENA_BYTES_MAX  ((size_t)128 * 1024 * 1024)
#define TX_ARENA_BYTES_MAX      ((size_t)128 * 1024 * 1024)
#define VERDICTS_PER_MESSAGE    500
#define VERDICTS_BYTES          ((size_t)2 * 1024 * 1024) /* of one message, far below its limit */
#define ANSWER_LEVEL            3
#define RETRY_S                 1

struct server_session {
    enum server_step step;
    uint32_t device;
    int64_t received_ms;
    struct host host;
    struct arena arena; /* hello, row forms, permit: as long as the session */
    struct hello hello;
    size_t push_count;
    struct push *pushes; /* by device_seq */
    struct answer answer;
    uint32_t epoch;
    int fault_status;
    struct fault fault;
    size_t touched_count;
    struct scope_id *touched;
    struct server_tally tally;
    /* reading */
    bool reading;
    struct permit permit;
    struct download_params params;
    struct packer *packer;
    struct download *download;
};

/* ---- the request ---- */

/* What each kind of message may follow. */
enum expected { EXPECT_HELLO, EXPECT_BATCH_OR_END, EXPECT_NOTHING };

static struct err fault(struct server_session *s, int status, const char *code, int64_t limit)
{
    s->step = SERVER_FAULT;
    s->fault_status = status;
    s->fault = (struct fault){.server_ms = s->received_ms, .limit = limit};
    (void)snprintf(s->fault.code, sizeof s->fault.code, "%s", code);
    return err_make(status == 413 ? ERR_LIMIT : ERR_PROTOCOL, status, code);
}

static struct err take_hello(struct server_session *s, const struct hello *hello)
{
    s->hello = *hello;
    s->hello.cursors = arena_array(&s->arena, hello->cursor_count, sizeof *s->hello.cursors);
    if (s->hello.cursors == NULL) {
        return err_make(ERR_NOMEM, 0, "take_hello");
    }
    if (hello->cursor_count > 0) {
        memcpy(s->hello.cursors, hello->cursors, hello->cursor_count * sizeof *hello->cursors);
    }
    return err_ok();
}

static struct err take_transaction(struct server_session *s, const struct transaction *tx,
                                   struct buf *scratch)
{
    struct push *push = &s->pushes[s->push_count];
    if (s->push_count > 0 && tx->device_seq <= push[-1].device_seq) {
        return fault(s, 400, "malformed", 0);
    }
    buf_clear(scratch);
    enum wire_error wire = transaction_encode(tx, scratch);
    if (wire != WIRE_OK) {
        return wire == WIRE_LIMIT ? fault(s, 413, "too_large", (int64_t)TX_BYTES_MAX)
                                  : err_make(ERR_NOMEM, 0, "take_transaction");
    }
    uint64_t *rests = arena_array(&s->arena, tx->rest_count, sizeof *rests);
    *push = (struct push){.device_seq = tx->device_seq,
                          .rest_count = tx->rest_count,
                          .rests_on = rests,
                          .row_form = arena_copy(&s->arena, buf_bytes(scratch)),
                          .effective_ms = -1};
    if (rests == NULL || push->row_form.at == NULL) {
        return fault(s, 413, "too_large", (int64_t)PUSH_PLAIN_BYTES_MAX);
    }
    if (tx->rest_count > 0) {
        memcpy(rests, tx->rests_on, tx->rest_count * sizeof *rests);
    }
    transaction_identity(push->row_form, push->identity);
    s->push_count++;
    return err_ok();
}

static struct err take_batch(struct server_session *s, const struct batch *batch,
                             struct buf *scratch)
{
    if (batch->count > PUSH_TX_MAX - s->push_count) {
        return fault(s, 413, "too_large", PUSH_TX_MAX);
    }
    struct push *pushes = arena_array(&s->arena, s->push_count + batch->count, sizeof *pushes);
    if (pushes == NULL) {
        return fault(s, 413, "too_large", (int64_t)PUSH_PLAIN_BYTES_MAX);
    }
    if (s->push_count > 0) {
        memcpy(pushes, s->pushes, s->push_count * sizeof *pushes);
    }
    s->pushes = pushes;
    struct err err = err_ok();
    for (size_t i = 0; i < batch->count && err.code == ERR_OK; i++) {
        err = take_transaction(s, &batch->transactions[i], scratch);
    }
    return err;
}

static struct err take(struct server_session *s, const struct message *m, struct buf *scratch,
                       enum expected *expected)
{
    if (*expected == EXPECT_HELLO && m->kind == MESSAGE_HELLO) {
        *expected = EXPECT_BATCH_OR_END;
        return take_hello(s, &m->hello);
    }
    if (*expected == EXPECT_BATCH_OR_END && m->kind == MESSAGE_BATCH) {
        return take_batch(s, &m->batch, scratch);
    }
    if (*expected == EXPECT_BATCH_OR_END && m->kind == MESSAGE_END) {
        *expected = EXPECT_NOTHING;
        return err_ok();
    }
    return fault(s, 400, "malformed", 0);
}

static struct err wire_fault(struct server_session *s, enum wire_error wire)
{
    switch (wire) {
    case WIRE_LIMIT:
        return fault(s, 413, "too_large", (int64_t)PUSH_PLAIN_BYTES_MAX);
    case WIRE_NOMEM:
        return fault(s, 503, "busy", RETRY_S);
    case WIRE_OK:
    case WIRE_MORE:
    case WIRE_MALFORMED:
        break;
    }
    return fault(s, 400, "malformed", 0);
}

static struct err take_all(struct server_session *s, struct unpacker *unpacker, struct buf *scratch)
{
    enum expected expected = EXPECT_HELLO;
    struct arena arena; /* of one message */
    arena_init(&arena, DECODE_ARENA_BYTES_MAX);
    struct err err = err_ok();
    enum wire_error wire = WIRE_OK;
    while (err.code == ERR_OK && expected != EXPECT_NOTHING) {
        struct message m;
        arena_clear(&arena);
        wire = unpacker_next(unpacker, &arena, &m);
        if (wire != WIRE_OK) {
            err = wire_fault(s, wire); /* also where the end is missing */
            break;
        }
        err = take(s, &m, scratch, &expected);
    }
    if (err.code == ERR_OK && !unpacker_is_complete(unpacker)) {
        err = fault(s, 400, "malformed", 0);
    }
    arena_release(&arena);
    return err;
}

static struct err unpack(struct server_session *s, struct bytes body)
{
    struct unpacker *unpacker = unpacker_new(PUSH_PLAIN_BYTES_MAX);
    if (unpacker == NULL) {
        return err_make(ERR_NOMEM, 0, "server_session_unpack");
    }
    struct buf scratch;
    buf_init(&scratch, TX_BYTES_MAX);
    enum wire_error wire = unpacker_feed(unpacker, body);
    struct err err = wire == WIRE_OK || wire == WIRE_MORE ? take_all(s, unpacker, &scratch)
                                                          : wire_fault(s, wire);
    buf_release(&scratch);
    unpacker_free(unpacker);
    return err;
}

struct err server_session_new(struct bytes body, uint32_t device_number, int64_t received_ms,
                              const struct host *host, struct server_session **out)
{
    struct server_session *s = calloc(1, sizeof *s);
    *out = s;
    if (s == NULL) {
        return err_make(ERR_NOMEM, 0, "server_session_new");
    }
    s->step = SERVER_JUDGE;
    s->device = device_number;
    s->received_ms = received_ms;
    s->host = *host;
    arena_init(&s->arena, SESSION_ARENA_BYTES_MAX);
    return body.size > PUSH_BYTES_MAX ? fault(s, 413, "too_large", (int64_t)PUSH_BYTES_MAX)
                                      : unpack(s, body);
}

void server_session_free(struct server_session *s)
{
    if (s != NULL) {
        download_free(s->download);
        packer_free(s->packer);
        arena_release(&s->arena);
        free(s);
    }
}

enum server_step server_session_next(const struct server_session *s)
{
    return s->step;
}

int server_session_fault(const struct server_session *s, struct fault *out)
{
    *out = s->fault;
    return s->fault_status;
}

size_t server_session_touched(const struct server_session *s, const struct scope_id **out)
{
    *out = s->touched;
    return s->touched_count;
}

void server_session_tally(const struct server_session *s, struct server_tally *out)
{
    *out = s->tally;
    out->rows = s->download == NULL ? 0 : download_rows(s->download);
}

/* ---- judging ---- */

static struct err acknowledge(struct server_session *s, struct store *st, struct gate *g)
{
    if (s->hello.verdict_seen <= g->verdict_seen) {
        return err_ok();
    }
    uint64_t seen =
        s->hello.verdict_seen < g->verdict_last ? s->hello.verdict_seen : g->verdict_last;
    struct err err = verdicts_acknowledge(st, g->number, g->verdict_seen, seen);
    g->verdict_seen = seen;
    return err;
}

static struct err judge_all(struct server_session *s, struct judge *j, bool *parked)
{
    struct arena arena; /* of one transaction */
    struct err err = err_ok();
    arena_init(&arena, TX_ARENA_BYTES_MAX);
    *parked = false;
    for (size_t i = 0; i < s->push_count && err.code == ERR_OK; i++) {
        enum outcome outcome = OUTCOME_ACCEPTED;
        arena_clear(&arena);
        err = judge_push(j, &s->pushes[i], &arena, &outcome);
        *parked = *parked || outcome == OUTCOME_PARKED;
        s->tally.outcomes[outcome]++;
    }
    if (err.code == ERR_OK) {
        err = judge_parked(j, &arena);
    }
    arena_release(&arena);
    return err;
}

static struct err judge_pushes(struct server_session *s, struct store *st, struct gate *g)
{
    struct judge j = {.st = st,
                      .permit = &s->permit,
                      .device = s->device,
                      .epoch = g->epoch,
                      .catalogue = s->hello.catalogue,
                      .now = {.wall_ms = s->hello.wall_ms, .mono_ms = s->hello.mono_ms},
                      .received_ms = s->received_ms,
                      .verdict_seen = s->hello.verdict_seen,
                      .verdict_last = g->verdict_last};
    memcpy(j.now.boot, s->hello.boot, sizeof j.now.boot);
    bool other = false;
    bool parked = false;
    struct err err = judge_find_other(&j, s->pushes, s->push_count, &other);
    if (err.code == ERR_OK && other) {
        gate_ask_epoch(st, g);
        s->answer.status = ANSWER_NEW_EPOCH;
        return err_ok();
    }
    if (err.code == ERR_OK) {
        err = acknowledge(s, st, g);
    }
    if (err.code == ERR_OK) {
        err = dones_read(st, &s->hello, &s->arena, &j.dones);
    }
    if (err.code == ERR_OK) {
        err = dones_store(st, s->device, &j.dones);
    }
    s->permit.dones = &j.dones;
    s->permit.now_ms = s->received_ms;
    if (err.code == ERR_OK) {
        err = judge_all(s, &j, &parked);
    }
    s->permit.dones = NULL; /* only of this judgement */
    g->verdict_last = j.verdict_last;
    if ((s->hello.flags & HELLO_MORE) == 0 && !parked) {
        g->complete_ms = s->received_ms;
    }
    return err;
}

static void make_answer(struct server_session *s, const struct store *st, const struct gate *g)
{
    s->epoch = g->epoch;
    s->answer.protocol = PROTOCOL_VERSION;
    s->answer.catalogue = CATALOGUE_VERSION;
    s->answer.server_ms = s->received_ms;
    s->answer.timeline = st->timeline;
    s->answer.epoch = s->answer.status == ANSWER_NEW_EPOCH ? g->epoch_pending : g->epoch;
    s->answer.mask = s->permit.role;
    memcpy(s->answer.token, g->token_pending, sizeof s->answer.token);
}

static struct err judge_hello(struct server_session *s, struct store *st)
{
    struct gate g;
    enum answer_status status = ANSWER_OK;
    struct err err = gate_load(st, s->device, &g);
    if (err.code == ERR_OK && g.revoked) {
        return fault(s, 401, "device_revoked", 0);
    }
    if (err.code == ERR_OK && memcmp(g.device, s->hello.device, sizeof g.device) != 0) {
        return fault(s, 401, "signature", 0);
    }
    if (err.code == ERR_OK) {
        err = permit_load(st, g.person, &s->arena, &s->permit);
    }
    if (err.code == ERR_OK && s->permit.role == 0) {
        return fault(s, 401, "device_revoked", 0);
    }
    if (err.code == ERR_OK) {
        err = gate_check(st, &g, &s->hello, &status);
        s->answer.status = (uint8_t)status;
    }
    if (err.code == ERR_OK && status == ANSWER_OK) {
        err = judge_pushes(s, st, &g);
    }
    if (err.code == ERR_OK) {
        err = gate_save(st, &g, &s->hello, s->permit.role, s->received_ms);
    }
    make_answer(s, st, &g);
    return err;
}

/* Counters are written once for all transactions of the request. */
static struct err judge_request(struct server_session *s, struct store *st)
{
    struct err err = judge_hello(s, st);
    if (err.code == ERR_OK) {
        err = scopes_save(st);
    }
    return err.code == ERR_OK ? scopes_take_touched(st, &s->arena, &s->touched, &s->touched_count)
                              : err;
}

struct err server_session_judge(struct server_session *s, struct store *writer)
{
    assert(s->step == SERVER_JUDGE);
    store_refresh(writer);
    scopes_clear_touched(writer);
    struct err err = judge_request(s, writer);
    if (err.code != ERR_OK && s->step != SERVER_FAULT) {
        (void)fault(s, 503, "busy", RETRY_S);
    }
    return s->fault_status == 401 ? err_ok() : err;
}

void server_session_committed(struct server_session *s, struct err err)
{
    if (s->step == SERVER_FAULT) {
        return;
    }
    if (err.code == ERR_OK) {
        s->step = SERVER_READ;
    } else {
        s->touched_count = 0;
        (void)fault(s, 503, "busy", RETRY_S);
    }
}

/* ---- answering ---- */

struct telling { /* stored verdicts on their way into messages */
    struct server_session *s;
    struct buf *out;
    struct verdict verdicts[VERDICTS_PER_MESSAGE];
    size_t count;
    size_t size;
};

static struct err put(struct server_session *s, const struct message *m, struct buf *out)
{
    return packer_put(s->packer, m, out) == WIRE_OK ? err_ok() : err_make(ERR_LIMIT, 0, "put");
}

static struct err tell_now(struct telling *t)
{
    const struct message m = {.kind = MESSAGE_VERDICTS,
                              .verdicts = {.count = t->count, .verdicts = t->verdicts}};
    struct err err = t->count == 0 ? err_ok() : put(t->s, &m, t->out);
    t->count = 0;
    t->size = 0;
    return err;
}

static size_t size_of(const struct verdict *v)
{
    size_t size = 64;
    for (size_t i = 0; i < v->row_count; i++) {
        size += 64;
        for (size_t k = 0; k < v->rows[i].unseen_count; k++) {
            const struct value *value = &v->rows[i].unseen[k].value;
            size += 16 + (value->kind >= VALUE_TEXT ? value->b.size : 0);
        }
    }
    for (size_t i = 0; i < v->loser_count; i++) {
        const struct loser *l = &v->losers[i];
        size += 128 + (l->kept.kind >= VALUE_TEXT ? l->kept.b.size : 0) +
                (l->winner.kind >= VALUE_TEXT ? l->winner.b.size : 0);
    }
    return size;
}

static struct err tell(void *context, const struct verdict *v)
{
    struct telling *t = context;
    size_t size = size_of(v);
    struct err err = err_ok();
    if (t->count == VERDICTS_PER_MESSAGE || (t->count > 0 && t->size + size > VERDICTS_BYTES)) {
        err = tell_now(t);
    }
    t->verdicts[t->count++] = *v;
    t->size += size;
    return err;
}

static struct err put_verdicts(struct server_session *s, struct store *st, struct buf *out)
{
    struct telling *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return err_make(ERR_NOMEM, 0, "put_verdicts");
    }
    t->s = s;
    t->out = out;
    struct arena arena;
    arena_init(&arena, TX_ARENA_BYTES_MAX);
    struct err err = verdicts_each(st, s->device, s->epoch, s->hello.verdict_seen, &arena, tell, t);
    if (err.code == ERR_OK) {
        err = tell_now(t);
    }
    arena_release(&arena);
    free(t);
    return err;
}

static struct err put_end(struct server_session *s, struct buf *out)
{
    const struct message m = {.kind = MESSAGE_END};
    struct err err = put(s, &m, out);
    if (err.code == ERR_OK && packer_end(s->packer, out) != WIRE_OK) {
        err = err_make(ERR_LIMIT, 0, "packer_end");
    }
    s->step = SERVER_DONE;
    return err;
}

/* The snapshot begins here, after the commit of this request's verdicts. */
static struct err begin_reading(struct server_session *s, struct store *st)
{
    struct err err = db_begin(st->db, DB_LOCK_READ);
    if (err.code != ERR_OK) {
        return err;
    }
    s->reading = true;
    store_refresh(st);
    s->packer = packer_new(ANSWER_LEVEL);
    return s->packer == NULL ? err_make(ERR_NOMEM, 0, "begin_reading") : err_ok();
}

/* What the person holds may have changed in this very request. */
static struct err begin_download(struct server_session *s, struct store *st)
{
    struct gate g;
    struct err err = gate_load(st, s->device, &g);
    if (err.code == ERR_OK) {
        err = permit_load(st, g.person, &s->arena, &s->permit);
    }
    s->params =
        (struct download_params){.device = s->device, .epoch = s->epoch, .hello = &s->hello};
    return err.code == ERR_OK ? download_new(st, &s->permit, &s->params, &s->download) : err;
}

static struct err put_head(struct server_session *s, struct store *st, struct buf *out)
{
    const struct message m = {.kind = MESSAGE_ANSWER, .answer = s->answer};
    struct err err = begin_reading(s, st);
    if (err.code == ERR_OK) {
        err = put(s, &m, out);
    }
    if (err.code != ERR_OK || s->answer.status != ANSWER_OK) {
        return err.code == ERR_OK ? put_end(s, out) : err;
    }
    err = put_verdicts(s, st, out);
    if (err.code == ERR_OK && (s->hello.flags & HELLO_MORE) != 0) {
        return put_end(s, out);
    }
    return err.code == ERR_OK ? begin_download(s, st) : err;
}

struct err server_session_read(struct server_session *s, struct store *reader, struct buf *out,
                               bool *done)
{
    assert(s->step == SERVER_READ);
    struct err err = s->reading ? err_ok() : put_head(s, reader, out);
    *done = s->step == SERVER_DONE;
    if (err.code == ERR_OK && !*done) {
        err = download_step(s->download, s->packer, out, done);
    }
    if (*done) {
        s->step = SERVER_DONE;
    }
    return err;
}

void server_session_read_end(struct server_session *s, struct store *reader)
{
    if (s->reading) {
        s->reading = false;
        struct err err = db_end(reader->db, err_ok()); /* nothing was written that could be lost */
        (void)err;
    }
}
