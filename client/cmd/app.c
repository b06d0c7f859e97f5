/* See app.h. */
#include "client/cmd/app.h"

#include "common/base/complaint.h"

static const struct command commands[] = {
#define COMMAND(function, name, operands, options, en, zh)                                         \
    {name, operands, options, en, zh, command_##function},
#include "client/cmd/commands.def"
#undef COMMAND
};

size_t command_count(void)
{
    return count_of(commands);
}

const struct command *command_at(size_t index)
{
    assert(index < count_of(commands));
    return &commands[index];
}

static void speak(FILE *to, bool chinese, enum phrase phrase, va_list list)
{
    const char *args[PHRASE_ARGS_MAX + 1] = {NULL};
    for (size_t i = 0; i < PHRASE_ARGS_MAX; i++) {
        args[i] = va_arg(list, const char *);
        if (args[i] == NULL) {
            break;
        }
    }
    struct buf text;
    buf_init(&text, APP_OUTPUT_BYTES_MAX);
    phrase_fill(phrase, chinese, args, &text);
    fprintf(to, "%s\n", buf_text(&text));
    buf_release(&text);
}

void say(const struct app *app, enum phrase phrase, ...)
{
    if (app->arguments.json) {
        return;
    }
    va_list list;
    va_start(list, phrase);
    speak(stdout, app->chinese, phrase, list);
    va_end(list);
}

void warn(const struct app *app, enum phrase phrase, ...)
{
    fflush(stdout); /* the two are read as one where both go to a terminal or a log */
    va_list list;
    va_start(list, phrase);
    speak(stderr, app->chinese, phrase, list);
    va_end(list);
}

enum exit_code usage_error(const struct app *app, enum phrase phrase, const char *about)
{
    fprintf(stderr, "legwork%s%s: ", app->command ? " " : "",
            app->command ? app->command->name : "");
    warn(app, phrase, about, NULL);
    if (app->command != NULL) {
        warn(app, PHRASE_SEE_COMMAND_HELP, app->command->name, NULL);
    } else {
        warn(app, PHRASE_SEE_HELP, NULL);
    }
    return EXIT_USAGE;
}

enum exit_code report_error(const struct app *app, struct err err)
{
    const char *text = err_text(err.code, app->chinese);
    if (err.code == ERR_FULL || err.code == ERR_READONLY) {
        warn(app, PHRASE_NOT_SAVED, text, app->home.dir, NULL);
    } else if (err.code == ERR_VERSION) {
        warn(app, PHRASE_NEWER_REPLICA, NULL);
    } else if (err.code == ERR_BUSY) {
        warn(app, PHRASE_BUSY, app->home.dir, NULL);
    } else {
        warn(app, PHRASE_ERROR, text, err.where ? err.where : "", number_text(err.cause).text,
             NULL);
        const char *detail = app->home.db ? db_message(app->home.db) : "";
        if (err.code == ERR_CORRUPT || err.code == ERR_IO || err.code == ERR_INTERNAL) {
            fprintf(stderr, "%s\n", detail);
        }
        if (err.code == ERR_CORRUPT) {
            warn(app, PHRASE_REBUILD_HINT, NULL);
        }
    }
    return err.code == ERR_NETWORK ? EXIT_OFFLINE : EXIT_REFUSED;
}

enum exit_code report_complaint(const struct app *app, const struct complaint *why)
{
    struct buf text;
    buf_init(&text, ROW_BYTES_MAX);
    complaint_print(why, app->chinese, &text);
    fprintf(stderr, "%s\n", buf_text(&text));
    buf_release(&text);
    return EXIT_REFUSED;
}

enum exit_code report_failure(const struct app *app, struct err err, const struct complaint *why)
{
    if (why->code[0] == 0 || (err.code != ERR_INVALID && err.code != ERR_REFUSED)) {
        return report_error(app, err);
    }
    enum exit_code code = report_complaint(app, why);
    return err.code == ERR_INVALID ? EXIT_USAGE : code;
}

bool app_open(struct app *app, enum exit_code *code)
{
    struct err err = home_find(&app->home, app->arguments.home);
    if (err.code != ERR_OK) {
        warn(app, PHRASE_NO_HOME, NULL);
        *code = EXIT_REFUSED;
        return false;
    }
    err = home_open(&app->home, app->chinese);
    if (err.code == ERR_NOT_FOUND) {
        warn(app, PHRASE_NOT_ENROLLED, app->home.dir, NULL);
        *code = EXIT_REFUSED;
    } else if (err.code != ERR_OK) {
        *code = report_error(app, err);
    } else if (app->home.read_only) {
        warn(app, PHRASE_READ_ONLY, app->home.dir, NULL);
    } else if (app->home.replica.renewed) {
        warn(app, PHRASE_FOREIGN_TRIGGERS, app->home.dir, NULL);
    }
    return err.code == ERR_OK;
}

void put_output(const struct buf *text)
{
    fwrite(text->at, 1, text->size, stdout);
}
