/* The server's half of one sync request. The request is decoded whole and held as row forms, which
 * is what is hashed, judged and logged; the answer is made piece by piece.
 *
 *   new ──► JUDGE ──committed──► READ ──last piece──► DONE
 *    └────────┴─── FAULT: an HTTP status and a code instead of an answer
 *
 * Everything that must be written happens in JUDGE, on the writer: readers only read. */
#include "common/sync/server_session.h"

#include "common/changelog/server/chain_heads.h"
#include "common/changelog/server/download.h"
#include "common/changelog/server/gate.h"
#include "common/changelog/server/judge.h"
#include "common/changelog/server/quarantine.h"
#include "common/changelog/server/reoffer.h"
#include "common/changelog/server/rights.h"
#include "common/changelog/server/timeline.h"
#include "common/sync/server_request.h"
#include "common/sync/server_verdicts.h"
#include "protocol/codec.h"
#include "protocol/hello_names.h"

#include <sodium.h>

#define SESSION_ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define TX_ARENA_BYTES_MAX      ((size_t)128 * 1024 * 1024)
#define ANSWER_LEVEL            3
#define RETRY_S                 1
#define REPLACED_RETRY_S        60

struct server_session {
    enum server_step step;
    uint32_t device;
    int64_t received_ms;
    struct host host;
    struct arena arena; /* hello, row forms, permit: as long as the session */
    struct server_request request;
    struct answer answer;
    bool courier; /* came in a file, made at this server time */
    int64_t made_ms;
    uint32_t epoch;
    int fault_status;
    struct fault fault;
    size_t touched_count;
    struct scope_id *touched;
    struct server_tally tally;
    /* reading */
    bool reading;
    struct permit permit;
    struct permit author; /* what the device's work is judged by: rights.h */
    struct download_params params;
    struct packer *packer;
    struct download *download;
};

static void fault(struct server_session *s, int status, const char *code, int64_t limit)
{
    s->step = SERVER_FAULT;
    s->fault_status = status;
    s->fault = (struct fault){.server_ms = s->received_ms, .limit = limit};
    (void)snprintf(s->fault.code, sizeof s->fault.code, "%s", code);
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
    struct server_refusal why;
    struct err err = server_request_read(body, &s->arena, &s->request, &why);
    if (err.code != ERR_OK) {
        fault(s, why.status, why.code, why.limit);
    }
    return err;
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

void server_session_by_courier(struct server_session *s, const struct timeline *timeline,
                               int64_t made_ms)
{
    s->courier = true;
    s->made_ms = made_ms < s->received_ms ? made_ms : s->received_ms;
    s->request.hello.timeline = *timeline;
}

enum answer_status server_session_status(const struct server_session *s)
{
    return (enum answer_status)s->answer.status;
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
    if (planted(ALL_ACKNOWLEDGED)) {
        s->request.hello.verdict_seen = g->verdict_last;
    }
    if (s->request.hello.verdict_seen <= g->verdict_seen) {
        return err_ok();
    }
    uint64_t seen = s->request.hello.verdict_seen < g->verdict_last ? s->request.hello.verdict_seen
                                                                    : g->verdict_last;
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
    for (size_t i = 0; i < s->request.push_count && err.code == ERR_OK; i++) {
        enum outcome outcome = OUTCOME_ACCEPTED;
        arena_clear(&arena);
        err = judge_push(j, &s->request.pushes[i], &arena, &outcome);
        *parked = *parked || outcome == OUTCOME_PARKED;
        s->tally.outcomes[outcome]++;
    }
    if (err.code == ERR_OK) {
        err = judge_parked(j, &arena);
    }
    arena_release(&arena);
    return err;
}

/* Heads of the change log that the device was once told. One that isn't known: the log was cut or
 * replaced behind our back. That is for the administrator; the device's work is judged as ever. */
static struct err look_at_heads(struct server_session *s, struct store *st)
{
    const struct hello *hello = &s->request.hello;
    struct err err = err_ok();
    for (size_t i = 0; i < hello->cursor_count && err.code == ERR_OK; i++) {
        struct chain_claim claim = {.scope = hello->cursors[i].scope,
                                    .no = hello->cursors[i].head_no};
        bool known = true;
        bool fresh = false;
        memcpy(claim.head, hello->cursors[i].head, sizeof claim.head);
        if (claim.no != 0) {
            err = chain_knows(st, &claim, &known);
        }
        if (err.code == ERR_OK && !known) {
            err = chain_alarm(st, s->device, &claim, s->received_ms, &fresh);
        }
        s->tally.alarms += fresh;
    }
    return err;
}

/* Rows of a lost part, as long as the device has something to bring. */
static struct err keep_witnesses(struct server_session *s, struct store *st, const struct gate *g)
{
    struct err err = err_ok();
    bool may = g->timeline < st->timeline.counter && !planted(WITNESS_DROPPED);
    for (size_t i = 0; i < s->request.witness_count && may && err.code == ERR_OK; i++) {
        err =
            quarantine_witness(st, &s->request.witnesses[i], g->device, g->person, s->received_ms);
    }
    return err;
}

static struct err judge_pushes(struct server_session *s, struct store *st, struct gate *g)
{
    struct judge j = {
        .st = st,
        .permit = &s->permit,
        .author = &s->author,
        .device = s->device,
        .family = g->family,
        .epoch = s->courier ? s->request.hello.epoch : g->epoch,
        .catalogue = s->request.hello.catalogue,
        .now = {.wall_ms = s->request.hello.wall_ms, .mono_ms = s->request.hello.mono_ms},
        .received_ms = s->received_ms,
        .asked_ms = s->courier && !planted(FILE_AS_YOUNG) ? s->made_ms : s->received_ms,
        .verdict_seen = s->courier ? g->verdict_seen : s->request.hello.verdict_seen,
        .verdict_last = g->verdict_last};
    memcpy(j.now.boot, s->request.hello.boot, sizeof j.now.boot);
    bool other = false;
    bool parked = false;
    struct err err = judge_find_other(&j, s->request.pushes, s->request.push_count, &other);
    if (err.code == ERR_OK && other) {
        if (!s->courier) {
            gate_ask_epoch(st, g);
        }
        s->answer.status = ANSWER_NEW_EPOCH;
        return err_ok();
    }
    if (err.code == ERR_OK && !s->courier) {
        err = acknowledge(s, st, g);
    }
    if (err.code == ERR_OK) {
        err = dones_read(st, s->device, &s->request.hello, &s->arena, &j.dones);
        j.dones.by_file = s->courier;
    }
    if (err.code == ERR_OK && !s->courier) {
        err = dones_store(st, &j.dones);
    }
    if (err.code == ERR_OK) {
        err = rights_of_author(st, &j.dones, &s->request.hello, s->received_ms, &s->permit,
                               &s->arena, &s->author);
    }
    if (err.code == ERR_OK) {
        err = reoffer_match(st, g->device, s->request.offers, s->request.offer_count,
                            s->request.pushes, s->request.push_count, &s->arena);
    }
    if (err.code == ERR_OK) {
        err = judge_all(s, &j, &parked);
    }
    if (err.code == ERR_OK) {
        err = keep_witnesses(s, st, g);
    }
    g->verdict_last = j.verdict_last;
    s->tally.known = j.known;
    if (!s->courier && (s->request.hello.flags & HELLO_MORE) == 0 && !parked) {
        g->complete_ms = s->received_ms;
    }
    if (!s->courier && (s->request.hello.flags & HELLO_MORE) == 0) {
        g->timeline = st->timeline.counter;
    }
    return err;
}

/* Up to where backups hold what the device keeps; after a restore, up to where the store still has
 * what it holds. */
static struct err make_marks(struct server_session *s, struct store *st, struct gate *g)
{
    struct answer *a = &s->answer;
    int64_t now = g->mark_told;
    if (a->status == ANSWER_NEW_TIMELINE) {
        return timeline_kept(st, &s->request.hello, &s->arena, &a->marks, &a->mark_count);
    }
    if (a->status != ANSWER_OK) {
        return err_ok();
    }
    struct err err = backup_marks(st, s->permit.scopes, s->permit.scope_count, g->mark_told,
                                  &s->arena, &a->marks, &a->mark_count, &now);
    g->mark_pending = now;
    return err;
}

/* Somebody has restored a backup of this store and serves devices from there. */
static struct err stand_down(struct server_session *s, struct store *st)
{
    struct err err = timeline_is_genuine(st, &s->request.hello.timeline)
                         ? timeline_stand_down(st, &s->request.hello.timeline)
                         : err_ok();
    fault(s, 503, "superseded", REPLACED_RETRY_S);
    return err;
}

/* A device hears its own version. To one that is too new or too old: the nearest that is spoken. */
static uint32_t answer_protocol(uint32_t asked)
{
    if (asked > PROTOCOL_VERSION) {
        return PROTOCOL_VERSION;
    }
    return asked < PROTOCOL_VERSION_OLDEST ? PROTOCOL_VERSION_OLDEST : asked;
}

/* A device asks once, and then keeps it. */
static void give_courier_key(struct server_session *s, const struct store *st)
{
    if ((s->request.hello.flags & HELLO_COURIER) != 0 &&
        crypto_scalarmult_base(s->answer.courier_key, st->courier_secret) != 0) {
        memset(s->answer.courier_key, 0, sizeof s->answer.courier_key);
    }
}

static void make_answer(struct server_session *s, const struct store *st, const struct gate *g)
{
    s->epoch = g->epoch;
    s->answer.protocol = answer_protocol(s->request.hello.protocol);
    s->answer.catalogue = CATALOGUE_VERSION;
    s->answer.server_ms = s->received_ms;
    s->answer.timeline = st->timeline;
    bool said = s->request.hello.protocol >= 2 && s->request.hello.timeline.counter != 0;
    if (said && s->answer.status == ANSWER_OK) {
        memset(s->answer.timeline.id, 0, sizeof s->answer.timeline.id);
    }
    bool opens = s->answer.status == ANSWER_NEW_EPOCH || s->answer.status == ANSWER_NEW_TIMELINE;
    s->answer.epoch = opens ? g->epoch_pending : g->epoch;
    s->answer.mask = s->permit.role;
    memcpy(s->answer.token, g->token_pending, sizeof s->answer.token);
    give_courier_key(s, st);
}

/* A first download that was cut has cursors, but not yet what they were made under. */
static void complete_hello(struct hello *hello, const struct gate *g)
{
    if (hello->mask == 0) {
        hello->mask = g->mask;
        hello->cursors_under = hello->catalogue;
    }
    if (hello->cursors_under > hello->catalogue) { /* what it can't know isn't taken away */
        hello->cursors_under = hello->catalogue;
    }
}

static struct err judge_hello(struct server_session *s, struct store *st)
{
    struct gate g = {.number = 0};
    enum answer_status status = ANSWER_OK;
    if (st->superseded != 0) {
        fault(s, 503, "superseded", REPLACED_RETRY_S);
        return err_ok();
    }
    struct err err = gate_load(st, s->device, &g);
    if (err.code == ERR_OK && g.revoked && !planted(REVOKED_LET_IN)) {
        fault(s, 401, "device_revoked", 0);
        return err;
    }
    if (err.code == ERR_OK && s->request.hello.protocol >= 2) {
        hello_fill_in(&s->request.hello, g.device, g.person, st->company);
    }
    if (err.code == ERR_OK && memcmp(g.device, s->request.hello.device, sizeof g.device) != 0) {
        fault(s, 401, "signature", 0);
        return err;
    }
    if (err.code == ERR_OK && !s->courier && gate_is_late(&g, &s->request.hello)) {
        fault(s, 503, "busy", RETRY_S);
        return err;
    }
    if (err.code == ERR_OK && s->request.hello.timeline.counter > st->timeline.counter &&
        !planted(REPLACED_GOES_ON)) {
        return stand_down(s, st);
    }
    if (err.code == ERR_OK) {
        err = permit_load(st, g.person, &s->arena, &s->permit);
    }
    if (err.code == ERR_OK && s->permit.role == 0) {
        fault(s, 401, "device_revoked", 0);
        return err;
    }
    if (err.code == ERR_OK) {
        err = s->courier ? gate_check_courier(st, &g, &s->request.hello, &status)
                         : gate_check(st, &g, &s->request.hello, &status);
        s->answer.status = (uint8_t)status;
    }
    if (err.code == ERR_OK && status == ANSWER_OK) {
        complete_hello(&s->request.hello, &g);
        err = look_at_heads(s, st);
    }
    if (err.code == ERR_OK && status == ANSWER_OK) {
        err = judge_pushes(s, st, &g);
    }
    if (err.code == ERR_OK) {
        err = s->courier ? err_ok() : make_marks(s, st, &g);
    }
    if (err.code == ERR_OK) {
        err = s->courier ? gate_save_verdicts(st, &g)
                         : gate_save(st, &g, &s->request.hello, s->permit.role, s->received_ms);
    }
    if (err.code == ERR_OK) {
        make_answer(s, st, &g);
    }
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
    s->tally = (struct server_tally){0}; /* a group that failed is judged again */
    store_refresh(writer);
    scopes_clear_touched(writer);
    struct err err = judge_request(s, writer);
    if (err.code != ERR_OK && s->step != SERVER_FAULT) {
        fault(s, 503, "busy", RETRY_S);
    }
    return err;
}

void server_session_committed(struct server_session *s, struct err err)
{
    if (s->step == SERVER_FAULT) {
        return;
    }
    if (err.code == ERR_OK || planted(ACK_BEFORE_COMMIT)) {
        s->step = SERVER_READ;
    } else {
        s->touched_count = 0;
        fault(s, 503, "busy", RETRY_S);
    }
}

/* ---- answering ---- */

static struct err put(struct server_session *s, const struct message *m, struct buf *out)
{
    return packer_put(s->packer, m, out) == WIRE_OK ? err_ok() : err_make(ERR_LIMIT, 0, "put");
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

/* What the person holds may have changed in this very request, and since. */
static struct err read_permit(struct server_session *s, struct store *st)
{
    struct gate g;
    struct err err = gate_load(st, s->device, &g);
    return err.code == ERR_OK ? permit_load(st, g.person, &s->arena, &s->permit) : err;
}

static struct err begin_download(struct server_session *s, struct store *st)
{
    s->params = (struct download_params){.device = s->device,
                                         .epoch = s->epoch,
                                         .hello = &s->request.hello,
                                         .ask = s->request.asks ? &s->request.ask : NULL,
                                         .want = s->request.wants ? &s->request.want : NULL};
    return download_new(st, &s->permit, &s->params, &s->download);
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
    const struct verdicts_told told = {.device = s->device,
                                       .id = s->request.hello.device,
                                       .epoch = s->epoch,
                                       .after = s->request.hello.verdict_seen,
                                       .answer_ms = s->answer.server_ms,
                                       .proven = s->request.hello.protocol >= 2,
                                       .permit = &s->permit,
                                       .catalogue = s->request.hello.catalogue};
    err = read_permit(s, st);
    if (err.code == ERR_OK) {
        err = server_verdicts_put(st, &told, s->packer, out);
    }
    if (err.code == ERR_OK && (s->request.hello.flags & HELLO_MORE) != 0) {
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
