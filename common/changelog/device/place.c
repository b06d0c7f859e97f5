/* Where a row's work stands, as people see it: on this device, on the server, or needing them. */
#include "common/changelog/device/outbox.h"
#include "common/changelog/device/replica.h"
#include "common/changelog/device/sent.h"

#define PLACE_ARENA_MAX (4 * TX_BYTES_MAX)
#define OPEN_MAX        1000 /* refused transactions looked at */

static struct err touches(struct replica *r, int64_t tx, const struct table *t,
                          const uint8_t id[16], bool *found)
{
    struct arena arena;
    struct transaction sent;
    arena_init(&arena, PLACE_ARENA_MAX);
    struct err err = sent_transaction(r->db, tx, &arena, &sent);
    for (size_t i = 0; err.code == ERR_OK && i < sent.change_count; i++) {
        const struct change *change = &sent.changes[i];
        *found |= change->table == t->number && memcmp(change->id, id, sizeof change->id) == 0;
    }
    arena_release(&arena);
    return err.code == ERR_NOT_FOUND ? err_ok() : err;
}

static struct err needs_you(struct replica *r, const struct table *t, const uint8_t id[16],
                            bool *found)
{
    static const char sql[] = "SELECT tx FROM inbox WHERE done IS NULL AND"
                              " kind IN ('refused', 'held') ORDER BY id DESC LIMIT ?1";
    struct stmt st;
    *found = false;
    struct err err = db_use(r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, OPEN_MAX);
    while (err.code == ERR_OK && !*found && db_step_row(&st)) {
        err = touches(r, col_int(&st, 0), t, id, found);
    }
    if (err.code == ERR_OK) {
        err = stmt_err(&st, "replica_row_place");
    }
    stmt_reset(&st);
    return err;
}

struct err replica_row_place(struct replica *r, const struct table *t, const uint8_t id[16],
                             enum row_place *out)
{
    bool refused = false;
    int64_t version = db_data_version(r->db);
    if (version != r->outbox_version) {
        outbox_reset(r); /* another process may have synced */
        r->outbox_version = version;
    }
    struct err err = outbox_refresh(r);
    if (err.code != ERR_OK) {
        return err;
    }
    if (outbox_of_row(r, t->number, id) != NULL) {
        *out = ROW_ON_DEVICE;
        return err;
    }
    err = needs_you(r, t, id, &refused);
    *out = refused ? ROW_NEEDS_YOU : ROW_ON_SERVER;
    return err;
}
