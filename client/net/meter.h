/* Counts bytes where they are paid for: at the sockets that libcurl opens, by the kernel's own
 * counters (Linux). TLS records with handshakes and alerts, without the headers of TCP and IP; a
 * segment sent twice counts twice. */
#ifndef CLIENT_NET_METER_H
#define CLIENT_NET_METER_H

#include "common/base/base.h"

#include <curl/curl.h>

#define METER_SOCKETS_MAX 8

struct meter {
    curl_socket_t sockets[METER_SOCKETS_MAX]; /* open ones */
    size_t count;
    int64_t closed_up; /* of sockets that are gone */
    int64_t closed_down;
};

/* From now on the handle's sockets are opened and closed through `m`, which outlives them. */
MUST_USE bool meter_attach(struct meter *m, CURL *curl);
void meter_read(const struct meter *m, int64_t *up, int64_t *down);

#endif
