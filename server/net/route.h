/* The server's few addresses, in one table: what each takes and how large it may be. */
#ifndef SERVER_NET_ROUTE_H
#define SERVER_NET_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

/*  name, method, path, largest body, signed, body's type and encoding ("": plain). A path that ends
 *  in "/" is the beginning of many. */
#define ROUTES(X)                                                                                  \
    X(CA, "GET", "/v1/ca", 0, false, "", "")                                                       \
    X(ENROL, "POST", "/v1/enroll", ENROL_BYTES_MAX, false, "application/cbor-seq", "")             \
    X(SYNC, "POST", "/v1/sync", PUSH_BYTES_MAX, true, "application/cbor-seq", "zstd")              \
    X(LIVE, "GET", "/v1/live", 0, true, "", "")                                                    \
    X(BLOB_PUT, "PUT", "/v1/blob/", BLOB_PIECE_BYTES_MAX, true, "application/octet-stream", "")    \
    X(BLOB_GET, "GET", "/v1/blob/", 0, true, "", "")

enum route {
#define X(name, method, path, body_max, is_signed, type, encoding) ROUTE_##name,
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
    const char *type;
    const char *encoding;
};

const struct route_entry *route_entry(enum route route);
#define ROUTE_PATH_SIZE 128 /* of ours, with its zero; longer ones are none */
/* The route of a request. ROUTE_NONE: no such path, or `*known`, which doesn't take this method. */
enum route route_of(const char *method, const char *path, bool *known);

#endif
