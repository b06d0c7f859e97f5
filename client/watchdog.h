/* Whether a request still comes on. Looked at several times a second while one runs; a machine that
 * slept in between loses one interval by it and no more. Pure: the caller brings time and bytes. */
#ifndef CLIENT_WATCHDOG_H
#define CLIENT_WATCHDOG_H

#include "common/base/base.h"

/* Three intervals in a row without progress, 18 s: stalled, before libcurl gives up. Fewer bytes
 * than these in an interval, both ways, are no progress but a line that is kept alive. */
#define WATCHDOG_INTERVAL_MS 6000
#define WATCHDOG_INTERVALS   3
#define WATCHDOG_BYTES_MIN   64

struct watchdog {
    int64_t began_ms; /* the interval, by the monotonic clock */
    int64_t bytes;    /* at its beginning */
    int64_t moved_ms; /* when there was progress last */
    int still;        /* intervals without it */
};

void watchdog_begin(struct watchdog *w, int64_t mono_ms, int64_t bytes);
/* True: nothing has come on for WATCHDOG_INTERVALS. */
bool watchdog_look(struct watchdog *w, int64_t mono_ms, int64_t bytes);

#endif
