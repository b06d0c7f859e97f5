/* See client_compare.h.
 *
 *     END's sum ──equal──► (verify: contents) ──equal──► done
 *        │ differs               │ differs
 *        └─► sums made anew ─► a round of questions, from the top ─► END's sum again
 *
 * Equal and not to verify: now and then some rows are looked at (patrol.h), wrong ones are wanted.
 * Rounds and requests are counted: what doesn't become equal is left alone for a day. */
#include "common/sync/client_compare.h"

#include "common/changelog/device/patrol.h"
#include "common/changelog/digest.h"

#define ROUNDS_MAX       6
#define REQUESTS_MAX     64
#define DIGEST_ARENA_MAX ((size_t)64 * 1024 * 1024)
#define REST_MS          INT64_C(86400000)
#define BUSY             200 /* rows and transactions of this sync */

void client_compare_init(struct client_compare *c, struct apply *a)
{
    *c = (struct client_compare){.rounds = 0};
    repair_init(&c->repair, a);
    arena_init(&c->arena, DIGEST_ARENA_MAX);
}

void client_compare_release(struct client_compare *c)
{
    repair_release(&c->repair);
    arena_release(&c->arena);
}

static struct err total_equals(struct replica *r, const struct end *end, struct client_tally *tally)
{
    uint8_t mine[sizeof end->sum];
    struct err err = repair_total(r, mine);
    tally->digest_asked = true;
    tally->digest_equal = err.code == ERR_OK && memcmp(mine, end->sum, sizeof mine) == 0;
    return err;
}

static struct err give_up(const struct client_compare_end *at, struct client_tally *tally)
{
    static const char sql[] = "INSERT INTO setting (name, value) VALUES ('repair_failed_at', ?1)"
                              " ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    struct stmt st;
    tally->gave_up = true;
    struct err err = apply_begin(at->apply);
    if (err.code != ERR_OK) {
        return err;
    }
    err = db_use(at->apply->r->db, sql, &st);
    if (err.code == ERR_OK) {
        bind_int(&st, 1, at->server_ms);
        err = db_step_done(&st, "client_compare");
    }
    return apply_end(at->apply, err);
}

/* A repair that came to nothing isn't begun again by each sync. */
static struct err may_repair(const struct client_compare_end *at, bool *may)
{
    static const char sql[] = "SELECT value FROM setting WHERE name = 'repair_failed_at'";
    int64_t failed_ms = 0;
    struct err err = db_one_int(at->apply->r->db, sql, &failed_ms);
    err = err.code == ERR_NOT_FOUND ? err_ok() : err;
    bool rests = failed_ms != 0 && at->server_ms - failed_ms < REST_MS;
    *may = err.code == ERR_OK && (at->verify || !rests);
    return err;
}

static struct err begin_round(struct client_compare *c, const struct client_compare_end *at,
                              bool contents, struct client_tally *tally, bool *again)
{
    bool may = false;
    struct err err = may_repair(at, &may);
    if (err.code != ERR_OK || !may) {
        return err;
    }
    if (c->rounds == ROUNDS_MAX || c->requests >= REQUESTS_MAX) {
        return give_up(at, tally);
    }
    c->rounds++;
    repair_begin(&c->repair, contents);
    *again = true;
    return err;
}

static struct err remake(struct replica *r, bool *wrong)
{
    uint8_t before[8];
    uint8_t after[8];
    struct err err = repair_total(r, before);
    if (err.code == ERR_OK) {
        err = replica_digest_make(r);
    }
    if (err.code == ERR_OK) {
        err = repair_total(r, after);
    }
    *wrong = err.code == ERR_OK && memcmp(before, after, sizeof after) != 0;
    return err;
}

/* What is kept beside the rows may itself be wrong, and says nothing of a damaged file: before
 * anything is asked for, and where somebody wants to know, it is made anew from the rows. */
static struct err compare_totals(struct client_compare *c, const struct client_compare_end *at,
                                 struct client_tally *tally, bool *again)
{
    struct replica *r = at->apply->r;
    struct err err = total_equals(r, at->end, tally);
    bool suspicious = at->verify || !tally->digest_equal;
    if (err.code == ERR_OK && suspicious && !c->remade) {
        c->remade = true;
        err = remake(r, &tally->sums_wrong);
        if (err.code == ERR_OK) {
            err = total_equals(r, at->end, tally);
        }
    }
    return err.code == ERR_OK && !tally->digest_equal ? begin_round(c, at, false, tally, again)
                                                      : err;
}

/* A server of protocol 1: scopes that differ are fetched anew, once. */
static struct err compare_digest(struct client_compare *c, const struct client_compare_end *at,
                                 struct client_tally *tally, bool *again)
{
    struct apply *a = at->apply;
    struct digest mine;
    struct err err = at->verify && !c->anew ? replica_digest_make(a->r) : err_ok();
    if (err.code == ERR_OK) {
        err = replica_digest(a->r, &c->arena, &mine);
    }
    tally->digest_equal = err.code == ERR_OK && digest_equal(&mine, &c->theirs);
    *again = err.code == ERR_OK && !tally->digest_equal && !c->anew;
    c->anew |= *again;
    if (*again) {
        err = apply_begin(a);
        err = err.code == ERR_OK ? apply_end(a, apply_anew(a, &mine, &c->theirs)) : err;
    }
    return err;
}

/* ---- without being asked ---- */

struct patrolling {
    struct client_compare *c;
    struct client_tally *tally;
};

static struct err on_wrong(void *context, const struct table *t, const uint8_t id[16])
{
    struct patrolling *p = context;
    p->tally->patrol_found++;
    return repair_row(&p->c->repair, t, id);
}

static struct err look_around(struct client_compare *c, const struct client_compare_end *at,
                              struct client_tally *tally, bool *again)
{
    struct patrolling p = {.c = c, .tally = tally};
    repair_begin_rows(&c->repair);
    struct err err = apply_begin(at->apply);
    if (err.code == ERR_OK) {
        err = patrol_look(at->apply->r, at->server_ms, on_wrong, &p);
        err = apply_end(at->apply, err);
    }
    *again = err.code == ERR_OK && repair_is_open(&c->repair);
    return err;
}

/* What the file did to rows shows in no number that is kept beside them: some are looked at now and
 * then, and at the beginning of each round the sums are made from the rows. */
static struct err patrol(struct client_compare *c, const struct client_compare_end *at,
                         struct client_tally *tally, bool *again)
{
    struct patrol_due due = {.now = false};
    bool busy = tally->pulled + tally->pushed > BUSY; /* somebody waits for the end of it */
    struct err err = busy ? err_ok() : patrol_due(at->apply->r, at->server_ms, &due);
    if (err.code != ERR_OK || !due.now) {
        return err;
    }
    if (due.begins && !c->remade) {
        c->remade = true;
        err = remake(at->apply->r, &tally->sums_wrong);
    }
    if (err.code == ERR_OK && tally->sums_wrong) {
        err = total_equals(at->apply->r, at->end, tally);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    return tally->digest_equal ? look_around(c, at, tally, again)
                               : begin_round(c, at, false, tally, again);
}

/* Step by step: first which rows there are, then what is in them. */
struct err client_compare_end(struct client_compare *c, const struct client_compare_end *at,
                              struct client_tally *tally, bool *again)
{
    *again = false;
    if (!at->end->told) {
        return tally->digest_asked ? compare_digest(c, at, tally, again) : err_ok();
    }
    tally->repaired = c->repair.dropped + c->repair.wanted;
    if (repair_is_open(&c->repair)) {
        *again = ++c->requests < REQUESTS_MAX;
        return *again ? err_ok() : give_up(at, tally);
    }
    struct err err = compare_totals(c, at, tally, again);
    if (err.code != ERR_OK || *again || !tally->digest_equal) {
        return err;
    }
    if (!at->verify) {
        return patrol(c, at, tally, again);
    }
    bool ended = tally->contents_asked && c->repair.contents && c->repair.differing == 0;
    tally->contents_asked = true;
    tally->contents_equal = ended;
    return ended ? err : begin_round(c, at, true, tally, again);
}

struct err client_compare_told(struct client_compare *c, const struct digest *theirs,
                               struct client_tally *tally)
{
    arena_clear(&c->arena);
    tally->digest_asked = true;
    c->theirs = *theirs;
    c->theirs.entries = arena_array(&c->arena, theirs->entry_count, sizeof *theirs->entries);
    if (c->theirs.entries == NULL) {
        return err_make(ERR_NOMEM, 0, "client_compare");
    }
    if (theirs->entry_count > 0) {
        memcpy(c->theirs.entries, theirs->entries, theirs->entry_count * sizeof *theirs->entries);
    }
    return err_ok();
}
