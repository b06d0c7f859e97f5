/* The words of a command line, read by what the command's row in commands.def says it takes:
 *
 *   operands  "CUSTOMER [DATE]", "TABLE FIELD=VALUE…": one word each; [ ] may be left out, … may
 *             be repeated
 *   options   "--submit --note TEXT": a capital word after an option is its value
 *
 * --json, --home DIR and --help go with every command and may stand anywhere; -- ends options. */
#ifndef CLIENT_CMD_ARGUMENTS_H
#define CLIENT_CMD_ARGUMENTS_H

#include "client/phrase.h"

#define OPERANDS_MAX 256
#define OPTIONS_MAX  16

struct option {
    char name[24];     /* with its dashes */
    const char *value; /* "" for one that takes none */
};

struct arguments {
    const char *operands[OPERANDS_MAX];
    size_t operand_count;
    struct option options[OPTIONS_MAX];
    size_t option_count;
    bool json;
    bool help;
    const char *home; /* NULL: not given */
};

/* What is wrong with a line, for people: a phrase and what it is about. */
struct usage_error {
    enum phrase phrase;
    char about[64];
};

/* `words` is what stands behind the command's name. `arguments` borrows from it. */
MUST_USE bool arguments_parse(struct arguments *arguments, int count, char *const *words,
                              const char *operands, const char *options, struct usage_error *why);
/* NULL: the option wasn't given. */
const char *arguments_option(const struct arguments *a, const char *name);
/* NULL beyond the last. */
const char *arguments_operand(const struct arguments *a, size_t index);

#endif
