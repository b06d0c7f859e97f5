/* What needs a look: transactions of this device that the server refused, parked or merged, and
 * values of its person that lost against somebody else's write without a transaction of this
 * device being involved (`kept`: from another device of the same person, or written long ago). */
#ifndef CLIENT_CMD_INBOX_H
#define CLIENT_CMD_INBOX_H

#include "client/cmd/app.h"

struct inbox_entry {
    int64_t id;
    int64_t tx;
    const char *kind; /* refused, held, merged, parked */
    struct complaint why;
    struct bytes losers; /* as stored: eight CBOR values each */
    int64_t at;
    const char *done; /* NULL: open */
};

/* One value that lost, of an entry or of a kept_value row. */
struct lost_value {
    const struct table *table;
    const struct column *column;
    uint8_t row[16];
    uint8_t kept_id[16];
    struct value kept;
    struct value winner;
    uint8_t winner_person[16]; /* zero: the server */
    int64_t winner_at;
};
/* Takes the next one off `rest`; false: the end, or a table that this program doesn't know. */
bool lost_value_next(struct bytes *rest, struct lost_value *out);

/* A value as kept_value holds it: JSON of column_json. False: not of the column's type. */
MUST_USE bool lost_value_parse(const struct column *c, struct bytes json, struct arena *arena,
                               struct value *out);

/* ERR_NOT_FOUND: no such entry. Lives in the app's arena. */
MUST_USE struct err inbox_entry_get(struct app *app, int64_t id, struct inbox_entry *out);

#endif
