/* See sight.h. While a wider role's columns arrive, the replica holds some of them: until all are
 * there `mask` stays the old one, and the setting `sight_arriving` names the new one, so that a
 * role that narrows again before that leaves nothing behind. */
#include "common/changelog/device/sight.h"

#include "common/changelog/device/freeze.h"
#include "protocol/codec.h"

#define ARRIVING "sight_arriving"

struct sight {
    uint32_t mask; /* that all columns are here of */
    uint32_t arriving;
};

static struct err read_sight(struct replica *r, struct sight *out)
{
    static const char sql[] = "SELECT mask, coalesce((SELECT value FROM setting"
                              " WHERE name = '" ARRIVING "'), 0) FROM device_state";
    struct stmt st;
    struct err err = db_use(r->db, sql, &st);
    *out = (struct sight){.mask = 0};
    if (err.code == ERR_OK && db_step_row(&st)) {
        *out = (struct sight){.mask = (uint32_t)col_int(&st, 0),
                              .arriving = (uint32_t)col_int(&st, 1)};
    }
    if (err.code == ERR_OK) {
        err = stmt_err(&st, "read_sight");
        stmt_reset(&st);
    }
    return err;
}

static struct err run(struct replica *r, const char *sql, uint32_t mask)
{
    struct stmt st;
    struct err err = db_use(r->db, sql, &st);
    if (err.code == ERR_OK) {
        bind_int(&st, 1, mask);
        err = db_step_done(&st, "sight");
    }
    return err;
}

/* Values below pending edits are the server's too. */
static struct err erase_under(struct replica *r, const struct column *c)
{
    struct buf none;
    const struct value null = value_null();
    struct stmt st;
    buf_init(&none, 16);
    struct err err =
        value_encode(&null, &none) == WIRE_OK
            ? db_use(r->db, "UPDATE under SET value = ?3 WHERE tbl = ?1 AND col = ?2", &st)
            : err_make(ERR_NOMEM, 0, "erase_under");
    if (err.code == ERR_OK) {
        bind_int(&st, 1, c->table);
        bind_int(&st, 2, c->number);
        bind_blob(&st, 3, buf_bytes(&none));
        err = db_step_done(&st, "erase_under");
    }
    buf_release(&none);
    return err;
}

static struct err erase_column(struct replica *r, const struct table *t, const struct column *c)
{
    char sql[192];
    (void)snprintf(sql, sizeof sql, "UPDATE %s SET %s = NULL WHERE %s IS NOT NULL", t->name,
                   c->name, c->name);
    struct err err = db_exec(r->db, sql);
    return err.code == ERR_OK ? erase_under(r, c) : err;
}

/* Columns that `held` roles see and `mask` doesn't. */
static struct err erase_lost(struct replica *r, uint32_t held, uint32_t mask)
{
    bool frozen = false;
    struct err err = err_ok();
    for (size_t i = 0; i < catalogue_table_count() && err.code == ERR_OK; i++) {
        const struct table *t = catalogue_table_at(i);
        uint64_t lost =
            table_visible(t, held, CATALOGUE_VERSION) & ~table_visible(t, mask, CATALOGUE_VERSION);
        for (size_t k = 0; k < t->column_count && err.code == ERR_OK; k++) {
            if ((lost >> t->columns[k].number & 1) == 0) {
                continue;
            }
            err = frozen ? err_ok() : freeze_all(r); /* pending work takes its values from rows */
            frozen = true;
            err = err.code == ERR_OK ? erase_column(r, t, &t->columns[k]) : err;
        }
    }
    return err;
}

static bool sees_all_of(uint32_t wide, uint32_t narrow)
{
    for (size_t i = 0; i < catalogue_table_count(); i++) {
        const struct table *t = catalogue_table_at(i);
        if ((table_visible(t, narrow, CATALOGUE_VERSION) &
             ~table_visible(t, wide, CATALOGUE_VERSION)) != 0) {
            return false;
        }
    }
    return true;
}

struct err sight_take(struct replica *r, uint32_t mask)
{
    struct sight now;
    struct err err = read_sight(r, &now);
    bool same = now.mask == mask && now.arriving == 0;
    if (err.code != ERR_OK || same || now.arriving == mask) {
        return err;
    }
    err = erase_lost(r, now.mask | now.arriving, mask);
    if (err.code == ERR_OK && now.mask != 0 &&
        sees_all_of(now.mask, mask)) { /* nothing is to arrive */
        return sight_settle(r, mask);
    }
    return err.code == ERR_OK ? run(r,
                                    "INSERT INTO setting (name, value) VALUES ('" ARRIVING "', ?1)"
                                    " ON CONFLICT (name) DO UPDATE SET value = ?1",
                                    mask)
                              : err;
}

struct err sight_settle(struct replica *r, uint32_t mask)
{
    struct err err = run(r, "UPDATE device_state SET mask = ?1", mask);
    return err.code == ERR_OK ? db_exec(r->db, "DELETE FROM setting WHERE name = '" ARRIVING "'")
                              : err;
}
