/* See say.h. */
#include "server/admin/say.h"

#include "common/base/complaint.h"

#define MESSAGE_BYTES_MAX 4096

bool say_in_chinese(void)
{
    static const char *const names[] = {"LEGWORK_LANG", "LC_ALL", "LC_MESSAGES", "LANG"};
    for (size_t i = 0; i < count_of(names); i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && value[0] != 0) {
            return strncmp(value, "zh", 2) == 0;
        }
    }
    return false;
}

const char *say_choose(const char *english, const char *chinese)
{
    return say_in_chinese() ? chinese : english;
}

__attribute__((format(printf, 3, 0), format(printf, 4, 0))) static void
put_line(FILE *to, const char *before, const char *english, const char *chinese, va_list args)
{
    (void)fputs(before, to);
    if (say_in_chinese()) {
        (void)vfprintf(to, chinese, args); /* NOLINT(clang-analyzer-valist.Uninitialized): it is */
    } else {
        (void)vfprintf(to, english, args); /* NOLINT(clang-analyzer-valist.Uninitialized): it is */
    }
    (void)fputc('\n', to);
}

#define PROGRAM "legworkd: "

void say(const char *english, const char *chinese, ...)
{
    va_list args;
    va_start(args, chinese);
    put_line(stdout, "", english, chinese, args);
    va_end(args);
}

void complain(const char *english, const char *chinese, ...)
{
    va_list args;
    va_start(args, chinese);
    put_line(stderr, PROGRAM, english, chinese, args);
    va_end(args);
}

int refuse_with(const char *english, const char *chinese, ...)
{
    va_list args;
    va_start(args, chinese);
    put_line(stderr, PROGRAM, english, chinese, args);
    va_end(args);
    return EXIT_REFUSED;
}

int usage_wrong(const char *english, const char *chinese, ...)
{
    va_list args;
    va_start(args, chinese);
    put_line(stderr, PROGRAM, english, chinese, args);
    va_end(args);
    return EXIT_USAGE;
}

int refuse_err(struct err err, const struct complaint *why, const char *what, const char *detail)
{
    bool chinese = say_in_chinese();
    struct buf text;
    buf_init(&text, MESSAGE_BYTES_MAX);
    if (why != NULL && why->code[0] != 0) {
        complaint_print(why, chinese, &text);
    } else {
        buf_put_text(&text, err_text(err.code, chinese));
        if (err.code == ERR_VERSION) {
            buf_put_text(&text, chinese ? "；请安装该版本，数据未作更改"
                                        : ": install that version; nothing was changed");
        }
        if (err.code != ERR_NOT_FOUND && err.code != ERR_EXISTS) {
            buf_printf(&text, " [%s %d %s]", err_name(err.code), err.cause,
                       err.where == NULL ? "" : err.where);
        }
    }
    if (detail != NULL && detail[0] != 0 && err.cause != 0) {
        buf_printf(&text, " %s", detail);
    }
    (void)fprintf(stderr, PROGRAM "%s: %s\n", what, buf_text(&text));
    buf_release(&text);
    return EXIT_REFUSED;
}
