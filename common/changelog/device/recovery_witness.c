/* Rows of the lost part on their way to the server: as the server knew them, without what is
 * pending on them here. See recovery.h. */
#include "common/changelog/device/recovery_internal.h"

#include "common/changelog/device/row.h"
#include "common/changelog/device/under.h"

#define WITNESS_ROWS_MAX 2000 /* of a request */

static struct err scope_by_no(struct replica *r, int64_t no, struct scope_id *out)
{
    struct stmt st;
    struct err err = db_use(r->db, "SELECT kind, id FROM scope WHERE no = ?1", &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, no);
    if (!db_step_row(&st)) {
        err = stmt_err(&st, "recovery");
        return err.code != ERR_OK ? err : err_make(ERR_CORRUPT, 0, "recovery: scope");
    }
    out->kind = (uint8_t)col_int(&st, 0);
    bool good = col_id(&st, 1, out->id);
    stmt_reset(&st);
    return good ? err_ok() : err_make(ERR_CORRUPT, 0, "recovery: scope");
}

static struct err lost_of(struct replica *r, const struct table *t, int64_t start, size_t room,
                          uint8_t (*ids)[16], size_t *count)
{
    struct sqltext sql;
    struct stmt st;
    *count = 0;
    recovery_put_lost(&sql, "SELECT t.id FROM ", t, " ORDER BY t.id LIMIT ?2");
    struct err err = db_use(r->db, sql.at, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, start);
    bind_int(&st, 2, (int64_t)room);
    while (db_step_row(&st)) {
        if (col_id(&st, 0, ids[*count])) {
            (*count)++;
        }
    }
    return stmt_err(&st, "recovery");
}

/* The value below a pending edit is the server's. */
static struct err server_value(struct replica *r, const struct table *t, const uint8_t id[16],
                               uint8_t column, struct arena *arena, struct value *v)
{
    struct under below;
    if ((outbox_pending_columns(r, t->number, id) >> column & 1) == 0) {
        return err_ok();
    }
    struct err err = under_get(r->db, t->number, id, column, arena, &below);
    if (err.code == ERR_OK && below.found) {
        *v = below.value;
    }
    return err;
}

static size_t size_of(const struct value *v)
{
    return 9 + (v->kind == VALUE_TEXT || v->kind == VALUE_BLOB ? v->b.size : 0);
}

static struct err make_message(struct replica *r, const struct table *t, const uint8_t id[16],
                               struct arena *arena, struct rows *out, size_t *bytes)
{
    struct stored_row stored;
    struct err err = row_get(r->db, t, id, arena, &stored);
    if (err.code != ERR_OK) {
        return err;
    }
    *out = (struct rows){.table = t->number, .whole = true, .count = 1};
    out->rows = arena_array(arena, 1, sizeof *out->rows);
    if (out->rows == NULL) {
        return err_make(ERR_NOMEM, 0, "recovery");
    }
    memcpy(out->rows->id, id, 16);
    out->rows->seq = stored.seq;
    out->rows->values = stored.values;
    err = scope_by_no(r, stored.scope, &out->scope);
    for (size_t i = 0; i < t->column_count && err.code == ERR_OK; i++) {
        out->columns[out->column_count++] = t->columns[i].number;
        err = server_value(r, t, id, t->columns[i].number, arena, &stored.values[i]);
        *bytes += size_of(&stored.values[i]);
    }
    return err;
}

static struct err add_table(struct replica *r, const struct table *t, int64_t start,
                            size_t bytes_max, struct arena *arena, struct witnesses *out,
                            size_t *bytes)
{
    size_t room = WITNESS_ROWS_MAX - out->count;
    size_t count = 0;
    uint8_t(*ids)[16] = arena_array(arena, room, sizeof *ids);
    struct err err =
        ids == NULL ? err_make(ERR_NOMEM, 0, "recovery") : lost_of(r, t, start, room, ids, &count);
    for (size_t i = 0; i < count && *bytes < bytes_max && err.code == ERR_OK; i++) {
        err = make_message(r, t, ids[i], arena, &out->messages[out->message_count], bytes);
        if (err.code == ERR_OK) {
            out->refs[out->count].table = t;
            memcpy(out->refs[out->count++].id, ids[i], 16);
            out->message_count++;
        }
    }
    return err;
}

struct err recovery_witnesses(struct replica *r, size_t bytes_max, struct arena *arena,
                              struct witnesses *out)
{
    int64_t start = 0;
    size_t bytes = 0;
    *out =
        (struct witnesses){.refs = arena_array(arena, WITNESS_ROWS_MAX, sizeof *out->refs),
                           .messages = arena_array(arena, WITNESS_ROWS_MAX, sizeof *out->messages)};
    if (out->refs == NULL || out->messages == NULL) {
        return err_make(ERR_NOMEM, 0, "recovery");
    }
    struct err err = recovery_start(r, &start);
    if (err.code == ERR_OK) {
        err = outbox_refresh(r);
    }
    for (size_t i = 0; i < catalogue_table_count() && bytes < bytes_max &&
                       out->count < WITNESS_ROWS_MAX && err.code == ERR_OK;
         i++) {
        err = add_table(r, catalogue_table_at(i), start, bytes_max, arena, out, &bytes);
    }
    return err;
}

struct err recovery_witnessed(struct apply *a, const struct witnesses *arrived)
{
    struct err err = err_ok();
    for (size_t i = 0; i < arrived->count && err.code == ERR_OK; i++) {
        const struct witness_ref *ref = &arrived->refs[i];
        struct row_stamp stamp;
        err = lay_stamp_of(a->r->db, ref->table, ref->id, &stamp);
        if (err.code == ERR_OK && stamp.found) {
            stamp.seq = 0;
            err = lay_cells(a->r->db, ref->table, ref->id, NULL, 0, &stamp);
        }
    }
    return err;
}
