/* See verdict_apply.h. An accepted transaction gives its rows their number, together with what
 * the sender hasn't seen of them; a refused one gives its rows back. Later edits that are still
 * pending on the same rows keep lying on top. */
#include "common/changelog/device/verdict_apply.h"

#include "common/changelog/device/counted.h"
#include "common/changelog/device/forget.h"
#include "common/changelog/device/freeze.h"
#include "common/changelog/device/outbox.h"
#include "common/changelog/device/judged.h"
#include "common/changelog/device/recovery.h"
#include "common/changelog/device/restore.h"
#include "common/changelog/device/sent.h"
#include "common/changelog/device/under.h"
#include "protocol/codec.h"

#define LOSERS_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define JUDGED_BYTES_MAX ((size_t)1024 * 1024) /* of 10,000 verdicts, the most in a message */

struct judging {
    struct apply *a;
    const struct verdict *verdict;
    int64_t server_ms;
    int64_t tx;
    enum sent_state state;
    bool under_empty;
    int64_t proof; /* the server's word on this verdict, 0: none */
};

/* For each scope the highest number, to know when a backup covers the transaction. Where a value
 * lost, the row may have no new number: what was kept of it lies elsewhere, and no number tells
 * whether a backup has that. */
static struct err put_numbers(struct judging *j, struct buf *out)
{
    int64_t numbers[16][2] = {{0}};
    size_t count = 0;
    struct err err = err_ok();
    size_t rows = j->verdict->outcome == OUTCOME_MERGED ? 0 : j->verdict->row_count;
    for (size_t i = 0; i < rows && err.code == ERR_OK; i++) {
        const struct verdict_row *row = &j->verdict->rows[i];
        int64_t no = 0;
        bool held = false;
        size_t at = 0;
        err = apply_scope(j->a, &row->scope, &no, &held);
        while (at < count && numbers[at][0] != no) {
            at++;
        }
        if (no == 0 || at == count_of(numbers)) {
            continue; /* a scope that isn't held has no mark here */
        }
        count += at == count ? 1 : 0;
        numbers[at][0] = no;
        numbers[at][1] = row->seq > numbers[at][1] ? row->seq : numbers[at][1];
    }
    for (size_t i = 0; i < count * 2 && err.code == ERR_OK; i++) {
        struct value v = value_int(numbers[i / 2][i % 2]);
        err = value_encode(&v, out) == WIRE_OK ? err_ok() : err_make(ERR_NOMEM, 0, "verdict");
    }
    return err;
}

static struct err store_state(struct judging *j, enum sent_state state)
{
    static const char sql[] =
        "UPDATE sent SET state = ?2, verdict = ?3, judged_at = ?4, rows = ?5, proof = ?6"
        " WHERE tx = ?1";
    struct buf numbers;
    struct stmt st;
    buf_init(&numbers, 1024);
    struct err err = put_numbers(j, &numbers);
    if (err.code == ERR_OK) {
        err = db_use(j->a->r->db, sql, &st);
    }
    if (err.code == ERR_OK) {
        bind_int(&st, 1, j->tx);
        bind_int(&st, 2, state);
        bind_int(&st, 3, (int64_t)j->verdict->number);
        bind_int(&st, 4, j->server_ms);
        if (numbers.size > 0) {
            bind_blob(&st, 5, buf_bytes(&numbers));
        }
        if (j->proof != 0 && (state == SENT_ACCEPTED || state == SENT_MERGED)) {
            bind_int(&st, 6, j->proof);
        }
        err = db_step_done(&st, "verdict");
    }
    buf_release(&numbers);
    return err;
}

/* ---- inbox ---- */

static void put_loser(struct buf *out, const struct loser *l)
{
    const struct value parts[] = {
        value_int(l->table),
        value_blob(bytes_of(l->id, sizeof l->id)),
        value_int(l->column),
        value_blob(bytes_of(l->kept_id, sizeof l->kept_id)),
        l->kept,
        l->winner,
        value_blob(bytes_of(l->winner_person, sizeof l->winner_person)),
        value_int(l->winner_at_ms),
    };
    for (size_t i = 0; i < count_of(parts); i++) {
        out->bad |= value_encode(&parts[i], out) != WIRE_OK;
    }
}

static struct err put_inbox(struct judging *j, const char *kind)
{
    static const char sql[] = "INSERT INTO inbox (tx, kind, code, field, detail, losers, at)"
                              " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (tx) DO NOTHING";
    const struct verdict *v = j->verdict;
    bool known = strcmp(v->code, VERDICT_KNOWN) == 0; /* nothing that people need to be told */
    struct buf losers;
    struct stmt st;
    buf_init(&losers, LOSERS_BYTES_MAX);
    for (size_t i = 0; i < v->loser_count; i++) {
        put_loser(&losers, &v->losers[i]);
    }
    struct err err = losers.bad ? err_make(ERR_NOMEM, 0, "inbox") : db_use(j->a->r->db, sql, &st);
    if (err.code == ERR_OK) {
        bind_int(&st, 1, j->tx);
        bind_text(&st, 2, kind);
        bind_text(&st, 3, known ? "" : v->code);
        bind_text(&st, 4, v->field);
        bind_text_bytes(&st, 5, v->detail.size > 0 ? v->detail : bytes_text(""));
        if (losers.size > 0) {
            bind_blob(&st, 6, buf_bytes(&losers));
        }
        bind_int(&st, 7, j->server_ms);
        err = db_step_done(&st, "inbox");
    }
    buf_release(&losers);
    return err;
}

/* ---- accepted, merged ---- */

static bool lost(const struct verdict *v, const struct outbox_entry *e, uint8_t column)
{
    for (size_t i = 0; i < v->loser_count; i++) {
        const struct loser *l = &v->losers[i];
        if (l->table == e->table && l->column == column &&
            memcmp(l->id, e->id, sizeof l->id) == 0) {
            return true;
        }
    }
    return false;
}

/* What lay below the transaction's columns is settled by its verdict: what it wrote stands, and is
 * what a later edit that still covers them has destroyed, or the verdict's row brings what won. The
 * author of such an edit has not seen what won: its base stays what it was. */
static struct err settle_below(struct judging *j, const struct outbox_entry *e)
{
    struct replica *r = j->a->r;
    const struct table *t = catalogue_table(e->table);
    struct err err = err_ok();
    if (j->under_empty || t == NULL) {
        return err;
    }
    if (e->op == CHANGE_DELETE && outbox_next(r, e) == NULL) {
        return under_drop_row(r->db, e->table, e->id);
    }
    for (size_t i = 0; i < t->column_count && err.code == ERR_OK; i++) {
        uint8_t c = t->columns[i].number;
        bool mine = e->op != CHANGE_UPDATE || (e->cols >> c & 1) != 0;
        bool stays = lost(j->verdict, e, c) && outbox_changed_after(r, e->table, e->id, e->tx, c);
        err = mine && !stays ? under_drop(r->db, e->table, e->id, c) : err;
    }
    return err;
}

static bool names(const struct cell *cells, size_t count, uint8_t column)
{
    for (size_t i = 0; i < count; i++) {
        if (cells[i].column == column) {
            return true;
        }
    }
    return false;
}

/* What the sender hasn't seen of a row; the winner of a conflict is part of it also where the
 * device had met it before the verdict. */
static struct err unseen_cells(struct judging *j, const struct table *t,
                               const struct verdict_row *row, struct cell **out, size_t *count)
{
    const struct verdict *v = j->verdict;
    *count = 0;
    *out = arena_array(&j->a->arena, row->unseen_count + v->loser_count, sizeof **out);
    if (*out == NULL) {
        return err_make(ERR_NOMEM, 0, "verdict");
    }
    for (size_t i = 0; i < row->unseen_count; i++) {
        if (table_column(t, row->unseen[i].column) != NULL) {
            (*out)[(*count)++] = row->unseen[i];
        }
    }
    for (size_t i = 0; i < v->loser_count; i++) {
        const struct loser *l = &v->losers[i];
        bool of_row = l->table == row->table && memcmp(l->id, row->id, sizeof l->id) == 0;
        if (of_row && table_column(t, l->column) != NULL && !names(*out, *count, l->column)) {
            (*out)[(*count)++] = (struct cell){.column = l->column, .value = l->winner};
        }
    }
    return *count <= COLUMNS_MAX ? err_ok() : err_make(ERR_PROTOCOL, 0, "verdict: cells");
}

static bool deletes(const struct verdict_row *row)
{
    return row->unseen_count > 0 && row->unseen[0].column == COLUMN_DELETED &&
           row->unseen[0].value.kind != VALUE_NULL;
}

/* A new row with nothing pending on it any more takes what the verdict says in one statement. That
 * is nearly all that a sync brings home. */
static struct err lay_new_row(struct judging *j, const struct table *t,
                              const struct verdict_row *row, const struct cell *cells, size_t count,
                              int64_t scope, bool *laid)
{
    struct replica *r = j->a->r;
    const struct row_stamp stamp = {.found = true, .scope = scope, .seq = row->seq};
    const struct counted nowhere = {.scope = 0};
    const struct counted is = counted_stamp(&stamp);
    *laid = false;
    if (outbox_of_row(r, t->number, row->id) != NULL) {
        return err_ok();
    }
    struct err err = lay_first(r->db, t, row->id, cells, count, &stamp, laid);
    if (*laid) {
        counted_change(r, t, row->id, &nowhere, &is);
    }
    return err;
}

static struct err lay_verdict_row(struct judging *j, const struct verdict_row *row)
{
    struct apply *a = j->a;
    const struct table *t = catalogue_table(row->table);
    int64_t scope = 0;
    bool held = false;
    bool missing = false; /* a delete's row, or one that left: nothing to do */
    if (t == NULL) {
        return err_make(ERR_PROTOCOL, row->table, "verdict: table");
    }
    struct err err = apply_scope(a, &row->scope, &scope, &held);
    if (err.code == ERR_OK && !held) { /* told, so it may be held: its scope is about to come */
        err = apply_enter(a, &row->scope);
        if (err.code == ERR_OK) {
            err = apply_scope(a, &row->scope, &scope, &held);
        }
    }
    if (err.code != ERR_OK || deletes(row)) {
        return err.code != ERR_OK ? err : apply_drop(a, t, row->id);
    }
    struct cell *cells = NULL;
    size_t count = 0;
    bool laid = false;
    err = unseen_cells(j, t, row, &cells, &count);
    if (err.code == ERR_OK) {
        err = lay_new_row(j, t, row, cells, count, scope, &laid);
    }
    return err.code == ERR_OK && !laid
               ? apply_row(a, t, row->id, false, cells, count, scope, row->seq, &missing)
               : err;
}

/* Later edits that aren't frozen yet were made by somebody who saw what this transaction wrote. */
static struct err rebase_later(struct judging *j, const struct verdict_row *row)
{
    struct replica *r = j->a->r;
    int64_t frozen = 0;
    const struct outbox_entry *e = outbox_of_row(r, row->table, row->id);
    struct err err =
        e == NULL ? err_ok() : db_one_int(r->db, "SELECT coalesce(max(tx), 0) FROM sent", &frozen);
    for (; e != NULL && err.code == ERR_OK; e = outbox_next(r, e)) {
        if (e->tx > frozen && e->base < row->seq) {
            err = outbox_rebase(r, e, row->seq);
        }
    }
    return err;
}

/* A row that the transaction inserted but that the verdict doesn't tell of is in no scope of this
 * device. */
static struct err drop_untold(struct judging *j, const struct outbox_entry *e)
{
    const struct table *t = catalogue_table(e->table);
    struct row_stamp stamp = {.found = false};
    if (t == NULL || e->op != CHANGE_INSERT) {
        return err_ok();
    }
    struct err err = lay_stamp_of(j->a->r->db, t, e->id, &stamp);
    bool untold = stamp.found && stamp.seq == 0;
    return err.code == ERR_OK && untold ? apply_drop(j->a, t, e->id) : err;
}

/* Rows of a transaction whose place in the digest may change when it leaves the outbox. */
struct recount {
    size_t count;
    struct outbox_entry *rows; /* an entry of each */
    struct counted *before;
};

static bool deletes_row(const struct replica *r, const struct outbox_entry *first)
{
    const struct outbox_entry *e = first;
    while (e != NULL && e->tx == first->tx && e->op != CHANGE_DELETE) {
        e = outbox_next(r, e);
    }
    return e != NULL && e->tx == first->tx;
}

/* `all`: whatever was done to them, not just those that it deletes. */
static struct err recount_begin(struct judging *j, const struct outbox_entry *e, size_t mine,
                                bool all, struct recount *out)
{
    struct replica *r = j->a->r;
    *out = (struct recount){.count = 0};
    out->rows = arena_array(&j->a->arena, mine, sizeof *out->rows);
    out->before = arena_array(&j->a->arena, mine, sizeof *out->before);
    struct err err =
        out->rows == NULL || out->before == NULL ? err_make(ERR_NOMEM, 0, "verdict") : err_ok();
    for (size_t i = 0; i < mine && err.code == ERR_OK; i++) {
        const struct table *t = catalogue_table(e[i].table);
        if (t == NULL || !outbox_is_rows_first(r, &e[i]) || (!all && !deletes_row(r, &e[i]))) {
            continue;
        }
        out->rows[out->count] = e[i];
        err = counted_now(r, t, e[i].id, &j->a->arena, &out->before[out->count]);
        out->count++;
    }
    return err;
}

static struct err recount_end(struct judging *j, const struct recount *c)
{
    struct err err = err_ok();
    for (size_t i = 0; i < c->count && err.code == ERR_OK; i++) {
        const struct outbox_entry *e = &c->rows[i];
        const struct table *t = catalogue_table(e->table);
        struct counted now;
        err = counted_now(j->a->r, t, e->id, &j->a->arena, &now);
        if (err.code == ERR_OK) {
            counted_change(j->a->r, t, e->id, &c->before[i], &now);
        }
    }
    return err;
}

/* Takes it out of the outbox; `e` are its entries. */
static struct err settle(struct judging *j, const struct outbox_entry *e, size_t mine)
{
    struct recount recount;
    struct err err = recount_begin(j, e, mine, false, &recount);
    for (size_t i = 0; i < mine && err.code == ERR_OK; i++) {
        err = settle_below(j, &e[i]);
    }
    if (err.code == ERR_OK) {
        err = outbox_remove_later(j->a->r, j->tx);
    }
    return err.code == ERR_OK ? recount_end(j, &recount) : err;
}

static struct err accept(struct judging *j)
{
    struct replica *r = j->a->r;
    size_t count = 0;
    const struct outbox_entry *e = outbox_from(r, j->tx, &count);
    size_t mine = 0;
    while (mine < count && e[mine].tx == j->tx) {
        mine++;
    }
    struct outbox_entry *copies = arena_array(&j->a->arena, mine, sizeof *copies);
    if (copies == NULL) {
        return err_make(ERR_NOMEM, 0, "verdict");
    }
    if (mine > 0) {
        memcpy(copies, e, mine * sizeof *copies); /* the index may move while rows are laid */
    }
    struct err err = settle(j, e, mine);
    for (size_t i = 0; i < j->verdict->row_count && err.code == ERR_OK; i++) {
        err = lay_verdict_row(j, &j->verdict->rows[i]);
    }
    for (size_t i = 0; i < mine && err.code == ERR_OK && j->verdict->row_count < mine; i++) {
        err = drop_untold(j, &copies[i]);
    }
    for (size_t i = 0; i < j->verdict->row_count && err.code == ERR_OK; i++) {
        err = rebase_later(j, &j->verdict->rows[i]);
    }
    return err;
}

/* ---- refused ---- */

/* Work on rows that are given back must have its values and its predecessors first. */
static struct err freeze_later(struct judging *j, const struct outbox_entry *e, size_t mine)
{
    struct replica *r = j->a->r;
    int64_t frozen = 0;
    struct err err = db_one_int(r->db, "SELECT coalesce(max(tx), 0) FROM sent", &frozen);
    for (size_t i = 0; i < mine && err.code == ERR_OK; i++) {
        for (const struct outbox_entry *later = outbox_next(r, &e[i]); later != NULL;
             later = outbox_next(r, later)) {
            if (later->tx > frozen) {
                return freeze_all(r);
            }
        }
    }
    return err;
}

static struct err refuse(struct judging *j)
{
    struct replica *r = j->a->r;
    size_t count = 0;
    size_t mine = 0;
    const struct outbox_entry *e = outbox_from(r, j->tx, &count);
    while (mine < count && e[mine].tx == j->tx) {
        mine++;
    }
    struct recount recount = {.count = 0};
    struct err err = freeze_later(j, e, mine);
    e = outbox_from(r, j->tx, &count);
    if (err.code == ERR_OK) {
        err = recount_begin(j, e, mine, true, &recount);
    }
    for (size_t i = 0; i < mine && err.code == ERR_OK; i++) {
        if (outbox_is_rows_first(r, &e[i])) {
            err = restore_row(j->a, &e[i]);
        }
    }
    if (err.code == ERR_OK && !planted(OUTBOX_STAYS)) {
        err = outbox_remove_later(r, j->tx);
    }
    return err.code == ERR_OK ? recount_end(j, &recount) : err;
}

/* ---- accepted before a restore ---- */

/* The rows have their new numbers; what is in them comes with the download, whole. */
static struct err number_rows(struct judging *j)
{
    struct err err = err_ok();
    for (size_t i = 0; i < j->verdict->row_count && err.code == ERR_OK; i++) {
        const struct verdict_row *row = &j->verdict->rows[i];
        const struct table *t = catalogue_table(row->table);
        struct row_stamp stamp;
        int64_t scope = 0;
        bool held = false;
        if (t == NULL) {
            return err_make(ERR_PROTOCOL, row->table, "verdict: table");
        }
        err = apply_scope(j->a, &row->scope, &scope, &held);
        if (err.code == ERR_OK) {
            err = lay_stamp_of(j->a->r->db, t, row->id, &stamp);
        }
        if (err.code == ERR_OK && held && stamp.found && stamp.seq <= row->seq) {
            stamp.scope = scope;
            stamp.seq = row->seq;
            err = lay_cells(j->a->r->db, t, row->id, NULL, 0, &stamp);
        }
    }
    return err;
}

/* What was said of it then no longer holds; the row as it was goes to the server as a witness. */
static struct err forget_inbox(struct judging *j)
{
    struct stmt st;
    struct err err = db_use(j->a->r->db, "DELETE FROM inbox WHERE tx = ?1", &st);
    if (err.code == ERR_OK) {
        bind_int(&st, 1, j->tx);
        err = db_step_done(&st, "inbox");
    }
    return err;
}

static struct err accept_any(struct judging *j, struct verdict_tally *tally)
{
    if (j->state == SENT_OFFERED) {
        tally->again += strcmp(j->verdict->code, VERDICT_KNOWN) != 0;
        return number_rows(j);
    }
    return accept(j);
}

static struct err refuse_any(struct judging *j)
{
    return j->state == SENT_OFFERED ? forget_inbox(j) : refuse(j);
}

/* ---- all ---- */

static struct err judge(struct judging *j, struct verdict_tally *tally)
{
    bool held = strcmp(j->verdict->code, "held") == 0;
    enum sent_state state = SENT_WAITING;
    const char *kind = NULL;
    struct err err = err_ok();
    switch ((enum outcome)j->verdict->outcome) {
    case OUTCOME_ACCEPTED:
        state = SENT_ACCEPTED;
        tally->accepted++;
        err = accept_any(j, tally);
        break;
    case OUTCOME_MERGED:
        state = SENT_MERGED;
        kind = "merged";
        tally->merged++;
        err = accept_any(j, tally);
        break;
    case OUTCOME_PARKED: /* stays pending; a later number decides */
        state = SENT_PARKED;
        tally->parked++;
        break;
    case OUTCOME_REFUSED:
        state = SENT_REFUSED;
        kind = held ? "held" : "refused";
        tally->refused++;
        err = refuse_any(j);
        break;
    }
    if (err.code == ERR_OK && kind != NULL && !planted(REFUSED_UNSHOWN)) {
        err = put_inbox(j, kind);
    }
    if (err.code == ERR_OK && state == SENT_REFUSED && strcmp(j->verdict->code, "erased") == 0) {
        err = forget_sent(j->a->r->db, j->tx);
    }
    return err.code == ERR_OK ? store_state(j, state) : err;
}

static struct err seen_number(struct replica *r, uint64_t *out)
{
    int64_t seen = 0;
    struct err err = db_one_int(r->db, "SELECT verdict_seen FROM device_state", &seen);
    *out = (uint64_t)seen;
    return err;
}

static struct err store_seen(struct replica *r, uint64_t number)
{
    static const char sql[] = "UPDATE device_state SET verdict_seen = ?1";
    struct stmt st;
    struct err err = db_use(r->db, sql, &st);
    if (err.code == ERR_OK) {
        bind_int(&st, 1, (int64_t)number);
        err = db_step_done(&st, "verdict_seen");
    }
    return err;
}

/* Under its number an older copy of this file, whose answers nobody has missed yet, may have sent
 * something else. Only when this one has gone out can the server tell: until then the verdict isn't
 * this transaction's. */
static bool is_anothers(const struct judging *j, int64_t sent_to)
{
    return j->state == SENT_WAITING && j->tx > sent_to;
}

static bool waits(const struct judging *j)
{
    return j->state == SENT_WAITING || j->state == SENT_PARKED || j->state == SENT_OFFERED;
}

struct batch_of_verdicts {
    struct apply *a;
    const struct verdicts *verdicts;
    struct judged *judged;
    int64_t server_ms;
    int64_t sent_to;
    int64_t proof;
};

/* Up to the first one that is another's: it and those behind it come again. */
static struct err apply_each(const struct batch_of_verdicts *b, uint64_t *seen,
                             struct verdict_tally *tally)
{
    uint64_t highest = 0;
    struct err err = err_ok();
    for (size_t i = 0; i < b->verdicts->count && err.code == ERR_OK; i++) {
        struct judging j = {.a = b->a,
                            .verdict = &b->verdicts->verdicts[i],
                            .server_ms = b->server_ms,
                            .proof = b->proof};
        if (j.verdict->number <= *seen) {
            continue;
        }
        arena_clear(&b->a->arena);
        if (j.verdict->device_seq <= highest) { /* one before may have been about the same */
            err = judged_find_one(b->a->r, j.verdict, &b->judged[i]);
        }
        highest = j.verdict->device_seq > highest ? j.verdict->device_seq : highest;
        j.tx = b->judged[i].tx;
        j.state = b->judged[i].state;
        bool waiting = err.code == ERR_OK && b->judged[i].found && waits(&j);
        if (waiting && is_anothers(&j, b->sent_to)) {
            break;
        }
        if (waiting) {
            err = under_is_empty(b->a->r->db, &j.under_empty);
        }
        if (waiting && err.code == ERR_OK) {
            err = judge(&j, tally);
        }
        *seen = j.verdict->number;
    }
    return err;
}

struct err verdicts_apply(struct apply *a, const struct verdicts *verdicts, int64_t server_ms,
                          int64_t sent_to, struct verdict_tally *tally)
{
    struct batch_of_verdicts b = {
        .a = a, .verdicts = verdicts, .server_ms = server_ms, .sent_to = sent_to};
    struct arena arena; /* of what they are about */
    uint64_t seen = 0;
    arena_init(&arena, JUDGED_BYTES_MAX);
    struct err err = seen_number(a->r, &seen);
    if (err.code == ERR_OK) {
        err = judged_find(a->r, verdicts, &arena, &b.judged);
    }
    if (err.code == ERR_OK) {
        arena_clear(&a->arena);
        err = recovery_keep_proof(a->r, verdicts, b.judged, server_ms, &a->arena, &b.proof);
    }
    if (err.code == ERR_OK) {
        err = apply_each(&b, &seen, tally);
    }
    if (err.code == ERR_OK) {
        err = outbox_remove_rest(a->r);
    }
    arena_release(&arena);
    return err.code == ERR_OK ? store_seen(a->r, seen) : err;
}
