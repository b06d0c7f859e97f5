/* Mistakes made on purpose, each until a seed finds it. A mistake may end in an assertion or turn
 * in a circle, which finds it as well. */
#include "tests/sim/engine/main.h"

#define SECONDS_MAX 20 /* of one run with a mistake */

static const struct plant_line {
    int number;
    const char *name, *rule, *what;
} plants[] = {
#define PLANT(number, name, rule, what) {number, #name, rule, what},
#include "common/base/planted.def"
#undef PLANT
};

/* False: no seed found it. */
static bool find(struct sim *world, int number, uint64_t seeds_max, struct run_end *out)
{
    bool found = false;
    for (uint64_t seed = 1; seed <= seeds_max && !found; seed++) {
        const struct run run = {.seed = seed, .planted = number, .seconds_max = SECONDS_MAX};
        run_apart(world, &run, out);
        found = out->broken != INV_NONE;
    }
    return found;
}

bool plants_run(struct sim *world, uint64_t seeds_max, int first, int last)
{
    int missed = 0;
    printf("%3s %-22s %6s  %s\n", "no", "mistake", "seeds", "found as");
    for (size_t i = 0; i < count_of(plants); i++) {
        const struct plant_line *p = &plants[i];
        struct run_end end;
        if (p->number < first || p->number > last) {
            continue;
        }
        bool found = find(world, p->number, seeds_max, &end);
        missed += !found;
        printf("%3d %-22s ", p->number, p->name);
        if (found) {
            printf("%6" PRIu64 "  I%d %s: %.119s%s%s\n", end.seed, (int)end.broken,
                   invariant_name(end.broken), end.story, p->rule[0] == 0 ? "" : " *", p->rule);
        } else {
            printf("%6s  NOT FOUND in %" PRIu64 " seeds: %s\n", "-", seeds_max, p->what);
        }
        fflush(stdout);
    }
    printf("%d not found\n", missed);
    return missed == 0;
}

bool plant_tell(struct sim *world, int number, uint64_t seed)
{
    const struct run run = {
        .seed = seed, .planted = number, .tells = true, .seconds_max = RUN_SECONDS_MAX};
    struct run_end end;
    run_apart(world, &run, &end);
    return end.broken == INV_NONE;
}
