/* Makes the n-th allocation, write or sync of this process fail, once. Programs that use it are
 * linked with the functions of memory wrapped (tests/CMakeLists.txt), so that what our own code,
 * SQLite and jansson ask for goes through here; zstd's contexts are counted as one allocation each.
 * Files are the real ones: SQLite's own file system, with a counter in front of it.
 *
 * The functions of memory have no argument that could carry a state, so it is the process's; one
 * thread. */
#ifndef TESTS_SUPPORT_INJECTOR_H
#define TESTS_SUPPORT_INJECTOR_H

#include "common/base/base.h"

enum injection {
    INJECT_ALLOC,    /* returns NULL */
    INJECT_WRITE,    /* of a file, or its growth: no room left */
    INJECT_WRITE_IO, /* the same: the device fails */
    INJECT_SYNC,     /* fsync fails */
    INJECT_READ,     /* of a file: the device fails */
    INJECTIONS
};

/* Before anything else of the process touches SQLite. */
void injector_init(void);
/* The `n`-th (from 1) from now on fails; 0: none does, they are only counted. */
void injector_arm(enum injection kind, uint64_t n);
/* Nothing fails from now on. Whether it did. */
bool injector_disarm(void);
uint64_t injector_count(enum injection kind); /* since it was armed */
/* Blocks that were asked for through here and not given back. */
size_t injector_live_blocks(void);

#endif
