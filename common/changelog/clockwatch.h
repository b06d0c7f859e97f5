/* Whether a device's wall clock deserves a word to people. Nothing is ordered or refused by it:
 * effective times come from differences on one clock (effective.h). */
#ifndef COMMON_CHANGELOG_CLOCKWATCH_H
#define COMMON_CHANGELOG_CLOCKWATCH_H

#include "protocol/messages.h"

#define CLOCK_SUSPICIOUS_MS (INT64_C(10) * 60 * 1000)
#define CLOCK_JUMP_SHOWN_MS (INT64_C(24) * 3600 * 1000) /* how long a jump is told of */

/* An exchange as one side saw it. */
struct clock_exchange {
    struct clocks clocks; /* the device's; seen_ms isn't looked at */
    int64_t offset_ms;    /* the server's time less the device's wall clock */
    bool known;
};

/* How far the device's wall clock was set between two exchanges (positive: ahead); 0: it wasn't, as
 * far as can be told. A monotonic clock that stops while the device sleeps is no jump, nor is a
 * server whose own clock was set. */
int64_t clock_jump_ms(const struct clock_exchange *before, const struct clock_exchange *now);

/* By more than CLOCK_SUSPICIOUS_MS either way. */
bool clock_is_suspicious(int64_t ms);

#endif
