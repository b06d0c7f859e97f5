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

struct totals {
    int64_t seeds, device_ms, crashes, power_cuts, disk_faults, syncs, transactions;
};

static void add(struct totals *t, const struct sim *s)
{
    t->seeds++;
    t->device_ms += s->counts.device_ms;
    t->crashes += s->counts.crashes;
    t->power_cuts += s->counts.power_cuts;
    t->disk_faults += s->counts.disk_faults;
    t->syncs += s->counts.syncs;
    t->transactions += s->counts.transactions;
}

static void print(const struct totals *t)
{
    printf("seeds %" PRId64 ", simulated device-hours %.1f, crash points %" PRId64 " (%" PRId64
           " of power), disk faults %" PRId64 ", syncs %" PRId64 ", transactions %" PRId64 "\n",
           t->seeds, (double)t->device_ms / 3600000, t->crashes, t->power_cuts, t->disk_faults,
           t->syncs, t->transactions);
}

bool simulate_seed(const struct sim_firm *firm, uint64_t seed, bool tells, bool hashes,
                   struct totals *totals)
{
    struct sim *s = calloc(1, sizeof *s);
    if (s == NULL) {
        abort();
    }
    s->tells = tells;
    tape_record(&s->tape, seed);
    sim_run(s, firm, seed);
    bool good = s->broken == INV_NONE;
    if (!good) {
        printf("seed %" PRIu64 ": I%d %s (%s): %s\n", seed, (int)s->broken,
               invariant_name(s->broken), invariant_says(s->broken), s->story);
    }
    if (hashes) {
        printf("%" PRIu64 " %016" PRIx64 "\n", seed, s->hash);
    }
    add(totals, s);
    sim_release(s);
    free(s);
    return good;
}

static bool run_seeds(const struct sim_firm *firm, const char *what, uint64_t first, uint64_t count)
{
    bool tells = strcmp(what, "tell") == 0, hashes = strcmp(what, "hash") == 0;
    struct totals totals = {0};
    bool good = true;
    for (uint64_t seed = first; seed < first + count; seed++) {
        good = simulate_seed(firm, seed, tells, hashes, &totals) && good;
    }
    if (!hashes) {
        print(&totals);
    }
    return good;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "seeds";
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    uint64_t count = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    struct sim_firm firm;
    bool good;
    simdisk_one_thread();
    firm_found(&firm);
    if (strcmp(what, "plants") == 0) {
        good = plants_run(&firm, first, argc > 3 ? (int)count : 1,
                          argc > 4 ? (int)strtol(argv[4], NULL, 10) : INT_MAX);
    } else if (strcmp(what, "plant") == 0) {
        good = plant_tell(&firm, (int)first, count);
    } else if (strcmp(what, "shrink") == 0 && argc > 3) {
        planted_number = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 0;
        good = tapes_shrink(&firm, first, argv[3]);
    } else if (strcmp(what, "replay") == 0 || strcmp(what, "mistaken") == 0) {
        good = tapes_replay(&firm, &argv[2], argc - 2, strcmp(what, "mistaken") == 0);
    } else {
        good = run_seeds(&firm, what, first, count);
    }
    firm_release(&firm);
    return good ? 0 : 1;
}
