/* Rows of a table that have some values, in columns or as JSON; every listing command ends here. */
#ifndef CLIENT_CMD_LIST_H
#define CLIENT_CMD_LIST_H

#include "client/cmd/entry.h"

/* Heeds --limit and --json. */
enum exit_code list_rows(struct app *app, const struct entry *filter);

#endif
