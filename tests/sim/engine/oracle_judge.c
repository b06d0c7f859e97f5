/* The rules of sync as the oracle knows them: rights, conflicts, policies, sets, numbers. */
#include "tests/sim/engine/oracle_internal.h"

#define TRIAL_ROWS_MAX 64
#define MEMBERS_MAX    64

struct trial_row {          /* a row as the transaction would leave it */
    struct oracle_row *row; /* NULL: it makes it */
    const struct table *table;
    uint8_t id[16];
    struct scope_id scope;
    bool fresh, deletes, locked_before;
    uint64_t written;
    struct value values[COLUMNS_MAX + 1];
    bool renewed[COLUMNS_MAX + 1]; /* version counts as this transaction's */
};

struct oracle_trial {
    struct oracle *o;
    const struct oracle_push *push;
    struct oracle_rights rights;
    size_t row_count;
    struct trial_row rows[TRIAL_ROWS_MAX];
    bool lost; /* some value of the sender's own did */
    size_t loser_count;
    struct oracle_kept losers[TRIAL_ROWS_MAX];
    const char *code; /* refused with it; NULL: stands so far */
};

/* ---- sets: members by bytes, from JSON arrays of plain strings ---- */

struct set {
    size_t count;
    struct bytes members[MEMBERS_MAX];
};

static void set_read(const struct value *v, struct set *out)
{
    out->count = 0;
    const uint8_t *end = v->kind == VALUE_TEXT ? v->b.at + v->b.size : NULL;
    for (const uint8_t *at = end == NULL ? NULL : v->b.at; at != NULL && at < end; at++) {
        if (*at != '"') {
            continue;
        }
        const uint8_t *start = ++at;
        while (at < end && *at != '"') {
            at++;
        }
        assert(out->count < MEMBERS_MAX);
        out->members[out->count++] = bytes_of(start, (size_t)(at - start));
    }
}

static bool set_has(const struct set *s, struct bytes member)
{
    for (size_t i = 0; i < s->count; i++) {
        if (bytes_equal(s->members[i], member)) {
            return true;
        }
    }
    return false;
}

static int by_bytes(const void *a, const void *b)
{
    const struct bytes *x = a, *y = b;
    size_t common = x->size < y->size ? x->size : y->size;
    int order = memcmp(x->at, y->at, common);
    return order != 0 ? order : (x->size > y->size) - (x->size < y->size);
}

static struct value set_merge(struct oracle *o, const struct value *before,
                              const struct value *after, const struct value *now)
{
    struct set from, to, is, out = {0};
    set_read(before, &from);
    set_read(after, &to);
    set_read(now, &is);
    for (size_t i = 0; i < is.count; i++) {
        if (!set_has(&from, is.members[i]) || set_has(&to, is.members[i])) {
            out.members[out.count++] = is.members[i];
        }
    }
    for (size_t i = 0; i < to.count && out.count < MEMBERS_MAX; i++) {
        if (!set_has(&from, to.members[i]) && !set_has(&out, to.members[i])) {
            out.members[out.count++] = to.members[i];
        }
    }
    if (out.count == 0) {
        return value_null();
    }
    qsort(out.members, out.count, sizeof out.members[0], by_bytes);
    struct buf json;
    buf_init(&json, 65536);
    for (size_t i = 0; i < out.count; i++) {
        buf_put_text(&json, i == 0 ? "[\"" : "\",\"");
        buf_put(&json, out.members[i]);
    }
    buf_put_text(&json, "\"]");
    struct value text = value_text(buf_bytes(&json));
    text = oracle_keep(o, &text);
    buf_release(&json);
    return text;
}

/* ---- who may, and what is there ---- */

/* What the store has forgotten was never there. */
static struct oracle_row *find_row(const struct oracle *o, uint16_t table, const uint8_t id[16])
{
    struct oracle_row *row = oracle_find(o, table, id);
    return row == NULL || row->purged != ORACLE_STAYS ? NULL : row;
}

static bool left_unseen(const struct oracle_trial *t, const uint8_t id[16])
{
    for (size_t i = 0; i < t->o->departure_count; i++) {
        const struct oracle_departure *d = &t->o->departures[i];
        if (memcmp(d->id, id, 16) == 0 && rights_hold(&t->rights, &d->scope) &&
            d->at_ms > t->push->received_ms - ORACLE_LEFT_MS_MAX && d->at_ms >= t->o->enrolled_ms &&
            !oracle_heard(t->o, t->push, &d->scope, d->seq)) {
            return true;
        }
    }
    return false;
}

static bool sees(const struct oracle_trial *t, const uint8_t id[16], const struct scope_id *scope)
{
    return t->push->proven || rights_hold(&t->rights, scope) || left_unseen(t, id);
}

static struct trial_row *in_trial(struct oracle_trial *t, uint16_t table, const uint8_t id[16])
{
    for (size_t i = 0; i < t->row_count; i++) {
        if (t->rows[i].table->number == table && memcmp(t->rows[i].id, id, 16) == 0) {
            return &t->rows[i];
        }
    }
    return NULL;
}

static bool is_text(const struct value *v, const char *text)
{
    return v->kind == VALUE_TEXT && bytes_equal(v->b, bytes_text(text));
}

static bool row_is_locked(const struct oracle_row *row)
{
    if (row->table->number == TABLE_sales_order) {
        return !is_text(&row->values[COLUMN_sales_order_submit_state], "draft");
    }
    return false;
}

static struct trial_row *take_row(struct oracle_trial *t, const struct table *table,
                                  const uint8_t id[16])
{
    struct trial_row *row = in_trial(t, table->number, id);
    if (row != NULL) {
        return row;
    }
    assert(t->row_count < TRIAL_ROWS_MAX);
    struct oracle_row *old = find_row(t->o, table->number, id);
    row = &t->rows[t->row_count++];
    memset(row, 0, sizeof *row);
    row->row = old;
    row->table = table;
    memcpy(row->id, id, 16);
    if (old != NULL) {
        row->scope = old->scope;
        row->locked_before = row_is_locked(old);
        for (size_t i = 0; i < table->column_count; i++) {
            row->values[table->columns[i].number] = old->values[table->columns[i].number];
        }
    }
    return row;
}

static void refuse_trial(struct oracle_trial *t, const char *code)
{
    t->code = t->code == NULL ? code : t->code;
}

static bool may_write(const struct oracle_trial *t, const struct table *table, uint8_t op)
{
    switch (table->write_class) {
    case CLASS_FACT:
        return op == CHANGE_INSERT;
    case CLASS_RECORD:
    case CLASS_DRAFT:
        return true;
    case CLASS_MANAGED:
        return t->push->proven || (t->rights.role & (ROLE_MANAGER | ROLE_ADMIN)) != 0;
    case CLASS_SERVER:
        return op == CHANGE_UPDATE;
    }
    return false;
}

static void check_cells(struct oracle_trial *t, const struct table *table,
                        const struct change *change)
{
    for (size_t i = 0; i < change->cell_count; i++) {
        const struct column *c = table_column(table, change->cells[i].column);
        bool fixed = c != NULL && ((c->flags & COLUMN_ONCE) != 0 || c->policy == MERGE_SERVER);
        if (c == NULL) {
            refuse_trial(t, "unknown_column");
        } else if ((!t->push->proven && (c->writes & t->rights.role) == 0) ||
                   (change->op == CHANGE_UPDATE && fixed)) {
            refuse_trial(t, "not_permitted");
        }
    }
}

/* Rows that a value points to must be seen by the author. */
static void check_refs(struct oracle_trial *t, const struct table *table,
                       const struct change *change)
{
    for (size_t i = 0; i < change->cell_count; i++) {
        const struct column *c = table_column(table, change->cells[i].column);
        const struct value *v = &change->cells[i].value;
        if (c == NULL || c->ref == 0 || v->kind != VALUE_BLOB || v->b.size != 16 ||
            in_trial(t, c->ref, v->b.at) != NULL ||
            (c->ref == TABLE_person && memcmp(v->b.at, t->rights.person, 16) == 0)) {
            continue;
        }
        const struct oracle_row *there = find_row(t->o, c->ref, v->b.at);
        if (there == NULL || !sees(t, there->id, &there->scope)) {
            refuse_trial(t, "not_found");
        }
    }
}

/* ---- changes ---- */

static bool stands_alone(const struct table *t)
{
    return t->write_class == CLASS_FACT || t->number == TABLE_visit ||
           t->number == TABLE_sales_order || t->number == TABLE_market_note;
}

static void find_home(struct oracle_trial *t, struct trial_row *row)
{
    const struct column *c = table_scope_column(row->table);
    const struct value *v = c == NULL ? NULL : &row->values[c->number];
    if (row->table->scope == SCOPED_COMPANY) {
        row->scope.kind = SCOPE_COMPANY;
        memcpy(row->scope.id, t->o->company, 16);
        return;
    }
    if (v == NULL || v->kind != VALUE_BLOB) {
        refuse_trial(t, "not_found");
        return;
    }
    if (row->table->scope == SCOPED_VIA) {
        const struct trial_row *fresh = in_trial(t, c->ref, v->b.at);
        const struct oracle_row *parent = find_row(t->o, c->ref, v->b.at);
        if (fresh == NULL && parent != NULL && parent->deleted_at != 0 &&
            !stands_alone(row->table)) {
            refuse_trial(t, "deleted");
        }
        if (fresh != NULL || parent != NULL) {
            row->scope = fresh != NULL ? fresh->scope : parent->scope;
        }
        return;
    }
    row->scope.kind = row->table->scope == SCOPED_BOOK   ? SCOPE_BOOK
                      : row->table->scope == SCOPED_USER ? SCOPE_USER
                                                         : SCOPE_PRIVATE;
    memcpy(row->scope.id, v->b.at, 16);
    if (!t->push->proven && !rights_hold(&t->rights, &row->scope)) {
        refuse_trial(t, "not_found");
    }
}

static bool parent_is_locked(struct oracle_trial *t, const struct trial_row *row)
{
    if (row->table->number != TABLE_order_line) {
        return row->locked_before;
    }
    const struct value *v = &row->values[COLUMN_order_line_order_id];
    const struct oracle_row *order =
        v->kind == VALUE_BLOB ? find_row(t->o, TABLE_sales_order, v->b.at) : NULL;
    return order != NULL && row_is_locked(order);
}

static void insert(struct oracle_trial *t, const struct table *table, const struct change *change)
{
    if (in_trial(t, table->number, change->id) != NULL ||
        find_row(t->o, table->number, change->id) != NULL) {
        refuse_trial(t, "duplicate");
        return;
    }
    check_cells(t, table, change);
    struct trial_row *row = take_row(t, table, change->id);
    row->fresh = true;
    for (size_t i = 0; i < change->cell_count; i++) {
        row->values[change->cells[i].column] = change->cells[i].value;
        row->written |= UINT64_C(1) << change->cells[i].column;
    }
    check_refs(t, table, change);
    find_home(t, row);
    if (parent_is_locked(t, row)) {
        refuse_trial(t, "locked");
    }
}

static bool is_own(const struct oracle_trial *t, const struct oracle_version *v)
{
    return v->author == t->push->device && v->epoch == t->push->epoch &&
           v->device_seq <= t->push->device_seq;
}

/* Brought back from a lost part in which the author has seen it. */
static bool was_seen(const struct oracle_trial *t, const struct change *change,
                     const struct oracle_version *v)
{
    return change->base < t->o->start && v->was > 0 && v->was <= change->base;
}

/* What was numbered in a timeline that this one doesn't come from has seen nothing of it. */
static int64_t seen_of(const struct oracle *o, int64_t base)
{
    int64_t timeline = base >> 40;
    return timeline < 2 || (o->timelines >> timeline & 1) != 0 ? base : 0;
}

/* Version of a column as the transaction has it: what it renewed itself is its own. */
static bool in_conflict(const struct oracle_trial *t, const struct trial_row *row,
                        const struct change *change, uint8_t column)
{
    if (row->row == NULL || row->renewed[column]) {
        return false;
    }
    const struct oracle_version *v = &row->row->versions[column];
    return v->seq > seen_of(t->o, change->base) && !is_own(t, v) && !was_seen(t, change, v);
}

static bool group_in_conflict(const struct oracle_trial *t, const struct trial_row *row,
                              const struct change *change, const struct column *c)
{
    for (size_t i = 0; i < row->table->column_count; i++) {
        const struct column *other = &row->table->columns[i];
        bool same = other == c || (c->group != 0 && other->group == c->group);
        if (same && in_conflict(t, row, change, other->number)) {
            return true;
        }
    }
    return false;
}

static int64_t at_of(const struct oracle_row *row, const struct column *c)
{
    int64_t at = row->versions[c->number].at_ms;
    for (size_t i = 0; i < row->table->column_count && c->group != 0; i++) {
        const struct column *other = &row->table->columns[i];
        if (other->group == c->group && row->versions[other->number].at_ms > at) {
            at = row->versions[other->number].at_ms;
        }
    }
    return at;
}

/* Whose id breaks a tie: of the write that decides. */
static uint32_t author_of(const struct oracle_row *row, const struct column *c, int64_t at)
{
    if (row->versions[c->number].at_ms == at) {
        return row->versions[c->number].author;
    }
    for (size_t i = 0; i < row->table->column_count; i++) {
        const struct column *other = &row->table->columns[i];
        if (other->group == c->group && row->versions[other->number].at_ms == at) {
            return row->versions[other->number].author;
        }
    }
    return row->versions[c->number].author;
}

static bool sender_wins(const struct oracle_trial *t, const struct trial_row *row,
                        const struct column *c, const struct value *value, bool as_latest)
{
    int64_t at = at_of(row->row, c);
    int tie = memcmp(t->push->device_id, t->o->authors[author_of(row->row, c, at)], 16);
    bool later = t->push->effective_ms != at ? t->push->effective_ms > at : tie > 0;
    bool earlier = t->push->effective_ms != at ? t->push->effective_ms < at : tie < 0;
    int mine = c->type == TYPE_ENUM && value->kind == VALUE_TEXT ? column_rank(c, value->b) : -1;
    const struct value *now = &row->values[c->number];
    int theirs = c->type == TYPE_ENUM && now->kind == VALUE_TEXT ? column_rank(c, now->b) : -1;
    if (c->policy == MERGE_FIRST && !as_latest) {
        return earlier;
    }
    if (c->policy == MERGE_FORWARD && !as_latest) {
        return mine != theirs ? mine > theirs : later;
    }
    return later;
}

static void renew(struct trial_row *row, const struct column *c, const struct value *value)
{
    row->values[c->number] = *value;
    row->renewed[c->number] = true;
    row->written |= UINT64_C(1) << c->number;
}

static void keep_loser(struct oracle_trial *t, const struct trial_row *row, const struct column *c,
                       const struct value *value)
{
    assert(t->loser_count < TRIAL_ROWS_MAX);
    struct oracle_kept *k = &t->losers[t->loser_count++];
    *k = (struct oracle_kept){.table = row->table->number, .column = c->number, .value = *value};
    memcpy(k->id, row->id, 16);
}

static void contest(struct oracle_trial *t, struct trial_row *row, const struct column *c,
                    const struct value *value, bool as_latest)
{
    bool wins = sender_wins(t, row, c, value, as_latest);
    const struct value now = row->values[c->number];
    if (!value_equal(&now, value)) {
        keep_loser(t, row, c, wins ? &now : value);
        t->lost |= !wins;
    }
    if (wins) {
        renew(row, c, value);
    }
}

static void join(struct oracle_trial *t, struct trial_row *row, const struct column *c,
                 const struct cell *cell)
{
    struct value merged = set_merge(t->o, &cell->old, &cell->value, &row->values[c->number]);
    if (!value_equal(&merged, &row->values[c->number])) {
        renew(row, c, &merged);
    }
}

static void lay(struct oracle_trial *t, struct trial_row *row, const struct change *change)
{
    bool contested[COLUMNS_MAX + 1];
    for (size_t i = 0; i < change->cell_count; i++) {
        const struct column *c = table_column(row->table, change->cells[i].column);
        contested[i] = group_in_conflict(t, row, change, c);
    }
    for (size_t i = 0; i < change->cell_count; i++) {
        const struct cell *cell = &change->cells[i];
        const struct column *c = table_column(row->table, cell->column);
        const struct value *now = &row->values[c->number];
        if (c->policy == MERGE_UNION) {
            join(t, row, c, cell);
        } else if (contested[i]) {
            contest(t, row, c, &cell->value, false);
        } else if (c->policy == MERGE_FORWARD && now->kind == VALUE_TEXT &&
                   column_rank(c, cell->value.b) < column_rank(c, now->b)) {
            refuse_trial(t, "state");
        } else {
            renew(row, c, &cell->value);
        }
    }
}

static struct trial_row *find_living(struct oracle_trial *t, const struct table *table,
                                     const struct change *change, bool *gone)
{
    const struct trial_row *fresh = in_trial(t, table->number, change->id);
    const struct oracle_row *row = find_row(t->o, table->number, change->id);
    *gone = false;
    if (fresh == NULL && (row == NULL || !sees(t, row->id, &row->scope))) {
        refuse_trial(t, "not_found");
        return NULL;
    }
    *gone = fresh != NULL ? fresh->deletes : row->deleted_at != 0;
    return take_row(t, table, change->id);
}

static void update(struct oracle_trial *t, const struct table *table, const struct change *change)
{
    bool gone;
    struct trial_row *row = find_living(t, table, change, &gone);
    if (row != NULL && gone) {
        refuse_trial(t, "deleted");
    }
    if (t->code == NULL && !may_write(t, table, change->op)) {
        refuse_trial(t, table->write_class == CLASS_FACT ? "locked" : "not_permitted");
    }
    check_cells(t, table, change);
    bool cancels = table->number == TABLE_sales_order && change->cell_count == 1 &&
                   change->cells[0].column == COLUMN_sales_order_cancelled_at;
    if (row != NULL && !cancels && parent_is_locked(t, row)) {
        refuse_trial(t, "locked");
    }
    if (t->code == NULL && row != NULL) {
        lay(t, row, change);
    }
    check_refs(t, table, change);
}

static bool has_children(const struct oracle *o, const struct oracle_row *row)
{
    for (size_t i = 0; i < o->row_count; i++) {
        const struct oracle_row *child = o->rows[i];
        for (size_t k = 0; k < child->table->column_count && child->deleted_at == 0; k++) {
            const struct column *c = &child->table->columns[k];
            const struct value *v = &child->values[c->number];
            if (c->ref == row->table->number && (c->flags & COLUMN_INDEXED) != 0 &&
                v->kind == VALUE_BLOB && memcmp(v->b.at, row->id, 16) == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool changed_since(const struct oracle_trial *t, const struct trial_row *row,
                          const struct change *change)
{
    for (unsigned n = 0; n <= row->table->columns[row->table->column_count - 1].number; n++) {
        if (in_conflict(t, row, change, (uint8_t)n)) {
            return true;
        }
    }
    return false;
}

static void erase(struct oracle_trial *t, const struct table *table, const struct change *change)
{
    bool gone;
    struct trial_row *row = find_living(t, table, change, &gone);
    if (row == NULL || gone) {
        return; /* gone already is what the author wanted */
    }
    if (!may_write(t, table, change->op)) {
        refuse_trial(t, table->write_class == CLASS_FACT ? "locked" : "not_permitted");
    }
    if (parent_is_locked(t, row)) {
        refuse_trial(t, "locked");
    }
    if (changed_since(t, row, change)) {
        refuse_trial(t, "changed_since");
    }
    if (row->row != NULL && has_children(t->o, row->row)) {
        refuse_trial(t, "has_children");
    }
    row->deletes = true;
    row->written |= 1;
}

static void run_change(struct oracle_trial *t, const struct change *change)
{
    const struct table *table = catalogue_table(change->table);
    if (table == NULL) {
        refuse_trial(t, "unknown_table");
        return;
    }
    switch ((enum change_op)change->op) {
    case CHANGE_INSERT:
        if (!may_write(t, table, change->op)) {
            refuse_trial(t, "not_permitted");
        }
        insert(t, table, change);
        break;
    case CHANGE_UPDATE:
        update(t, table, change);
        break;
    case CHANGE_DELETE:
        erase(t, table, change);
        break;
    }
}

/* ---- what stands ---- */

static const struct oracle_number *number_of(const struct oracle_number *numbers, size_t count,
                                             uint16_t table, const uint8_t id[16])
{
    for (size_t i = 0; i < count; i++) {
        if (numbers[i].table == table && memcmp(numbers[i].id, id, 16) == 0) {
            return &numbers[i];
        }
    }
    return NULL;
}

/* A row's number never falls, and rises above all that its scope gave before. */
static const char *check_numbers(const struct oracle *o, const struct oracle_number *numbers,
                                 size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct oracle_row *row = oracle_find(o, numbers[i].table, numbers[i].id);
        if (row != NULL && numbers[i].seq <= row->seq) {
            return "a row's number fell";
        }
        if (numbers[i].seq <= oracle_head(o, &numbers[i].scope)) {
            return "a number was given twice in its scope";
        }
        if (i > 0 && scope_equal(&numbers[i].scope, &numbers[i - 1].scope) &&
            numbers[i].seq <= numbers[i - 1].seq) {
            return "numbers of one transaction don't rise";
        }
    }
    return NULL;
}

static void stamp(struct oracle_row *row, uint8_t column, const struct oracle_version *by)
{
    row->versions[column] = *by;
    row->versions[column].seq = row->seq;
}

static void write_row(struct oracle *o, const struct trial_row *from, const struct oracle_number *n,
                      const struct oracle_version *by)
{
    struct oracle_row *row = from->row;
    bool fresh = row == NULL;
    if (fresh) {
        row = oracle_add(o, from->table, from->id);
        row->entered = n->seq;
    }
    row->scope = n->scope;
    row->seq = n->seq;
    for (size_t i = 0; i < from->table->column_count; i++) {
        uint8_t c = from->table->columns[i].number;
        if ((from->written >> c & 1) != 0) {
            row->values[c] = oracle_keep(o, &from->values[c]);
        }
        if (fresh || (from->written >> c & 1) != 0) {
            stamp(row, c, by);
        }
    }
    if (fresh) {
        stamp(row, COLUMN_DELETED, by);
    }
    if (from->deletes) {
        row->deleted_at = by->at_ms > 0 ? by->at_ms : 1;
        stamp(row, COLUMN_DELETED, by);
    }
    oracle_note_place(o, row);
}

/* Rows that sync makes by itself: only their places and numbers are known. */
static void note_server_rows(struct oracle *o, const struct oracle_number *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct table *t = catalogue_table(numbers[i].table);
        struct oracle_row *row = oracle_find(o, numbers[i].table, numbers[i].id);
        if (t->write_class != CLASS_SERVER || (row != NULL && row->seq >= numbers[i].seq)) {
            continue;
        }
        if (row == NULL) {
            row = oracle_add(o, t, numbers[i].id);
            row->entered = numbers[i].seq;
        }
        row->scope = numbers[i].scope;
        row->seq = numbers[i].seq;
        oracle_note_place(o, row);
    }
}

static void raise_heads(struct oracle *o, const struct oracle_number *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        oracle_raise(o, &numbers[i].scope, numbers[i].seq);
        if (numbers[i].left_seq > 0) {
            oracle_raise(o, &numbers[i].left, numbers[i].left_seq);
        }
    }
}

static void apply(struct oracle_trial *t, const struct oracle_number *numbers, size_t count,
                  const char **broken)
{
    struct oracle_version by = {.at_ms = t->push->effective_ms,
                                .author = t->push->device,
                                .epoch = t->push->epoch,
                                .device_seq = t->push->device_seq};
    size_t kept = 0;
    *broken = check_numbers(t->o, numbers, count);
    for (size_t i = 0; i < t->row_count && *broken == NULL; i++) {
        const struct trial_row *row = &t->rows[i];
        if (row->written == 0 && !row->fresh) {
            continue;
        }
        const struct oracle_number *n = number_of(numbers, count, row->table->number, row->id);
        if (n == NULL) {
            *broken = "a row that should have changed got no number";
            return;
        }
        if (!scope_equal(&n->scope, &row->scope)) {
            *broken = "a row is in another scope than its place says";
        }
        by.was = t->push->proven && t->push->was_count == t->row_count ? t->push->was[i] : 0;
        write_row(t->o, row, n, &by);
    }
    for (size_t i = 0; i < count; i++) {
        kept += numbers[i].table == TABLE_kept_value && numbers[i].fresh;
    }
    if (*broken == NULL && kept != t->loser_count) {
        *broken = "other values were kept than lost";
    }
    note_server_rows(t->o, numbers, count);
    for (size_t i = 0; i < t->loser_count && t->o->kept_count < ORACLE_LIST_MAX; i++) {
        struct oracle_kept k = t->losers[i];
        k.value = oracle_keep(t->o, &k.value);
        t->o->kept[t->o->kept_count++] = k;
    }
    raise_heads(t->o, numbers, count);
}

/* What was judged under another number, in an epoch before, is known by its content. */
static bool is_rest(const struct oracle_push *push, size_t i, const struct oracle_judged *j)
{
    bool same_number = j->epoch == push->epoch && j->device_seq == push->rests_on[i];
    return j->device == push->device &&
           (same_number || memcmp(j->identity, push->rest_identities[i], 32) == 0);
}

static void check_rests(struct oracle_trial *t)
{
    const struct oracle *o = t->o;
    for (size_t i = 0; i < t->push->rest_count; i++) {
        for (size_t k = 0; k < o->judged_count; k++) {
            const struct oracle_judged *j = &o->judged[k];
            if (is_rest(t->push, i, j) && j->outcome == OUTCOME_REFUSED) {
                refuse_trial(t, "held");
            }
        }
    }
}

static bool touches_orders(const struct transaction *tx)
{
    for (size_t i = 0; i < tx->change_count; i++) {
        uint16_t table = tx->changes[i].table;
        if (table == TABLE_sales_order || table == TABLE_order_line) {
            return true;
        }
    }
    return false;
}

static void note_judged(struct oracle *o, const struct oracle_push *push, enum outcome outcome,
                        size_t rows)
{
    if (o->judged_count == ORACLE_LIST_MAX) {
        abort();
    }
    struct oracle_judged *j = &o->judged[o->judged_count++];
    *j = (struct oracle_judged){.device = push->device,
                                .epoch = push->epoch,
                                .device_seq = push->device_seq,
                                .outcome = (uint8_t)outcome,
                                .empty = outcome == OUTCOME_ACCEPTED && rows == 0,
                                .effective_ms = push->effective_ms};
    memcpy(j->identity, push->identity, sizeof j->identity);
}

void oracle_judge(struct oracle *o, const struct oracle_push *push, enum outcome logged,
                  const struct oracle_number *numbers, size_t count, struct oracle_verdict *out,
                  const char **broken)
{
    struct oracle_trial *t = calloc(1, sizeof *t);
    if (t == NULL) {
        abort();
    }
    t->o = o;
    t->push = push;
    oracle_rights_of_author(o, push, &t->rights);
    o->commit++;
    if (oracle_forbids(o, push->tx)) {
        refuse_trial(t, "erased");
    }
    check_rests(t);
    for (size_t i = 0; i < push->tx->change_count && t->code == NULL; i++) {
        run_change(t, &push->tx->changes[i]);
    }
    *broken = NULL;
    *out = (struct oracle_verdict){.outcome = t->code != NULL ? OUTCOME_REFUSED
                                              : t->lost       ? OUTCOME_MERGED
                                                              : OUTCOME_ACCEPTED,
                                   .losers = t->loser_count,
                                   .open = touches_orders(push->tx)};
    (void)snprintf(out->code, sizeof out->code, "%s", t->code == NULL ? "" : t->code);
    if (logged != OUTCOME_REFUSED && t->code == NULL) {
        apply(t, numbers, count, broken);
    } else if (logged == OUTCOME_REFUSED && count > 0) {
        *broken = "a refused transaction changed rows";
    }
    note_judged(o, push, logged, count);
    free(t);
}

/* ---- the server's own writes ---- */

static void put(struct oracle *o, const struct oracle_write *w, const struct oracle_number *numbers,
                size_t count, const char **broken)
{
    const struct oracle_version by = {.at_ms = w->at_ms};
    const struct oracle_number *n = number_of(numbers, count, w->table, w->id);
    struct trial_row *row = calloc(1, sizeof *row);
    if (row == NULL) {
        abort();
    }
    row->row = oracle_find(o, w->table, w->id);
    row->table = catalogue_table(w->table);
    memcpy(row->id, w->id, 16);
    for (size_t i = 0; i < w->cell_count; i++) {
        const struct cell *cell = &w->cells[i];
        if (row->row == NULL || !value_equal(&row->row->values[cell->column], &cell->value)) {
            row->values[cell->column] = cell->value;
            row->written |= UINT64_C(1) << cell->column;
        }
    }
    row->deletes = w->op == ORACLE_DELETE;
    if (n != NULL) {
        write_row(o, row, n, &by);
    } else if (row->written != 0 || row->deletes) {
        *broken = "a write of the server's got no number";
    }
    free(row);
}

static void move(struct oracle *o, const struct oracle_write *w,
                 const struct oracle_number *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct oracle_row *row = oracle_find(o, numbers[i].table, numbers[i].id);
        if (row == NULL || scope_equal(&row->scope, &numbers[i].scope)) {
            continue;
        }
        if (o->departure_count < ORACLE_LIST_MAX) {
            struct oracle_departure *d = &o->departures[o->departure_count++];
            *d = (struct oracle_departure){
                .scope = row->scope, .seq = numbers[i].left_seq, .at_ms = w->at_ms};
            memcpy(d->id, row->id, 16);
        }
        for (size_t k = 0; k + 1 < o->departure_count; k++) { /* coming back takes it back */
            if (memcmp(o->departures[k].id, row->id, 16) == 0 &&
                scope_equal(&o->departures[k].scope, &numbers[i].scope)) {
                o->departures[k].at_ms = 0;
            }
        }
        row->scope = numbers[i].scope;
        row->seq = numbers[i].seq;
        row->entered = numbers[i].seq;
        if (row->table->number == TABLE_customer) {
            struct value book = value_blob(bytes_of(row->scope.id, 16));
            const struct oracle_version by = {.at_ms = w->at_ms};
            row->values[COLUMN_customer_book_id] = oracle_keep(o, &book);
            stamp(row, COLUMN_customer_book_id, &by);
        }
        oracle_note_place(o, row);
    }
}

void oracle_write(struct oracle *o, const struct oracle_write *w,
                  const struct oracle_number *numbers, size_t count, const char **broken)
{
    struct oracle_rights before[ORACLE_PEOPLE_MAX];
    size_t people = 0;
    for (size_t i = 0; i < o->row_count && people < ORACLE_PEOPLE_MAX; i++) {
        if (o->rows[i]->table->number == TABLE_person) {
            oracle_rights(o, o->rows[i]->id, &before[people++]);
        }
    }
    o->commit++;
    *broken = check_numbers(o, numbers, count);
    if (*broken == NULL && w->op == ORACLE_MOVE) {
        move(o, w, numbers, count);
    } else if (*broken == NULL && w->op == ORACLE_ERASE) {
        oracle_blank(o, w, numbers, count);
    } else if (*broken == NULL && w->op != ORACLE_OTHER) {
        put(o, w, numbers, count, broken);
    }
    note_server_rows(o, numbers, count);
    for (size_t i = 0; i < people; i++) {
        oracle_rights_lost(o, &before[i], w->at_ms);
    }
    raise_heads(o, numbers, count);
}
