/* What the simulator's program can be asked for: see main.c. */
#ifndef TESTS_SIM_ENGINE_MAIN_H
#define TESTS_SIM_ENGINE_MAIN_H

#include "tests/sim/engine/sim.h"

/* The mistake that a build with planted ones makes; 0: none. */
extern int planted_number; /* NOLINT(cppcoreguidelines-avoid-non-const-global-variables) */

struct totals;
bool simulate_seed(const struct sim_firm *firm, uint64_t seed, bool tells, bool hashes,
                   struct totals *totals);
/* Numbers `first` to `last`, at most `seeds_max` seeds each. False: one wasn't found. */
bool plants_run(const struct sim_firm *firm, uint64_t seeds_max, int first, int last);
bool plant_tell(const struct sim_firm *firm, int number, uint64_t seed);
bool tapes_shrink(const struct sim_firm *firm, uint64_t seed, const char *path);
/* All must hold; `mistaken`: each with the mistake that it was made with, and break as it did then.
 */
bool tapes_replay(const struct sim_firm *firm, char **paths, int count, bool mistaken);

#endif
