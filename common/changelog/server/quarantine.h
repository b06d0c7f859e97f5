/* What isn't taken as it comes. `witness`: a row that a device held of a part that a restore lost,
 * and that nobody brought back; `revoked`: a transaction of a revoked device that came by file. An
 * admin looks at it and releases or discards it; what was decided stays on record. */
#ifndef CHANGELOG_SERVER_QUARANTINE_H
#define CHANGELOG_SERVER_QUARANTINE_H

#include "common/changelog/server/store_internal.h"

#define QUARANTINE_DEVICE_MAX 200000 /* what one device may have waiting here */

struct quarantined {
    const char *kind; /* "witness", "revoked" */
    uint8_t device[16];
    bool has_person;
    uint8_t person[16];
    int64_t received_ms;
    uint16_t table; /* witness: the row */
    uint8_t row[16];
    struct bytes body;
};
/* Keeps it, once: what came before, from whomever, isn't kept again. */
MUST_USE struct err quarantine_put(struct store *st, const struct quarantined *q);

/* The rows of a WITNESS, but for those that the store has just so; nothing more of a device that
 * has QUARANTINE_DEVICE_MAX waiting. */
MUST_USE struct err quarantine_witness(struct store *st, const struct rows *rows,
                                       const uint8_t device[16], const uint8_t person[16],
                                       int64_t received_ms);

/* How a witness stands to the store now. */
enum witness_state { WITNESS_ABSENT, WITNESS_DIFFERS, WITNESS_SAME, WITNESS_DELETED };
/* `body`: as it is kept. What `row` points to lives in `arena`, `columns` are its cells' numbers.
 */
MUST_USE struct err quarantine_read(struct bytes body, struct arena *arena, struct rows *out);
MUST_USE struct err quarantine_state(struct store *st, const struct rows *witness,
                                     enum witness_state *out);
/* Writes a witness's row as it was, as the server, and closes the entry. Inside a transaction. */
MUST_USE struct err quarantine_release(struct store *st, int64_t no, const uint8_t by[16],
                                       const char *login, int64_t now_ms, struct complaint *why);
/* Closes one that waits. `kind`: only one of this kind; NULL: any. */
MUST_USE struct err quarantine_close(struct store *st, int64_t no, const char *kind,
                                     const char *state, const char *login, int64_t now_ms);

#endif
