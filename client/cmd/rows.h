/* Rows of catalogue tables as people and programs read them. */
#ifndef CLIENT_CMD_ROWS_H
#define CLIENT_CMD_ROWS_H

#include "client/cmd/app.h"
#include "common/changelog/device/row.h"

/* {"id":…,"name":…}: every column by its catalogue name. */
void row_json(const struct table *t, const struct stored_row *row, struct buf *out);
/* A value as people read it; a reference is called by its row's name. */
void value_print(struct app *app, const struct column *c, const struct value *v, struct buf *out);
/* Reads a row and prints it: one JSON object, or a line for each value that isn't empty. */
MUST_USE struct err row_show(struct app *app, const struct table *t, const uint8_t id[16]);

/* After the commit: "Saved: customer D7-0001, on this device", or the row as JSON. */
enum exit_code say_saved(struct app *app, const struct table *t, const uint8_t id[16]);

enum phrase place_phrase(enum row_place place);

#endif
