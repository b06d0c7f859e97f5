/* What must hold of whole databases: compared with the oracle, row by row, column by column. */
#include "common/changelog/digest.h"
#include "tests/sim/engine/sim.h"

static int64_t count(struct db *db, const char *sql)
{
    int64_t n = -1;
    struct err err = db_one_int(db, sql, &n);
    return err.code == ERR_OK ? n : -1;
}

/* ---- rows ---- */

/* Filled in by the server beyond what was written: known from the rows alone. */
static bool is_filled(const struct column *c)
{
    return strcmp(c->name, "no") == 0 || strcmp(c->name, "received_at") == 0;
}

static bool is_known(const struct table *t)
{
    return t->number != TABLE_device; /* made by enrolment, not by the log */
}

/* What the server writes by itself is known by its place and number; people only answer it. */
static bool is_compared(const struct oracle_row *row, const struct column *c)
{
    bool choice =
        c->number == COLUMN_kept_value_choice || c->number == COLUMN_kept_value_resolved_by;
    bool answers = row->table->number == TABLE_kept_value && choice;
    return !is_filled(c) && (row->table->write_class != CLASS_SERVER || answers);
}

static void put_columns(struct buf *sql, const struct table *t)
{
    for (size_t i = 0; i < t->column_count; i++) {
        buf_printf(sql, ", r.%s", t->columns[i].name);
    }
}

static void put_value(char *to, size_t size, const struct value *v)
{
    switch (v->kind) {
    case VALUE_INT:
        (void)snprintf(to, size, "%" PRId64, v->i);
        break;
    case VALUE_TEXT:
        (void)snprintf(to, size, "%.*s", (int)(v->b.size < 40 ? v->b.size : 40),
                       (const char *)v->b.at);
        break;
    case VALUE_NULL:
    case VALUE_REAL:
    case VALUE_BLOB:
        (void)snprintf(to, size, "(kind %d)", (int)v->kind);
        break;
    }
}

/* What the oracle doesn't reckon, a device has as the store has it. */
static void compare_stored(struct sim *s, const char *where, const struct oracle_row *row,
                           const struct column *c, const struct value *have, bool seen)
{
    char sql[128];
    struct stmt q;
    (void)snprintf(sql, sizeof sql, "SELECT %s FROM %s WHERE id = ?1", c->name, row->table->name);
    if (!s->server.up || db_use(s->server.writer_db, sql, &q).code != ERR_OK) {
        return;
    }
    bind_id(&q, 1, row->id);
    bool found = db_step_row(&q);
    struct value want = found && seen ? col_value(&q, 0) : value_null();
    if (found && !value_equal(have, &want)) {
        sim_break(s, INV_EQUAL, "%s: %s.%s isn't as the store has it (%02x%02x seq %" PRId64 ")",
                  where, row->table->name, c->name, row->id[14], row->id[15], row->seq);
    }
    stmt_reset(&q);
}

/* Columns stand from `first` on in the statement's row. */
static void compare_values(struct sim *s, enum invariant which, const char *where,
                           const struct oracle_row *row, unsigned sees, const struct stmt *q,
                           int first)
{
    for (size_t i = 0; i < row->table->column_count; i++) {
        const struct column *c = &row->table->columns[i];
        struct value have = col_value(q, first + (int)i);
        struct value want = (c->sees & sees) != 0 ? row->values[c->number] : value_null();
        if (!is_compared(row, c) && sees != SEEN_ALL) {
            compare_stored(s, where, row, c, &have, (c->sees & sees) != 0);
        }
        if (is_compared(row, c) && !value_equal(&have, &want)) {
            char a[48], b[48];
            put_value(a, sizeof a, &have);
            put_value(b, sizeof b, &want);
            sim_break(s, which, "%s: %s.%s is %s, by the oracle %s (%02x%02x seq %" PRId64 ")",
                      where, row->table->name, c->name, a, b, row->id[14], row->id[15], row->seq);
        }
    }
}

static size_t expected_rows(const struct sim *s, const struct table *t,
                            const struct oracle_rights *rights)
{
    size_t n = 0;
    for (size_t i = 0; i < s->oracle.row_count; i++) {
        const struct oracle_row *row = s->oracle.rows[i];
        n += row->table == t && row->purged == ORACLE_STAYS &&
             (rights == NULL || (row->deleted_at == 0 && rights_hold(rights, &row->scope)));
    }
    return n;
}

static void compare_store_row(struct sim *s, const struct table *t, const struct stmt *q)
{
    uint8_t id[16];
    struct scope_id scope = {.kind = (uint8_t)col_int(q, 1)};
    (void)col_id(q, 0, id);
    (void)col_id(q, 2, scope.id);
    const struct oracle_row *row = oracle_find(&s->oracle, t->number, id);
    if (row == NULL) {
        sim_break(s, INV_ORACLE, "the store has a row of %s that the oracle doesn't", t->name);
        return;
    }
    if (!scope_equal(&scope, &row->scope) || col_int(q, 3) != row->seq) {
        sim_break(s, INV_ORACLE, "a row of %s has number %" PRId64 ", by the oracle %" PRId64,
                  t->name, col_int(q, 3), row->seq);
    }
    if (row->purged == ORACLE_GONE || col_is_null(q, 4) != (row->deleted_at == 0)) {
        sim_break(s, INV_RESURRECTION, "a row of %s lives, or doesn't, against the oracle",
                  t->name);
    }
    compare_values(s, INV_ORACLE, "store", row, SEEN_ALL, q, 5);
}

static void compare_store_table(struct sim *s, const struct table *t)
{
    struct buf sql;
    struct stmt q;
    size_t n = 0;
    buf_init(&sql, 8192);
    buf_put_text(&sql, "SELECT r.id, s.kind, s.id, r._seq, r._deleted_at");
    put_columns(&sql, t);
    buf_printf(&sql, " FROM %s r JOIN scope s ON s.no = r._scope", t->name);
    if (db_use(s->server.writer_db, buf_text(&sql), &q).code == ERR_OK) {
        while (s->broken == INV_NONE && db_step_row(&q)) {
            compare_store_row(s, t, &q);
            n++;
        }
        stmt_reset(&q);
    }
    buf_release(&sql);
    if (s->broken == INV_NONE && n != expected_rows(s, t, NULL)) {
        sim_break(s, INV_ORACLE, "the store has %zu rows of %s, the oracle %zu", n, t->name,
                  expected_rows(s, t, NULL));
    }
}

static void check_kept(struct sim *s)
{
    static const char sql[] = "SELECT count(*) FROM kept_value WHERE row_id = ?1 AND column_no = ?2"
                              " AND (?3 IS NULL OR instr(kept, ?3) > 0)";
    for (size_t i = 0; i < s->oracle.kept_count && s->broken == INV_NONE; i++) {
        const struct oracle_kept *k = &s->oracle.kept[i];
        struct stmt q;
        if (oracle_is_erased(&s->oracle, k->table, k->id)) {
            continue;
        }
        if (db_use(s->server.writer_db, sql, &q).code != ERR_OK) {
            return;
        }
        bind_id(&q, 1, k->id);
        bind_int(&q, 2, k->column);
        if (k->value.kind == VALUE_TEXT && k->value.b.at[0] == 'w') {
            bind_text_bytes(&q, 3, k->value.b);
        } else {
            bind_null(&q, 3);
        }
        bool there = db_step_row(&q) && col_int(&q, 0) > 0;
        stmt_reset(&q);
        if (!there) {
            sim_break(s, INV_VISIBLE, "a value that lost in %s isn't kept",
                      catalogue_table(k->table)->name);
        }
    }
}

void audit_server_content(struct sim *s)
{
    struct buf report;
    if (!s->server.up) {
        return;
    }
    for (size_t i = 0; i < catalogue_table_count() && s->broken == INV_NONE; i++) {
        if (is_known(catalogue_table_at(i))) {
            compare_store_table(s, catalogue_table_at(i));
        }
    }
    check_kept(s);
    buf_init(&report, 1u << 20);
    if (s->broken == INV_NONE && store_verify(&s->server.writer, &report).code != ERR_OK) {
        sim_break(s, INV_SOUND, "store: %.300s", buf_text(&report));
    }
    buf_release(&report);
}

/* ---- a device ---- */

static void compare_device_row(struct sim_device *d, const struct table *t,
                               const struct oracle_rights *rights, const struct stmt *q)
{
    struct sim *s = d->sim;
    char where[24];
    uint8_t id[16];
    (void)col_id(q, 0, id);
    const struct oracle_row *row = oracle_find(&s->oracle, t->number, id);
    (void)snprintf(where, sizeof where, "device %d", d->index);
    if (row == NULL || row->deleted_at != 0) {
        sim_break(s, row == NULL ? INV_EQUAL : INV_RESURRECTION,
                  "%s has a row of %s that is nowhere (seq %" PRId64 ")", where, t->name,
                  col_int(q, 1));
        return;
    }
    if (!rights_hold(rights, &row->scope)) {
        sim_break(s, INV_SCOPE,
                  "%s still has a row of %s of another scope (%02x%02x seq %" PRId64
                  ", by the oracle %" PRId64 ")",
                  where, t->name, id[14], id[15], col_int(q, 1), row->seq);
    }
    if (col_int(q, 1) != row->seq) {
        sim_break(s, INV_EQUAL, "%s: a row of %s has number %" PRId64 ", by the oracle %" PRId64,
                  where, t->name, col_int(q, 1), row->seq);
    }
    compare_values(s, INV_EQUAL, where, row, rights->role, q, 2);
}

static void compare_device_table(struct sim_device *d, const struct table *t,
                                 const struct oracle_rights *rights)
{
    struct sim *s = d->sim;
    struct buf sql;
    struct stmt q;
    size_t n = 0;
    buf_init(&sql, 8192);
    buf_put_text(&sql, "SELECT r.id, r._seq");
    put_columns(&sql, t);
    buf_printf(&sql, " FROM %s r", t->name);
    if (db_use(d->db, buf_text(&sql), &q).code == ERR_OK) {
        while (s->broken == INV_NONE && db_step_row(&q)) {
            compare_device_row(d, t, rights, &q);
            n++;
        }
        stmt_reset(&q);
    }
    buf_release(&sql);
    if (s->broken == INV_NONE && n != expected_rows(s, t, rights)) {
        sim_break(s, INV_EQUAL, "device %d has %zu rows of %s, it should have %zu", d->index, n,
                  t->name, expected_rows(s, t, rights));
    }
}

static void check_digest(struct sim_device *d)
{
    struct sim *s = d->sim;
    struct arena arena;
    struct digest have, want;
    arena_init(&arena, 16u << 20);
    struct err err = replica_digest(&d->replica, &arena, &have);
    if (err.code == ERR_OK) {
        err = store_digest(&s->server.writer, d->number, &arena, &want);
    }
    if (err.code == ERR_OK && !digest_equal(&have, &want)) {
        sim_break(s, INV_DIGEST, "digests of device %d differ", d->index);
    }
    arena_release(&arena);
}

static void check_file(struct sim_device *d)
{
    struct buf report;
    buf_init(&report, 1u << 16);
    if (db_integrity(d->db, &report).code != ERR_OK) {
        sim_break(d->sim, INV_SOUND, "device %d: %.200s", d->index, buf_text(&report));
    }
    buf_release(&report);
}

void audit_device_content(struct sim_device *d)
{
    struct sim *s = d->sim;
    struct oracle_rights rights;
    oracle_rights(&s->oracle, s->firm->people[d->who], &rights);
    for (size_t i = 0; i < catalogue_table_count() && s->broken == INV_NONE; i++) {
        if (is_known(catalogue_table_at(i))) {
            compare_device_table(d, catalogue_table_at(i), &rights);
        }
    }
}

/* Refused work stands in its author's inbox. */
static void check_inbox(struct sim_device *d)
{
    struct sim *s = d->sim;
    int64_t refused = 0;
    for (size_t i = 0; i < s->oracle.judged_count; i++) {
        const struct oracle_judged *j = &s->oracle.judged[i];
        refused += j->device == d->number && j->outcome == OUTCOME_REFUSED;
    }
    int64_t shown = count(d->db, "SELECT count(*) FROM inbox WHERE kind IN ('refused', 'held')");
    if (shown < refused && !d->was_rolled_back) {
        sim_break(s, INV_VISIBLE, "device %d: %" PRId64 " were refused, %" PRId64 " are shown",
                  d->index, refused, shown);
    }
}

/* ---- lost updates: what comparing databases can't see ---- */

static bool was_refused(const struct sim_saved *saved)
{
    return (!saved->judged && !saved->lost) || saved->outcome == OUTCOME_REFUSED;
}

static bool is_kept(const struct oracle *o, const struct sim_saved *saved)
{
    for (size_t i = 0; i < o->kept_count; i++) {
        const struct oracle_kept *k = &o->kept[i];
        if (k->column == saved->column->number && memcmp(k->id, saved->row, 16) == 0 &&
            sim_serial(&k->value) == saved->serial) {
            return true;
        }
    }
    return false;
}

static bool was_seen_and_replaced(const struct sim *s, const struct sim_saved *saved)
{
    for (size_t i = 0; i < s->saved_count; i++) {
        const struct sim_saved *o = &s->saved[i];
        if (o->column == saved->column && memcmp(o->row, saved->row, 16) == 0 &&
            o->saw == saved->serial && !was_refused(o)) {
            return true;
        }
    }
    return false;
}

/* Each text that somebody wrote stands, or was seen by whoever wrote over it, or is kept for people
 * to see, or was refused to its author's face. */
static void check_lost(struct sim *s)
{
    for (size_t i = 0; i < s->saved_count && s->broken == INV_NONE; i++) {
        const struct sim_saved *saved = &s->saved[i];
        if (saved->column == NULL || !saved->judged || was_refused(saved) || saved->rolled_back ||
            saved->gone) {
            continue;
        }
        const struct oracle_row *row = oracle_find(&s->oracle, saved->column->table, saved->row);
        bool stands = row == NULL || row->deleted_at != 0 ||
                      oracle_is_erased(&s->oracle, saved->column->table, saved->row) ||
                      sim_serial(&row->values[saved->column->number]) == saved->serial;
        if (!stands && !is_kept(&s->oracle, saved) && !was_seen_and_replaced(s, saved)) {
            sim_break(s, INV_LOST, "w%d of device %d in %s: there is w%d, and nobody saw it go",
                      saved->serial, saved->device, saved->column->name,
                      sim_serial(&row->values[saved->column->number]));
        }
    }
}

/* Each transaction that was saved was judged, once. */
static void check_effects(struct sim_device *d)
{
    struct sim *s = d->sim;
    int64_t judged = 0;
    for (size_t i = 0; i < s->oracle.judged_count; i++) {
        judged += s->oracle.judged[i].device == d->number;
    }
    judged += past_unjudged(s, d->number);
    if (!d->was_rolled_back && judged != d->saved_count) {
        sim_break(s, judged < d->saved_count ? INV_SAVED : INV_ONCE,
                  "device %d saved %" PRId64 " transactions, %" PRId64 " were judged", d->index,
                  d->saved_count, judged);
    }
}

void audit_all(struct sim *s)
{
    audit_server_content(s);
    check_lost(s);
    audit_past(s);
    for (int i = 0; i < SIM_DEVICES && s->broken == INV_NONE; i++) {
        struct sim_device *d = &s->devices[i];
        if (d->db == NULL || d->revoked) {
            continue;
        }
        audit_device_content(d);
        if (s->broken == INV_NONE) {
            check_digest(d);
            check_file(d);
            check_inbox(d);
            check_effects(d);
            audit_device_saved(d);
            audit_erased_device(d);
        }
    }
    audit_erased_store(s);
    sim_trace(s, "audited %zu rows", s->oracle.row_count);
}

/* ---- at any time ---- */

/* All rows up to a cursor's `done` are here, at their numbers or above. (An older copy of a file
 * may lack what its lost part wrote itself, until its digest tells.) */
void audit_device_cursor(struct sim_device *d)
{
    static const char cursors[] =
        "SELECT s.kind, s.id, c.done FROM cursor c JOIN scope s ON s.no = c.scope WHERE s.held = 1";
    struct sim *s = d->sim;
    struct stmt q;
    struct scope_id scopes[SIM_SCOPES_MAX];
    int64_t dones[SIM_SCOPES_MAX];
    size_t n = 0;
    if ((d->was_rolled_back && !d->settled) || past_is_behind(d) ||
        db_use(d->db, cursors, &q).code != ERR_OK) {
        return;
    }
    while (n < SIM_SCOPES_MAX && db_step_row(&q)) {
        scopes[n].kind = (uint8_t)col_int(&q, 0);
        (void)col_id(&q, 1, scopes[n].id);
        dones[n++] = col_int(&q, 2);
    }
    stmt_reset(&q);
    for (size_t i = 0; i < s->oracle.row_count && s->broken == INV_NONE; i++) {
        const struct oracle_row *row = s->oracle.rows[i];
        for (size_t k = 0; k < n && row->deleted_at == 0 && is_known(row->table); k++) {
            if (!scope_equal(&scopes[k], &row->scope) || row->seq > dones[k]) {
                continue;
            }
            char sql[96];
            (void)snprintf(sql, sizeof sql, "SELECT _seq FROM %s WHERE id = ?1", row->table->name);
            if (db_use(d->db, sql, &q).code != ERR_OK) {
                return;
            }
            bind_id(&q, 1, row->id);
            bool there = db_step_row(&q);
            int64_t seq = there ? col_int(&q, 0) : 0;
            bool read = q.err.code == ERR_OK;
            stmt_reset(&q);
            if (read && seq < row->seq && count(d->db, "SELECT count(*) FROM outbox") == 0) {
                sim_break(s, INV_CURSOR,
                          "device %d is done up to %" PRId64 " and has a row of %s at %" PRId64
                          ", not %" PRId64,
                          d->index, dones[k], row->table->name, seq, row->seq);
            }
        }
    }
}

/* What was said to be saved and isn't judged yet is in the outbox. */
void audit_device_saved(struct sim_device *d)
{
    static const char sql[] = "SELECT (SELECT count(*) FROM outbox WHERE tx = ?1)"
                              " + (SELECT count(*) FROM sent WHERE tx = ?1)";
    struct sim *s = d->sim;
    for (size_t i = 0; i < s->saved_count && s->broken == INV_NONE; i++) {
        const struct sim_saved *saved = &s->saved[i];
        struct stmt q;
        if (saved->device != d->index || saved->serial == 0 || saved->judged ||
            saved->rolled_back || (saved->lost && past_is_covered(s, d->number, saved->identity))) {
            continue;
        }
        if (db_use(d->db, sql, &q).code != ERR_OK) {
            return;
        }
        bind_int(&q, 1, saved->tx);
        bool found = db_step_row(&q);
        bool there = found && col_int(&q, 0) > 0;
        stmt_reset(&q);
        if (found && !there) {
            sim_break(s, INV_SAVED, "w%d was saved on device %d and is gone", saved->serial,
                      d->index);
        }
    }
}

/* ---- peace ---- */

static bool device_is_quiet(struct sim_device *d, char *why, size_t size)
{
    static const char cursors[] =
        "SELECT s.kind, s.id, c.done FROM cursor c JOIN scope s ON s.no = c.scope WHERE s.held = 1";
    struct sim *s = d->sim;
    struct replica_counts counts;
    struct oracle_rights rights;
    struct stmt q;
    size_t held = 0;
    if (d->db == NULL || d->session != NULL ||
        replica_counts(&d->replica, &counts).code != ERR_OK) {
        (void)snprintf(why, size, "device %d is busy or off", d->index);
        return false;
    }
    if (counts.pending != 0) {
        (void)snprintf(why, size, "device %d has %" PRId64 " waiting", d->index, counts.pending);
        return false;
    }
    oracle_rights(&s->oracle, s->firm->people[d->who], &rights);
    if (db_use(d->db, cursors, &q).code != ERR_OK) {
        return false;
    }
    bool behind = false;
    while (db_step_row(&q)) {
        struct scope_id scope = {.kind = (uint8_t)col_int(&q, 0)};
        (void)col_id(&q, 1, scope.id);
        bool mine = rights_hold(&rights, &scope);
        held += mine;
        if (!mine || col_int(&q, 2) < oracle_head(&s->oracle, &scope)) {
            behind = true;
            (void)snprintf(why, size, "device %d, scope of kind %d: done %" PRId64 " of %" PRId64,
                           d->index, scope.kind, col_int(&q, 2), oracle_head(&s->oracle, &scope));
        }
    }
    if (!behind && held < rights.count) {
        for (size_t i = 0; i < rights.count; i++) { /* scopes that nothing is in are not sent */
            behind |= oracle_head(&s->oracle, &rights.scopes[i]) > 0 && held == 0;
        }
    }
    return !behind;
}

bool audit_is_quiet(struct sim *s, char *why, size_t size)
{
    if (!s->server.up) {
        (void)snprintf(why, size, "the server is off");
        return false;
    }
    for (int i = 0; i < SIM_DEVICES; i++) {
        if (!s->devices[i].revoked && !device_is_quiet(&s->devices[i], why, size)) {
            return false;
        }
    }
    return true;
}
