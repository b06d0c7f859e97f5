/* How far a device's copy of each scope reached when it spoke: `done` of its cursors, by the
 * scopes' small numbers. */
#ifndef COMMON_CHANGELOG_DONES_H
#define COMMON_CHANGELOG_DONES_H

#include "common/changelog/store_internal.h"

struct done {
    int64_t scope; /* scope.no */
    int64_t done;
};

struct dones {
    size_t count;
    struct done *at; /* by scope */
};

/* Lives in `arena`; cursors of scopes that the store doesn't know are left out. */
MUST_USE struct err dones_read(struct store *st, const struct hello *hello, struct arena *arena,
                               struct dones *out);
/* 0: nothing of the scope is there. */
int64_t dones_of(const struct dones *dones, int64_t scope);
/* Remembers them as acknowledged, for what may be purged one day; only what changed is written. */
MUST_USE struct err dones_store(struct store *st, uint32_t device, const struct dones *dones);

#endif
