/* See client_session.h.
 *
 *               request built                 ANSWER
 *     READY ───────────────────► SENDING ─────────────────► RECEIVING
 *       ▲  ▲                        │                           │ END
 *       │  └── 413: smaller ────────┤                           ▼
 *       └──────── more to send ─────┼────────────────────── ENDING ───► DONE
 *                                   └── anything wrong ──► FAILED
 *
 * SENDING waits for the shell to bring the answer's first message; RECEIVING for all the others;
 * ENDING for the shell to say that the stream ended as it should. Only DONE and FAILED wait for
 * nothing. What has arrived whole, up to a checkpoint, is kept whatever comes after it. */
#include "common/sync/client_session.h"

#include "common/base/hlc.h"
#include "common/changelog/device/apply.h"
#include "common/changelog/device/sent.h"
#include "common/changelog/device/verdict_apply.h"
#include "common/changelog/device/sight.h"
#include "common/sync/client_chunk.h"
#include "common/sync/client_compare.h"
#include "common/sync/client_request.h"
#include "common/sync/client_status.h"
#include "protocol/hello_names.h"

#define REQUESTS_MAX     4096 /* of one sync: 40 million transactions */
#define EPOCHS_MAX       3    /* opened by one sync */
#define DOWNLOAD_MAX     ((size_t)16 * 1024 * 1024 * 1024)
#define PUSH_BYTES_FLOOR ((size_t)32 * 1024)

#define CLIENT_STATES(X)                                                                           \
    X(READY, TO(SENDING) | TO(FAILED))                                                             \
    X(SENDING, TO(RECEIVING) | TO(READY) | TO(FAILED))                                             \
    X(RECEIVING, TO(ENDING) | TO(FAILED))                                                          \
    X(ENDING, TO(READY) | TO(DONE) | TO(FAILED))                                                   \
    X(DONE, 0)                                                                                     \
    X(FAILED, 0) /* tried again by a new session, or by a person */

enum client_state {
#define X(name, next) CLIENT_##name##_STATE,
    CLIENT_STATES(X)
#undef X
};

#define TO(name) (1u << CLIENT_##name##_STATE)
static const unsigned client_next[] = {
#define X(name, next) [CLIENT_##name##_STATE] = (next),
    CLIENT_STATES(X)
#undef X
};
#undef TO

struct client_session {
    struct replica *r;
    struct client_session_options options;
    enum client_state state;
    struct client_tally tally;
    enum message_kind last; /* received */
    int64_t messages;
    struct client_request request;
    struct apply apply;
    struct client_chunk chunk; /* what waits for its checkpoint */
    struct unpacker *unpacker; /* of the answer under way */
    struct answer answer;      /* without its marks */
    struct clocks asked;       /* when the request began */
    bool answered;             /* `answer` isn't stored yet */
    bool again;                /* another request follows */
    bool moved;                /* the last one brought something on */
    bool repairing;            /* scopes that differed were asked for anew */
    struct client_compare compare;
    bool parts_came; /* what follows is what was wanted */
    int epochs;
    struct err err;
    char code[CODE_BYTES_MAX];
};

static void session_move(struct client_session *s, enum client_state next)
{
    bool legal = (client_next[s->state] & (1u << next)) != 0;
    assert(legal);
    s->state = legal ? next : CLIENT_FAILED_STATE;
}

/* The first thing that went wrong stays. */
static struct err session_fail(struct client_session *s, struct err err, const char *code)
{
    if (s->state != CLIENT_FAILED_STATE && s->state != CLIENT_DONE_STATE) {
        s->err = err;
        (void)snprintf(s->code, sizeof s->code, "%s", code);
        session_move(s, CLIENT_FAILED_STATE);
    }
    return err;
}

static const char *code_of(struct err err)
{
    return err.code == ERR_PROTOCOL || err.code == ERR_LIMIT ? "protocol" : "local";
}

struct err client_session_new(struct replica *r, const struct client_session_options *o,
                              struct client_session **out)
{
    struct client_session *s = calloc(1, sizeof *s);
    *out = s;
    if (s == NULL) {
        return err_make(ERR_NOMEM, 0, "client_session_new");
    }
    s->r = r;
    s->options = *o;
    s->options.push_tx_max = o->push_tx_max == 0 ? PUSH_TX_MAX : o->push_tx_max;
    s->options.push_bytes_max = o->push_bytes_max == 0 ? PUSH_BYTES_MAX : o->push_bytes_max;
    s->options.level = o->level == 0 ? 3 : o->level;
    client_request_init(&s->request, r);
    apply_init(&s->apply, r);
    client_chunk_init(&s->chunk);
    client_compare_init(&s->compare, &s->apply);
    return err_ok();
}

void client_session_free(struct client_session *s)
{
    if (s != NULL) {
        client_request_release(&s->request);
        apply_release(&s->apply);
        client_chunk_release(&s->chunk);
        client_compare_release(&s->compare);
        unpacker_free(s->unpacker);
        free(s);
    }
}

struct client_progress client_session_progress(const struct client_session *s)
{
    static const char *const names[] = {
#define X(name, next) [CLIENT_##name##_STATE] = #name,
        CLIENT_STATES(X)
#undef X
    };
    return (struct client_progress){.state = names[s->state],
                                    .last = s->messages > 0 ? message_name(s->last) : "none",
                                    .messages = s->messages};
}

const struct client_tally *client_session_tally(const struct client_session *s)
{
    return &s->tally;
}

/* ---- asking ---- */

static struct err build(struct client_session *s)
{
    struct ask ask;
    struct want want;
    const struct client_request_options o = {
        .tx_max = s->options.push_tx_max,
        .bytes_max = s->options.push_bytes_max,
        .level = s->options.level,
        .digest = s->options.verify || s->epochs > 0,
        .ask = repair_ask(&s->compare.repair, &ask) ? &ask : NULL,
        .want = repair_want(&s->compare.repair, &want) ? &want : NULL,
    };
    if ((s->again && !s->moved) || s->tally.requests >= REQUESTS_MAX) {
        return err_make(ERR_PROTOCOL, 0, "client_session: no progress");
    }
    struct err err = client_request_build(&s->request, &o);
    if (err.code != ERR_OK) {
        return err;
    }
    unpacker_free(s->unpacker);
    s->unpacker = unpacker_new(DOWNLOAD_MAX);
    return s->unpacker == NULL ? err_make(ERR_NOMEM, 0, "client_session") : err_ok();
}

struct client_action client_session_next(struct client_session *s)
{
    if (s->state == CLIENT_READY_STATE) {
        struct err err = build(s);
        if (err.code != ERR_OK) {
            (void)session_fail(s, err, code_of(err));
        } else {
            s->tally.requests++;
            s->tally.pushed += s->request.fresh;
            s->again = false;
            s->moved = false;
            s->parts_came = false;
            s->r->host.now(s->r->host.context, &s->asked);
            session_move(s, CLIENT_SENDING_STATE);
        }
    }
    switch (s->state) {
    case CLIENT_READY_STATE:
    case CLIENT_SENDING_STATE:
    case CLIENT_RECEIVING_STATE:
    case CLIENT_ENDING_STATE:
        break;
    case CLIENT_DONE_STATE:
        return (struct client_action){.kind = CLIENT_DONE};
    case CLIENT_FAILED_STATE:
        return (struct client_action){.kind = CLIENT_FAILED, .err = s->err, .code = s->code};
    }
    return (struct client_action){.kind = CLIENT_REQUEST, .body = buf_bytes(&s->request.body)};
}

/* ---- the answer's first message ---- */

/* A jump of the wall clock since the last exchange, for people. */
static void watch_clock(struct replica *r, const struct clocks *now, int64_t server_ms)
{
    const struct clock_exchange exchange = {
        .clocks = *now, .offset_ms = r->offset_ms, .known = true};
    int64_t jump_ms = clock_jump_ms(&r->exchange, &exchange);
    if (jump_ms != 0) {
        r->jump_ms = jump_ms;
        r->jumped_at = server_ms;
    }
    r->exchange = exchange;
}

/* Offset and logical clock are set right at each exchange: the server's time belongs to the
 * middle of it. */
static void set_clocks(struct client_session *s, int64_t server_ms)
{
    struct clocks now = {0};
    s->r->host.now(s->r->host.context, &now);
    bool same_boot = memcmp(now.boot, s->asked.boot, sizeof now.boot) == 0;
    int64_t took_ms = same_boot ? now.mono_ms - s->asked.mono_ms : 0;
    s->r->offset_ms = server_ms - (now.wall_ms - took_ms / 2);
    watch_clock(s->r, &now, server_ms);
    s->r->seen_ms = server_ms > s->r->seen_ms ? server_ms : s->r->seen_ms;
    s->r->clock = hlc_observe(s->r->clock, hlc_of_ms(server_ms));
}

static struct err open_epoch(struct client_session *s)
{
    if (++s->epochs > EPOCHS_MAX) {
        return session_fail(s, err_make(ERR_PROTOCOL, 0, "client_session: epochs"), "protocol");
    }
    struct err err = apply_begin(&s->apply);
    if (err.code == ERR_OK) {
        err = apply_end(&s->apply, sent_renumber(s->r, s->answer.epoch, s->answer.token));
    }
    s->again = true;
    s->moved = true;
    return err;
}

/* A proper answer that says no: the session fails once it has ended. */
static struct err turned_away(struct client_session *s, enum err_code why, const char *code)
{
    s->err = err_make(why, 0, "client_session");
    (void)snprintf(s->code, sizeof s->code, "%s", code);
    return err_ok();
}

/* The server is older than this program: the next request is written for it. Another session, days
 * later, tries the newest again. */
static struct err step_down(struct client_session *s, uint32_t protocol, uint32_t catalogue)
{
    bool older = protocol < s->request.protocol || catalogue < s->request.catalogue;
    if (!older || protocol < PROTOCOL_VERSION_OLDEST || catalogue < CATALOGUE_VERSION_OLDEST) {
        return turned_away(s, ERR_VERSION, "upgrade");
    }
    static const char sql[] = "UPDATE device_state SET server_protocol = ?1, server_catalogue = ?2,"
                              " server_older_at = ?3";
    struct stmt st;
    struct err err = apply_begin(&s->apply);
    if (err.code != ERR_OK) {
        return err;
    }
    err = db_use(s->r->db, sql, &st);
    if (err.code == ERR_OK) {
        bind_int(&st, 1, protocol);
        bind_int(&st, 2, catalogue);
        bind_int(&st, 3, replica_now_ms(s->r));
        err = db_step_done(&st, "client_session");
    }
    s->again = true;
    s->moved = true;
    return apply_end(&s->apply, err);
}

/* What a backup of the server holds needn't be kept here for offering it again. */
static struct err take_marks(struct client_session *s, const struct answer *answer)
{
    bool rose = false;
    struct err err = apply_begin(&s->apply);
    if (err.code != ERR_OK) {
        return err;
    }
    err = apply_end(&s->apply, sent_covered(s->r, answer->marks, answer->mark_count, &rose));
    return err.code == ERR_OK && rose ? db_shrink(s->r->db) : err;
}

/* The server was restored: what it lost goes out again, under the new timeline and epoch. */
static struct err adopt_timeline(struct client_session *s, const struct answer *answer)
{
    int64_t offered = 0;
    if (answer->timeline.counter <= s->request.timeline.counter) { /* an older one answers */
        return turned_away(s, ERR_REFUSED, "new_timeline");
    }
    if (++s->epochs > EPOCHS_MAX) {
        return session_fail(s, err_make(ERR_PROTOCOL, 0, "client_session: epochs"), "protocol");
    }
    struct err err = apply_begin(&s->apply);
    if (err.code == ERR_OK) {
        err = apply_end(&s->apply, recovery_adopt(&s->apply, answer, &offered));
    }
    s->tally.restored = true;
    s->again = true;
    s->moved = true;
    return err;
}

static struct err take_answer(struct client_session *s, const struct answer *answer)
{
    const struct timeline *known = &s->request.timeline;
    struct err err = err_ok();
    s->answer = *answer;
    answer_fill_in(&s->answer, known);
    s->answer.mark_count = 0;
    s->answer.marks = NULL;
    set_clocks(s, answer->server_ms);
    session_move(s, CLIENT_RECEIVING_STATE);
    switch ((enum answer_status)answer->status) {
    case ANSWER_OK:
        break;
    case ANSWER_NEW_EPOCH:
        return open_epoch(s);
    case ANSWER_NEW_TIMELINE:
        return adopt_timeline(s, answer);
    case ANSWER_REENROL:
        return turned_away(s, ERR_AUTH, "reenrol");
    case ANSWER_UPGRADE:
        return step_down(s, answer->protocol, answer->catalogue);
    }
    if (!answer_is_of(&s->answer, known) || answer->epoch != s->request.epoch) {
        return session_fail(s, err_make(ERR_PROTOCOL, 0, "client_session: answer"), "protocol");
    }
    s->answered = true;
    return answer->mark_count > 0 ? take_marks(s, answer) : err;
}

/* ---- local transactions ---- */

/* A server that was asked in its older version answers in it; a catalogue that rose says that it
 * is another program now. */
static bool is_still_older(const struct client_session *s)
{
    return s->request.server_catalogue != 0 && s->answer.catalogue <= s->request.server_catalogue;
}

static void bind_exchange(struct stmt *st, const struct client_session *s)
{
    static const uint8_t none[COURIER_KEY_BYTES] = {0};
    const uint8_t *key = s->answer.courier_key;
    bind_int(st, 7, s->r->exchange.clocks.wall_ms);
    bind_int(st, 8, s->r->exchange.clocks.mono_ms);
    bind_id(st, 9, s->r->exchange.clocks.boot);
    bind_int(st, 10, s->r->jump_ms);
    bind_int(st, 11, s->r->jumped_at);
    if (memcmp(key, none, sizeof none) != 0) {
        bind_blob(st, 12, bytes_of(key, COURIER_KEY_BYTES));
    }
}

/* Token and clocks go in together with the first thing that the answer brings. */
static struct err store_answer(struct client_session *s)
{
    static const char sql[] = "UPDATE device_state SET token = ?1, timeline = ?2, timeline_id = ?3,"
                              " offset_ms = ?4, seen_ms = ?5, clock = ?6, wall_ms = ?7,"
                              " mono_ms = ?8, boot = ?9, jump_ms = ?10, jumped_at = ?11,"
                              " courier_key = coalesce(?12, courier_key), server_protocol = ?13,"
                              " server_catalogue = ?14, heads_at = coalesce(?15, heads_at)";
    struct stmt st;
    struct err err = s->answered ? db_use(s->r->db, sql, &st) : err_ok();
    if (err.code != ERR_OK || !s->answered) {
        return err;
    }
    bind_id(&st, 1, s->answer.token);
    bind_int(&st, 2, s->answer.timeline.counter);
    bind_id(&st, 3, s->answer.timeline.id);
    bind_int(&st, 4, s->r->offset_ms);
    bind_int(&st, 5, s->r->seen_ms);
    bind_int(&st, 6, (int64_t)s->r->clock);
    bind_int(&st, 13, is_still_older(s) ? s->answer.protocol : 0);
    bind_int(&st, 14, s->answer.catalogue);
    if (s->request.shows_heads) {
        bind_int(&st, 15, s->answer.server_ms);
    }
    bind_exchange(&st, s);
    err = db_step_done(&st, "client_session");
    return err.code == ERR_OK ? sight_take(s->r, s->answer.mask) : err;
}

static struct err transaction_end(struct client_session *s, struct err err)
{
    if (err.code == ERR_OK) {
        err = store_answer(s);
    }
    err = apply_end(&s->apply, err);
    s->answered = s->answered && err.code != ERR_OK;
    return err;
}

static struct err take_verdicts(struct client_session *s, const struct verdicts *verdicts)
{
    struct verdict_tally tally = {0};
    struct err err = apply_begin(&s->apply);
    if (err.code != ERR_OK) {
        return err;
    }
    err = transaction_end(
        s, verdicts_apply(&s->apply, verdicts, s->answer.server_ms, s->request.sent_to, &tally));
    if (err.code == ERR_OK) {
        s->moved |= tally.accepted + tally.merged + tally.parked + tally.refused > 0;
        s->tally.accepted += tally.accepted;
        s->tally.merged += tally.merged;
        s->tally.parked += tally.parked;
        s->tally.refused += tally.refused;
        s->tally.again += tally.again;
    }
    return err;
}

/* All that came up to the last checkpoint, as one local transaction. */
static struct err flush(struct client_session *s)
{
    int64_t rows = s->apply.rows;
    int64_t dropped = s->apply.dropped;
    if (client_chunk_is_empty(&s->chunk)) {
        return err_ok();
    }
    struct err err = apply_begin(&s->apply);
    if (err.code == ERR_OK) {
        err = transaction_end(s, client_chunk_apply(&s->chunk, &s->apply));
    }
    if (err.code == ERR_OK) {
        s->tally.pulled += s->apply.rows - rows;
        s->tally.left += s->apply.dropped - dropped;
    }
    return err;
}

/* ---- the end of an exchange ---- */

static struct err compare(struct client_session *s, const struct end *end)
{
    const struct client_compare_end at = {.apply = &s->apply,
                                          .end = end,
                                          .server_ms = s->answer.server_ms,
                                          .verify = s->options.verify};
    bool again = false;
    struct err err = client_compare_end(&s->compare, &at, &s->tally, &again);
    s->again |= again;
    s->moved |= again;
    return err;
}

static struct err witnesses_arrived(struct client_session *s)
{
    struct err err = apply_begin(&s->apply);
    if (err.code != ERR_OK) {
        return err;
    }
    err = transaction_end(s, recovery_witnessed(&s->apply, &s->request.witnesses));
    s->tally.witnessed += err.code == ERR_OK ? (int64_t)s->request.witnesses.count : 0;
    s->moved = true;
    return err;
}

static struct err store_finished(struct client_session *s)
{
    static const char sql[] = "UPDATE device_state SET last_sync_at = ?1, cursors_under = ?2";
    struct stmt st;
    struct err err = apply_begin(&s->apply);
    if (err.code != ERR_OK) {
        return err;
    }
    err = db_use(s->r->db, sql, &st);
    if (err.code == ERR_OK) {
        bind_int(&st, 1, s->answer.server_ms);
        bind_int(&st, 2, s->request.catalogue);
        err = db_step_done(&st, "client_session");
    }
    if (err.code == ERR_OK) {
        err = store_answer(s);
        s->answered = s->answered && err.code != ERR_OK;
    }
    if (err.code == ERR_OK && s->request.step == RECOVERY_FETCHING && !s->again) {
        err = recovery_finish(&s->apply);
    }
    return transaction_end(s, err.code == ERR_OK ? sight_settle(s->r, s->answer.mask) : err);
}

static struct err take_end(struct client_session *s, const struct end *end)
{
    session_move(s, CLIENT_ENDING_STATE);
    if (s->answer.status != ANSWER_OK) {
        return err_ok();
    }
    struct err err = client_chunk_close(&s->chunk);
    if (err.code == ERR_OK) {
        err = flush(s);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    if (s->request.more) {
        s->again = true;
        return s->request.step == RECOVERY_WITNESSING ? witnesses_arrived(s) : err_ok();
    }
    if (s->apply.refetch_count > 0 && !s->repairing) {
        s->repairing = true; /* rows were missing: their scopes begin anew at once */
        s->again = true;
        s->moved = true;
        s->apply.refetch_count = 0;
    }
    err = store_finished(s);
    return err.code == ERR_OK && !(s->again && end->told) ? compare(s, end) : err;
}

/* ---- messages ---- */

static struct err unexpected(const struct message *m)
{
    return err_make(ERR_PROTOCOL, (int)m->kind, "client_session: unexpected message");
}

/* The download is whole where PARTS begin: they tell of the same snapshot. */
static struct err take_parts(struct client_session *s, const struct parts *parts)
{
    if (s->parts_came) {
        return err_make(ERR_PROTOCOL, 0, "client_session: parts twice");
    }
    struct err err = client_chunk_close(&s->chunk);
    if (err.code == ERR_OK) {
        err = flush(s);
    }
    if (err.code == ERR_OK) {
        err = apply_begin(&s->apply);
    }
    if (err.code == ERR_OK) {
        err = transaction_end(s, repair_parts(&s->compare.repair, parts));
    }
    s->parts_came = true;
    return err;
}

static struct err take_wanted(struct client_session *s, const struct rows *rows)
{
    struct err err = apply_begin(&s->apply);
    err = err.code == ERR_OK ? transaction_end(s, repair_rows(&s->compare.repair, rows)) : err;
    s->tally.pulled += err.code == ERR_OK ? (int64_t)rows->count : 0;
    return err;
}

static struct err take_data(struct client_session *s, const struct message *m)
{
    if (s->parts_came) {
        return m->kind == MESSAGE_ROWS ? take_wanted(s, &m->rows) : unexpected(m);
    }
    struct err err = client_chunk_put(&s->chunk, m);
    return err.code == ERR_OK && client_chunk_is_due(&s->chunk) ? flush(s) : err;
}

static struct err take_received(struct client_session *s, const struct message *m)
{
    switch (m->kind) {
    case MESSAGE_VERDICTS:
        return take_verdicts(s, &m->verdicts);
    case MESSAGE_SCOPE_ENTER:
    case MESSAGE_SCOPE_LEAVE:
    case MESSAGE_ROWS:
    case MESSAGE_DEPARTURE:
    case MESSAGE_CHECKPOINT:
        return take_data(s, m);
    case MESSAGE_DIGEST:
        return client_compare_told(&s->compare, &m->digest, &s->tally);
    case MESSAGE_PARTS:
        return take_parts(s, &m->parts);
    case MESSAGE_END:
        return take_end(s, &m->end);
    case MESSAGE_HELLO:
    case MESSAGE_BATCH:
    case MESSAGE_ANSWER:
    case MESSAGE_FAULT:
    case MESSAGE_HINT:
    case MESSAGE_ENROL:
    case MESSAGE_ENROLLED:
    case MESSAGE_OFFER:
    case MESSAGE_WITNESS:
    case MESSAGE_ASK:
    case MESSAGE_WANT:
        break;
    }
    return unexpected(m);
}

static struct err take(struct client_session *s, const struct message *m)
{
    switch (s->state) {
    case CLIENT_SENDING_STATE:
        return m->kind == MESSAGE_ANSWER ? take_answer(s, &m->answer) : unexpected(m);
    case CLIENT_RECEIVING_STATE:
        if (s->answer.status != ANSWER_OK && m->kind != MESSAGE_END) {
            return unexpected(m);
        }
        return take_received(s, m);
    case CLIENT_READY_STATE:
    case CLIENT_ENDING_STATE:
    case CLIENT_DONE_STATE:
        return unexpected(m);
    case CLIENT_FAILED_STATE:
        return s->err;
    }
    abort(); /* our own bug */
}

struct err client_session_received(struct client_session *s, struct bytes packed)
{
    struct err err = err_ok();
    struct message m;
    if (s->state == CLIENT_FAILED_STATE) {
        return s->err;
    }
    if (s->unpacker == NULL || s->state == CLIENT_READY_STATE || s->state == CLIENT_DONE_STATE) {
        return err_make(ERR_PROTOCOL, 0, "client_session: nothing was asked");
    }
    enum wire_error wire = unpacker_feed(s->unpacker, packed);
    while (wire == WIRE_OK && err.code == ERR_OK) {
        struct arena *arena = client_chunk_arena(&s->chunk);
        wire = unpacker_next(s->unpacker, arena, &m);
        if (wire == WIRE_OK) {
            s->last = m.kind;
            s->messages++;
            err = take(s, &m);
        }
    }
    if (err.code == ERR_OK && wire != WIRE_OK && wire != WIRE_MORE) {
        err = err_make(wire == WIRE_NOMEM ? ERR_NOMEM : ERR_PROTOCOL, (int)wire,
                       "client_session: answer");
    }
    return err.code == ERR_OK ? err : session_fail(s, err, code_of(err));
}

/* ---- how it ended ---- */

/* An older server finds fields in the newest version's hello that it doesn't know. */
static bool is_too_new(const struct client_session *s, int status, const struct fault *fault)
{
    return status == 400 && fault != NULL && strcmp(fault->code, "malformed") == 0 &&
           s->state == CLIENT_SENDING_STATE && client_request_may_be_older(&s->request);
}

static void end_refused(struct client_session *s, int status, const struct fault *fault)
{
    size_t smaller = s->options.push_bytes_max / 2;
    if (status == 413 && s->state == CLIENT_SENDING_STATE && smaller >= PUSH_BYTES_FLOOR) {
        s->options.push_bytes_max = smaller;
        s->options.push_tx_max =
            s->options.push_tx_max > 1 ? s->options.push_tx_max / 2 : s->options.push_tx_max;
        s->again = true;
        s->moved = true;
        session_move(s, CLIENT_READY_STATE);
        return;
    }
    if (is_too_new(s, status, fault) &&
        step_down(s, s->request.protocol - 1, s->request.catalogue).code == ERR_OK) {
        session_move(s, CLIENT_READY_STATE);
        return;
    }
    (void)session_fail(s, client_status_err(status), fault != NULL ? fault->code : "http");
}

void client_session_ended(struct client_session *s, int status, struct err err,
                          const struct fault *fault)
{
    if (s->state == CLIENT_FAILED_STATE || s->state == CLIENT_DONE_STATE) {
        return;
    }
    if (status != 0 && status != 200) {
        end_refused(s, status, fault);
        return;
    }
    if (err.code == ERR_OK && s->state == CLIENT_ENDING_STATE &&
        unpacker_is_complete(s->unpacker)) {
        if (s->err.code != ERR_OK) {
            session_move(s, CLIENT_FAILED_STATE);
            return;
        }
        session_move(s, s->again ? CLIENT_READY_STATE : CLIENT_DONE_STATE);
        return;
    }
    struct err kept = flush(s); /* what came up to the last checkpoint is worth keeping */
    if (err.code == ERR_OK) {
        err = kept.code != ERR_OK ? kept : err_make(ERR_NETWORK, 0, "client_session: cut short");
    }
    (void)session_fail(s, err, "network");
}
