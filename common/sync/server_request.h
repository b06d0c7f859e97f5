/* A sync request, decoded whole: hello, then transactions as row forms, which is what is hashed,
 * judged and logged.
 *
 *   HELLO ──► (BATCH | OFFER | WITNESS)* ──► ASK? ──► WANT? ──► END
 *
 * Anything else, or behind it: malformed. */
#ifndef COMMON_SYNC_SERVER_REQUEST_H
#define COMMON_SYNC_SERVER_REQUEST_H

#include "common/changelog/server/judge.h"

struct server_request {
    struct hello hello;
    size_t push_count;
    struct push *pushes; /* by device_seq */
    size_t offer_count;
    struct reoffer *offers;
    size_t witness_count;
    struct rows *witnesses;
    bool asks, wants;
    struct ask ask;
    struct want want;
};

/* Why a request isn't taken, as HTTP says it. */
struct server_refusal {
    int status; /* 0: none */
    const char *code;
    int64_t limit;
};

/* What `out` points to lives in `arena`. ERR_PROTOCOL, ERR_LIMIT, ERR_NOMEM: `why` is filled. */
MUST_USE struct err server_request_read(struct bytes body, struct arena *arena,
                                        struct server_request *out, struct server_refusal *why);

#endif
