/* A machine whose clocks stand still until the test moves them, and whose chance is a seed. */
#ifndef TESTS_SUPPORT_FAKE_HOST_H
#define TESTS_SUPPORT_FAKE_HOST_H

#include "common/changelog/device/replica.h"

struct fake_host {
    int64_t wall_ms;
    int64_t mono_ms;
    uint8_t boot[16];
    uint64_t random; /* state of a splitmix64; any seed will do */
};

void fake_host_init(struct fake_host *f, uint64_t seed, int64_t wall_ms);
void fake_host_pass(struct fake_host *f, int64_t ms); /* both clocks go on */
struct host fake_host_as_host(struct fake_host *f);   /* borrows `f` */
uint64_t fake_host_next(struct fake_host *f);

#endif
