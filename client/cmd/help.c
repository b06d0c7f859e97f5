/* See help.h. */
#include "client/cmd/help.h"

#define NAME_WIDTH 16

static const char *help_of(const struct app *app, const struct command *c)
{
    return app->chinese ? c->help_zh : c->help;
}

static void put_phrase(const struct app *app, enum phrase phrase, FILE *to)
{
    fprintf(to, "%s\n", phrase_text(phrase, app->chinese));
}

static void list_line(const struct app *app, const struct command *c, FILE *to)
{
    fprintf(to, "  %-*s %s\n", NAME_WIDTH, c->name, help_of(app, c));
}

void help_program(const struct app *app, FILE *to)
{
    put_phrase(app, PHRASE_HELP_TOP, to);
    for (size_t i = 0; i < command_count(); i++) {
        list_line(app, command_at(i), to);
    }
    put_phrase(app, PHRASE_HELP_END, to);
}

void help_command(const struct app *app, const struct command *c)
{
    printf("legwork %s%s%s%s%s%s\n\n%s\n\n", c->name, c->operands[0] ? " " : "", c->operands,
           c->options[0] ? " [" : "", c->options, c->options[0] ? "]" : "", help_of(app, c));
    put_phrase(app, PHRASE_HELP_COMMON, stdout);
}

bool help_group(const struct app *app, const char *word, FILE *to)
{
    size_t size = strlen(word);
    bool found = false;
    for (size_t i = 0; i < command_count(); i++) {
        const struct command *c = command_at(i);
        if (strncmp(c->name, word, size) == 0 && (c->name[size] == ' ' || c->name[size] == 0)) {
            list_line(app, c, to);
            found = true;
        }
    }
    return found;
}
