/* See moment.h. */
#include "client/cmd/moment.h"

#include "client/machine.h"

#define DAYS_AHEAD_MAX 3660

struct moment moment_at(int64_t ms)
{
    struct moment m = {.ms = ms, .offset_min = machine_offset_min(ms)};
    day_print(ms + (int64_t)m.offset_min * 60000, m.day);
    return m;
}

struct moment moment_now(const struct app *app)
{
    return moment_at(replica_now_ms(&app->home.replica));
}

void moment_clock(int64_t ms, char text[6])
{
    struct civil local;
    civil_of_ms(ms + (int64_t)machine_offset_min(ms) * 60000, &local);
    snprintf(text, 6, "%02u:%02u", (unsigned)local.hour % 100, (unsigned)local.minute % 100);
}

static const struct {
    const char *word;
    int days;
} words[] = {
    {"today", 0}, {"今天", 0}, {"tomorrow", 1}, {"明天", 1}, {"yesterday", -1}, {"昨天", -1},
};

/* Days from today, where the text says it so. */
static bool relative_days(const char *text, int64_t *days)
{
    for (size_t i = 0; i < count_of(words); i++) {
        if (strcmp(words[i].word, text) == 0) {
            *days = words[i].days;
            return true;
        }
    }
    char *end = NULL;
    if (text[0] != '+') {
        return false;
    }
    *days = strtoll(text + 1, &end, 10);
    return end != text + 1 && *end == 0 && *days >= 0 && *days <= DAYS_AHEAD_MAX;
}

bool moment_day(struct app *app, const char *text, char day[DAY_TEXT_SIZE], enum exit_code *code)
{
    struct moment now = moment_now(app);
    int64_t days = 0;
    int64_t ms = 0;
    if (relative_days(text, &days)) {
        day_print(now.ms + (int64_t)now.offset_min * 60000 + days * DAY_MS, day);
        return true;
    }
    if (!day_parse(bytes_text(text), &ms)) {
        *code = usage_error(app, PHRASE_USAGE_DAY, text);
        return false;
    }
    day_print(ms, day);
    return true;
}
