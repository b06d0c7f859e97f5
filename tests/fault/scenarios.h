/* What people and servers do, each as one function that opens what it needs, works, and hands back
 * the first error. */
#ifndef TESTS_FAULT_SCENARIOS_H
#define TESTS_FAULT_SCENARIOS_H

#include "tests/fault/rig.h"

/* What must be true after a failure. */
enum scenario_end {
    ALL_OR_NOTHING, /* one database transaction */
    SAME_ROWS,      /* several: done again, people see what they would have seen */
    SAME_FILES,     /* several: done again, every value is what it would have been */
};

struct scenario {
    const char *name;
    enum scenario_end end;
    uint32_t thin; /* has so much to fail that only one in so many is tried; 0 and 1: each */
    struct err (*run)(struct rig *g);
};

extern const struct scenario scenarios[];
extern const size_t scenario_count;

#endif
