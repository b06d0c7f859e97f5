/* See route.h. */
#include "server/net/route.h"

#include "common/base/base.h"
#include "protocol/messages.h"
#include "server/net/limits.h"

static const struct route_entry entries[ROUTE_COUNT] = {
#define X(name, method, path, body_max, is_signed, type, encoding)                                 \
    [ROUTE_##name] = {#name, method, path, body_max, is_signed, type, encoding},
    ROUTES(X)
#undef X
        [ROUTE_NONE] = {"NONE", "", "", 0, false, "", ""},
};

const struct route_entry *route_entry(enum route route)
{
    return &entries[route];
}

static bool leads_to(const char *route, const char *path)
{
    size_t size = strlen(route);
    return route[size - 1] == '/' ? strncmp(route, path, size) == 0 : strcmp(route, path) == 0;
}

enum route route_of(const char *method, const char *path, bool *known)
{
    *known = false;
    for (enum route r = 0; r < ROUTE_NONE; r++) {
        if (leads_to(entries[r].path, path)) {
            *known = true;
            if (strcmp(entries[r].method, method) == 0) {
                return r;
            }
        }
    }
    return ROUTE_NONE;
}
