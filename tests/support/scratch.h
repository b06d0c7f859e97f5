/* A folder of its own for a test, removed with all that is in it at the end. */
#ifndef TESTS_SUPPORT_SCRATCH_H
#define TESTS_SUPPORT_SCRATCH_H

#include "common/base/base.h"

struct scratch {
    char dir[64];
};

void scratch_init(struct scratch *s);
/* Where fsync costs what it costs: $TMPDIR, else /var/tmp. For benches. */
void scratch_init_on_disk(struct scratch *s);
void scratch_release(struct scratch *s);
/* The path of a file in it; valid until the next call with the same `path`. */
const char *scratch_path(const struct scratch *s, const char *name, char path[128]);

#endif
