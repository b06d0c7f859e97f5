/* How time and chance get into common/. */
#ifndef COMMON_CHANGELOG_HOST_H
#define COMMON_CHANGELOG_HOST_H

#include "protocol/messages.h"

/* The machine, as the caller sees it: the only way that time and chance get into common/. */
struct host {
    void *context;
    /* wall clock and monotonic clock in ms, and the boot's id; seen_ms is left alone */
    void (*now)(void *context, struct clocks *out);
    void (*random)(void *context, uint8_t *to, size_t size);
};

#endif
