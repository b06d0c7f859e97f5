/* What every command is given: the line as typed, the language, the home folder, and the two
 * ways to speak. With --json stdout carries one JSON value and nothing else. */
#ifndef CLIENT_CMD_APP_H
#define CLIENT_CMD_APP_H

#include "client/cmd/arguments.h"
#include "client/home.h"

enum exit_code {
    EXIT_DONE = 0,
    EXIT_REFUSED = 1, /* or not found; the reason is on stderr */
    EXIT_USAGE = 2,
    EXIT_OFFLINE = 3 /* the server can't be reached; work is saved */
};

#define APP_ARENA_BYTES_MAX  ((size_t)256 * 1024 * 1024)
#define APP_OUTPUT_BYTES_MAX ((size_t)512 * 1024 * 1024)

struct app {
    bool chinese;
    const struct command *command;
    struct arguments arguments;
    struct home home;
    struct arena arena; /* for the whole command */
};

struct command {
    const char *name; /* one or two words */
    const char *operands;
    const char *options;
    const char *help;
    const char *help_zh;
    enum exit_code (*run)(struct app *app);
};

size_t command_count(void);
const struct command *command_at(size_t index);

/* A line on stdout (not with --json) or on stderr. The arguments are texts, ended by NULL. */
void say(const struct app *app, enum phrase phrase, ...) __attribute__((sentinel));
void warn(const struct app *app, enum phrase phrase, ...) __attribute__((sentinel));
/* A line on stderr about the line as typed, and where help is. */
enum exit_code usage_error(const struct app *app, enum phrase phrase, const char *about);
/* `err` in words, with what it means for the work. */
enum exit_code report_error(const struct app *app, struct err err);
/* What is wrong with a value, by its stable code. */
enum exit_code report_complaint(const struct app *app, const struct complaint *why);
/* Complaint where `err` has one (ERR_INVALID is wrong usage), error else. */
enum exit_code report_failure(const struct app *app, struct err err, const struct complaint *why);

/* Opens the replica; false: said why, `*code` is what to end with. */
MUST_USE bool app_open(struct app *app, enum exit_code *code);
void put_output(const struct buf *text); /* to stdout as it is */

#define COMMAND(function, name, operands, options, en, zh)                                         \
    enum exit_code command_##function(struct app *app);
#include "client/cmd/commands.def"
#undef COMMAND

#endif
