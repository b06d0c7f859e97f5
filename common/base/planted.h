/* Mistakes that are planted on purpose: `planted(ACK_BEFORE_COMMIT)` is constant false in the
 * product. One more build of this layer, for the simulator alone, has them all and is told which
 * one to make (tests/sim/README.md). A line of code that keeps a promise may carry one of them, so
 * that it is seen that the simulator would miss the promise. */
#ifndef COMMON_BASE_PLANTED_H
#define COMMON_BASE_PLANTED_H

#ifdef LEGWORK_PLANTS
enum plant {
    PLANT_NONE,
#define PLANT(number, name, rule, what) PLANT_##name = (number),
#include "common/base/planted.def"
#undef PLANT
    PLANT_END
};
/* NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): one number for the process */
extern int planted_number; /* the simulator's: 0, or the mistake to make */
#define planted(name) (planted_number == PLANT_##name)
#else
#define planted(name) false
#endif

#endif
