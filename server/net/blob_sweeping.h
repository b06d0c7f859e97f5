/* Pictures that no row names any more go by themselves, once their days are over (BLOB_GRACE_MS),
 * and with them what an upload that never went on has left. At the start and each hour:
 *
 *   writer, when it looks up ─► record forgotten (its transaction) ─► pool: files ─► an hour
 */
#ifndef SERVER_NET_BLOB_SWEEPING_H
#define SERVER_NET_BLOB_SWEEPING_H

#include "common/media/blob_store.h"
#include "server/store/pool.h"
#include "server/store/writer.h"

struct blob_sweeping { /* all zero, but for the first two */
    struct blob_store *blobs;
    struct pool *pool;
    struct writer_job forget;
    struct pool_job sweep;
    _Atomic bool busy;
    int64_t due_ms; /* monotonic; whoever has `busy` writes it */
};

/* On the writer's thread, often. */
void blob_sweeping_look(struct blob_sweeping *b, struct writer *w);

#endif
