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

static bool has_word(const struct line *line, const char *word)
{
    for (int i = 0; i < line->count; i++) {
        if (strcmp(line->words[i], word) == 0) {
            return true;
        }
    }
    return false;
}

/* No command's name: help, the version, or a mistake. */
static enum exit_code run_nothing(const struct app *app, const struct line *line)
{
    if (has_word(line, "--version")) {
        printf("legwork %s\n", LEGWORK_VERSION);
        return EXIT_DONE;
    }
    bool asked = has_word(line, "--help") || has_word(line, "-h");
    const char *word = line->first < line->count ? line->words[line->first] : "";
    if (word[0] != 0 && help_group(app, word, asked ? stdout : stderr)) {
        return asked ? EXIT_DONE : EXIT_USAGE;
    }
    if (asked) {
        help_program(app, stdout);
        return EXIT_DONE;
    }
    if (line->count == 0) {
        help_program(app, stderr);
        return EXIT_USAGE;
    }
    if (word[0] == 0) {
        return usage_error(app, PHRASE_USAGE_UNKNOWN_OPTION, line->words[0]);
    }
    return usage_error(app, PHRASE_USAGE_UNKNOWN, word);
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
