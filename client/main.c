/* Start-up: finds the command that the line names, reads its arguments, runs it. */
#include "client/cmd/help.h"

#include <sodium.h>

#define WORDS_MAX 400

/* What was typed. Options may stand before the command's name: `legwork --home DIR status`. */
struct line {
    char *words[WORDS_MAX];
    int count;
    int first; /* where the command's name stands */
};

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] == '-' && word[2] != 0;
}

static bool line_read(struct line *line, int argc, char **argv)
{
    if (argc - 1 > WORDS_MAX) {
        return false;
    }
    for (int i = 1; i < argc; i++) {
        line->words[line->count++] = argv[i];
    }
    while (line->first < line->count && is_option(line->words[line->first])) {
        line->first += strcmp(line->words[line->first], "--home") == 0 ? 2 : 1;
    }
    line->first = line->first < line->count ? line->first : line->count;
    return true;
}

static bool is_name(const char *name, char *const *typed, int words)
{
    size_t size = strlen(typed[0]);
    if (strncmp(name, typed[0], size) != 0) {
        return false;
    }
    return words == 1 ? name[size] == 0
                      : name[size] == ' ' && strcmp(name + size + 1, typed[1]) == 0;
}

/* "visit start" is looked for before "visit". The name's words leave the line. */
static const struct command *take_command(struct line *line)
{
    for (int words = 2; words > 0; words--) {
        for (size_t i = 0; line->first + words <= line->count && i < command_count(); i++) {
            if (is_name(command_at(i)->name, line->words + line->first, words)) {
                line->count -= words;
                memmove(line->words + line->first, line->words + line->first + words,
                        (size_t)(line->count - line->first) * sizeof line->words[0]);
                return command_at(i);
            }
        }
    }
    return NULL;
}

/* No command's name: help, the version, or a mistake. */
static enum exit_code run_nothing(struct app *app, const struct line *line)
{
    struct usage_error why;
    const struct arguments *a = &app->arguments;
    bool fits =
        arguments_parse(&app->arguments, line->count, line->words, "[COMMAND…]", "--version", &why);
    if (!fits) {
        return usage_error(app, why.phrase, why.about);
    }
    if (arguments_option(a, "--version") != NULL) {
        printf("legwork %s\n", LEGWORK_VERSION);
        return EXIT_DONE;
    }
    FILE *to = a->help ? stdout : stderr;
    if (a->operand_count == 0) {
        help_program(app, to);
    } else if (!help_group(app, a->operands[0], to)) {
        return usage_error(app, PHRASE_USAGE_UNKNOWN, a->operands[0]);
    }
    return a->help ? EXIT_DONE : EXIT_USAGE;
}

static enum exit_code run(struct app *app, struct line *line)
{
    app->command = take_command(line);
    if (app->command == NULL) {
        return run_nothing(app, line);
    }
    struct usage_error why;
    if (!arguments_parse(&app->arguments, line->count, line->words, app->command->operands,
                         app->command->options, &why)) {
        return usage_error(app, why.phrase, why.about);
    }
    if (app->arguments.help) {
        help_command(app, app->command);
        return EXIT_DONE;
    }
    return app->command->run(app);
}

int main(int argc, char **argv)
{
    struct app app = {.chinese = language_is_chinese()};
    struct line line = {.count = 0};
    if (!line_read(&line, argc, argv)) {
        return (int)usage_error(&app, PHRASE_USAGE_TOO_MANY, argv[WORDS_MAX]);
    }
    if (sodium_init() < 0) {
        return EXIT_REFUSED;
    }
    arena_init(&app.arena, APP_ARENA_BYTES_MAX);
    enum exit_code code = run(&app, &line);
    home_close(&app.home);
    arena_release(&app.arena);
    /* "Saved" that never reached the reader isn't said: a full disk or a closed pipe shows. */
    if (fflush(stdout) != 0 && code == EXIT_DONE) {
        code = EXIT_REFUSED;
    }
    return (int)code;
}
