/* See edit.h. */
#include "common/base/base.h"

#include "common/base/uuid.h"
#include "server/admin/edit.h"
#include "server/store/machine.h"

struct err edit_begin(struct edit *e, struct store *st, const char *intent)
{
    *e = (struct edit){.st = st};
    struct err err = db_begin(st->db, DB_LOCK_WRITE);
    if (err.code != ERR_OK) {
        return err;
    }
    err = server_write_begin(st, NULL, intent, edit_now_ms(), &e->write);
    return err.code == ERR_OK ? err : db_end(st->db, err);
}

struct err edit_end(struct edit *e, struct err err)
{
    if (err.code == ERR_OK) {
        err = server_write_end(e->write, &e->why);
    } else {
        server_write_cancel(e->write);
    }
    return db_end(e->st->db, err);
}

struct err edit_put(struct edit *e, uint16_t table, const uint8_t id[16], const struct cell *cells,
                    size_t count)
{
    int64_t seq;
    return server_write_put(e->write, catalogue_table(table), id, cells, count, -1, &seq, NULL,
                            &e->why);
}

int64_t edit_now_ms(void)
{
    return machine_wall_ms();
}

void edit_new_id(struct edit *e, uint8_t id[16])
{
    uint8_t random[UUID_RANDOM_SIZE];
    e->st->host.random(e->st->host.context, random, sizeof random);
    uuid_v7(edit_now_ms(), random, id);
}

void cells_add(struct cells *c, uint8_t column, struct value value)
{
    assert(c->count < EDIT_CELLS_MAX);
    size_t at = c->count++;
    for (; at > 0 && c->at[at - 1].column > column; at--) {
        c->at[at] = c->at[at - 1];
    }
    c->at[at] = (struct cell){.column = column, .value = value};
}

const struct value *cells_find(const struct cells *c, uint8_t column)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->at[i].column == column) {
            return &c->at[i].value;
        }
    }
    return NULL;
}
