/* See dones.h. */
#include "common/changelog/dones.h"

static int by_scope(const void *a, const void *b)
{
    const struct done *x = a;
    const struct done *y = b;
    return (x->scope > y->scope) - (x->scope < y->scope);
}

struct err dones_read(struct store *st, const struct hello *hello, struct arena *arena,
                      struct dones *out)
{
    *out = (struct dones){.at = arena_array(arena, hello->cursor_count, sizeof *out->at)};
    struct err err = out->at == NULL ? err_make(ERR_NOMEM, 0, "dones_read") : err_ok();
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

int64_t dones_of(const struct dones *dones, int64_t scope)
{
    const struct done key = {.scope = scope};
    const struct done *found =
        dones->count == 0 ? NULL
                          : bsearch(&key, dones->at, dones->count, sizeof *dones->at, by_scope);
    return found == NULL ? 0 : found->done;
}

struct err dones_store(struct store *st, uint32_t device, const struct dones *dones)
{
    static const char sql[] = "INSERT INTO device_scope (device, scope, done) VALUES (?1, ?2, ?3)"
                              " ON CONFLICT (device, scope) DO UPDATE SET done = excluded.done"
                              " WHERE done <> excluded.done";
    struct err err = err_ok();
    for (size_t i = 0; i < dones->count && err.code == ERR_OK; i++) {
        struct stmt q;
        err = db_use(st->db, sql, &q);
        if (err.code == ERR_OK) {
            bind_int(&q, 1, device);
            bind_int(&q, 2, dones->at[i].scope);
            bind_int(&q, 3, dones->at[i].done);
            err = db_step_done(&q, "dones_store");
        }
    }
    return err;
}
