/* See dones.h. */
#include "common/changelog/server/dones.h"

static int by_scope(const void *a, const void *b)
{
    const struct done *x = a;
    const struct done *y = b;
    return (x->scope > y->scope) - (x->scope < y->scope);
}

static struct err read_enrolled(struct store *st, struct dones *out)
{
    struct stmt q;
    struct err err = db_use(st->db, "SELECT enrolled_at FROM device_key WHERE number = ?1", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, out->device);
    if (db_step_row(&q)) {
        out->enrolled_ms = col_int(&q, 0);
    }
    err = stmt_err(&q, "read_enrolled");
    stmt_reset(&q);
    return err;
}

struct err dones_read(struct store *st, uint32_t device, const struct hello *hello,
                      struct arena *arena, struct dones *out)
{
    *out = (struct dones){.device = device,
                          .at = arena_array(arena, hello->cursor_count, sizeof *out->at)};
    struct err err = out->at == NULL ? err_make(ERR_NOMEM, 0, "dones_read") : err_ok();
    if (err.code == ERR_OK) {
        err = read_enrolled(st, out);
    }
    for (size_t i = 0; i < hello->cursor_count && err.code == ERR_OK; i++) {
        int64_t no = 0;
        err = store_scope(st, &hello->cursors[i].scope, false, &no);
        if (err.code == ERR_OK) {
            out->at[out->count++] = (struct done){.scope = no, .done = hello->cursors[i].done};
        } else if (err.code == ERR_NOT_FOUND) {
            err = err_ok();
        }
    }
    if (out->at != NULL && out->count > 0) {
        qsort(out->at, out->count, sizeof *out->at, by_scope);
    }
    return err;
}

static const struct done *find(const struct dones *dones, int64_t scope)
{
    const struct done key = {.scope = scope};
    return dones->count == 0 ? NULL
                             : bsearch(&key, dones->at, dones->count, sizeof *dones->at, by_scope);
}

bool dones_has(const struct dones *dones, int64_t scope)
{
    return find(dones, scope) != NULL;
}

int64_t dones_of(const struct dones *dones, int64_t scope)
{
    const struct done *found = find(dones, scope);
    return found == NULL ? 0 : found->done;
}

struct err dones_before(const struct dones *dones, struct store *st, int64_t scope, int64_t seq,
                        bool *out)
{
    struct stmt q;
    *out = dones_has(dones, scope) && dones_of(dones, scope) < seq;
    struct err err =
        db_use(st->db, "SELECT heard FROM device_scope WHERE device = ?1 AND scope = ?2", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, dones->device);
    bind_int(&q, 2, scope);
    if (db_step_row(&q)) {
        *out = *out && col_int(&q, 0) < seq;
    }
    err = stmt_err(&q, "dones_before");
    stmt_reset(&q);
    return err;
}

static struct err store_one(struct store *st, uint32_t device, const struct done *at)
{
    static const char sql[] =
        "INSERT INTO device_scope (device, scope, done, heard) VALUES (?1, ?2, ?3, ?3)"
        " ON CONFLICT (device, scope) DO UPDATE"
        " SET done = excluded.done, heard = max(device_scope.heard, excluded.done), held = 1"
        " WHERE device_scope.done <> excluded.done OR device_scope.held = 0";
    struct stmt q;
    struct err err = db_use(st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, device);
    bind_int(&q, 2, at->scope);
    bind_int(&q, 3, at->done);
    return db_step_done(&q, "dones_store");
}

static struct err store_left(struct store *st, uint32_t device, int64_t scope)
{
    static const char sql[] = "UPDATE device_scope SET held = 0 WHERE device = ?1 AND scope = ?2";
    struct stmt q;
    struct err err = db_use(st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, device);
    bind_int(&q, 2, scope);
    return db_step_done(&q, "dones_store");
}

/* Scopes that the device held before and says nothing of now. Their rows stay, for what it has
 * heard there. */
static struct err store_lefts(struct store *st, const struct dones *dones)
{
    static const char sql[] = "SELECT scope FROM device_scope WHERE device = ?1 AND held = 1";
    int64_t left[SCOPES_MAX];
    size_t count = 0;
    struct stmt q;
    struct err err = db_use(st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, dones->device);
    while (count < count_of(left) && db_step_row(&q)) {
        left[count] = col_int(&q, 0);
        count += dones_has(dones, left[count]) ? 0 : 1;
    }
    err = stmt_err(&q, "dones_store");
    stmt_reset(&q);
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        err = store_left(st, dones->device, left[i]);
    }
    return err;
}

struct err dones_store(struct store *st, const struct dones *dones)
{
    struct err err = err_ok();
    for (size_t i = 0; i < dones->count && err.code == ERR_OK; i++) {
        err = store_one(st, dones->device, &dones->at[i]);
    }
    return err.code == ERR_OK ? store_lefts(st, dones) : err;
}
