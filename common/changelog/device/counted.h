/* Where the digest of a device counts a row: what the server thinks is here, whatever the user did
 * to it. A row that was deleted here and waits for its verdict still counts under the number it
 * had, a new one not before its verdict. So only what comes from the server changes the sums, and
 * all of that goes through here. */
#ifndef CHANGELOG_DEVICE_COUNTED_H
#define CHANGELOG_DEVICE_COUNTED_H

#include "common/changelog/device/lay.h"
#include "common/changelog/device/replica.h"

struct counted {
    int64_t scope; /* scope.no; 0: it isn't counted */
    int64_t seq;
};

static inline struct counted counted_stamp(const struct row_stamp *stamp)
{
    bool judged = stamp->found && stamp->scope != 0 && stamp->seq != 0;
    return judged ? (struct counted){.scope = stamp->scope, .seq = stamp->seq}
                  : (struct counted){.scope = 0};
}

/* As the row stands, with `stamp` of lay_stamp_of. After outbox_refresh. */
MUST_USE struct err counted_of(struct replica *r, const struct table *t, const uint8_t id[16],
                               const struct row_stamp *stamp, struct arena *arena,
                               struct counted *out);
/* The same, reading the stamp. */
MUST_USE struct err counted_now(struct replica *r, const struct table *t, const uint8_t id[16],
                                struct arena *arena, struct counted *out);
/* It was counted so, and is counted otherwise from now on. */
void counted_change(struct replica *r, const struct table *t, const uint8_t id[16],
                    const struct counted *was, const struct counted *is);
/* Nothing of a scope is here any more. */
MUST_USE struct err counted_forget(struct replica *r, int64_t scope);
/* All sums anew, from the rows. Inside a writing transaction, after outbox_refresh. */
MUST_USE struct err counted_make(struct replica *r);

#endif
