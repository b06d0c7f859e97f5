/* From the change log to the oracle: what was committed, in its order, with the numbers that rows
 * were given; and what of each transaction must hold at once. */
#include "tests/sim/engine/sim.h"

#include "protocol/hello_names.h"

#define NUMBERS_MAX 256
#define OFFERS_MAX  64

/* ---- what requests brought ---- */

static int64_t effective_of(const struct hello *hello, const struct clocks *written,
                            int64_t received_ms)
{
    bool same_boot = memcmp(hello->boot, written->boot, sizeof written->boot) == 0;
    int64_t age = same_boot ? hello->mono_ms - written->mono_ms : hello->wall_ms - written->wall_ms;
    int64_t at = received_ms - (age > 0 ? age : 0);
    at = at < written->seen_ms ? written->seen_ms : at;
    return at > received_ms ? received_ms : at;
}

/* The last of a request's offers that names the transaction counts. */
static void note_proof(struct sim *s, struct sim_push *p, const struct reoffer *offers,
                       size_t offer_count)
{
    for (size_t i = 0; i < offer_count; i++) {
        for (size_t k = 0; k < offers[i].count && offers[i].received_ms > 0; k++) {
            const struct offered *e = &offers[i].entries[k];
            if (memcmp(e->identity, p->identity, sizeof p->identity) != 0) {
                continue;
            }
            int64_t *was = arena_array(&s->arena, e->seq_count + 1, sizeof *was);
            for (size_t n = 0; n < e->seq_count; n++) {
                was[n] = e->seqs[n];
            }
            p->proven = true;
            p->was = was;
            p->was_count = e->seq_count;
            p->proof_ms = offers[i].received_ms;
        }
    }
    if (p->proven && p->proof_ms < p->received_ms) { /* it keeps its time of then */
        p->received_ms = p->proof_ms;
        p->effective_ms = p->effective_ms < p->proof_ms ? p->effective_ms : p->proof_ms;
    }
}

static struct sim_push *new_push(struct sim *s)
{
    if (s->push_count == SIM_PUSHES_MAX) {
        memmove(&s->pushes[0], &s->pushes[SIM_PUSHES_MAX / 2],
                sizeof s->pushes[0] * (SIM_PUSHES_MAX / 2));
        s->push_count = SIM_PUSHES_MAX / 2;
    }
    return &s->pushes[s->push_count++];
}

static struct sim_push *note_push(struct sim *s, const struct feed_request *r,
                                  const struct hello *hello, const struct cursor *dones,
                                  const struct transaction *tx)
{
    struct buf row_form;
    struct sim_push *p = new_push(s);
    *p = (struct sim_push){.device = r->number,
                           .epoch = hello->epoch,
                           .who = r->who,
                           .device_seq = tx->device_seq,
                           .received_ms = r->received_ms,
                           .seen_ms = tx->written.seen_ms,
                           .effective_ms = effective_of(hello, &tx->written, r->asked_ms),
                           .mask = hello->mask,
                           .by_courier = r->by_courier,
                           .rest_count = tx->rest_count < 8 ? tx->rest_count : 8,
                           .done_count = hello->cursor_count,
                           .dones = dones};
    for (size_t i = 0; i < p->rest_count; i++) {
        p->rests_on[i] = tx->rests_on[i];
    }
    buf_init(&row_form, TX_BYTES_MAX);
    if (transaction_encode(tx, &row_form) != WIRE_OK) {
        sim_break(s, INV_ALIVE, "a transaction that has no row form");
    }
    transaction_identity(buf_bytes(&row_form), p->identity);
    if ((s->features >> SIM_ERASURE & 1) != 0) {
        p->row_form = arena_copy(&s->arena, buf_bytes(&row_form));
    }
    buf_release(&row_form);
    return p;
}

static const struct cursor *keep_cursors(struct sim *s, const struct hello *hello)
{
    struct cursor *dones = arena_array(&s->arena, hello->cursor_count + 1, sizeof *dones);
    for (size_t i = 0; i < hello->cursor_count; i++) {
        dones[i] = hello->cursors[i];
    }
    return dones;
}

struct feed_hello feed_request(struct sim *s, const struct feed_request *r)
{
    struct unpacker *unpacker = unpacker_new(PUSH_PLAIN_BYTES_MAX);
    struct feed_hello out = {.mask = 0};
    struct arena arena;
    struct message m;
    struct hello hello = {0};
    struct reoffer offers[OFFERS_MAX];
    size_t offer_count = 0;
    arena_init(&arena, (size_t)64 * 1024 * 1024);
    enum wire_error wire = unpacker_feed(unpacker, r->request);
    while (wire == WIRE_OK && (wire = unpacker_next(unpacker, &arena, &m)) == WIRE_OK) {
        if (m.kind == MESSAGE_HELLO) {
            hello = m.hello;
            hello_fill_in(&hello, s->oracle.authors[r->number], s->firm->people[r->who],
                          s->oracle.company);
            out = (struct feed_hello){.mask = hello.mask,
                                      .timeline = hello.timeline.counter,
                                      .cursor_count = hello.cursor_count,
                                      .cursors = keep_cursors(s, &hello)};
            memcpy(out.token, hello.token, sizeof out.token);
            sim_trace(s, "hello of %u: epoch %u, verdict %" PRIu64 ", %zu cursors", r->number,
                      hello.epoch, hello.verdict_seen, hello.cursor_count);
        }
        if (m.kind == MESSAGE_OFFER && offer_count < OFFERS_MAX) {
            offers[offer_count++] = m.offer;
        }
        for (size_t i = 0; m.kind == MESSAGE_BATCH && i < m.batch.count; i++) {
            note_proof(s, note_push(s, r, &hello, out.cursors, &m.batch.transactions[i]), offers,
                       offer_count);
        }
    }
    arena_release(&arena);
    unpacker_free(unpacker);
    return out;
}

void feed_pushes(struct sim *s, struct sim_conn *c)
{
    struct clocks now;
    host_now(&s->server.host, &now);
    const struct feed_request r = {.request = buf_bytes(&c->request),
                                   .number = c->number,
                                   .who = c->who,
                                   .asked_ms = now.wall_ms,
                                   .received_ms = now.wall_ms};
    const struct feed_hello hello = feed_request(s, &r);
    memcpy(c->token, hello.token, sizeof c->token);
    c->received_ms = now.wall_ms;
    c->timeline = hello.timeline;
    c->mask = hello.mask;
    c->cursors = hello.cursors;
    c->cursor_count = hello.cursor_count;
}

/* The push that was judged at that moment; else the last one that brought it. */
static const struct sim_push *find_push(const struct sim *s, uint32_t device,
                                        const uint8_t identity[32], int64_t received_ms,
                                        int64_t effective_ms)
{
    const struct sim_push *found = NULL;
    for (size_t i = s->push_count; i > 0; i--) {
        const struct sim_push *p = &s->pushes[i - 1];
        if (p->device != device || memcmp(p->identity, identity, 32) != 0) {
            continue;
        }
        if (p->received_ms == received_ms && p->effective_ms == effective_ms) {
            return p;
        }
        found = found == NULL ? p : found;
    }
    return found;
}

/* It stands in epoch 0, which no device has, and rests on nothing. */
void feed_released(struct sim *s, uint32_t number, const uint8_t identity[32], int64_t now_ms)
{
    const struct sim_push *came = find_push(s, number, identity, -1, -1);
    struct bytes row_form = came == NULL ? bytes_of(NULL, 0) : came->row_form;
    struct sim_push *p = new_push(s);
    *p = (struct sim_push){.device = number,
                           .who = s->devices[SIM_LOST_DEVICE].who,
                           .row_form = row_form,
                           .received_ms = now_ms,
                           .released = true};
    memcpy(p->identity, identity, sizeof p->identity);
}

/* What stood under that number in the same epoch; zeros: nobody saw it come. */
static void find_rest(const struct sim *s, const struct sim_push *p, uint64_t device_seq,
                      uint8_t identity[32])
{
    memset(identity, 0, 32);
    for (size_t i = s->push_count; i > 0; i--) {
        const struct sim_push *o = &s->pushes[i - 1];
        if (o->device == p->device && o->epoch == p->epoch && o->device_seq == device_seq) {
            memcpy(identity, o->identity, 32);
            return;
        }
    }
}

/* ---- what the log says ---- */

struct entry {
    int64_t no, received_ms, effective_ms;
    uint32_t device, epoch;
    uint64_t device_seq;
    uint8_t identity[32];
    enum outcome outcome;
    char code[32];
    struct bytes body;
    size_t number_count;
    struct oracle_number numbers[NUMBERS_MAX];
};

static bool read_numbers(struct sim *s, struct entry *e)
{
    static const char sql[] =
        "SELECT s.kind, s.id, r.seq, r.tbl, r.row, r.old IS NULL, l.kind, l.id, r.left_seq"
        " FROM change_row r JOIN scope s ON s.no = r.scope LEFT JOIN scope l ON l.no = r.left_scope"
        " WHERE r.no = ?1 ORDER BY r.idx";
    struct stmt q;
    if (db_use(s->server.writer_db, sql, &q).code != ERR_OK) {
        return false;
    }
    bind_int(&q, 1, e->no);
    while (db_step_row(&q)) {
        assert(e->number_count < NUMBERS_MAX);
        struct oracle_number *n = &e->numbers[e->number_count++];
        *n = (struct oracle_number){.scope.kind = (uint8_t)col_int(&q, 0),
                                    .seq = col_int(&q, 2),
                                    .table = (uint16_t)col_int(&q, 3),
                                    .fresh = col_int(&q, 5) != 0,
                                    .left.kind = (uint8_t)col_int(&q, 6),
                                    .left_seq = col_int(&q, 8)};
        (void)col_id(&q, 1, n->scope.id);
        (void)col_id(&q, 4, n->id);
        (void)col_id(&q, 7, n->left.id);
    }
    return stmt_err(&q, "feed").code == ERR_OK;
}

/* False: nothing newer, or the disk doesn't let us read. */
static bool read_entry(struct sim *s, struct entry *e)
{
    static const char sql[] = "SELECT no, device, epoch, device_seq, identity, received_at,"
                              " effective_at, outcome, code, body FROM change_log"
                              " WHERE no > ?1 ORDER BY no LIMIT 1";
    struct stmt q;
    if (db_use(s->server.writer_db, sql, &q).code != ERR_OK) {
        return false;
    }
    bind_int(&q, 1, s->server.log_no);
    if (!db_step_row(&q)) {
        return false;
    }
    *e = (struct entry){.no = col_int(&q, 0),
                        .device = (uint32_t)col_int(&q, 1),
                        .epoch = (uint32_t)col_int(&q, 2),
                        .device_seq = (uint64_t)col_int(&q, 3),
                        .received_ms = col_int(&q, 5),
                        .effective_ms = col_int(&q, 6),
                        .outcome = (enum outcome)col_int(&q, 7),
                        .body = arena_copy(&s->arena, col_bytes(&q, 9))};
    memcpy(e->identity, col_bytes(&q, 4).at, 32);
    (void)snprintf(e->code, sizeof e->code, "%s", col_text(&q, 8));
    stmt_reset(&q);
    return read_numbers(s, e);
}

/* ---- what must hold of a transaction ---- */

static void check_once(struct sim *s, const struct entry *e)
{
    const struct oracle *o = &s->oracle;
    uint64_t last = 0;
    for (size_t i = 0; i < o->judged_count; i++) {
        const struct oracle_judged *j = &o->judged[i];
        if (j->device == e->device && memcmp(j->identity, e->identity, 32) == 0) {
            sim_break(s, INV_ONCE, "transaction %" PRIu64 " of device %u was judged twice",
                      e->device_seq, e->device);
        }
        bool before = j->device == e->device && j->epoch == e->epoch;
        last = before && j->device_seq > last ? j->device_seq : last;
    }
    if (e->device_seq <= last && e->epoch != 0) { /* in epoch 0, an admin's order counts */
        sim_break(s, INV_ORDER, "%" PRIu64 " of device %u was judged after %" PRIu64, e->device_seq,
                  e->device, last);
    }
}

static struct sim_saved *saved_of(struct sim *s, int serial)
{
    for (size_t i = s->saved_count; serial > 0 && i > 0; i--) {
        if (s->saved[i - 1].serial == serial) {
            return &s->saved[i - 1];
        }
    }
    return NULL;
}

/* Written in one boot, or under one error of the clock: then the age is right to the millisecond,
 * and only the way to the server is added. */
static void check_clock(struct sim *s, const struct entry *e, const struct sim_saved *saved)
{
    const struct sim_device *d = &s->devices[saved->device];
    bool steady = saved->wall_error_ms == d->host.wall_error_ms && d->host.drift_ppm == 0;
    if (d->number != e->device || (!steady && saved->boot_ms != d->host.boot_ms)) {
        return;
    }
    int64_t late = e->effective_ms - s->server.host.wall_error_ms - saved->true_ms;
    if (!s->server.jumped && (late < 0 || late > 150000)) {
        sim_break(s, INV_CLOCK, "w%d was written at %" PRId64 ", reckoned %" PRId64 " ms later",
                  saved->serial, saved->true_ms, late);
    }
}

static void note_saved(struct sim *s, const struct entry *e, const struct sim_push *p,
                       const struct transaction *tx)
{
    for (size_t i = 0; i < tx->change_count; i++) {
        for (size_t k = 0; k < tx->changes[i].cell_count; k++) {
            struct sim_saved *saved = saved_of(s, sim_serial(&tx->changes[i].cells[k].value));
            if (saved != NULL && saved->device >= 0) {
                bool again = saved->lost;
                saved->judged = true;
                saved->outcome = e->outcome;
                memcpy(saved->identity, e->identity, sizeof saved->identity);
                if (!p->by_courier && !p->released && !again) { /* else by another clock */
                    check_clock(s, e, saved);
                }
            }
        }
    }
}

static void check_times(struct sim *s, const struct entry *e, const struct sim_push *p)
{
    bool between = e->effective_ms >= p->seen_ms && e->effective_ms <= e->received_ms;
    if (!between && p->seen_ms <= e->received_ms) {
        sim_break(s, INV_EFFECTIVE, "effective %" PRId64 ", seen %" PRId64 ", received %" PRId64,
                  e->effective_ms, p->seen_ms, e->received_ms);
    }
    if (e->effective_ms != p->effective_ms) {
        sim_break(s, INV_CLOCK, "effective %" PRId64 " instead of %" PRId64, e->effective_ms,
                  p->effective_ms);
    }
}

static void compare(struct sim *s, const struct entry *e, const struct oracle_verdict *v)
{
    bool joins = strcmp(e->code, "proposal") == 0; /* what rests on a proposal is decided with it */
    if (strcmp(v->code, "held") == 0 && strcmp(e->code, "held") != 0 && !joins) {
        sim_break(s, INV_VERDICT, "%" PRIu64 " of device %u rests on refused work and isn't held",
                  e->device_seq, e->device);
    }
    bool same = v->outcome == e->outcome || (v->open && e->outcome == OUTCOME_REFUSED);
    if (!same) {
        bool unlocked = v->outcome == OUTCOME_REFUSED && strcmp(v->code, "locked") == 0;
        sim_break(s, unlocked ? INV_LOCKED : INV_VERDICT,
                  "%" PRIu64 " of device %u: %d %s, by the oracle %d %s", e->device_seq, e->device,
                  (int)e->outcome, e->code, (int)v->outcome, v->code);
    }
}

static void feed_device(struct sim *s, struct entry *e)
{
    struct transaction tx;
    struct oracle_verdict verdict;
    const char *broken = NULL;
    const struct sim_push *p =
        find_push(s, e->device, e->identity, e->received_ms, e->effective_ms);
    struct bytes body = e->body.size > 0 || p == NULL ? e->body : p->row_form;
    if (p == NULL || transaction_decode(body, &s->arena, &tx) != WIRE_OK) {
        sim_break(s, INV_ONCE, "the log has a transaction that nobody sent");
        return;
    }
    uint8_t rests[8][32];
    for (size_t i = 0; i < p->rest_count; i++) {
        find_rest(s, p, p->rests_on[i], rests[i]);
    }
    check_once(s, e);
    if (!p->released) {
        check_times(s, e, p);
    }
    note_saved(s, e, p, &tx);
    struct oracle_push push = {.tx = &tx,
                               .device = e->device,
                               .epoch = e->epoch,
                               .device_seq = e->device_seq,
                               .rest_count = p->rest_count,
                               .rests_on = p->rests_on,
                               .rest_identities = rests,
                               .effective_ms = e->effective_ms,
                               .received_ms = e->received_ms,
                               .done_count = p->done_count,
                               .dones = p->dones,
                               .mask = p->mask,
                               .as_now = p->released,
                               .proven = p->proven,
                               .was_count = p->was_count,
                               .was = p->was};
    memcpy(push.device_id, s->oracle.authors[e->device], 16);
    memcpy(push.person, s->firm->people[p->who], 16);
    memcpy(push.identity, e->identity, 32);
    oracle_judge(&s->oracle, &push, e->outcome, e->numbers, e->number_count, &verdict, &broken);
    sim_trace(s, "judged %u/%u/%" PRIu64 " %02x%02x%s: %d %s, %zu rows, %zu kept", e->device,
              e->epoch, e->device_seq, e->identity[0], e->identity[1], p->proven ? " again" : "",
              (int)e->outcome, e->code, e->number_count, verdict.losers);
    compare(s, e, &verdict);
    if (broken != NULL) {
        sim_break(s, strstr(broken, "number") != NULL ? INV_NUMBERS : INV_ORACLE, "%s", broken);
    }
    s->counts.transactions++;
}

/* A new token is made only for a device that has shown the last: whichever was shown after another
 * one has replaced it. */
static void show_token(struct sim_device *d, struct sim_conn *c)
{
    for (size_t i = 0; i < d->token_count; i++) {
        if (memcmp(d->tokens[i], c->token, sizeof c->token) == 0) {
            c->replaced = i + 1 < d->token_count;
            return;
        }
    }
    if (d->token_count < SIM_TOKENS_MAX) {
        memcpy(d->tokens[d->token_count++], c->token, sizeof c->token);
    }
}

void feed_hellos(struct sim *s, const int *conns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct sim_conn *c = &s->conns[conns[i]];
        if (c->session != NULL && server_session_next(c->session) != SERVER_FAULT) {
            if (c->timeline == 0 || c->timeline == s->past.timeline) { /* else it isn't taken */
                oracle_hear(&s->oracle, c->number, s->firm->people[c->who], c->mask, c->cursors,
                            c->cursor_count);
            }
            if (server_session_status(c->session) == ANSWER_OK) {
                oracle_show(&s->oracle, c->number, c->received_ms, c->cursors, c->cursor_count);
            }
            for (int k = 0; k < SIM_DEVICES; k++) {
                if (s->devices[k].number == c->number) {
                    show_token(&s->devices[k], c);
                }
            }
        }
    }
}

/* What a judgement leaves for people by itself. */
static bool is_by_itself(const struct entry *e)
{
    bool all = e->number_count > 0;
    for (size_t i = 0; i < e->number_count; i++) {
        all = all && catalogue_table(e->numbers[i].table)->write_class == CLASS_SERVER;
    }
    return all;
}

static void feed_server(struct sim *s, struct entry *e)
{
    const char *broken = NULL;
    bool restores = e->no <= s->past.made_until;
    if (restores || (is_by_itself(e) && !(s->write_pending && s->write.op == ORACLE_OTHER))) {
        const struct oracle_write other = {.op = ORACLE_OTHER};
        oracle_write(&s->oracle, &other, e->numbers, e->number_count, &broken);
        if (broken != NULL) {
            sim_break(s, INV_NUMBERS, "%s", broken);
        }
        return;
    }
    if (!s->write_pending) {
        sim_break(s, INV_ONCE, "the log has a write of the server's that nobody made");
        return;
    }
    s->write_pending = false;
    if (s->write.op == ORACLE_OTHER) {
        s->devices[SIM_LOST_DEVICE].revoked = true;
        oracle_retire(&s->oracle, s->devices[SIM_LOST_DEVICE].number);
    }
    oracle_write(&s->oracle, &s->write, e->numbers, e->number_count, &broken);
    sim_trace(s, "server wrote %d: %zu rows", (int)s->write.op, e->number_count);
    if (broken != NULL) {
        sim_break(s, INV_NUMBERS, "%s", broken);
    }
}

static void check_no_shorter(struct sim *s)
{
    int64_t last = s->server.log_no;
    struct err err =
        db_one_int(s->server.writer_db, "SELECT coalesce(max(no), 0) FROM change_log", &last);
    if (s->server.log_no < 0) { /* where the run begins */
        s->server.log_no = last;
    }
    if (err.code == ERR_OK && last < s->server.log_no) {
        sim_break(s, INV_ACKNOWLEDGED, "the log ends at %" PRId64 ", it had %" PRId64 " entries",
                  last, s->server.log_no);
    }
}

void feed_oracle(struct sim *s)
{
    struct entry *e = malloc(sizeof *e);
    if (e == NULL) {
        abort();
    }
    check_no_shorter(s);
    while (s->broken == INV_NONE && read_entry(s, e)) {
        s->server.log_no = e->no;
        if (e->device == 0) {
            feed_server(s, e);
        } else {
            feed_device(s, e);
        }
    }
    free(e);
}
