/* Live streams: `GET /v1/live` stays open, and a HINT goes down it when a scope that the device
 * holds has moved, so that it syncs. Hints carry no data. A thread of its own, with its own
 * connection, finds by an index (audience.h) who holds what was touched:
 *
 *   writer after a commit ── live_touched ──┐
 *   another process committed ─ live_changed ┴─► hub ─► HINT to whoever holds the scope
 *
 * The writer of a change isn't hinted about it. Where few hold the scope they hear at once; a crowd
 * is told over some seconds, so that it doesn't come back as one wave, and never ahead of others.
 * Between its sync and the opening of its stream a device hears nothing: live_synced notes how far
 * it read, and a stream that opens after something newer begins with a hint.
 *
 * What devices hold is read again, a few at a time, when the company's scope moved; who isn't
 * admitted any more is looked for then, and when another process wrote. */
#ifndef SERVER_NET_LIVE_H
#define SERVER_NET_LIVE_H

#include "common/changelog/server/store.h"
#include "server/net/counters.h"
#include "server/net/exchange.h"

struct live;

struct live_options {
    const char *store_path;
    struct counters *counters;
    size_t streams_max;
    int64_t keepalive_ms; /* a stream says something at least so often */
};

MUST_USE struct err live_open(struct live **out, const struct live_options *options);
void live_close(struct live *l);
/* Answers 200 and takes the exchange over; a stream that the device had before is ended. False:
 * there are too many, and nothing was answered. Any thread. */
MUST_USE bool live_add(struct live *l, struct exchange *x, const struct store_device *device);
/* Before the snapshot of a sync is taken. Any thread. */
void live_synced(struct live *l, uint32_t device_number);
void live_touched(struct live *l, const struct scope_id *scopes, size_t count, uint32_t author);
void live_changed(struct live *l);
void live_end_all(struct live *l); /* the server stops */

#endif
