/* The frozen transactions that a message of verdicts speaks of. Verdicts come mostly in the order
 * in which their transactions were frozen, so one walk along `sent` finds them all. */
#ifndef CHANGELOG_DEVICE_JUDGED_H
#define CHANGELOG_DEVICE_JUDGED_H

#include "common/changelog/device/sent.h"

struct judged {
    bool found;
    int64_t tx;
    enum sent_state state;
    bool has_identity; /* false: the file is damaged */
    uint8_t identity[32];
};

/* One for each verdict, in their order, as they stand before any of these verdicts is applied; in
 * `arena`. */
MUST_USE struct err judged_find(struct replica *r, const struct verdicts *verdicts,
                                struct arena *arena, struct judged **out);
/* The same for one of them, as it stands now. */
MUST_USE struct err judged_find_one(struct replica *r, const struct verdict *v, struct judged *out);

#endif
