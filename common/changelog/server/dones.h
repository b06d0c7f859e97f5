/* How far a device's copy of each scope reached when it spoke: `done` of its cursors, by the
 * scopes' small numbers. */
#ifndef CHANGELOG_SERVER_DONES_H
#define CHANGELOG_SERVER_DONES_H

#include "common/changelog/server/store_internal.h"

struct done {
    int64_t scope; /* scope.no */
    int64_t done;
};

struct dones {
    uint32_t device;     /* device_key.number */
    int64_t enrolled_ms; /* when it got there */
    bool by_file;        /* a file told them, which may be older than what was heard since */
    size_t count;
    struct done *at; /* by scope */
};

/* Lives in `arena`; cursors of scopes that the store doesn't know are left out. */
MUST_USE struct err dones_read(struct store *st, uint32_t device, const struct hello *hello,
                               struct arena *arena, struct dones *out);
/* 0: nothing of the scope is there. */
int64_t dones_of(const struct dones *dones, int64_t scope);
bool dones_has(const struct dones *dones, int64_t scope);
/* Whether the device has a copy of the scope and can't have heard of what has number `seq` there,
 * by what it says now and all that it ever said. */
MUST_USE struct err dones_before(const struct dones *dones, struct store *st, int64_t scope,
                                 int64_t seq, bool *out);
/* Remembers them as acknowledged, for what may be purged one day, and that scopes which the device
 * doesn't name any more hold nothing back; only what changed is written. */
MUST_USE struct err dones_store(struct store *st, const struct dones *dones);

#endif
