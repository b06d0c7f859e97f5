/* Reads along all that the server sends: nothing of it may lie outside of what its person may hold
 * and see at the moment of the snapshot. */
#include "tests/sim/engine/sim.h"

#define WATCH_BYTES_MAX ((size_t)64 * 1024 * 1024)

void watch_begin(struct sim *s, struct sim_conn *c)
{
    struct watch *w = &c->watch;
    w->unpacker = unpacker_new(WATCH_BYTES_MAX);
    arena_init(&w->arena, WATCH_BYTES_MAX);
    w->commit = s->oracle.commit;
    oracle_rights(&s->oracle, s->firm->people[c->who], &w->rights);
    for (int i = 0; i < SIM_DEVICES; i++) {
        w->revoked |= s->devices[i].number == c->number && s->devices[i].revoked;
    }
}

void watch_end(struct sim_conn *c)
{
    if (c->watch.unpacker != NULL) {
        unpacker_free(c->watch.unpacker);
        arena_release(&c->watch.arena);
        c->watch.unpacker = NULL;
    }
}

static void see_scope(struct sim *s, const struct sim_conn *c, const struct scope_id *scope,
                      const char *what)
{
    if (!rights_hold(&c->watch.rights, scope)) {
        sim_break(s, INV_SCOPE, "%s of a scope of kind %d that device %u may not hold", what,
                  scope->kind, c->number);
    }
}

static void see_column(struct sim *s, const struct sim_conn *c, uint16_t table, uint8_t column,
                       const struct value *v)
{
    const struct column *known = table_column(catalogue_table(table), column);
    if (known != NULL && (known->sees & c->watch.rights.role) == 0 && v->kind != VALUE_NULL) {
        sim_break(s, INV_SCOPE, "%s.%s for device %u", catalogue_table(table)->name, known->name,
                  c->number);
    }
}

static void see_row(struct sim *s, const struct sim_conn *c, const struct scope_id *scope,
                    uint16_t table, const uint8_t id[16], bool living)
{
    const struct oracle_row *row = oracle_find(&s->oracle, table, id);
    const struct oracle_place *at = row == NULL ? NULL : oracle_place_at(row, c->watch.commit);
    if (at == NULL) {
        return; /* tables that sync makes by itself, or too long ago */
    }
    if (!scope_equal(&at->scope, scope)) {
        sim_break(s, INV_SCOPE, "a row of %s goes to device %u under another scope than its own",
                  row->table->name, c->number);
    }
    if (living && at->deleted_at != 0) {
        sim_break(s, INV_RESURRECTION, "a deleted row of %s goes out as living", row->table->name);
    }
}

static void see_rows(struct sim *s, const struct sim_conn *c, const struct rows *rows)
{
    see_scope(s, c, &rows->scope, "rows");
    for (size_t i = 0; i < rows->count; i++) {
        bool living = false;
        for (size_t k = 0; k < rows->column_count; k++) {
            const struct value *v = &rows->rows[i].values[k];
            living |= rows->columns[k] == COLUMN_DELETED && v->kind == VALUE_NULL;
            see_column(s, c, rows->table, rows->columns[k], v);
        }
        see_row(s, c, &rows->scope, rows->table, rows->rows[i].id, living);
        sim_trace(s, " row %u seq %" PRId64 "%s", rows->table, rows->rows[i].seq,
                  rows->whole ? " whole" : "");
    }
}

/* A verdict tells of the row as it was judged, which may be some time ago. */
static void see_judged_row(struct sim *s, const struct sim_conn *c, const struct verdict_row *v)
{
    const struct oracle_row *row = oracle_find(&s->oracle, v->table, v->id);
    bool was_there = row == NULL || row->place_count == ORACLE_PLACES_MAX;
    for (size_t i = 0; row != NULL && i < row->place_count; i++) {
        was_there |= scope_equal(&row->places[i].scope, &v->scope);
    }
    if (!was_there) {
        sim_break(s, INV_SCOPE,
                  "a verdict tells device %u of a row of %s in a scope it never was in", c->number,
                  row->table->name);
    }
}

static void see_verdict(struct sim *s, const struct sim_conn *c, const struct verdict *v)
{
    sim_trace(s, " verdict %" PRIu64 " on %u/%" PRIu64 ": %d", v->number, v->epoch, v->device_seq,
              v->outcome);
    for (size_t i = 0; i < v->row_count; i++) {
        const struct verdict_row *row = &v->rows[i];
        see_scope(s, c, &row->scope, "a verdict's row");
        see_judged_row(s, c, row);
        for (size_t k = 0; k < row->unseen_count; k++) {
            see_column(s, c, row->table, row->unseen[k].column, &row->unseen[k].value);
        }
    }
}

/* Only an older copy of a file needs a new epoch. */
static void see_status(struct sim *s, const struct sim_conn *c, uint8_t status)
{
    for (int i = 0; i < SIM_DEVICES; i++) {
        const struct sim_device *d = &s->devices[i];
        bool restored = status == ANSWER_NEW_TIMELINE && c->timeline < s->past.timeline;
        if (d->number == c->number && status != ANSWER_OK && !restored && !d->was_rolled_back) {
            sim_break(s, INV_ALIVE, "device %d, which nothing happened to, is answered %d", i,
                      status);
        }
    }
    if (status == ANSWER_OK && c->timeline != 0 && c->timeline != s->past.timeline) {
        sim_break(s, INV_TIMELINE, "device %u of timeline %u is let into %u", c->number,
                  c->timeline, s->past.timeline);
    }
    if (c->replaced && status == ANSWER_OK) {
        sim_break(s, INV_EPOCH, "device %u is let in with a token that it has replaced", c->number);
    }
}

static void see(struct sim *s, const struct sim_conn *c, const struct message *m)
{
    switch ((int)m->kind) {
    case MESSAGE_ANSWER:
        sim_trace(s, " answer %d epoch %u", m->answer.status, m->answer.epoch);
        see_status(s, c, m->answer.status);
        break;
    case MESSAGE_VERDICTS:
        for (size_t i = 0; i < m->verdicts.count; i++) {
            see_verdict(s, c, &m->verdicts.verdicts[i]);
        }
        break;
    case MESSAGE_SCOPE_ENTER:
        see_scope(s, c, &m->scope, "entry");
        break;
    case MESSAGE_ROWS:
        see_rows(s, c, &m->rows);
        break;
    case MESSAGE_DEPARTURE:
        see_scope(s, c, &m->departure.scope, "a departure");
        break;
    case MESSAGE_CHECKPOINT:
        see_scope(s, c, &m->checkpoint.cursor.scope, "a checkpoint");
        sim_trace(s, " done %" PRId64 " pos %" PRId64, m->checkpoint.cursor.done,
                  m->checkpoint.cursor.pos);
        break;
    case MESSAGE_DIGEST:
        for (size_t i = 0; i < m->digest.entry_count; i++) {
            see_scope(s, c, &m->digest.entries[i].scope, "a digest");
        }
        break;
    default: /* what says nothing of anybody's data */
        break;
    }
}

void watch_bytes(struct sim *s, struct sim_conn *c, struct bytes packed)
{
    struct watch *w = &c->watch;
    struct message m;
    if (w->unpacker == NULL || packed.size == 0) {
        return;
    }
    if (w->revoked) {
        sim_break(s, INV_REVOKED, "device %u is revoked and gets an answer", c->number);
    }
    enum wire_error wire = unpacker_feed(w->unpacker, packed);
    while (wire == WIRE_OK && (wire = unpacker_next(w->unpacker, &w->arena, &m)) == WIRE_OK) {
        see(s, c, &m);
    }
    if (wire != WIRE_OK && wire != WIRE_MORE) {
        sim_break(s, INV_ALIVE, "the server sends what can't be read: %d", (int)wire);
    }
}
