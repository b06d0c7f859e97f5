/* Whether a device holds what its server says, asked at the end of each exchange, and what else is
 * to be asked where it doesn't. A sync that finds nothing costs one sum of a few bytes. */
#ifndef COMMON_SYNC_CLIENT_COMPARE_H
#define COMMON_SYNC_CLIENT_COMPARE_H

#include "common/changelog/device/repair.h"
#include "common/sync/client_session.h"

/* Lives as long as a session. */
struct client_compare {
    struct repair repair;
    bool remade; /* the sums, from the rows */
    struct arena arena;
    struct digest theirs; /* of protocol 1 */
    bool anew;            /* scopes that differed begin anew (protocol 1) */
    int rounds;           /* begun at the top */
    int requests;         /* that asked or wanted something */
};

struct client_compare_end { /* of an answer */
    struct apply *apply;
    const struct end *end;
    int64_t server_ms;
    bool verify; /* contents too */
};

void client_compare_init(struct client_compare *c, struct apply *a);
void client_compare_release(struct client_compare *c);
/* All that the answer brought is stored. `*again`: another request is needed, with what
 * repair_ask and repair_want give. Fills the tally's digest_*, contents_* and repaired. */
MUST_USE struct err client_compare_end(struct client_compare *c,
                                       const struct client_compare_end *at,
                                       struct client_tally *tally, bool *again);
/* A server of protocol 1 told its digest; it is kept until the end. */
MUST_USE struct err client_compare_told(struct client_compare *c, const struct digest *theirs,
                                        struct client_tally *tally);

#endif
