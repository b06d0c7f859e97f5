/* The purge of common/changelog/server/purge.h as the server does it by itself: each hour, in small
 * steps of their own on the writer, one a second, so that devices are answered between them. All of
 * it is on the writer's thread. */
#ifndef SERVER_STORE_PURGING_H
#define SERVER_STORE_PURGING_H

#include "common/changelog/server/purge.h"
#include "server/store/writer.h"

struct purging {
    struct writer_job job; /* first: the job is the purging */
    int64_t due_ms;        /* monotonic; 0: with the first look */
    bool queued, more;
    struct purge_tally step, total;
};

/* Each second: queues a step where one is due. `p` begins zeroed and outlives the writer. */
void purging_look(struct purging *p, struct writer *w);

#endif
