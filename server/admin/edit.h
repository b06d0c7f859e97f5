/* A command's change of the store: one database transaction, one transaction of the change log,
 * written by the server itself. All of it or nothing. */
#ifndef SERVER_ADMIN_EDIT_H
#define SERVER_ADMIN_EDIT_H

#include "common/changelog/server/store.h"

#define EDIT_CELLS_MAX 63

struct edit {
    struct store *st;
    struct server_write *write;
    struct complaint why; /* of the first refusal */
};

MUST_USE struct err edit_begin(struct edit *e, struct store *st, const char *intent);
/* Commits where `err` is ERR_OK and all rules hold, else leaves the store as it was. */
MUST_USE struct err edit_end(struct edit *e, struct err err);
/* Inserts or updates, whatever the row's version. */
MUST_USE struct err edit_put(struct edit *e, uint16_t table, const uint8_t id[16],
                             const struct cell *cells, size_t count);
void edit_new_id(struct edit *e, uint8_t id[16]);
int64_t edit_now_ms(void); /* the time of server's writes */

/* Cells of one row, gathered in rising order of columns. */
struct cells {
    struct cell at[EDIT_CELLS_MAX];
    size_t count;
};
void cells_add(struct cells *c, uint8_t column, struct value value);
const struct value *cells_find(const struct cells *c, uint8_t column); /* NULL: not among them */

#endif
