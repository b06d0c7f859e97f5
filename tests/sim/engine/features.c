/* See features.h. */
#include "tests/sim/engine/sim.h"

void features_draw(struct sim *s)
{
    uint64_t drawn = sim_below(s, SIM_FEATURES + 1);
    s->features = drawn == 0 ? (1u << SIM_FEATURES) - 1 : 1u << (drawn - 1);
}

bool features_operate(struct sim *s)
{
    static void (*const features[SIM_FEATURES])(struct sim * s) = {
#define FEATURE(name, run) [SIM_##name] = (run),
#include "tests/sim/engine/features.def"
#undef FEATURE
    };
    if (s->features == 0 || sim_below(s, 4) != 3) {
        return false;
    }
    size_t count = 0;
    size_t present[SIM_FEATURES] = {0};
    for (size_t i = 0; i < SIM_FEATURES; i++) {
        if ((s->features >> i & 1) != 0) {
            present[count++] = i;
        }
    }
    features[present[count == 1 ? 0 : sim_below(s, count)]](s);
    return true;
}
