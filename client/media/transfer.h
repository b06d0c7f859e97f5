/* Bytes of pictures on the line: to the server what it lacks, from it what somebody asks for. Each
 * goes on where it was cut, on whichever side, and no byte goes twice but those of the piece that
 * was under way. */
#ifndef CLIENT_MEDIA_TRANSFER_H
#define CLIENT_MEDIA_TRANSFER_H

#include "client/media/photos.h"
#include "client/sync_loop.h"

struct photo_result {
    int64_t sent, sent_bytes; /* pictures that the server has now; their bytes that went */
    int64_t lost;             /* gone from here before they were sent */
    int64_t refused;          /* that the server won't have */
    struct sync_fault fault;  /* why it stopped, where the server said so */
    int64_t retry_after_s;
};

/* Brings what waits, the smallest first, until nothing waits or something stands in the way:
 * ERR_NETWORK, or what the server said in `out->fault` (`quota`, `busy`, …). What went stays gone.
 */
MUST_USE struct err photos_upload(struct sync_loop *loop, struct home *home,
                                  struct photo_result *out);

/* Fetches one whole picture of `size` bytes into the device's store. ERR_NOT_FOUND: the server
 * doesn't have it yet, or doesn't give it to this device (`fault` says which). */
MUST_USE struct err photo_fetch(struct sync_loop *loop, struct home *home, const char *name,
                                int64_t size, struct sync_fault *fault);

/* Whether whole pictures may go now: `--network unmetered` was chosen and nobody says that this
 * line costs nothing. The setting is kept. */
enum photo_network { NETWORK_ANY, NETWORK_UNMETERED };
MUST_USE struct err photo_network_get(struct home *home, enum photo_network *out);
MUST_USE struct err photo_network_put(struct home *home, enum photo_network network);
bool photos_may_go(enum photo_network network);

#endif
