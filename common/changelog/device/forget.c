/* See forget.h. */
#include "common/changelog/device/forget.h"

#include "common/changelog/device/search.h"

bool forget_is_due(const struct table *t, const struct rows *rows, const struct row *row)
{
    const struct column *c = table_column_named(t, "erased_at");
    for (size_t i = 0; c != NULL && i < rows->column_count; i++) {
        if (rows->columns[i] == c->number) {
            return row->values[i].kind != VALUE_NULL;
        }
    }
    return false;
}

struct err forget_row(struct db *db, const struct table *t, const uint8_t id[16])
{
    /* an id's 16 bytes stand nowhere by chance */
    static const char *const steps[] = {
        "DELETE FROM sent WHERE state IN (1, 2) AND instr(body, ?1) > 0",
        "UPDATE sent SET body = x'' WHERE state = 4 AND instr(body, ?1) > 0",
        "UPDATE inbox SET losers = NULL WHERE instr(losers, ?1) > 0",
    };
    struct err err = err_ok();
    size_t count = planted(DEVICE_REMEMBERS) ? 0 : count_of(steps);
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        struct stmt q;
        err = db_use(db, steps[i], &q);
        if (err.code == ERR_OK) {
            bind_id(&q, 1, id);
            err = db_step_done(&q, "forget_row");
        }
    }
    return err.code == ERR_OK ? search_forget(db, t->number, id) : err;
}

struct err forget_sent(struct db *db, int64_t tx)
{
    struct stmt q;
    struct err err = db_use(db, "UPDATE sent SET body = x'' WHERE tx = ?1", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, tx);
    return db_step_done(&q, "forget_sent");
}
