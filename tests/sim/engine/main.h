/* What the simulator's program can be asked for: see main.c. */
#ifndef TESTS_SIM_ENGINE_MAIN_H
#define TESTS_SIM_ENGINE_MAIN_H

#include "tests/sim/engine/sim.h"

/* The mistake that a build with planted ones makes; 0: none. */
extern int planted_number; /* NOLINT(cppcoreguidelines-avoid-non-const-global-variables) */

#define RUN_SECONDS_MAX 300 /* of any run; one of them takes some hundredths of one */

struct run {
    uint64_t seed;
    bool replays; /* the tape given, else what the seed draws */
    const uint32_t *given;
    size_t given_count;
    bool tells, keeps_tape;
    int planted;          /* the mistake to make; 0: none */
    unsigned seconds_max; /* then it counts as turning in a circle */
};

struct run_end {
    uint64_t seed;
    bool ended; /* by itself; else `broken` says that the program didn't live */
    enum invariant broken;
    uint64_t hash;
    struct sim_counts counts;
    char story[400];
    size_t drawn_count;
    uint32_t *drawn; /* where kept */
};

/* Runs in a process of its own that begins as a copy of this one; `world` stays as it is. `out`
 * must be released. */
void run_apart(struct sim *world, const struct run *run, struct run_end *out);
void run_end_release(struct run_end *end);

/* Numbers `first` to `last`, at most `seeds_max` seeds each. False: one wasn't found. */
bool plants_run(struct sim *world, uint64_t seeds_max, int first, int last);
bool plant_tell(struct sim *world, int number, uint64_t seed);
bool tapes_shrink(struct sim *world, uint64_t seed, const char *path, int planted);
/* All must hold; `mistaken`: each with the mistake that it was made with, and break as it did then.
 */
bool tapes_replay(struct sim *world, char **paths, int count, bool mistaken);

#endif
