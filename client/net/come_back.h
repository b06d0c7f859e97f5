/* Enrolment by certificate: a server that was restored from a backup older than this device doesn't
 * know its key, and lets it in again by its own word. */
#ifndef CLIENT_NET_COME_BACK_H
#define CLIENT_NET_COME_BACK_H

#include "client/home.h"
#include "client/net/http.h"

/* True: the server knows this device again, under the id that it had. False: there is no
 * certificate, it wasn't taken, or the server can't be reached. */
bool come_back(struct home *home, struct http *http, const uint8_t public_key[32]);

#endif
