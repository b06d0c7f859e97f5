/* What a server answers to ASK, and END's sum: digests of what a device may hold. */
#ifndef CHANGELOG_SERVER_PARTS_H
#define CHANGELOG_SERVER_PARTS_H

#include "common/changelog/server/permit.h"
#include "protocol/messages.h"

struct parts_params {
    struct store *st;
    const struct permit *permit;
    uint32_t catalogue; /* that the device runs */
};

/* Lives in `arena`. Parts of scopes that the device doesn't hold are left out. Inside the
 * download's read transaction. */
MUST_USE struct err parts_answer(const struct parts_params *p, const struct ask *ask,
                                 struct arena *arena, struct parts *out);
/* END's sum. */
MUST_USE struct err parts_total(const struct parts_params *p, uint8_t sum[8]);

#endif
