/* Transactions that wait for a predecessor: kept whole, judged again at each push of their device,
 * and refused once they have waited too long. */
#include "common/changelog/server/judge.h"
#include "common/changelog/server/verdicts.h"
#include "protocol/codec.h"

#define PARKED_MS_MAX (INT64_C(30) * 24 * 3600 * 1000)

struct err judge_park(struct judge *j, const struct push *push)
{
    static const char sql[] = "INSERT INTO parked (device, epoch, device_seq, parked_at,"
                              " effective_at, rests_on, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
                              " ON CONFLICT DO NOTHING";
    struct stmt q;
    struct err err = db_use(j->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, j->device);
    bind_int(&q, 2, j->epoch);
    bind_int(&q, 3, (int64_t)push->device_seq);
    bind_int(&q, 4, j->received_ms);
    bind_int(&q, 5, push->effective_ms);
    bind_blob(&q, 6, bytes_of(push->rests_on, push->rest_count * sizeof *push->rests_on));
    bind_blob(&q, 7, push->row_form);
    return db_step_done(&q, "park");
}

struct err judge_unpark(struct judge *j, uint32_t epoch, uint64_t device_seq)
{
    struct stmt q;
    struct err err = db_use(
        j->st->db, "DELETE FROM parked WHERE device = ?1 AND epoch = ?2 AND device_seq = ?3", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, j->device);
    bind_int(&q, 2, epoch);
    bind_int(&q, 3, (int64_t)device_seq);
    return db_step_done(&q, "unpark");
}

struct parked {
    struct push push;
    int64_t parked_at;
};

/* Of what was erased while it waited: its verdict says who it was. */
static struct err identity_of_verdict(struct judge *j, struct push *push)
{
    static const char sql[] =
        "SELECT identity FROM verdict WHERE device = ?1 AND epoch = ?2 AND device_seq = ?3";
    struct stmt q;
    struct err err = db_use(j->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, j->device);
    bind_int(&q, 2, j->epoch);
    bind_int(&q, 3, (int64_t)push->device_seq);
    bool found = db_step_row(&q) && col_bytes(&q, 0).size == sizeof push->identity;
    if (found) {
        memcpy(push->identity, col_bytes(&q, 0).at, sizeof push->identity);
    }
    err = stmt_err(&q, "identity_of_verdict");
    stmt_reset(&q);
    return err.code == ERR_OK && !found ? err_make(ERR_CORRUPT, 0, "identity_of_verdict") : err;
}

static struct err next_parked(struct judge *j, uint64_t after, struct arena *arena,
                              struct parked *out)
{
    struct stmt q;
    struct err err = db_use(j->st->db,
                            "SELECT device_seq, parked_at, effective_at, rests_on, body"
                            " FROM parked WHERE device = ?1 AND epoch = ?2 AND device_seq > ?3"
                            " ORDER BY device_seq LIMIT 1",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, j->device);
    bind_int(&q, 2, j->epoch);
    bind_int(&q, 3, (int64_t)after);
    if (!db_step_row(&q)) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_NOT_FOUND, 0, "next_parked");
    }
    struct bytes rests = arena_copy(arena, col_bytes(&q, 3));
    *out = (struct parked){.parked_at = col_int(&q, 1)};
    out->push = (struct push){.device_seq = (uint64_t)col_int(&q, 0),
                              .rest_count = rests.size / sizeof(uint64_t),
                              .rests_on = (const void *)rests.at,
                              .row_form = arena_copy(arena, col_bytes(&q, 4)),
                              .effective_ms = col_int(&q, 2)};
    stmt_reset(&q);
    if (rests.at == NULL || out->push.row_form.at == NULL) {
        return err_make(ERR_LIMIT, 0, "next_parked");
    }
    if (out->push.row_form.size == 0) {
        return identity_of_verdict(j, &out->push);
    }
    transaction_identity(out->push.row_form, out->push.identity);
    return err_ok();
}

static struct err refuse_waiting(struct judge *j, const struct push *push,
                                 const struct transaction *tx, bool erased, const char *detail,
                                 uint64_t old, struct arena *arena)
{
    struct trial t = {.judge = j, .tx = tx};
    const struct version by = {.effective_ms = push->effective_ms,
                               .author = j->device,
                               .epoch = j->epoch,
                               .device_seq = push->device_seq};
    work_init(&t.work, j->st, arena, &by);
    t.work.received_ms = j->received_ms;
    t.work.has_person = true;
    memcpy(t.work.person, j->permit->person, sizeof t.work.person);
    t.erased = erased;
    if (erased) {
        complaint_fill(&t.why, "erased", NULL, NULL, NULL);
    } else {
        complaint_fill(&t.why, "parent_missing", NULL, NULL, detail);
    }
    struct err err = judge_conclude(j, &t, push, OUTCOME_REFUSED, old);
    work_release(&t.work);
    return err;
}

/* What still waits keeps its verdict; what waited too long is refused, and what kin of the device
 * has brought meanwhile is told. */
static struct err judge_waiting(struct judge *j, const struct parked *p, struct arena *arena)
{
    enum outcome outcome = OUTCOME_PARKED;
    struct complaint why = {0};
    struct verdict_entry known = {.number = 0};
    struct verdict_entry settled;
    struct transaction tx = {.change_count = 0};
    bool erased = p->push.row_form.size == 0;
    struct err err = judge_rests(j, &p->push, &outcome, &why);
    struct err kin = verdict_by_kin(j, p->push.identity, &settled);
    bool too_long = j->received_ms - p->parked_at > PARKED_MS_MAX;
    bool waits = outcome == OUTCOME_PARKED && !too_long && !erased && kin.code == ERR_NOT_FOUND;
    if (err.code != ERR_OK || waits) {
        return err;
    }
    err = kin.code == ERR_NOT_FOUND ? err_ok() : kin;
    if (err.code == ERR_OK) {
        err = verdict_by_identity(j, p->push.identity, &known);
    }
    if (err.code == ERR_OK && !erased) {
        err = judge_decode(&p->push, arena, &tx);
    }
    if (err.code == ERR_OK) {
        err = judge_unpark(j, j->epoch, p->push.device_seq);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    if (kin.code == ERR_OK) {
        return judge_tell_again(j, &p->push, &tx, &settled, known.number, arena);
    }
    if (erased) {
        return refuse_waiting(j, &p->push, &tx, true, NULL, known.number, arena);
    }
    return outcome == OUTCOME_PARKED
               ? refuse_waiting(j, &p->push, &tx, false, why.detail, known.number, arena)
               : judge_run(j, &p->push, &tx, arena, known.number, &outcome);
}

struct err judge_parked(struct judge *j, struct arena *arena)
{
    uint64_t at = 0;
    for (;;) {
        struct parked p = {.parked_at = 0};
        arena_clear(arena);
        struct err err = next_parked(j, at, arena, &p);
        if (err.code == ERR_NOT_FOUND) {
            return err_ok();
        }
        if (err.code == ERR_OK) {
            err = judge_waiting(j, &p, arena);
        }
        if (err.code != ERR_OK) {
            return err;
        }
        at = p.push.device_seq;
    }
}
