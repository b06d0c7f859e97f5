/* What --help prints: everything from the command table. */
#ifndef CLIENT_CMD_HELP_H
#define CLIENT_CMD_HELP_H

#include "client/cmd/app.h"

void help_program(const struct app *app, FILE *to);
void help_command(const struct app *app, const struct command *command);
/* The commands whose first word is `word`; false: there is none. */
bool help_group(const struct app *app, const char *word, FILE *to);

#endif
