/* What `field=value` words say, as cells of a row; and what a new row gets without being told. */
#ifndef CLIENT_CMD_ENTRY_H
#define CLIENT_CMD_ENTRY_H

#include "client/cmd/moment.h"

struct entry {
    const struct table *table;
    struct cell cells[COLUMNS_MAX];
    size_t count;
};

/* Reads one word. A reference may be given as a person means a row (lookup.h); a whole UUID is
 * taken as it is, since what it names may be on the server only. False: said why on stderr. */
MUST_USE bool entry_parse_word(struct app *app, const struct table *t, const char *word,
                               const struct column **column, struct value *value,
                               enum exit_code *code);
/* The operands from `first` on. A field given twice is a mistake. */
MUST_USE bool entry_parse(struct app *app, const struct table *t, size_t first, struct entry *out,
                          enum exit_code *code);

void entry_put(struct entry *f, uint8_t column, struct value value);
/* Where `text` isn't NULL: as column_parse reads it. False: said why on stderr. */
MUST_USE bool entry_put_text(struct app *app, struct entry *f, uint8_t column, const char *text,
                             enum exit_code *code);
void entry_put_id(struct entry *f, uint8_t column, const uint8_t id[16]);
bool entry_have(const struct entry *f, uint8_t column);
/* Who, when, where and the first state of every ladder, as far as the line didn't say. Inside the
 * transaction of the row, since it may draw a number. Values live in the app's arena. */
MUST_USE struct err entry_defaults(struct app *app, const struct moment *now, struct entry *f);

/* Puts `f` with its defaults as a new row. */
MUST_USE struct err entry_insert(struct app *app, const struct moment *now, struct entry *f,
                                 const uint8_t id[16], struct complaint *why);

#endif
