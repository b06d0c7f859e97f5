/* What the routes do: the part of the server that knows both the network's exchanges and the
 * store's threads.
 *
 *   loop ─ service_serve ─► pool: signature, decode ─► writer: judge ─► pool: answer ─► loop
 *
 * A request that finds a queue full is told 503 at once, with Retry-After. */
#ifndef SERVER_NET_SERVICE_H
#define SERVER_NET_SERVICE_H

#include <pthread.h>

#include "common/media/blob_store.h"
#include "server/net/blob_sweeping.h"
#include "server/net/exchange.h"
#include "server/net/live.h"
#include "server/net/rate.h"
#include "server/store/pool.h"
#include "server/store/purging.h"
#include "server/store/writer.h"

struct service {
    struct pool *pool;
    struct writer *writer;
    struct live *live;
    struct counters *counters;
    struct buf ca; /* PEM, as /v1/ca gives it */
    pthread_mutex_t rates;
    struct rate_table device_rate, enrol_failures, photo_quota;
    struct pool_job quota; /* what devices brought before this start is counted again */
    struct blob_store blobs;
    struct purging purging;          /* the writer's thread alone */
    struct blob_sweeping sweeping;   /* begins there, and goes on in the pool */
    _Atomic bool has_pool;           /* the writer looks up before there is one */
    void (*broken)(void *context);   /* fsync failed: what is on the disk is no longer known */
    void (*replaced)(void *context); /* a restored server has taken over; may come more than once */
    void *context;
};

struct service_options {
    const char *store_path;
    const struct store_ledger *ledger;
    const char *blob_path;   /* folder of the pictures; made where missing */
    int64_t photo_quota_mib; /* that one device may bring a day */
    size_t live_streams_max;
    int64_t live_keepalive_ms;
    struct counters *counters;
    void (*broken)(void *context);
    void (*replaced)(void *context);
    void *context;
};

/* `ca` is filled by the caller before the first request. */
MUST_USE struct err service_open(struct service *s, const struct service_options *options);
void service_close(struct service *s); /* finishes what was let in */

void service_serve(void *service, struct exchange *x); /* a net_serve */
void service_stopping(void *service);                  /* ends the live streams */

/* For the routes: takes from the device's bucket; false: answered 429. */
bool service_admit(struct service *s, struct exchange *x, uint32_t device_number);
/* The same for the bytes of a picture: the device's share of a day. */
bool service_admit_bytes(struct service *s, struct exchange *x, uint32_t device_number,
                         size_t size);
/* Answers for a store that failed, or a queue that is full. */
void service_fail(struct exchange *x, struct err err);
void service_busy(struct exchange *x);

/* sync_route.c, enrol_route.c: begin on the loop, which must not wait. */
void sync_route(struct service *s, struct exchange *x);
void enrol_route(struct service *s, struct exchange *x);
void live_route(struct service *s, struct exchange *x);
void blob_route(struct service *s, struct exchange *x);

#endif
