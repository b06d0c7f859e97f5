/* One request of a sync: hello, waiting transactions, end; packed. */
#ifndef COMMON_SYNC_CLIENT_REQUEST_H
#define COMMON_SYNC_CLIENT_REQUEST_H

#include "common/changelog/device/recovery.h"
#include "protocol/codec.h"

struct client_request_options {
    uint32_t tx_max;
    size_t bytes_max;
    int level;
    bool digest;             /* asks for it, with the last request */
    int64_t after;           /* local number: what waits up to it is left out */
    const struct ask *ask;   /* goes with the last request; NULL: nothing */
    const struct want *want; /* the same */
};

struct client_request {
    struct replica *r;
    struct arena arena;
    struct buf body;
    int64_t sent_to;              /* local number of the last transaction ever put into a request */
    int64_t fresh;                /* transactions in `body` that weren't in an earlier one */
    bool more;                    /* another request must follow; this one gets verdicts alone */
    uint32_t protocol, catalogue; /* what hello says: this program's, or an older server's */
    uint32_t server_catalogue;    /* as last heard, 0: not known to be older */
    bool is_known;                /* the last answer was in this program's newest version */
    bool shows_heads;             /* of the change log's chains */
    uint32_t epoch;
    struct timeline timeline;
    enum recovery_step step;    /* what this request is for, after a restore of the server */
    struct witnesses witnesses; /* in it */
    struct arena witness_arena;
};

void client_request_init(struct client_request *q, struct replica *r);
void client_request_release(struct client_request *q);
/* Freezes what was captured, and packs as much of what waits as fits; after a restore first what is
 * offered again, then witnesses, each in requests of its own. */
MUST_USE struct err client_request_build(struct client_request *q,
                                         const struct client_request_options *o);
/* Whether a server that can't read the request may be one that speaks an older version. */
bool client_request_may_be_older(const struct client_request *q);

#endif
