/* What a download has brought but not yet closed by a checkpoint. It is kept in memory until then,
 * so that no local transaction is open while bytes are waited for: commands of the user go on
 * writing. Small chunks are applied together. */
#ifndef COMMON_SYNC_CLIENT_CHUNK_H
#define COMMON_SYNC_CLIENT_CHUNK_H

#include "common/changelog/device/apply.h"

struct client_queued;

struct client_chunk {
    struct arena arena;
    struct client_queued *first;
    struct client_queued *last;
    struct client_queued *closed; /* the last checkpoint */
    size_t rows;
};

void client_chunk_init(struct client_chunk *c);
void client_chunk_release(struct client_chunk *c);
/* Where the next message is to be decoded; emptied where nothing is kept. */
struct arena *client_chunk_arena(struct client_chunk *c);
/* Keeps a message that was decoded into client_chunk_arena. */
MUST_USE struct err client_chunk_put(struct client_chunk *c, const struct message *m);
/* The answer has ended: scopes entered or left need no checkpoint, rows do. */
MUST_USE struct err client_chunk_close(struct client_chunk *c);
bool client_chunk_is_empty(const struct client_chunk *c); /* nothing up to a checkpoint */
bool client_chunk_is_due(const struct client_chunk *c);   /* enough for a local transaction */
/* Applies what is closed and, where nothing is left behind it, forgets all. */
MUST_USE struct err client_chunk_apply(struct client_chunk *c, struct apply *a);

#endif
