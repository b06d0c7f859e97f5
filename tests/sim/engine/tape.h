/* The choices of a run. All that chance decides in the simulator is drawn here and recorded, so a
 * run is its seed, or its tape: the list of what was drawn. A tape may be cut and zeroed and is
 * still a run; 0 is always the dullest choice, and behind the end there are only zeros. */
#ifndef TESTS_SIM_ENGINE_TAPE_H
#define TESTS_SIM_ENGINE_TAPE_H

#include "common/base/base.h"

struct tape {
    uint64_t state; /* of a splitmix64 */
    bool replays;
    size_t given_count; /* replay: what to draw */
    const uint32_t *given;
    size_t count, room; /* what was drawn */
    uint32_t *drawn;
};

void tape_record(struct tape *t, uint64_t seed);
/* `given` is borrowed until tape_release. */
void tape_replay(struct tape *t, const uint32_t *given, size_t count);
void tape_release(struct tape *t);
/* Below `n`, which fits 32 bits; 0 where n is 0. */
uint64_t tape_below(struct tape *t, uint64_t n);
/* True once in `n` times; never for 0. */
bool tape_once_in(struct tape *t, uint64_t n);

#endif
