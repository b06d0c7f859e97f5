/* What an operator looks at, on a loopback port of its own: GET /metrics (Prometheus text) and
 * GET /health (200 or 503, JSON). No credentials, no paths, nobody's data. */
#ifndef SERVER_NET_METRICS_H
#define SERVER_NET_METRICS_H

#include "server/net/counters.h"
#include "server/net/service.h"

struct metrics;

/* `port` 0: any; metrics_port tells which. ERR_NETWORK: the address is taken or not ours. */
MUST_USE struct err metrics_open(struct metrics **out, const char *host, int port,
                                 struct counters *counters, struct service *service);
void metrics_close(struct metrics *m);
int metrics_port(const struct metrics *m);

#endif
