/* Where the changes of a refused transaction would have gone, and who has that now. */
#ifndef CHANGELOG_SERVER_PROPOSAL_PLACE_H
#define CHANGELOG_SERVER_PROPOSAL_PLACE_H

#include "common/changelog/server/judge.h"

#define PROPOSAL_PEOPLE_MAX 8

enum place_kind {
    PLACE_NOWHERE, /* there is no such thing, as far as the author ever knew */
    PLACE_HELD,
    PLACE_FORMER,  /* the author held it once */
    PLACE_PROPOSED /* it exists as a proposal only */
};

struct place {
    enum place_kind kind;
    int64_t scope;     /* FORMER */
    uint8_t group[16]; /* PROPOSED */
    size_t people_count;
    uint8_t people[PROPOSAL_PEOPLE_MAX][16]; /* who decide, never the author */
};

/* Of change `index`; rows that are only pointed to are found in the store, among earlier inserts of
 * the transaction, or among the author's proposals. */
MUST_USE struct err place_of_change(struct judge *j, struct work *w, const struct transaction *tx,
                                    size_t index, struct place *out);
/* The firm's admins: who decides where nobody holds the thing. */
MUST_USE struct err place_admins(struct judge *j, struct place *out);

#endif
