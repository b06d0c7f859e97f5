/* Which row a person means, and how a row is named to a person.
 *
 * A row is meant by its human number (no, SKU, login), by its exact name, by its UUID, or by the
 * UUID's beginning, at least LOOKUP_PREFIX_MIN hexadecimal digits; tried in this order. */
#ifndef CLIENT_CMD_LOOKUP_H
#define CLIENT_CMD_LOOKUP_H

#include "client/cmd/app.h"

#define LOOKUP_PREFIX_MIN     4
#define LOOKUP_CANDIDATES_MAX 8

struct lookup {
    size_t count; /* of ids found, at most LOOKUP_CANDIDATES_MAX */
    uint8_t ids[LOOKUP_CANDIDATES_MAX][16];
};
/* Everything that `text` may mean: one is the answer, none and many are for the caller to tell. */
MUST_USE struct err lookup_find(struct db *db, const struct table *t, const char *text,
                                struct lookup *out);

/* The one row that is meant; false: said on stderr why not, `*code` is what to end with. */
MUST_USE bool lookup_row(struct app *app, const struct table *t, const char *text, uint8_t id[16],
                         enum exit_code *code);
/* The same for a table's name. */
MUST_USE bool lookup_table(struct app *app, const char *name, const struct table **t,
                           enum exit_code *code);

/* The shortest beginning of the id, at least 8 digits, that no other row of the table has now. */
void lookup_short_id(struct db *db, const struct table *t, const uint8_t id[16], char text[37]);
/* What people call the row: its name, else its title or number, else its short id. */
void lookup_label(struct db *db, const struct table *t, const uint8_t id[16], struct buf *out);
/* Number where it has one, else the short id: what one types to mean it. */
void lookup_handle(struct db *db, const struct table *t, const uint8_t id[16], struct buf *out);

#endif
