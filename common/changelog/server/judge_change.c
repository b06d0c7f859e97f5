/* One change of a transaction: may its author make it, is it whole, does the row still allow it. */
#include "common/changelog/server/checks.h"

#include "common/base/complaint.h"
#include "common/changelog/server/judge.h"
#include "common/changelog/server/proposal.h"
#include "common/changelog/server/rules.h"

/* The row as far as the author may know of it: outside their scopes it never was. */
static struct err find_visible(struct trial *t, const struct table *table, const uint8_t id[16],
                               struct work_row **out)
{
    struct err err = work_find(&t->work, table, id, out);
    if (err.code != ERR_OK || *out == NULL) {
        return err;
    }
    bool seen = false;
    bool held = false;
    err = permit_sees(t->judge->author, t->work.st, id, (*out)->scope, &seen);
    if (err.code == ERR_OK && seen) {
        err = permit_holds(t->judge->permit, t->work.st, (*out)->scope, &held);
        t->outside = t->outside || !held;
    }
    if (!seen) {
        *out = NULL;
    }
    return err;
}

static void note_row(struct trial *t, struct work_row *row)
{
    assert(row != NULL);
    if (!row->noted) {
        row->noted = true;
        t->rows[t->row_count++] = row;
    }
}

/* ---- rights ---- */

/* Facts name who did them: the author, or for a manager somebody below. In the firm's own tables
 * people are what is written about. */
static struct err check_people(struct trial *t, const struct table *table, const struct column *c,
                               const struct value *v)
{
    if (c->ref != TABLE_person || table->scope == SCOPED_COMPANY || v->kind != VALUE_BLOB ||
        v->b.size != 16 || permit_speaks_for(t->judge->author, v->b.at)) {
        return err_ok();
    }
    bool proposed = false;
    struct err err =
        proposal_names(t->work.st, t->about, t->judge->permit->person, v->b.at, &proposed);
    if (err.code != ERR_OK || proposed) {
        return err;
    }
    return refuse(&t->why, "not_permitted", table, c, NULL);
}

static struct err check_cell(struct trial *t, const struct table *table, const struct cell *cell,
                             bool updating)
{
    const struct column *c = table_column(table, cell->column);
    if (c == NULL || c->since > t->tx->catalogue) {
        return refuse(&t->why, "unknown_column", table, NULL, NULL);
    }
    bool fixed = (c->flags & COLUMN_ONCE) != 0 || c->policy == MERGE_SERVER;
    bool may = t->judge->author->vouched || (c->writes & t->judge->author->role) != 0;
    if (!may || (updating && fixed)) {
        return refuse(&t->why, "not_permitted", table, c, NULL);
    }
    struct complaint found = {0};
    if (!column_check(c, &cell->value, &found)) {
        if (complaint_is_no_memory(&found)) {
            return complaint_err(&found, "check_cell");
        }
        bool required = strcmp(found.code, "required") == 0;
        return refuse(&t->why, required ? "required" : "invalid", table, c, found.code);
    }
    return check_people(t, table, c, &cell->value);
}

static struct err check_cells(struct trial *t, const struct table *table,
                              const struct change *change)
{
    struct err err = err_ok();
    for (size_t i = 0; i < change->cell_count && err.code == ERR_OK; i++) {
        err = check_cell(t, table, &change->cells[i], change->op == CHANGE_UPDATE);
    }
    return err;
}

static struct err check_table(struct trial *t, const struct table *table, enum change_op op)
{
    if (permit_writes_table(t->judge->author, table, op)) {
        return err_ok();
    }
    bool is_fact = table->write_class == CLASS_FACT && op != CHANGE_INSERT;
    return refuse(&t->why, is_fact ? "locked" : "not_permitted", table, NULL, NULL);
}

/* ---- locked documents ---- */

static bool was(const struct work_row *row, uint8_t column, const char *name)
{
    const struct value *v = &row->before[column];
    return v->kind == VALUE_TEXT && bytes_equal(v->b, bytes_text(name));
}

/* As the transaction found it: what submits an order may still write its lines. */
static bool order_is_locked(const struct work_row *order)
{
    return !planted(LOCK_FORGOTTEN) && order != NULL && !order->fresh &&
           !was(order, COLUMN_sales_order_submit_state, "draft");
}

static bool only_cancels(const struct change *change)
{
    return change->op == CHANGE_UPDATE && change->cell_count == 1 &&
           change->cells[0].column == COLUMN_sales_order_cancelled_at;
}

static bool report_is_locked(const struct trial *t, const struct work_row *report,
                             const struct change *change)
{
    if (report->fresh || was(report, COLUMN_daily_report_state, "draft") ||
        was(report, COLUMN_daily_report_state, "returned")) {
        return false;
    }
    return change->op == CHANGE_DELETE || (t->judge->author->role & BY_MANAGER) == 0;
}

static struct err check_lock(struct trial *t, const struct work_row *row,
                             const struct change *change)
{
    assert(row != NULL);
    bool locked = false;
    if (row->table->number == TABLE_sales_order) {
        locked = order_is_locked(row) && !only_cancels(change);
    } else if (row->table->number == TABLE_order_line) {
        const struct value *parent = &row->values[COLUMN_order_line_order_id];
        struct work_row *order = NULL;
        struct err err =
            parent->kind != VALUE_BLOB
                ? err_ok()
                : work_find(&t->work, catalogue_table(TABLE_sales_order), parent->b.at, &order);
        if (err.code != ERR_OK) {
            return err;
        }
        locked = order_is_locked(order);
    } else if (row->table->number == TABLE_daily_report) {
        locked = report_is_locked(t, row, change);
    }
    return locked ? refuse(&t->why, "locked", row->table, NULL, NULL) : err_ok();
}

/* ---- the three kinds of change ---- */

static uint64_t mask_of(const struct change *change)
{
    uint64_t mask = 0;
    for (size_t i = 0; i < change->cell_count; i++) {
        mask |= UINT64_C(1) << change->cells[i].column;
    }
    return mask;
}

static struct err place(struct trial *t, struct work_row *row, const struct change *change)
{
    const struct permit *permit = t->judge->author;
    struct err err = check_references(&t->work, permit, row, mask_of(change), &t->why);
    if (err.code == ERR_OK) {
        err = check_home(&t->work, permit, row, &row->scope, &t->why);
    }
    if (err.code == ERR_OK) {
        err = check_lock(t, row, change);
    }
    if (err.code == ERR_OK) {
        err = check_required(row, &t->why);
    }
    if (err.code == ERR_OK) {
        err = check_unique(&t->work, row, mask_of(change), &t->why);
    }
    return err.code == ERR_OK ? rules_fill(&t->work, row) : err; /* writes a counter: last */
}

static struct err insert(struct trial *t, const struct table *table, const struct change *change)
{
    struct work_row *row = NULL;
    bool seen = false;
    struct err err = work_find(&t->work, table, change->id, &row);
    if (err.code == ERR_OK && row != NULL) { /* a guessed id hears nothing of whose it is */
        err = permit_holds(t->judge->permit, t->work.st, row->scope, &seen);
        return err.code != ERR_OK
                   ? err
                   : refuse(&t->why, seen ? "duplicate" : "not_found", table, NULL, NULL);
    }
    if (err.code == ERR_OK) {
        err = check_cells(t, table, change);
    }
    if (err.code == ERR_OK) {
        err = work_new(&t->work, table, change->id, &row);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    for (size_t i = 0; i < change->cell_count; i++) {
        work_set(row, change->cells[i].column, &change->cells[i].value);
    }
    row->stands = mask_of(change);
    err = place(t, row, change);
    if (err.code == ERR_OK) {
        err = work_put(&t->work, row);
    }
    note_row(t, row);
    return err;
}

static struct err find_living(struct trial *t, const struct table *table,
                              const struct change *change, struct work_row **row)
{
    struct err err = find_visible(t, table, change->id, row);
    if (err.code == ERR_OK && *row == NULL) {
        return refuse(&t->why, "not_found", table, NULL, NULL);
    }
    if (err.code == ERR_OK && (*row)->deleted_at != 0 && !planted(DELETED_EDITED)) {
        return refuse(&t->why, "deleted", table, NULL, NULL);
    }
    return err.code == ERR_OK ? check_table(t, table, change->op) : err;
}

static struct err update(struct trial *t, const struct table *table, const struct change *change)
{
    struct work_row *row = NULL;
    struct err err = find_living(t, table, change, &row);
    if (err.code == ERR_OK) {
        err = check_cells(t, table, change);
    }
    if (err.code == ERR_OK) {
        err = check_lock(t, row, change);
    }
    if (err.code == ERR_OK) {
        err = judge_cells(t, change, row);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    note_row(t, row);
    if (row->pending == 0) {
        return err_ok();
    }
    err = check_references(&t->work, t->judge->author, row, row->pending, &t->why);
    if (err.code == ERR_OK) {
        err = check_unique(&t->work, row, row->pending, &t->why);
    }
    return err.code == ERR_OK ? work_put(&t->work, row) : err;
}

static struct err erase_living(struct trial *t, struct work_row *row, const struct change *change)
{
    struct err err = check_table(t, row->table, CHANGE_DELETE);
    if (err.code == ERR_OK) {
        err = check_lock(t, row, change);
    }
    if (err.code == ERR_OK && !planted(DELETE_OVER_EDIT) && judge_conflicts(t, change, row) != 0) {
        err = refuse(&t->why, "changed_since", row->table, NULL, NULL);
    }
    if (err.code == ERR_OK) {
        err = check_childless(&t->work, row, &t->why);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    work_delete(row, t->work.by.effective_ms);
    row->stands |= UINT64_C(1) << COLUMN_DELETED;
    return work_put(&t->work, row);
}

/* Deleting what is gone already is what the author wanted. */
static struct err erase(struct trial *t, const struct table *table, const struct change *change)
{
    struct work_row *row = NULL;
    struct err err = find_visible(t, table, change->id, &row);
    if (err.code != ERR_OK) {
        return err;
    }
    if (row == NULL) {
        return refuse(&t->why, "not_found", table, NULL, NULL);
    }
    if (row->deleted_at == 0) {
        err = erase_living(t, row, change);
    }
    if (err.code == ERR_OK) {
        note_row(t, row);
    }
    return err;
}

struct err judge_change(struct trial *t, const struct change *change)
{
    const struct table *table = catalogue_table(change->table);
    t->about = change->id;
    if (table == NULL || table->since > t->tx->catalogue) {
        char number[8];
        (void)snprintf(number, sizeof number, "%u", change->table);
        return refuse(&t->why, "unknown_table", NULL, NULL, number);
    }
    switch ((enum change_op)change->op) {
    case CHANGE_INSERT: {
        struct err err = check_table(t, table, CHANGE_INSERT);
        return err.code == ERR_OK ? insert(t, table, change) : err;
    }
    case CHANGE_UPDATE:
        return update(t, table, change);
    case CHANGE_DELETE:
        return erase(t, table, change);
    }
    return refuse(&t->why, "invalid", table, NULL, NULL);
}
