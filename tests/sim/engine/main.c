/* simulator: runs seeds until one breaks.
 *
 *     simulator seeds [FIRST [COUNT]]   runs them; a failing one is told and ends with 1
 *     simulator tell SEED               one seed, step by step
 *     simulator hash FIRST COUNT        the trace hash of each: equal in every build
 *     simulator shrink SEED FILE [MISTAKE]   a failing seed's shortest tape, as a file
 *     simulator replay FILE...          tapes that failed once: they must hold now
 *
 * and, where the mistakes of common/base/planted.def are built in:
 *
 *     simulator_planted plants MAX [FIRST [LAST]]   seeds until each is found; all must be
 *     simulator_planted plant NUMBER SEED           one of them, step by step
 *     simulator_planted mistaken FILE...            tapes with their mistakes: they must break */
#include "tests/sim/engine/main.h"

#include <malloc.h>

#include "tests/support/simheap.h"

struct totals {
    int64_t seeds, device_ms, crashes, power_cuts, disk_faults, syncs, transactions;
};

static void add(struct totals *t, const struct sim_counts *c)
{
    t->seeds++;
    t->device_ms += c->device_ms;
    t->crashes += c->crashes;
    t->power_cuts += c->power_cuts;
    t->disk_faults += c->disk_faults;
    t->syncs += c->syncs;
    t->transactions += c->transactions;
}

static void print(const struct totals *t)
{
    printf("seeds %" PRId64 ", simulated device-hours %.1f, crash points %" PRId64 " (%" PRId64
           " of power), disk faults %" PRId64 ", syncs %" PRId64 ", transactions %" PRId64 "\n",
           t->seeds, (double)t->device_ms / 3600000, t->crashes, t->power_cuts, t->disk_faults,
           t->syncs, t->transactions);
}

static bool run_seed(struct sim *world, uint64_t seed, bool tells, bool hashes,
                     struct totals *totals)
{
    const struct run run = {.seed = seed, .tells = tells, .seconds_max = RUN_SECONDS_MAX};
    struct run_end end;
    run_apart(world, &run, &end);
    bool good = end.broken == INV_NONE;
    if (!good) {
        printf("seed %" PRIu64 ": I%d %s (%s): %s\n", seed, (int)end.broken,
               invariant_name(end.broken), invariant_says(end.broken), end.story);
    }
    if (hashes) {
        printf("%" PRIu64 " %016" PRIx64 "\n", seed, end.hash);
    }
    add(totals, &end.counts);
    run_end_release(&end);
    return good;
}

static bool run_seeds(struct sim *world, const char *what, uint64_t first, uint64_t count)
{
    bool tells = strcmp(what, "tell") == 0, hashes = strcmp(what, "hash") == 0;
    struct totals totals = {0};
    bool good = true;
    for (uint64_t seed = first; seed < first + count; seed++) {
        good = run_seed(world, seed, tells, hashes, &totals) && good;
    }
    if (!hashes) {
        print(&totals);
    }
    return good;
}

/* Memory that a run gives back is soon asked for again: handing it to the system and back, page by
 * page, took more time than using it. */
static void keep_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, 32 << 20); /* the most that is taken */
    (void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
    (void)mallopt(M_TOP_PAD, 1 << 20);
#ifndef LEGWORK_SANITIZED
    simheap_use();
#endif
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "seeds";
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    uint64_t count = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    struct sim_firm firm;
    struct sim *world = calloc(1, sizeof *world);
    if (world == NULL) {
        abort();
    }
    bool good;
    keep_memory();
    simdisk_one_thread();
    firm_found(&firm, world);
    if (strcmp(what, "plants") == 0) {
        good = plants_run(world, first, argc > 3 ? (int)count : 1,
                          argc > 4 ? (int)strtol(argv[4], NULL, 10) : INT_MAX);
    } else if (strcmp(what, "plant") == 0) {
        good = plant_tell(world, (int)first, count);
    } else if (strcmp(what, "shrink") == 0 && argc > 3) {
        good = tapes_shrink(world, first, argv[3], argc > 4 ? (int)strtol(argv[4], NULL, 10) : 0);
    } else if (strcmp(what, "replay") == 0 || strcmp(what, "mistaken") == 0) {
        good = tapes_replay(world, &argv[2], argc - 2, strcmp(what, "mistaken") == 0);
    } else {
        good = run_seeds(world, what, first, count);
    }
    sim_release(world);
    free(world);
    firm_release(&firm);
    return good ? 0 : 1;
}
