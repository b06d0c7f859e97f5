/* Proposals: what somebody wanted to write who no longer may, about what this person holds now, and
 * what became of this person's own. One group is decided on together. */
#ifndef CLIENT_CMD_PROPOSAL_H
#define CLIENT_CMD_PROPOSAL_H

#include "client/cmd/app.h"
#include "common/changelog/device/row.h"

struct proposal {
    uint8_t id[16]; /* of the group's first row, by which people name it */
    uint8_t group[16];
    uint8_t author[16];
    bool mine; /* this person is the author, others decide */
    int64_t made_at;
};

/* Open groups in this person's inbox, the newest first, at most `max`. An own one that an open
 * entry of this device tells of already is left out. */
MUST_USE struct err proposals_read(struct app *app, struct proposal *out, size_t max,
                                   size_t *count);
/* By the id of any of its rows; ERR_NOT_FOUND. */
MUST_USE struct err proposal_get(struct app *app, const uint8_t id[16], struct proposal *out);
/* "customer Tea House: city=Lyon; visit: …" and the author; only the first few changes of a large
 * one unless it is asked for whole. */
MUST_USE struct err proposal_print(struct app *app, const struct proposal *p, bool whole,
                                   struct buf *out);
MUST_USE struct err proposal_json(struct app *app, const struct proposal *p, struct buf *out);

/* Writes the values as this person's own work, and that it was accepted; all or nothing. */
MUST_USE struct err proposal_accept(struct app *app, const struct proposal *p,
                                    struct complaint *why);
/* Lets what stands stand; an author takes it back. */
MUST_USE struct err proposal_dismiss(struct app *app, const struct proposal *p,
                                     struct complaint *why);

#endif
