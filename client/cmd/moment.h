/* Now, as a recorded fact needs it: server time, the local day and the offset. */
#ifndef CLIENT_CMD_MOMENT_H
#define CLIENT_CMD_MOMENT_H

#include "client/cmd/app.h"
#include "common/base/day.h"

struct moment {
    int64_t ms;     /* UTC, corrected by the measured offset */
    int offset_min; /* of the local clock, east is positive */
    char day[DAY_TEXT_SIZE];
};

struct moment moment_now(const struct app *app);
struct moment moment_at(int64_t ms);
/* YYYY-MM-DD, today, tomorrow, yesterday (今天, 明天, 昨天), +N days. False: said why on stderr. */
MUST_USE bool moment_day(struct app *app, const char *text, char day[DAY_TEXT_SIZE],
                         enum exit_code *code);
/* "14:05" of the local clock. */
void moment_clock(int64_t ms, char text[6]);

#endif
