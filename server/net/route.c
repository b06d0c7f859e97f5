/* See route.h. */
#include "server/net/route.h"

#include "common/base/base.h"
#include "protocol/messages.h"
#include "server/net/limits.h"

static const struct route_entry entries[ROUTE_COUNT] = {
#define X(name, method, path, body_max, is_signed, encoding)                                       \
    [ROUTE_##name] = {#name, method, path, body_max, is_signed, encoding},
    ROUTES(X)
#undef X
        [ROUTE_NONE] = {"NONE", "", "", 0, false, ""},
};

const struct route_entry *route_entry(enum route route)
{
    return &entries[route];
}

enum route route_of_path(const char *path)
{
    for (enum route r = 0; r < ROUTE_NONE; r++) {
        if (strcmp(entries[r].path, path) == 0) {
            return r;
        }
    }
    return ROUTE_NONE;
}
