/* What the server counts for /metrics: written by any thread, read by the metrics thread. */
#ifndef SERVER_NET_COUNTERS_H
#define SERVER_NET_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "protocol/messages.h"
#include "server/net/route.h"

/* Statuses that this server gives, in the order of counters.requests. */
#define COUNTED_STATUSES(X)                                                                        \
    X(200)                                                                                         \
    X(400)                                                                                         \
    X(401)                                                                                         \
    X(403) X(404) X(405) X(408) X(409) X(413) X(414) X(415) X(429) X(431) X(500) X(503) X(507)
enum counted_status {
#define X(status) COUNTED_##status,
    COUNTED_STATUSES(X)
#undef X
        COUNTED_OTHER,
    COUNTED_COUNT
};

enum counted_status counted_status(int status);

typedef _Atomic uint64_t counter;

struct counters {
    counter requests[ROUTE_COUNT][COUNTED_COUNT];
    counter accepted, accept_refused, accept_failed;
    counter connections, half_open; /* now */
    counter handshakes, handshakes_failed;
    counter live_streams; /* now */
    counter hints;
    counter bytes_in, bytes_out;           /* cipher bytes */
    counter resets;                        /* streams that ended before their answer did */
    counter outcomes[OUTCOME_REFUSED + 1]; /* transactions judged, repeats included */
    counter rows_pulled;
    counter chain_alarms; /* heads of the change log that devices hold and the log doesn't know */
    counter sessions, sessions_failed; /* sync requests judged, and lost with their group */
    counter pulled_bytes;              /* compressed bytes of sync answers */
    counter pushed_bytes;              /* compressed bytes of sync requests */
    counter writer_groups, writer_jobs, writer_group_last;
    counter writer_commit_us;      /* total time in groups */
    counter loop_late_us_max;      /* since the last look */
    counter certificate_expires_s; /* UTC */
    _Atomic int stopping;
    _Atomic int store_failing; /* the last group couldn't be committed */
};

static inline void count(counter *c)
{
    (void)atomic_fetch_add_explicit(c, 1, memory_order_relaxed);
}
static inline void count_more(counter *c, uint64_t n)
{
    (void)atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}
static inline void count_less(counter *c, uint64_t n)
{
    (void)atomic_fetch_sub_explicit(c, n, memory_order_relaxed);
}
static inline void count_set(counter *c, uint64_t n)
{
    atomic_store_explicit(c, n, memory_order_relaxed);
}
static inline uint64_t count_get(const counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

#endif
