/* See quarantine.h. */
#include "common/changelog/server/quarantine.h"

#include "common/changelog/server/erase_late.h"
#include "common/changelog/server/work.h"
#include "protocol/codec.h"

#include <sodium.h>

#define WITNESS_ARENA_MAX ((size_t)8 * 1024 * 1024)

/* ---- keeping ---- */

static struct err is_full(struct store *st, const uint8_t device[16], bool *full)
{
    struct stmt q;
    struct err err = db_use(st->db,
                            "SELECT count(*) FROM (SELECT 1 FROM quarantine INDEXED BY"
                            " quarantine_waiting WHERE state = 'waiting' AND device = ?1) w",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, device);
    *full = db_step_row(&q) && col_int(&q, 0) >= QUARANTINE_DEVICE_MAX;
    err = stmt_err(&q, "quarantine_put");
    stmt_reset(&q);
    return err;
}

struct err quarantine_put(struct store *st, const struct quarantined *q)
{
    static const char sql[] =
        "INSERT INTO quarantine (kind, device, person, received_at, hash, tbl, row, body)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING";
    uint8_t hash[crypto_hash_sha256_BYTES];
    struct stmt s;
    struct err err = db_use(st->db, sql, &s);
    if (err.code != ERR_OK) {
        return err;
    }
    (void)crypto_hash_sha256(hash, q->body.at, q->body.size);
    bind_text(&s, 1, q->kind);
    bind_id(&s, 2, q->device);
    if (q->has_person) {
        bind_id(&s, 3, q->person);
    }
    bind_int(&s, 4, q->received_ms);
    bind_blob(&s, 5, bytes_of(hash, sizeof hash));
    if (q->table != 0) {
        bind_int(&s, 6, q->table);
        bind_id(&s, 7, q->row);
    }
    bind_blob(&s, 8, q->body);
    return db_step_done(&s, "quarantine_put");
}

/* ---- witnesses ---- */

static struct err find_row(struct store *st, const struct rows *witness, struct arena *arena,
                           struct work *w, struct work_row **row)
{
    const struct version by = {.effective_ms = 0};
    const struct table *t = catalogue_table(witness->table);
    work_init(w, st, arena, &by);
    *row = NULL;
    return t == NULL ? err_ok() : work_find(w, t, witness->rows[0].id, row);
}

/* What the server gives anew when a row is brought back, or this catalogue doesn't know, tells
 * nothing. */
static bool tells(const struct table *t, uint8_t column)
{
    const struct column *c = table_column(t, column);
    return c != NULL && strcmp(c->name, "no") != 0 && strcmp(c->name, "received_at") != 0;
}

static bool is_same(const struct work_row *row, const struct rows *witness)
{
    for (size_t i = 0; i < witness->column_count; i++) {
        uint8_t c = witness->columns[i];
        if (tells(row->table, c) && !value_equal(&row->values[c], &witness->rows[0].values[i])) {
            return false;
        }
    }
    return true;
}

struct err quarantine_state(struct store *st, const struct rows *witness, enum witness_state *out)
{
    struct arena arena;
    struct work w;
    struct work_row *row = NULL;
    arena_init(&arena, WITNESS_ARENA_MAX);
    struct err err = find_row(st, witness, &arena, &w, &row);
    if (err.code == ERR_OK) {
        *out = row == NULL             ? WITNESS_ABSENT
               : row->deleted_at != 0  ? WITNESS_DELETED
               : is_same(row, witness) ? WITNESS_SAME
                                       : WITNESS_DIFFERS;
    }
    work_release(&w);
    arena_release(&arena);
    return err;
}

static struct err keep_one(struct store *st, const struct rows *one, struct quarantined *q)
{
    struct message m = {.kind = MESSAGE_ROWS, .rows = *one};
    struct row row = one->rows[0];
    struct buf body;
    row.seq = 0; /* two devices may have met it under different numbers */
    m.rows.rows = &row;
    buf_init(&body, MESSAGE_BYTES_MAX);
    struct err err = message_encode(&m, &body) == WIRE_OK
                         ? err_ok()
                         : err_make(ERR_LIMIT, 0, "quarantine_witness");
    if (err.code == ERR_OK) {
        q->table = one->table;
        memcpy(q->row, row.id, sizeof q->row);
        q->body = buf_bytes(&body);
        err = quarantine_put(st, q);
    }
    buf_release(&body);
    return err;
}

struct err quarantine_witness(struct store *st, const struct rows *rows, const uint8_t device[16],
                              const uint8_t person[16], int64_t received_ms)
{
    struct quarantined q = {.kind = "witness", .has_person = true, .received_ms = received_ms};
    bool full = false;
    memcpy(q.device, device, sizeof q.device);
    memcpy(q.person, person, sizeof q.person);
    struct err err = is_full(st, device, &full);
    for (size_t i = 0; i < rows->count && !full && err.code == ERR_OK; i++) {
        struct rows one = *rows;
        enum witness_state now = WITNESS_ABSENT;
        bool gone = false;
        one.count = 1;
        one.rows = &rows->rows[i];
        err = erase_strip(st, &one, &gone);
        if (err.code == ERR_OK && !gone) {
            err = quarantine_state(st, &one, &now);
        }
        if (err.code == ERR_OK && !gone && now != WITNESS_SAME) {
            err = keep_one(st, &one, &q);
        }
    }
    return err;
}

struct err quarantine_read(struct bytes body, struct arena *arena, struct rows *out)
{
    struct message m;
    size_t used = 0;
    if (message_decode(body, arena, &m, &used) != WIRE_OK || m.kind != MESSAGE_ROWS ||
        m.rows.count != 1) {
        return err_make(ERR_CORRUPT, 0, "quarantine_read");
    }
    *out = m.rows;
    return err_ok();
}

/* ---- an admin's word ---- */

struct err quarantine_close(struct store *st, int64_t no, const char *kind, const char *state,
                            const char *login, int64_t now_ms)
{
    struct stmt q;
    struct err err = db_use(st->db,
                            "UPDATE quarantine SET state = ?2, decided_at = ?3, decided_by = ?4"
                            " WHERE no = ?1 AND state = 'waiting' AND kind = coalesce(?5, kind)",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, no);
    bind_text(&q, 2, state);
    bind_int(&q, 3, now_ms);
    bind_text(&q, 4, login);
    if (kind != NULL) {
        bind_text(&q, 5, kind);
    }
    err = db_step_done(&q, "quarantine_close");
    return err.code == ERR_OK && db_changes(st->db) == 0
               ? err_make(ERR_NOT_FOUND, 0, "quarantine_close")
               : err;
}

static struct err load(struct store *st, int64_t no, struct arena *arena, struct rows *out)
{
    struct stmt q;
    struct err err = db_use(st->db,
                            "SELECT body FROM quarantine WHERE no = ?1 AND kind = 'witness'"
                            " AND state = 'waiting'",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, no);
    if (!db_step_row(&q)) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_NOT_FOUND, 0, "quarantine_release");
    }
    struct bytes body = arena_copy(arena, col_bytes(&q, 0));
    stmt_reset(&q);
    return body.at == NULL ? err_make(ERR_NOMEM, 0, "quarantine_release")
                           : quarantine_read(body, arena, out);
}

/* The row's cells; of one that is there, what gives its scope stays as it is. */
static size_t cells_of(const struct rows *witness, const struct table *t, bool there,
                       struct cell *cells)
{
    const struct column *home = table_scope_column(t);
    size_t count = 0;
    for (size_t i = 0; i < witness->column_count; i++) {
        const struct column *c = table_column(t, witness->columns[i]);
        if (c != NULL && (!there || c != home)) {
            cells[count++] =
                (struct cell){.column = c->number, .value = witness->rows[0].values[i]};
        }
    }
    return count;
}

static struct err write_row(struct store *st, const struct rows *witness, const uint8_t by[16],
                            int64_t now_ms, struct complaint *why)
{
    const struct table *t = catalogue_table(witness->table);
    struct cell cells[COLUMNS_MAX + 1];
    enum witness_state now = WITNESS_ABSENT;
    struct server_write *w = NULL;
    int64_t seq = 0;
    if (t == NULL) {
        return refuse(why, "unknown_table", NULL, NULL, NULL);
    }
    struct err err = quarantine_state(st, witness, &now);
    size_t count = cells_of(witness, t, now != WITNESS_ABSENT, cells);
    if (err.code == ERR_OK) {
        err = server_write_begin(st, by, "quarantine.release", now_ms, &w);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    err = server_write_put(w, t, witness->rows[0].id, cells, count, -1, &seq, NULL, why);
    if (err.code == ERR_OK) {
        return server_write_end(w, why);
    }
    server_write_cancel(w);
    return err;
}

struct err quarantine_release(struct store *st, int64_t no, const uint8_t by[16], const char *login,
                              int64_t now_ms, struct complaint *why)
{
    struct arena arena;
    struct rows witness;
    arena_init(&arena, WITNESS_ARENA_MAX);
    struct err err = load(st, no, &arena, &witness);
    if (err.code == ERR_OK) {
        err = write_row(st, &witness, by, now_ms, why);
    }
    if (err.code == ERR_OK) {
        err = quarantine_close(st, no, "witness", "released", login, now_ms);
    }
    arena_release(&arena);
    return err;
}
