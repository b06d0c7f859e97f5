/* Who sent this request? Its signature is checked against the devices in the store, anew at each
 * request: a device revoked a moment ago gets nothing from its next request on. */
#ifndef SERVER_NET_AUTH_H
#define SERVER_NET_AUTH_H

#include "common/changelog/server/store.h"
#include "server/net/request.h"

/* ERR_OK: the request is `device`'s, unchanged and fresh. ERR_AUTH: `refusal` says what to answer.
 * Else the store failed. */
MUST_USE struct err auth_check(const struct request *r, struct store *reader,
                               struct store_device *device, struct refusal *refusal);

#endif
