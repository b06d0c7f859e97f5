/* What only some runs have (features.def): each keeps its state and draws its operators here. */
#ifndef TESTS_SIM_ENGINE_FEATURES_H
#define TESTS_SIM_ENGINE_FEATURES_H

#include "common/base/base.h"

struct sim;

enum sim_feature {
#define FEATURE(name, run) SIM_##name,
#include "tests/sim/engine/features.def"
#undef FEATURE
    SIM_FEATURES
};

/* Draws which features the run has: all, or one. */
void features_draw(struct sim *s);
/* Now and then one of them acts instead of an operator. */
bool features_operate(struct sim *s);

#define FEATURE(name, run) void run(struct sim *s);
#include "tests/sim/engine/features.def"
#undef FEATURE

#endif
