/* See proposal.h. A transaction becomes proposals whole: its author gets a row for each change, and
 * everybody else just those about what they hold. All of them share a group, by which they are
 * decided on together; what rests on a proposal joins its group. Who accepts a group writes all of
 * it, and an answer for each row, in one transaction: a large one is cut into several groups. */
#include "common/changelog/server/proposal.h"

#include "common/catalogue/text.h"
#include "common/changelog/server/proposal_place.h"

#define GROUP_CHANGES    1000
#define GROUP_BYTES      ((size_t)2 << 20) /* of values, about */
#define GROUP_ROWS_FULL  2000              /* nothing more joins it */
#define PART_BYTES       ((size_t)12000)   /* a part of `wanted` begins; one value fits behind it */
#define WANTED_BYTES_MAX ((size_t)30000)   /* as the column takes */
#define PEOPLE_MAX       32

struct offer {
    struct judge *j;
    struct trial *t;
    const struct push *push;
    struct arena *arena;
    struct place *places; /* of each change */
    size_t people_count;
    uint8_t people[PEOPLE_MAX][16]; /* the author first */
    uint32_t *groups;               /* of each change, from 0 */
    uint8_t group[16]; /* the first one's id; those of the others follow from the identity */
    int64_t index;     /* of the next row for one of them */
    int64_t first;     /* index of the first group's first new row */
    int64_t made_ms;
    struct server_write *w;
    const uint8_t *to; /* whose row is written */
};

/* ---- whether ---- */

/* Only what could stand is worth somebody's decision. */
static bool change_is_sound(const struct offer *o, const struct change *change)
{
    const struct table *t = catalogue_table(change->table);
    struct permit then = {.role = o->j->author->role | o->j->author->former_role};
    struct complaint found;
    if (t == NULL || t->since > o->t->tx->catalogue || t->number == TABLE_proposal ||
        !permit_writes_table(&then, t, (enum change_op)change->op)) {
        return false;
    }
    for (size_t i = 0; i < change->cell_count; i++) {
        const struct column *c = table_column(t, change->cells[i].column);
        if (c == NULL || c->since > o->t->tx->catalogue || (c->writes & then.role) == 0 ||
            !column_check(c, &change->cells[i].value, &found)) {
            return false;
        }
    }
    return true;
}

static struct err find_places(struct offer *o, bool *due)
{
    const struct transaction *tx = o->t->tx;
    struct work w;
    const struct version nobody = {.author = 0};
    bool held = o->j->author->former_role != 0 && strcmp(o->t->why.code, "not_permitted") == 0;
    struct err err = err_ok();
    *due = held && tx->change_count > 0;
    o->places = arena_array(o->arena, tx->change_count, sizeof *o->places);
    o->groups = arena_array(o->arena, tx->change_count, sizeof *o->groups);
    if (o->places == NULL || o->groups == NULL) {
        return err_make(ERR_LIMIT, 0, "proposal_offer");
    }
    work_init(&w, o->j->st, o->arena, &nobody);
    for (size_t i = 0; i < tx->change_count && err.code == ERR_OK; i++) {
        struct place *place = &o->places[i];
        if (!change_is_sound(o, &tx->changes[i])) {
            *due = false;
            break;
        }
        err = place_of_change(o->j, &w, tx, i, place);
        if (err.code == ERR_OK && place->kind == PLACE_HELD && held) {
            err = place_admins(o->j, place);
        }
        if (err.code != ERR_OK || place->kind == PLACE_NOWHERE) {
            *due = false;
            break;
        }
        *due = *due || place->kind != PLACE_HELD;
    }
    work_release(&w);
    return err;
}

/* ---- who ---- */

static bool decides(const struct place *place, const uint8_t person[16])
{
    for (size_t i = 0; i < place->people_count; i++) {
        if (memcmp(place->people[i], person, 16) == 0) {
            return true;
        }
    }
    return false;
}

static void add_person(struct offer *o, const uint8_t person[16])
{
    for (size_t i = 0; i < o->people_count; i++) {
        if (memcmp(o->people[i], person, 16) == 0) {
            return;
        }
    }
    if (o->people_count < PEOPLE_MAX) {
        memcpy(o->people[o->people_count++], person, 16);
    }
}

static void gather(struct offer *o)
{
    add_person(o, o->j->permit->person);
    memcpy(o->group, o->push->identity, sizeof o->group);
    for (size_t i = 0; i < o->t->tx->change_count; i++) {
        const struct place *place = &o->places[i];
        if (place->kind == PLACE_PROPOSED) {
            memcpy(o->group, place->group, sizeof o->group);
        }
        for (size_t k = 0; k < place->people_count; k++) {
            add_person(o, place->people[k]);
        }
    }
}

static struct err first_index(struct offer *o)
{
    struct stmt q;
    struct err err = db_use(
        o->j->st->db, "SELECT coalesce(max(idx) + 1, 0) FROM proposal WHERE group_id = ?1", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, o->group);
    o->first = db_step_row(&q) ? col_int(&q, 0) : 0;
    err = stmt_err(&q, "first_index");
    stmt_reset(&q);
    if (o->first >= GROUP_ROWS_FULL) {
        memcpy(o->group, o->push->identity, sizeof o->group);
        o->first = 0;
    }
    return err;
}

static size_t size_of(const struct change *change)
{
    size_t size = 0;
    for (size_t i = 0; i < change->cell_count; i++) {
        const struct value *v = &change->cells[i].value;
        size += v->kind == VALUE_TEXT || v->kind == VALUE_BLOB ? v->b.size : sizeof v->i;
    }
    return size;
}

static void cut(struct offer *o)
{
    uint32_t group = 0;
    size_t changes = 0;
    size_t bytes = 0;
    for (size_t i = 0; i < o->t->tx->change_count; i++) {
        size_t size = size_of(&o->t->tx->changes[i]);
        if (changes == GROUP_CHANGES || (changes > 0 && bytes + size > GROUP_BYTES)) {
            group++;
            changes = 0;
            bytes = 0;
        }
        o->groups[i] = group;
        changes++;
        bytes += size;
    }
}

/* Ids of several groups differ at their end. */
static void group_id(const struct offer *o, uint32_t group, uint8_t id[16])
{
    memcpy(id, group == 0 ? o->group : o->push->identity, 16);
    id[14] = (uint8_t)(id[14] ^ group >> 8);
    id[15] = (uint8_t)(id[15] ^ group);
}

/* ---- what ---- */

struct part { /* of a change: as much as one row takes */
    uint8_t op;
    uint64_t columns;
    struct buf wanted, before;
};

static struct err put_part(struct offer *o, const struct change *change, const uint8_t group[16],
                           struct part *p)
{
    static const char *const ops[] = {
        [CHANGE_INSERT] = "insert", [CHANGE_UPDATE] = "update", [CHANGE_DELETE] = "delete"};
    uint8_t id[16];
    int64_t seq = 0;
    struct complaint why;
    buf_put_text(&p->wanted, p->wanted.size == 0 ? "{}" : "}");
    buf_put_text(&p->before, p->before.size == 0 ? "" : "}");
    if (p->wanted.bad || p->before.bad) {
        return err_make(ERR_LIMIT, 0, "proposal: part");
    }
    const struct cell cells[] = {
        {.column = COLUMN_proposal_person_id, .value = value_blob(bytes_of(o->to, 16))},
        {.column = COLUMN_proposal_author_id,
         .value = value_blob(bytes_of(o->j->permit->person, 16))},
        {.column = COLUMN_proposal_group_id, .value = value_blob(bytes_of(group, 16))},
        {.column = COLUMN_proposal_idx, .value = value_int(o->index++)},
        {.column = COLUMN_proposal_table_no, .value = value_int(change->table)},
        {.column = COLUMN_proposal_row_id, .value = value_blob(bytes_of(change->id, 16))},
        {.column = COLUMN_proposal_op, .value = value_text(bytes_text(ops[p->op]))},
        {.column = COLUMN_proposal_columns, .value = value_int((int64_t)p->columns)},
        {.column = COLUMN_proposal_wanted, .value = value_text(buf_bytes(&p->wanted))},
        {.column = COLUMN_proposal_before,
         .value = p->before.size == 0 ? value_null() : value_text(buf_bytes(&p->before))},
        {.column = COLUMN_proposal_base, .value = value_int(change->base)},
        {.column = COLUMN_proposal_made_at, .value = value_int(o->made_ms)}};
    store_new_id(o->j->st, o->j->received_ms, id);
    struct err err = server_write_put(o->w, catalogue_table(TABLE_proposal), id, cells,
                                      count_of(cells), 0, &seq, NULL, &why);
    buf_clear(&p->wanted);
    buf_clear(&p->before);
    p->columns = 0;
    p->op = p->op == CHANGE_INSERT ? CHANGE_UPDATE : p->op; /* what follows is laid on the row */
    return err;
}

static void put_member(const struct column *c, const struct value *v, struct buf *out)
{
    buf_printf(out, "%s\"%s\":", out->size == 0 ? "{" : ",", c->name);
    column_json(c, v, out);
}

static struct err put_change(struct offer *o, const struct change *change, const uint8_t group[16])
{
    const struct table *t = catalogue_table(change->table);
    struct part p = {.op = change->op};
    struct err err = err_ok();
    buf_init(&p.wanted, WANTED_BYTES_MAX);
    buf_init(&p.before, WANTED_BYTES_MAX);
    for (size_t i = 0; i < change->cell_count && err.code == ERR_OK; i++) {
        const struct cell *cell = &change->cells[i];
        const struct column *c = table_column(t, cell->column);
        p.columns |= UINT64_C(1) << cell->column;
        put_member(c, &cell->value, &p.wanted);
        if (cell->has_old) {
            put_member(c, &cell->old, &p.before);
        }
        if (p.wanted.size > PART_BYTES && i + 1 < change->cell_count) {
            err = put_part(o, change, group, &p);
        }
    }
    if (err.code == ERR_OK) {
        err = put_part(o, change, group, &p);
    }
    buf_release(&p.wanted);
    buf_release(&p.before);
    return err;
}

static struct err put_of_person(struct offer *o, bool author)
{
    struct err err = err_ok();
    uint8_t group[16];
    for (size_t i = 0; i < o->t->tx->change_count && err.code == ERR_OK; i++) {
        if (i == 0 || o->groups[i] != o->groups[i - 1]) {
            group_id(o, o->groups[i], group);
            o->index = o->groups[i] == 0 ? o->first : 0;
        }
        if (author || decides(&o->places[i], o->to)) {
            err = put_change(o, &o->t->tx->changes[i], group);
        }
    }
    return err;
}

static struct err put_all(struct offer *o)
{
    struct err err = err_ok();
    for (size_t k = 0; k < o->people_count && err.code == ERR_OK; k++) {
        o->to = o->people[k];
        err = put_of_person(o, k == 0);
    }
    return err;
}

static struct err write(struct offer *o)
{
    struct complaint why;
    struct err err = server_write_begin(o->j->st, NULL, "proposal", o->j->received_ms, &o->w);
    if (err.code != ERR_OK) {
        return err;
    }
    err = put_all(o);
    if (err.code == ERR_OK) {
        return server_write_end(o->w, &why);
    }
    server_write_cancel(o->w);
    return err;
}

/* Whom it went to, for the author; names of people everybody knows. */
static void tell(struct offer *o)
{
    struct stmt q;
    complaint_fill(&o->t->why, "proposal", NULL, NULL, "");
    if (db_use(o->j->st->db, "SELECT name FROM person WHERE id = ?1", &q).code != ERR_OK) {
        return;
    }
    bind_id(&q, 1, o->people[1]);
    if (db_step_row(&q)) {
        complaint_fill(&o->t->why, "proposal", NULL, NULL, col_text(&q, 0));
    }
    stmt_reset(&q);
}

static bool is_of_rights(const struct complaint *why)
{
    return strcmp(why->code, "not_found") == 0 || strcmp(why->code, "not_permitted") == 0 ||
           strcmp(why->code, "held") == 0;
}

struct err proposal_offer(struct judge *j, struct trial *t, const struct push *push,
                          struct arena *arena, bool *made)
{
    struct offer o = {.j = j, .t = t, .push = push, .arena = arena, .made_ms = push->effective_ms};
    *made = false;
    if (t->tx->change_count == 0 || !is_of_rights(&t->why)) {
        return err_ok();
    }
    bool due = false;
    struct err err = find_places(&o, &due);
    if (err.code != ERR_OK || !due) {
        return err;
    }
    gather(&o);
    if (o.people_count < 2) { /* nobody to decide: it stays refused, in its author's inbox */
        return err_ok();
    }
    err = first_index(&o);
    cut(&o);
    if (err.code == ERR_OK) {
        err = write(&o);
    }
    if (err.code == ERR_OK) {
        *made = true;
        tell(&o);
    }
    return err;
}

/* ---- deciding ---- */

#define OTHERS_MAX 512 /* at a time */

static struct err read_others(struct trial *t, const struct work_row *row, const uint8_t after[16],
                              uint8_t (*ids)[16], size_t *count)
{
    struct stmt q;
    *count = 0;
    struct err err =
        db_use(t->work.st->db,
               "SELECT id FROM proposal WHERE group_id = ?1 AND choice IS NULL"
               " AND _deleted_at IS NULL AND id <> ?2 AND id > ?4 ORDER BY id LIMIT ?3",
               &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_value(&q, 1, &row->values[COLUMN_proposal_group_id]);
    bind_id(&q, 2, row->id);
    bind_int(&q, 3, OTHERS_MAX);
    bind_id(&q, 4, after);
    while (db_step_row(&q)) {
        *count += *count < OTHERS_MAX && col_id(&q, 0, ids[*count]);
    }
    err = stmt_err(&q, "read_others");
    stmt_reset(&q);
    return err;
}

static struct err tell_other(struct trial *t, const struct work_row *row, const uint8_t id[16])
{
    static const uint8_t columns[] = {COLUMN_proposal_resolved_by, COLUMN_proposal_choice};
    struct work_row *other = NULL;
    struct err err = work_find(&t->work, row->table, id, &other);
    if (err.code != ERR_OK || other == NULL || other->noted) {
        return err; /* the sender decides on that one too */
    }
    for (size_t i = 0; i < count_of(columns); i++) {
        work_set(other, columns[i], &row->values[columns[i]]);
    }
    struct version sender = t->work.by;
    t->work.by = (struct version){.effective_ms = sender.effective_ms};
    err = work_put(&t->work, other);
    t->work.by = sender;
    return err;
}

/* Some of them, in order of their ids. */
static struct err tell_others(struct trial *t, const struct work_row *row, uint8_t after[16],
                              size_t *count)
{
    uint8_t others[OTHERS_MAX][16];
    struct err err = read_others(t, row, after, others, count);
    for (size_t i = 0; i < *count && err.code == ERR_OK; i++) {
        err = tell_other(t, row, others[i]);
        memcpy(after, others[i], 16);
    }
    return err;
}

struct err proposal_decide(struct trial *t, const struct work_row *row)
{
    const struct value *to = &row->values[COLUMN_proposal_person_id];
    const struct value *author = &row->values[COLUMN_proposal_author_id];
    const struct value *choice = &row->values[COLUMN_proposal_choice];
    if (choice->kind != VALUE_TEXT || (row->written >> COLUMN_proposal_choice & 1) == 0) {
        return err_ok();
    }
    if (value_equal(to, author) && bytes_equal(choice->b, bytes_text("accepted"))) {
        return refuse(&t->why, "not_permitted", row->table,
                      table_column(row->table, COLUMN_proposal_choice), NULL);
    }
    size_t count = OTHERS_MAX;
    uint8_t after[16] = {0};
    struct err err = err_ok();
    while (count == OTHERS_MAX && err.code == ERR_OK) {
        err = tell_others(t, row, after, &count);
    }
    return err;
}

struct err proposal_names(struct store *st, const uint8_t row[16], const uint8_t to[16],
                          const uint8_t person[16], bool *out)
{
    struct stmt q;
    *out = false;
    struct err err = db_use(st->db,
                            "SELECT 1 FROM proposal WHERE row_id = ?1 AND person_id = ?2"
                            " AND author_id = ?3 AND _deleted_at IS NULL LIMIT 1",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, row);
    bind_id(&q, 2, to);
    bind_id(&q, 3, person);
    *out = db_step_row(&q);
    err = stmt_err(&q, "proposal_names");
    stmt_reset(&q);
    return err;
}
