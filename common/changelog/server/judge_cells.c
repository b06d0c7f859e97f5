/* Columns in conflict, and what comes of them. */
#include "common/changelog/server/judge.h"

#include "common/base/complaint.h"
#include "common/changelog/server/kept.h"
#include "common/changelog/merge.h"
#include "common/changelog/server/reoffer.h"

#define LOSERS_FIRST 8

/* A device knows its own earlier writes, whatever their numbers. */
static bool is_own(const struct trial *t, const struct version *v)
{
    const struct version *by = &t->work.by;
    return !planted(OWN_IS_CONFLICT) && v->author == by->author && v->epoch == by->epoch &&
           v->device_seq <= by->device_seq;
}

/* What the author of a change had seen of this store: nothing, where its number was given in a
 * timeline that this one doesn't come from. Two restores can do that, the second to a later backup
 * than the first. */
static struct err seen_here(struct store *st, int64_t base, int64_t *out)
{
    struct stmt q;
    int64_t counter = base >> TIMELINE_SHIFT;
    *out = base;
    if (counter < 2 || counter == (int64_t)st->timeline.counter) {
        return err_ok(); /* the first is where all come from */
    }
    struct err err = db_use(st->db, "SELECT 1 FROM timeline WHERE counter = ?1", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, counter);
    *out = db_step_row(&q) ? base : 0;
    err = stmt_err(&q, "judge: timeline");
    stmt_reset(&q);
    return err;
}

/* A write that a device brought back: whoever saw its number in the lost part has seen it. Where
 * that can't be read, it counts as unseen: a conflict keeps both. */
static bool was_seen(const struct trial *t, const struct change *change, const struct work_row *row,
                     const struct version *v)
{
    struct store *st = t->work.st;
    int64_t was = 0;
    if (change->base >= timeline_start(st->timeline.counter) ||
        reoffer_was(st, row->table->number, row->id, v->seq, &was).code != ERR_OK) {
        return false;
    }
    return was > 0 && was <= change->base;
}

uint64_t judge_conflicts(const struct trial *t, const struct change *change,
                         const struct work_row *row)
{
    uint64_t mask = 0;
    uint64_t groups = 0;
    int64_t base = 0;
    if (seen_here(t->work.st, change->base, &base).code != ERR_OK) {
        base = 0; /* a conflict keeps both */
    }
    for (unsigned n = 0; n <= row->table->columns[row->table->column_count - 1].number; n++) {
        const struct version *v = rowmeta_of(&row->meta, n);
        if (v->seq > base && !is_own(t, v) && !was_seen(t, change, row, v)) {
            mask |= UINT64_C(1) << n;
        }
    }
    for (size_t i = 0; i < row->table->column_count; i++) {
        const struct column *c = &row->table->columns[i];
        if ((mask >> c->number & 1) != 0) {
            groups |= UINT64_C(1) << c->group;
        }
    }
    for (size_t i = 0; i < row->table->column_count; i++) {
        const struct column *c = &row->table->columns[i];
        if (c->group != 0 && (groups >> c->group & 1) != 0 && !planted(GROUP_SPLIT)) {
            mask |= UINT64_C(1) << c->number;
        }
    }
    return mask;
}

static int rank_of(const struct column *c, const struct value *v)
{
    return c->type == TYPE_ENUM && v->kind == VALUE_TEXT ? column_rank(c, v->b) : -1;
}

static struct err write_of(struct trial *t, const struct version *v, int rank,
                           struct merge_write *out)
{
    const struct author *who = NULL;
    struct err err = store_author(t->work.st, v->author, &who);
    if (err.code == ERR_OK) {
        *out = (struct merge_write){.at_ms = v->effective_ms,
                                    .epoch = v->epoch,
                                    .device_seq = v->device_seq,
                                    .rank = rank,
                                    .by_server = v->author == 0};
        memcpy(out->device, who->device, sizeof out->device);
    }
    return err;
}

/* The write that `c` is compared by: its own, or in a group the latest of the group's. */
static const struct version *version_of(const struct work_row *row, const struct column *c)
{
    const struct version *latest = rowmeta_of(&row->meta, c->number);
    for (size_t i = 0; i < row->table->column_count && c->group != 0; i++) {
        const struct column *other = &row->table->columns[i];
        const struct version *v = rowmeta_of(&row->meta, other->number);
        if (other->group == c->group && v->effective_ms > latest->effective_ms) {
            latest = v;
        }
    }
    return latest;
}

static struct err note_loser(struct trial *t, const struct kept *kept, const uint8_t kept_id[16])
{
    if (t->loser_count == t->loser_room) {
        size_t room = t->loser_room == 0 ? LOSERS_FIRST : t->loser_room * 2;
        struct loser *losers = arena_array(t->work.arena, room, sizeof *losers);
        if (losers == NULL) {
            return err_make(ERR_LIMIT, 0, "note_loser");
        }
        if (t->loser_count > 0) {
            memcpy(losers, t->losers, t->loser_count * sizeof *losers);
        }
        t->losers = losers;
        t->loser_room = room;
    }
    const struct author *winner = NULL;
    struct err err = store_author(t->work.st, kept->winner.author, &winner);
    if (err.code != ERR_OK) {
        return err;
    }
    struct loser *l = &t->losers[t->loser_count++];
    *l = (struct loser){.table = kept->row->table->number,
                        .column = kept->column->number,
                        .kept = *kept->loser.value,
                        .winner = *kept->winner.value,
                        .winner_at_ms = kept->winner.at_ms};
    memcpy(l->id, kept->row->id, sizeof l->id);
    memcpy(l->kept_id, kept_id, sizeof l->kept_id);
    memcpy(l->winner_person, winner->person, sizeof l->winner_person);
    return err_ok();
}

/* One of two different values is kept; where it is the sender's, the verdict says so. */
static struct err keep(struct trial *t, const struct change *change, struct work_row *row,
                       const struct column *c, const struct value *theirs, bool takes_theirs)
{
    const struct version *at = rowmeta_of(&row->meta, c->number);
    const struct value ours = row->values[c->number];
    const struct kept_side stored = {&ours, at->author, at->effective_ms};
    const struct kept_side sent = {theirs, t->work.by.author, t->work.by.effective_ms};
    const struct kept kept = {.row = row,
                              .column = c,
                              .base = change->base,
                              .loser = takes_theirs ? stored : sent,
                              .winner = takes_theirs ? sent : stored};
    uint8_t id[16];
    struct err err = trial_undoable(t);
    if (err.code == ERR_OK) {
        err = kept_put(&t->work, &kept, id);
    }
    return err.code == ERR_OK && !takes_theirs ? note_loser(t, &kept, id) : err;
}

static void take(struct work_row *row, const struct cell *cell)
{
    work_set(row, cell->column, &cell->value);
    row->stands |= UINT64_C(1) << cell->column;
}

/* The same value on both sides is no conflict; the later of the two writes still counts, lest a
 * third one's fate hang on who came first. */
static struct err clash(struct trial *t, const struct change *change, struct work_row *row,
                        const struct column *c, const struct cell *cell)
{
    const struct value *current = &row->values[c->number];
    struct merge_write ours;
    struct merge_write theirs;
    struct err err = write_of(t, version_of(row, c), rank_of(c, current), &ours);
    if (err.code == ERR_OK) {
        err = write_of(t, &t->work.by, rank_of(c, &cell->value), &theirs);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    bool takes_theirs = merge_takes_theirs(c->policy, &ours, &theirs);
    if (value_equal(current, &cell->value) || (planted(LOSER_DROPPED) && takes_theirs)) {
        row->stands |= UINT64_C(1) << c->number;
    } else {
        err = keep(t, change, row, c, &cell->value, takes_theirs);
    }
    if (err.code == ERR_OK && takes_theirs) {
        take(row, cell);
    } else if (!value_equal(current, &cell->value)) {
        row->differs |= UINT64_C(1) << c->number;
    }
    return err;
}

/* Sets take the difference, also where the device itself wrote last: what that write was merged
 * with may not have reached it yet. A set that outgrows its column, or comes without what it
 * started from, can't be merged; then the later one stands and the other is kept. */
static struct err join_sets(struct trial *t, const struct change *change, struct work_row *row,
                            const struct column *c, const struct cell *cell)
{
    struct value merged = value_null();
    struct complaint too_long = {0};
    struct err err = err_make(ERR_INVALID, 0, "join_sets");
    if (cell->has_old && !planted(SETS_REPLACED)) {
        err =
            merge_union(&cell->old, &cell->value, &row->values[c->number], t->work.arena, &merged);
    }
    if (err.code == ERR_OK && !column_check(c, &merged, &too_long)) {
        err = complaint_err(&too_long, "join_sets");
    }
    if (err.code == ERR_NOMEM || err.code == ERR_LIMIT) {
        return err;
    }
    if (err.code != ERR_OK) {
        struct column latest = *c;
        latest.policy = MERGE_LATEST;
        return clash(t, change, row, &latest, cell);
    }
    bool stands = value_equal(&merged, &cell->value);
    row->stands |= stands ? UINT64_C(1) << c->number : 0;
    row->differs |= stands ? 0 : UINT64_C(1) << c->number;
    if (!value_equal(&merged, &row->values[c->number])) {
        work_set(row, c->number, &merged);
    }
    return err_ok();
}

/* Without a conflict the author knew what stood there, so a step back was meant. */
static struct err step(struct trial *t, struct work_row *row, const struct column *c,
                       const struct cell *cell)
{
    int from = rank_of(c, &row->values[c->number]);
    int to = rank_of(c, &cell->value);
    bool reopened = row->table->number == TABLE_daily_report &&
                    bytes_equal(row->values[c->number].b, bytes_text("returned"));
    if (c->policy == MERGE_FORWARD && to < from && !reopened) {
        return refuse(&t->why, "state", row->table, c, NULL);
    }
    take(row, cell);
    return err_ok();
}

struct err judge_cells(struct trial *t, const struct change *change, struct work_row *row)
{
    uint64_t conflicts = judge_conflicts(t, change, row);
    struct err err = err_ok();
    for (size_t i = 0; i < change->cell_count && err.code == ERR_OK; i++) {
        const struct cell *cell = &change->cells[i];
        const struct column *c = table_column(row->table, cell->column);
        if (c->policy == MERGE_UNION) {
            err = join_sets(t, change, row, c, cell);
        } else if ((conflicts >> c->number & 1) == 0) {
            err = step(t, row, c, cell);
        } else {
            err = clash(t, change, row, c, cell);
        }
    }
    return err;
}
