/* See courier_quarantine.h. */
#include "common/sync/courier_quarantine.h"

#include "common/changelog/server/erase_late.h"
#include "common/changelog/server/gate.h"
#include "common/changelog/server/judge.h"
#include "common/changelog/server/quarantine.h"
#include "common/changelog/server/verdicts.h"
#include "common/sync/server_request.h"
#include "protocol/codec.h"

#define QUARANTINE_ARENA_MAX ((size_t)64 * 1024 * 1024)

static struct err is_judged(struct store *st, uint32_t device, const struct push *push, bool *out)
{
    struct stmt q;
    struct err err =
        db_use(st->db, "SELECT 1 FROM verdict WHERE +device = ?1 AND identity = ?2", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, device);
    bind_blob(&q, 2, bytes_of(push->identity, sizeof push->identity));
    *out = db_step_row(&q);
    if (*out) {
        stmt_reset(&q);
        return err_ok();
    }
    return stmt_err(&q, "courier_quarantine");
}

static struct err keep(struct store *st, const struct store_device *device, const struct push *push,
                       int64_t now_ms, uint64_t *count)
{
    static const char sql[] =
        "INSERT INTO quarantine (kind, device, person, received_at, hash, body)"
        " VALUES ('revoked', ?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    struct stmt q;
    struct err err = db_use(st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, device->device);
    bind_id(&q, 2, device->person);
    bind_int(&q, 3, now_ms);
    bind_blob(&q, 4, bytes_of(push->identity, sizeof push->identity));
    bind_blob(&q, 5, push->row_form);
    err = db_step_done(&q, "courier_quarantine");
    *count += err.code == ERR_OK && db_changes(st->db) > 0 ? 1 : 0;
    return err;
}

/* What writes to somebody who is erased doesn't wait for anybody's word. */
static struct err is_forbidden(struct store *st, const struct push *push, struct arena *arena,
                               bool *out)
{
    struct transaction tx;
    struct err err = judge_decode(push, arena, &tx);
    return err.code == ERR_OK ? erase_forbids(st, &tx, out) : err;
}

struct err courier_quarantine(struct store *st, const struct store_device *device,
                              struct bytes request, int64_t now_ms, uint64_t *count)
{
    struct server_request read;
    struct server_refusal why;
    struct arena arena;
    arena_init(&arena, QUARANTINE_ARENA_MAX);
    struct err err = server_request_read(request, &arena, &read, &why);
    for (size_t i = 0; i < read.push_count && err.code == ERR_OK; i++) {
        bool judged = false;
        bool forbidden = false;
        err = is_judged(st, device->number, &read.pushes[i], &judged);
        if (err.code == ERR_OK && !judged) {
            err = is_forbidden(st, &read.pushes[i], &arena, &forbidden);
        }
        if (err.code == ERR_OK && !judged && !forbidden) {
            err = keep(st, device, &read.pushes[i], now_ms, count);
        }
    }
    arena_release(&arena);
    return err;
}

/* ---- an admin's word ---- */

struct entry {
    int64_t no;
    uint32_t device;
    int64_t offset_ms; /* server less device clock, as last measured */
    int64_t received_ms;
    uint8_t person[16];
    struct push push;
};

static struct err load(struct store *st, int64_t no, struct arena *arena, struct entry *out)
{
    static const char sql[] =
        "SELECT k.number, k.offset_ms, q.received_at, k.person, q.body FROM quarantine q"
        " JOIN device_key k ON k.device = q.device"
        " WHERE q.no = ?1 AND q.kind = 'revoked' AND q.state = 'waiting'";
    struct stmt q;
    struct err err = db_use(st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, no);
    if (!db_step_row(&q)) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_NOT_FOUND, 0, "courier_release");
    }
    *out = (struct entry){.no = no,
                          .device = (uint32_t)col_int(&q, 0),
                          .offset_ms = col_int(&q, 1),
                          .received_ms = col_int(&q, 2)};
    bool good = col_id(&q, 3, out->person);
    out->push.row_form = arena_copy(arena, col_bytes(&q, 4));
    stmt_reset(&q);
    if (!good || out->push.row_form.at == NULL) {
        return err_make(good ? ERR_NOMEM : ERR_CORRUPT, 0, "courier_release");
    }
    transaction_identity(out->push.row_form, out->push.identity);
    return err_ok();
}

/* The hello that went with it is gone: its own wall clock, set right by the last offset known, is
 * what remains, never later than its arrival. */
static struct err reckon(struct entry *e, struct arena *arena)
{
    struct transaction tx;
    int64_t at = 0;
    struct err err = judge_decode(&e->push, arena, &tx);
    if (err.code != ERR_OK) {
        return err;
    }
    if (__builtin_add_overflow(tx.written.wall_ms, e->offset_ms, &at) || at < tx.written.seen_ms) {
        at = tx.written.seen_ms;
    }
    e->push.effective_ms = at < 0 ? 0 : at > e->received_ms ? e->received_ms : at;
    e->push.device_seq = (uint64_t)e->no; /* in epoch 0, which no device has */
    return err_ok();
}

static struct err reason(struct judge *j, const struct push *push, struct arena *arena,
                         struct complaint *why)
{
    struct verdict_entry known;
    struct verdict v = {.number = 0};
    struct err err = verdict_by_identity(j, push->identity, &known);
    if (err.code == ERR_OK) {
        err = verdict_reason(j, &known, arena, &v);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    *why = (struct complaint){0};
    (void)snprintf(why->code, sizeof why->code, "%s", v.code);
    (void)snprintf(why->field, sizeof why->field, "%s", v.field);
    (void)snprintf(why->detail, sizeof why->detail, "%.*s", (int)v.detail.size,
                   v.detail.at == NULL ? "" : (const char *)v.detail.at);
    return err_make(ERR_REFUSED, 0, "courier_release");
}

static struct err judge_entry(struct store *st, struct entry *e, struct arena *arena,
                              int64_t now_ms, struct complaint *why)
{
    struct gate g;
    struct permit permit;
    enum outcome outcome = OUTCOME_ACCEPTED;
    struct err err = gate_load(st, e->device, &g);
    if (err.code == ERR_OK) {
        err = permit_load(st, e->person, arena, &permit);
    }
    struct judge j = {.st = st,
                      .permit = &permit,
                      .author = &permit,
                      .device = e->device,
                      .family = g.family,
                      .catalogue = CATALOGUE_VERSION,
                      .received_ms = now_ms,
                      .asked_ms = now_ms,
                      .verdict_last = g.verdict_last,
                      .verdict_seen = g.verdict_seen};
    if (err.code == ERR_OK) {
        err = judge_push(&j, &e->push, arena, &outcome);
    }
    if (err.code == ERR_OK && outcome == OUTCOME_REFUSED) {
        return reason(&j, &e->push, arena, why);
    }
    g.verdict_last = j.verdict_last;
    if (err.code == ERR_OK) {
        err = gate_save_verdicts(st, &g);
    }
    return err.code == ERR_OK ? scopes_save(st) : err;
}

struct err courier_release(struct store *st, int64_t no, const uint8_t *person, const char *login,
                           int64_t now_ms, struct complaint *why)
{
    struct entry e = {.no = 0};
    struct arena arena;
    arena_init(&arena, QUARANTINE_ARENA_MAX);
    store_refresh(st);
    struct err err = load(st, no, &arena, &e);
    if (err.code == ERR_OK && person != NULL) {
        memcpy(e.person, person, sizeof e.person);
    }
    if (err.code == ERR_OK) {
        err = reckon(&e, &arena);
    }
    if (err.code == ERR_OK) {
        err = judge_entry(st, &e, &arena, now_ms, why);
    }
    arena_release(&arena);
    return err.code == ERR_OK ? quarantine_close(st, no, "revoked", "released", login, now_ms)
                              : err;
}

struct err courier_discard(struct store *st, int64_t no, const char *login, int64_t now_ms)
{
    return quarantine_close(st, no, "revoked", "discarded", login, now_ms);
}
