/* What people and servers do, each as one function that opens what it needs, works, and hands back
 * the first error. A scenario of one database transaction must leave all or nothing; one of several
 * (`steps`) must come to the same end when it is simply done again. */
#ifndef TESTS_FAULT_SCENARIOS_H
#define TESTS_FAULT_SCENARIOS_H

#include "tests/fault/rig.h"

struct scenario {
    const char *name;
    bool steps;
    struct err (*run)(struct rig *g);
};

extern const struct scenario scenarios[];
extern const size_t scenario_count;

#endif
