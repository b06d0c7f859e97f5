/* See watchdog.h. */
#include "client/watchdog.h"

void watchdog_begin(struct watchdog *w, int64_t mono_ms, int64_t bytes)
{
    *w = (struct watchdog){.began_ms = mono_ms, .bytes = bytes, .moved_ms = mono_ms};
}

bool watchdog_look(struct watchdog *w, int64_t mono_ms, int64_t bytes)
{
    if (bytes - w->bytes >= WATCHDOG_BYTES_MIN) {
        watchdog_begin(w, mono_ms, bytes);
        return false;
    }
    if (mono_ms - w->began_ms >= WATCHDOG_INTERVAL_MS) {
        w->began_ms = mono_ms;
        w->bytes = bytes;
        w->still++;
    }
    return w->still >= WATCHDOG_INTERVALS;
}
