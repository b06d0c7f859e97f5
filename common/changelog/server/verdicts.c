/* See verdicts.h. */
#include "common/changelog/server/verdicts.h"

#include "common/changelog/server/verdict_body.h"

static struct err read_entry(struct stmt *q, struct verdict_entry *out)
{
    if (!db_step_row(q)) {
        return q->err.code != ERR_OK ? q->err : err_make(ERR_NOT_FOUND, 0, "read_entry");
    }
    *out = (struct verdict_entry){.number = (uint64_t)col_int(q, 0),
                                  .epoch = (uint32_t)col_int(q, 1),
                                  .device_seq = (uint64_t)col_int(q, 2),
                                  .outcome = (enum outcome)col_int(q, 3),
                                  .has_body = col_int(q, 4) != 0,
                                  .device = (uint32_t)col_int(q, 5)};
    stmt_reset(q);
    return err_ok();
}

struct err verdict_by_identity(struct judge *j, const uint8_t identity[32],
                               struct verdict_entry *out)
{
    struct stmt q;
    struct err err = db_use(j->st->db,
                            "SELECT number, epoch, device_seq, outcome, body IS NOT NULL, device"
                            " FROM verdict WHERE +device = ?1 AND identity = ?2",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, planted(DEDUPE_FORGOTTEN) ? -1 : (int64_t)j->device);
    bind_blob(&q, 2, bytes_of(identity, 32));
    return read_entry(&q, out);
}

/* 2 is OUTCOME_PARKED. */
struct err verdict_by_kin(struct judge *j, const uint8_t identity[32], struct verdict_entry *out)
{
    static const char sql[] =
        "SELECT v.number, v.epoch, v.device_seq, v.outcome, v.body IS NOT NULL, v.device"
        " FROM device_key k JOIN verdict v ON +v.device = k.number AND v.identity = ?3"
        " WHERE k.family = ?1 AND k.family > 0 AND k.number <> ?2 AND v.outcome <> 2"
        " ORDER BY v.device LIMIT 1";
    struct stmt q;
    if (j->family == 0) {
        return err_make(ERR_NOT_FOUND, 0, "verdict_by_kin");
    }
    struct err err = db_use(j->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, j->family);
    bind_int(&q, 2, j->device);
    bind_blob(&q, 3, bytes_of(identity, 32));
    return read_entry(&q, out);
}

struct err verdict_reason(struct judge *j, const struct verdict_entry *known, struct arena *arena,
                          struct verdict *out)
{
    struct stmt q;
    struct err err =
        db_use(j->st->db, "SELECT body FROM verdict WHERE device = ?1 AND number = ?2", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, known->device);
    bind_int(&q, 2, (int64_t)known->number);
    if (!db_step_row(&q) || col_is_null(&q, 0)) {
        err = stmt_err(&q, "verdict_reason");
        stmt_reset(&q);
        return err; /* an older program kept none */
    }
    struct verdict stored = {.number = known->number};
    err = verdict_body_take(col_bytes(&q, 0), arena, &stored);
    stmt_reset(&q);
    if (err.code == ERR_OK) {
        memcpy(out->code, stored.code, sizeof out->code);
        memcpy(out->field, stored.field, sizeof out->field);
        out->detail = stored.detail;
    }
    return err;
}

struct err verdict_by_seq(struct judge *j, uint64_t device_seq, struct verdict_entry *out)
{
    struct stmt q;
    struct err err = db_use(j->st->db,
                            "SELECT number, epoch, device_seq, outcome, body IS NOT NULL, device"
                            " FROM verdict WHERE device = ?1 AND epoch = ?2 AND device_seq = ?3",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, j->device);
    bind_int(&q, 2, j->epoch);
    bind_int(&q, 3, (int64_t)device_seq);
    return read_entry(&q, out);
}

/* ---- what is told of a row ---- */

/* Columns that this device and epoch wrote in earlier transactions: it has them, and what they were
 * merged into stood in those verdicts. */
static uint64_t own_earlier(const struct judge *j, const struct work_row *row, uint64_t among)
{
    uint64_t own = 0;
    for (unsigned n = 0; n <= COLUMNS_MAX; n++) {
        if ((among >> n & 1) != 0) {
            const struct version *v = rowmeta_of(&row->meta, n);
            bool earlier = v->seq != row->seq || !row->touched;
            if (v->author == j->device && v->epoch == j->epoch && earlier) {
                own |= UINT64_C(1) << n;
            }
        }
    }
    return own;
}

/* What the person may see of the row, as everything else that goes to a device. */
static uint64_t visible_of(const struct judge *j, const struct work_row *row)
{
    const struct table *t = row->table;
    uint64_t visible = table_visible(t, j->permit->role, j->catalogue);
    if (t->number == TABLE_kept_value) {
        int64_t column = row->values[COLUMN_kept_value_column_no].i & 63;
        return permit_hide_quotes(j->permit->role, j->catalogue, t,
                                  row->values[COLUMN_kept_value_table_no].i, UINT64_C(1) << column,
                                  visible);
    }
    return t->number != TABLE_proposal
               ? visible
               : permit_hide_quotes(j->permit->role, j->catalogue, t,
                                    row->values[COLUMN_proposal_table_no].i,
                                    (uint64_t)row->values[COLUMN_proposal_columns].i, visible);
}

/* Newer than the sender's cursor and not its own; and whatever it wrote that came to something
 * else, however old that is: the sender still shows what it wrote. */
static uint64_t unseen_of(const struct judge *j, const struct work_row *row, bool rewritten)
{
    uint64_t visible = visible_of(j, row);
    if (row->deleted_at == 0) {
        visible &= ~UINT64_C(1);
    }
    if (row->fresh) {
        return row->written & visible & ~row->stands;
    }
    uint64_t newer = rowmeta_newer(&row->meta, visible, dones_of(&j->dones, row->scope));
    uint64_t lacks = rewritten ? newer : newer & ~row->stands & ~own_earlier(j, row, newer);
    lacks = planted(UNSEEN_UNTOLD) ? 0 : lacks;
    return lacks | (row->differs & visible);
}

static struct err tell_row(const struct judge *j, struct work *w, const struct work_row *row,
                           bool rewritten, struct verdict_row *out)
{
    struct scope *scope = NULL;
    struct err err = scope_get(w->st, row->scope, &scope);
    if (err.code != ERR_OK) {
        return err;
    }
    *out = (struct verdict_row){.table = row->table->number, .scope = scope->id, .seq = row->seq};
    memcpy(out->id, row->id, sizeof out->id);
    uint64_t unseen = unseen_of(j, row, rewritten);
    if (unseen == 0) {
        return err_ok();
    }
    out->unseen = arena_array(w->arena, (size_t)__builtin_popcountll(unseen), sizeof *out->unseen);
    if (out->unseen == NULL) {
        return err_make(ERR_LIMIT, 0, "tell_row");
    }
    for (unsigned n = 0; n <= COLUMNS_MAX; n++) {
        if ((unseen >> n & 1) != 0) {
            out->unseen[out->unseen_count++] = (struct cell){
                .column = (uint8_t)n,
                .value = n == COLUMN_DELETED ? value_int(row->deleted_at) : row->values[n]};
        }
    }
    return err_ok();
}

struct err verdict_rows(const struct judge *j, struct work *w, struct work_row **rows, size_t count,
                        bool rewritten, struct verdict *out)
{
    out->rows = arena_array(w->arena, count, sizeof *out->rows);
    struct err err = out->rows == NULL ? err_make(ERR_LIMIT, 0, "verdict_rows") : err_ok();
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        bool held = false; /* it may have been moved away before this work on it came */
        err = permit_holds(j->permit, j->st, rows[i]->scope, &held);
        if (err.code == ERR_OK && held) {
            err = tell_row(j, w, rows[i], rewritten, &out->rows[out->row_count++]);
        }
    }
    return err;
}

/* ---- storing ---- */

static struct err insert(struct judge *j, const struct verdict *v, const uint8_t identity[32],
                         struct bytes body)
{
    struct stmt q;
    struct err err =
        db_use(j->st->db,
               "INSERT OR FAIL INTO verdict (device, number, epoch, device_seq, identity,"
               " outcome, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
               &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, j->device);
    bind_int(&q, 2, (int64_t)v->number);
    bind_int(&q, 3, v->epoch);
    bind_int(&q, 4, (int64_t)v->device_seq);
    bind_blob(&q, 5, bytes_of(identity, 32));
    bind_int(&q, 6, v->outcome);
    bind_blob(&q, 7, body);
    return db_step_done(&q, "verdict_insert");
}

static struct err drop(struct judge *j, uint64_t number)
{
    struct stmt q;
    struct err err = db_use(j->st->db, "DELETE FROM verdict WHERE device = ?1 AND number = ?2", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, j->device);
    bind_int(&q, 2, (int64_t)number);
    return db_step_done(&q, "verdict_drop");
}

struct err verdict_store(struct judge *j, const struct verdict *v, const uint8_t identity[32],
                         uint64_t old)
{
    struct buf body;
    buf_init(&body, MESSAGE_BYTES_MAX);
    struct err err = verdict_body_put(v, &body);
    if (err.code == ERR_OK && old != 0) {
        err = drop(j, old);
    }
    if (err.code == ERR_OK) {
        err = insert(j, v, identity, buf_bytes(&body));
    }
    buf_release(&body);
    return err;
}

struct err verdicts_acknowledge(struct store *st, uint32_t device, uint64_t from, uint64_t number)
{
    struct stmt q;
    struct err err = db_use(st->db,
                            "UPDATE verdict SET body = NULL WHERE device = ?1 AND number > ?2"
                            " AND number <= ?3 AND outcome <> 3", /* OUTCOME_REFUSED */
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, device);
    bind_int(&q, 2, (int64_t)from);
    bind_int(&q, 3, (int64_t)number);
    return db_step_done(&q, "verdicts_acknowledge");
}

struct err verdicts_each(struct store *st, uint32_t device, uint32_t epoch, uint64_t after,
                         struct arena *arena,
                         struct err (*each)(void *context, const struct verdict *v,
                                            const uint8_t identity[32]),
                         void *context)
{
    struct stmt q;
    struct err err = db_use(st->db,
                            "SELECT body, identity, number, device_seq, outcome FROM verdict"
                            " WHERE device = ?1 AND number > ?2"
                            " AND epoch = ?3 AND body IS NOT NULL ORDER BY number",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, device);
    bind_int(&q, 2, (int64_t)after);
    bind_int(&q, 3, epoch);
    while (err.code == ERR_OK && db_step_row(&q)) {
        struct bytes identity = col_bytes(&q, 1);
        struct verdict v = {.number = (uint64_t)col_int(&q, 2),
                            .epoch = epoch,
                            .device_seq = (uint64_t)col_int(&q, 3),
                            .outcome = (uint8_t)col_int(&q, 4)};
        err = verdict_body_take(col_bytes(&q, 0), arena, &v);
        if (err.code == ERR_OK && identity.size != 32) {
            err = err_make(ERR_CORRUPT, 0, "verdicts_each");
        }
        if (err.code == ERR_OK) {
            err = each(context, &v, identity.at);
        }
    }
    if (err.code == ERR_OK) {
        return stmt_err(&q, "verdicts_each");
    }
    stmt_reset(&q);
    return err;
}
