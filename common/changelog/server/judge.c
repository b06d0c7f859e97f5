/* A transaction from its bytes to its verdict; see judge.h. */
#include "common/changelog/server/judge.h"

#include "common/changelog/effective.h"
#include "common/changelog/server/erase_late.h"
#include "common/changelog/server/past_day.h"
#include "common/changelog/server/proposal.h"
#include "common/changelog/server/reoffer.h"
#include "common/changelog/server/rules.h"
#include "common/changelog/server/shred.h"
#include "common/changelog/server/verdicts.h"
#include "protocol/codec.h"

struct err judge_decode(const struct push *push, struct arena *arena, struct transaction *out)
{
    switch (transaction_decode(push->row_form, arena, out)) {
    case WIRE_OK:
        return err_ok();
    case WIRE_NOMEM:
    case WIRE_LIMIT:
        return err_make(ERR_LIMIT, 0, "judge_decode");
    case WIRE_MORE:
    case WIRE_MALFORMED:
        break;
    }
    return err_make(ERR_PROTOCOL, 0, "judge_decode");
}

/* ---- running a transaction ---- */

static struct err run_rules(struct trial *t)
{
    struct err err = err_ok();
    for (struct work_row *row = t->work.touched; row != NULL && err.code == ERR_OK;
         row = row->next_touched) {
        const struct value *line_of = &row->values[COLUMN_order_line_order_id];
        if (row->table->number == TABLE_sales_order) {
            err = rules_order(&t->work, row->id, &t->why);
        } else if (row->table->number == TABLE_order_line && line_of->kind == VALUE_BLOB) {
            struct work_row *order = NULL;
            err = work_find(&t->work, catalogue_table(TABLE_sales_order), line_of->b.at, &order);
            if (err.code == ERR_OK && order != NULL && !order->touched) {
                err = rules_order(&t->work, order->id, &t->why);
            }
        }
    }
    return err;
}

struct err trial_run(struct trial *t)
{
    t->rows = arena_array(t->work.arena, t->tx->change_count, sizeof *t->rows);
    struct err err = t->rows == NULL ? err_make(ERR_LIMIT, 0, "trial_run") : err_ok();
    for (size_t i = 0; i < t->tx->change_count && err.code == ERR_OK; i++) {
        err = judge_change(t, &t->tx->changes[i]);
    }
    for (size_t i = 0; i < t->row_count && err.code == ERR_OK; i++) {
        if (t->rows[i]->table->number == TABLE_proposal) {
            err = proposal_decide(t, t->rows[i]);
        }
    }
    return err.code == ERR_OK ? run_rules(t) : err;
}

static bool is_refusal(struct err err)
{
    return err.code == ERR_REFUSED || err.code == ERR_INVALID || err.code == ERR_LIMIT;
}

/* What is checked whole before its first write needs no undoing, and a savepoint makes SQLite copy
 * each page before it is written, which for a visit costs as much as the visit itself. That holds
 * for an insert alone of a table without rules across rows. */
static bool inserts_after_checks(const struct transaction *tx)
{
    return tx->change_count == 1 && tx->changes[0].op == CHANGE_INSERT &&
           tx->changes[0].table != TABLE_sales_order && tx->changes[0].table != TABLE_order_line;
}

/* It holds for such an update as well, up to a conflict (trial_undoable); where rights or other
 * rows hang on the row, more is done behind its write. */
static bool updates_after_checks(const struct transaction *tx)
{
    static const uint16_t more_is_done[] = {TABLE_sales_order, TABLE_order_line, TABLE_proposal,
                                            TABLE_person, TABLE_book_holder};
    bool alone = tx->change_count == 1 && tx->changes[0].op == CHANGE_UPDATE;
    for (size_t i = 0; i < count_of(more_is_done) && alone; i++) {
        alone = tx->changes[0].table != more_is_done[i];
    }
    return alone;
}

struct err trial_undoable(struct trial *t)
{
    struct err err = t->undoable ? err_ok() : db_savepoint(t->work.st->db);
    t->undoable = err.code == ERR_OK;
    return err;
}

/* What was glanced at holds until something else than a new row is written. */
static struct err run(struct judge *j, struct trial *t)
{
    struct err err = err_ok();
    if (inserts_after_checks(t->tx)) {
        t->work.glances = &j->glances;
    } else {
        j->glances = (struct glances){0};
        err = updates_after_checks(t->tx) ? err_ok() : trial_undoable(t);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    struct err tried = trial_run(t);
    if (!t->undoable) {
        return tried;
    }
    t->undoable = false;
    err = db_savepoint_end(t->work.st->db, tried.code == ERR_OK || planted(REFUSAL_WRITES));
    return err.code != ERR_OK ? err : tried;
}

/* A refusal is an outcome, not an error. */
static struct err try_changes(struct judge *j, struct trial *t, enum outcome *outcome)
{
    struct err tried = run(j, t);
    if (tried.code != ERR_OK && !is_refusal(tried)) {
        return tried;
    }
    if (tried.code == ERR_OK) {
        *outcome = t->loser_count > 0 ? OUTCOME_MERGED : OUTCOME_ACCEPTED;
        return err_ok();
    }
    *outcome = OUTCOME_REFUSED;
    if (tried.code == ERR_LIMIT) {
        complaint_fill(&t->why, "invalid", NULL, NULL, "too_large");
    }
    return err_ok();
}

/* ---- predecessors ---- */

/* The first predecessor that keeps this one from standing: refused, or not here yet. */
struct err judge_rests(struct judge *j, const struct push *push, enum outcome *outcome,
                       struct complaint *why)
{
    *outcome = OUTCOME_ACCEPTED;
    for (size_t i = 0; i < push->rest_count && !planted(HELD_IGNORED); i++) {
        struct verdict_entry before = {.outcome = OUTCOME_ACCEPTED};
        struct err err = verdict_by_seq(j, push->rests_on[i], &before);
        if (err.code != ERR_OK && err.code != ERR_NOT_FOUND) {
            return err;
        }
        bool refused = err.code == ERR_OK && before.outcome == OUTCOME_REFUSED;
        bool waits = err.code == ERR_NOT_FOUND || before.outcome == OUTCOME_PARKED;
        if (refused || (waits && *outcome == OUTCOME_ACCEPTED)) {
            char seq[24];
            (void)snprintf(seq, sizeof seq, "%" PRIu64, push->rests_on[i]);
            complaint_fill(why, "held", NULL, NULL, seq);
            *outcome = refused ? OUTCOME_REFUSED : OUTCOME_PARKED;
        }
        if (refused) {
            break;
        }
    }
    return err_ok();
}

/* ---- the verdict ---- */

/* Of what lies outside, there is one answer. */
static void keep_outside(struct trial *t)
{
    if (t->outside && !t->erased && strcmp(t->why.code, "proposal") != 0) {
        complaint_fill(&t->why, "not_found", NULL, NULL, NULL);
    }
}

/* The winner of a conflict in a row, or a column, that isn't to be seen any more isn't told. */
static struct err keep_losers(struct judge *j, struct trial *t)
{
    size_t kept = 0;
    struct err err = err_ok();
    for (size_t i = 0; i < t->loser_count && err.code == ERR_OK; i++) {
        const struct loser *l = &t->losers[i];
        const struct table *table = catalogue_table(l->table);
        struct work_row *row = NULL;
        bool held = false;
        err = work_find(&t->work, table, l->id, &row);
        if (err.code == ERR_OK && row != NULL) {
            err = permit_holds(j->permit, j->st, row->scope, &held);
        }
        bool seen =
            held && (table_visible(table, j->permit->role, j->catalogue) >> l->column & 1) != 0;
        if (seen) {
            t->losers[kept++] = *l;
        }
    }
    t->loser_count = kept;
    return err;
}

static void put_refusal(struct verdict *v, const struct complaint *why)
{
    (void)snprintf(v->code, sizeof v->code, "%s", why->code);
    (void)snprintf(v->field, sizeof v->field, "%s", why->field);
    v->detail = bytes_text(why->detail);
}

static struct err log_trial(struct trial *t, const struct push *push, enum outcome outcome)
{
    struct work_entry entry = {
        .outcome = outcome, .code = t->why.code, .intent = t->tx->intent, .body = push->row_form};
    memcpy(entry.identity, push->identity, sizeof entry.identity);
    int64_t no = 0;
    bool stands = outcome == OUTCOME_ACCEPTED || outcome == OUTCOME_MERGED;
    struct err err = work_log(&t->work, &entry, stands, &no);
    if (err.code == ERR_OK && !stands) {
        err = work_log_refused(&t->work, no, t->tx);
    }
    return err.code == ERR_OK && t->erased ? shred_entry(t->work.st, no) : err;
}

struct err judge_conclude(struct judge *j, struct trial *t, const struct push *push,
                          enum outcome outcome, uint64_t old)
{
    struct verdict v = {.number = ++j->verdict_last,
                        .epoch = j->epoch,
                        .device_seq = push->device_seq,
                        .outcome = (uint8_t)outcome};
    struct err err = err_ok();
    if (outcome == OUTCOME_ACCEPTED || outcome == OUTCOME_MERGED) {
        err = keep_losers(j, t);
        v.losers = t->losers;
        v.loser_count = t->loser_count;
        if (err.code == ERR_OK) {
            err = verdict_rows(j, &t->work, t->rows, t->row_count, false, &v);
        }
    } else {
        keep_outside(t);
        put_refusal(&v, &t->why);
    }
    if (err.code == ERR_OK) {
        err = verdict_store(j, &v, push->identity, old);
    }
    bool waits_on = outcome == OUTCOME_PARKED && old != 0; /* logged when it began to wait */
    return err.code == ERR_OK && !waits_on ? log_trial(t, push, outcome) : err;
}

/* Somebody lost a book by this. */
static struct err keep_days(struct judge *j, const struct work_lost *lost)
{
    struct complaint why;
    struct server_write *w = NULL;
    struct err err =
        lost == NULL ? err_ok() : server_write_begin(j->st, NULL, "past_day", j->received_ms, &w);
    if (w == NULL) {
        return err;
    }
    for (; lost != NULL && err.code == ERR_OK; lost = lost->next) {
        err = past_days_of_book(w, lost->book, lost->person);
    }
    if (err.code == ERR_OK) {
        return server_write_end(w, &why);
    }
    server_write_cancel(w);
    return err;
}

struct err judge_run(struct judge *j, const struct push *push, const struct transaction *tx,
                     struct arena *arena, uint64_t old, enum outcome *outcome)
{
    struct push fixed = *push;
    if (fixed.effective_ms < 0) {
        fixed.effective_ms = effective_ms(&tx->written, &j->now, j->asked_ms);
    }
    bool proven = push->proof.received_ms > 0 && push->proof.received_ms < j->received_ms;
    if (proven && fixed.effective_ms > push->proof.received_ms && !planted(REOFFER_RENEWED)) {
        fixed.effective_ms = push->proof.received_ms;
    }
    const struct version by = {.effective_ms = fixed.effective_ms,
                               .author = j->device,
                               .epoch = j->epoch,
                               .device_seq = push->device_seq};
    struct trial t = {.judge = j, .tx = tx};
    work_init(&t.work, j->st, arena, &by);
    t.work.received_ms =
        proven && !planted(REOFFER_RENEWED) ? push->proof.received_ms : j->received_ms;
    t.work.has_person = true;
    memcpy(t.work.person, j->permit->person, sizeof t.work.person);
    struct err err = erase_forbids(j->st, tx, &t.erased);
    t.erased = t.erased && !planted(ERASED_WRITTEN);
    if (err.code == ERR_OK && t.erased) {
        complaint_fill(&t.why, "erased", NULL, NULL, NULL);
        *outcome = OUTCOME_REFUSED;
    } else if (err.code == ERR_OK) {
        err = judge_rests(j, push, outcome, &t.why);
    }
    if (err.code == ERR_OK && *outcome == OUTCOME_ACCEPTED) {
        err = try_changes(j, &t, outcome);
    }
    if (err.code == ERR_OK && *outcome == OUTCOME_REFUSED && !t.erased) {
        bool made = false;
        err = proposal_offer(j, &t, &fixed, arena, &made);
    }
    if (err.code == ERR_OK && *outcome == OUTCOME_PARKED) {
        err = judge_park(j, &fixed);
    }
    if (err.code == ERR_OK) {
        err = judge_conclude(j, &t, push, *outcome, old);
    }
    if (err.code == ERR_OK && *outcome <= OUTCOME_MERGED) {
        err = keep_days(j, t.work.lost);
    }
    if (err.code == ERR_OK && proven && *outcome != OUTCOME_REFUSED) {
        err = reoffer_note(j->st, push, t.rows, t.row_count);
    }
    work_release(&t.work);
    return err;
}

/* What was permitted once isn't refused for a right that went with the lost part. */
static struct err judge_new(struct judge *j, const struct push *push, const struct transaction *tx,
                            struct arena *arena, enum outcome *outcome)
{
    const struct permit *author = j->author;
    struct permit vouched = *author;
    vouched.vouched = true;
    j->author = push->proof.received_ms > 0 ? &vouched : author;
    struct err err = judge_run(j, push, tx, arena, 0, outcome);
    j->author = author;
    return err;
}

/* ---- known transactions ---- */

/* What came to something else than was sent, even where no column changed for it: a set that lost
 * its last member twice. */
static void note_differences(struct work_row *row, const struct change *change)
{
    for (size_t i = 0; i < change->cell_count; i++) {
        const struct cell *cell = &change->cells[i];
        if (table_column(row->table, cell->column) != NULL &&
            !value_equal(&row->values[cell->column], &cell->value)) {
            row->differs |= UINT64_C(1) << cell->column;
        }
    }
}

/* Rows that stand as `tx` left them, or as others have changed them since. */
static struct err collect_rows(struct judge *j, struct work *w, const struct transaction *tx,
                               struct work_row **rows, size_t *count)
{
    struct err err = err_ok();
    for (size_t i = 0; i < tx->change_count && err.code == ERR_OK; i++) {
        const struct table *table = catalogue_table(tx->changes[i].table);
        struct work_row *row = NULL;
        bool seen = false;
        err = table == NULL ? err_ok() : work_find(w, table, tx->changes[i].id, &row);
        if (err.code == ERR_OK && row != NULL) {
            err = permit_holds(j->permit, j->st, row->scope, &seen);
        }
        if (err.code == ERR_OK && seen) {
            note_differences(row, &tx->changes[i]);
        }
        if (err.code == ERR_OK && seen && !row->noted) {
            row->noted = true;
            rows[(*count)++] = row;
        }
    }
    return err;
}

struct err judge_tell_again(struct judge *j, const struct push *push, const struct transaction *tx,
                            const struct verdict_entry *known, uint64_t old, struct arena *arena)
{
    struct work w;
    bool stands = known->outcome == OUTCOME_ACCEPTED || known->outcome == OUTCOME_MERGED;
    bool same = old == known->number && known->device == j->device && old > j->verdict_seen;
    struct verdict v = {.number = same ? old : ++j->verdict_last,
                        .epoch = j->epoch,
                        .device_seq = push->device_seq,
                        .outcome = (uint8_t)known->outcome};
    const struct version by = {.author = j->device, .epoch = j->epoch};
    if (stands &&
        j->st->timeline.counter > 1) { /* its author is told what came back, and what hadn't gone */
        (void)snprintf(v.code, sizeof v.code, "%s", VERDICT_KNOWN);
    }
    work_init(&w, j->st, arena, &by);
    struct work_row **rows = arena_array(arena, tx->change_count, sizeof *rows);
    size_t count = 0;
    struct err err = rows == NULL ? err_make(ERR_LIMIT, 0, "tell_again") : err_ok();
    if (err.code == ERR_OK) {
        err = stands ? collect_rows(j, &w, tx, rows, &count) : verdict_reason(j, known, arena, &v);
    }
    if (err.code == ERR_OK) {
        err = verdict_rows(j, &w, rows, count, true, &v);
    }
    if (err.code == ERR_OK) {
        err = verdict_store(j, &v, push->identity, old);
    }
    work_release(&w);
    return err;
}

/* What is known of a transaction: `own` verdict (number 0: none), unless kin of the device has got
 * a settled one while its own waits or isn't there. ERR_NOT_FOUND: nobody sent it. */
static struct err find_known(struct judge *j, const struct push *push, struct verdict_entry *own,
                             struct verdict_entry *known)
{
    *own = (struct verdict_entry){.number = 0};
    struct err err = verdict_by_identity(j, push->identity, own);
    *known = *own;
    if (err.code != ERR_NOT_FOUND && (err.code != ERR_OK || own->outcome != OUTCOME_PARKED)) {
        return err;
    }
    struct verdict_entry settled;
    struct err kin = verdict_by_kin(j, push->identity, &settled);
    if (kin.code == ERR_OK) {
        *known = settled;
    }
    return kin.code == ERR_NOT_FOUND ? err : kin;
}

static bool stands_stored(const struct judge *j, const struct push *push,
                          const struct verdict_entry *known)
{
    return known->device == j->device && known->epoch == j->epoch &&
           known->device_seq == push->device_seq && known->has_body &&
           known->number > j->verdict_seen;
}

struct err judge_push(struct judge *j, const struct push *push, struct arena *arena,
                      enum outcome *outcome)
{
    struct verdict_entry own;
    struct verdict_entry known;
    struct transaction tx;
    struct err err = find_known(j, push, &own, &known);
    bool is_known = err.code == ERR_OK;
    if (!is_known && err.code != ERR_NOT_FOUND) {
        return err;
    }
    if (is_known) {
        *outcome = known.outcome;
        j->known++;
        if (stands_stored(j, push, &known)) {
            return err_ok(); /* repeated as it stands */
        }
    }
    err = judge_decode(push, arena, &tx);
    if (err.code == ERR_OK && own.number != 0 && own.outcome == OUTCOME_PARKED) {
        err = judge_unpark(j, own.epoch, own.device_seq);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    if (!is_known) {
        return judge_new(j, push, &tx, arena, outcome);
    }
    if (is_known && known.outcome != OUTCOME_PARKED) {
        return judge_tell_again(j, push, &tx, &known, own.number, arena);
    }
    return judge_run(j, push, &tx, arena, own.number,
                     outcome); /* parked: under its number of now */
}

static struct err is_other(struct judge *j, const struct push *push, bool *other)
{
    struct stmt q;
    struct err err = db_use(j->st->db,
                            "SELECT identity FROM verdict"
                            " WHERE device = ?1 AND epoch = ?2 AND device_seq = ?3",
                            &q);
    *other = false;
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, j->device);
    bind_int(&q, 2, j->epoch);
    bind_int(&q, 3, (int64_t)push->device_seq);
    if (!db_step_row(&q)) {
        return stmt_err(&q, "is_other");
    }
    *other = !bytes_equal(col_bytes(&q, 0), bytes_of(push->identity, sizeof push->identity));
    stmt_reset(&q);
    return err_ok();
}

/* Nearly always all numbers are new, which one look at the highest tells. */
struct err judge_find_other(struct judge *j, const struct push *pushes, size_t count, bool *other)
{
    struct stmt q;
    struct err err = db_use(
        j->st->db, "SELECT max(device_seq) FROM verdict WHERE device = ?1 AND epoch = ?2", &q);
    *other = false;
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, j->device);
    bind_int(&q, 2, j->epoch);
    uint64_t highest = db_step_row(&q) ? (uint64_t)col_int(&q, 0) : 0;
    err = stmt_err(&q, "judge_find_other");
    stmt_reset(&q);
    count = planted(IDENTITY_UNCHECKED) ? 0 : count;
    for (size_t i = 0; i < count && pushes[i].device_seq <= highest && !*other; i++) {
        err = err.code == ERR_OK ? is_other(j, &pushes[i], other) : err;
    }
    return err;
}
