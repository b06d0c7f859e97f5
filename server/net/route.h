/* The server's few addresses, in one table: what each takes and how large it may be. */
#ifndef SERVER_NET_ROUTE_H
#define SERVER_NET_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

/*  name, method, path, largest body, signed, body's encoding ("": plain) */
#define ROUTES(X)                                                                                  \
    X(CA, "GET", "/v1/ca", 0, false, "")                                                           \
    X(ENROL, "POST", "/v1/enroll", ENROL_BYTES_MAX, false, "")                                     \
    X(SYNC, "POST", "/v1/sync", PUSH_BYTES_MAX, true, "zstd")                                      \
    X(LIVE, "GET", "/v1/live", 0, true, "")

enum route {
#define X(name, method, path, body_max, is_signed, encoding) ROUTE_##name,
    ROUTES(X)
#undef X
        ROUTE_NONE, /* an unknown path, method or a request refused before it had one */
    ROUTE_COUNT
};

struct route_entry {
    const char *name; /* "SYNC" */
    const char *method;
    const char *path;
    size_t body_max;
    bool is_signed;
    const char *encoding;
};

const struct route_entry *route_entry(enum route route);
/* The route of a path, whatever the method; ROUTE_NONE: unknown. */
enum route route_of_path(const char *path);

#endif
