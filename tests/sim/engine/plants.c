/* Mistakes made on purpose, each until a seed finds it. A run of its own process: a mistake may end
 * in an assertion or turn in a circle, which finds it as well. */
#include "tests/sim/engine/main.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS_MAX 600 /* of one mistake; a run that turns in a circle ends much earlier */

int planted_number = 0; /* NOLINT: chosen once a process, read by the planted layer alone */

static const struct plant_line {
    int number;
    const char *name, *rule, *what;
} plants[] = {
#define PLANT(number, name, rule, what) {number, #name, rule, what},
#include "common/base/planted.def"
#undef PLANT
};

struct finding {
    uint64_t seed; /* 0: none */
    enum invariant which;
    char story[120];
};

static void search(const struct sim_firm *firm, uint64_t seeds_max, int to)
{
    struct finding found = {.seed = 0};
    for (uint64_t seed = 1; seed <= seeds_max && found.seed == 0; seed++) {
        struct sim *s = calloc(1, sizeof *s);
        if (s == NULL) {
            abort();
        }
        (void)alarm(20);
        (void)!write(to, &(struct finding){.seed = seed}, sizeof found); /* where it stands */
        tape_record(&s->tape, seed);
        sim_run(s, firm, seed);
        if (s->broken != INV_NONE) {
            found.seed = seed;
            found.which = s->broken;
            (void)snprintf(found.story, sizeof found.story, "%.119s", s->story);
        }
        sim_release(s);
        free(s);
    }
    (void)!write(to, &found, sizeof found);
}

/* What the child said last; whether it ended by itself. */
static bool find(const struct sim_firm *firm, uint64_t seeds_max, struct finding *out)
{
    int ends[2];
    struct finding said;
    int status = 0;
    if (pipe(ends) != 0) {
        abort();
    }
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        (void)freopen("/dev/null", "w", stderr); /* what an assertion says */
        close(ends[0]);
        search(firm, seeds_max, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    memset(out, 0, sizeof *out);
    while (read(ends[0], &said, sizeof said) == (ssize_t)sizeof said) {
        *out = said;
    }
    close(ends[0]);
    (void)waitpid(child, &status, 0);
    return WIFEXITED(status);
}

bool plants_run(const struct sim_firm *firm, uint64_t seeds_max, int first, int last)
{
    int missed = 0;
    printf("%3s %-22s %6s  %s\n", "no", "mistake", "seeds", "found as");
    for (size_t i = 0; i < count_of(plants); i++) {
        struct finding f;
        const struct plant_line *p = &plants[i];
        if (p->number < first || p->number > last) {
            continue;
        }
        planted_number = p->number;
        bool ended = find(firm, seeds_max, &f);
        bool found = f.seed > 0;
        missed += !found;
        printf("%3d %-22s ", p->number, p->name);
        if (found && ended) {
            printf("%6" PRIu64 "  I%d %s: %s%s%s\n", f.seed, (int)f.which, invariant_name(f.which),
                   f.story, p->rule[0] == 0 ? "" : " *", p->rule);
        } else if (found) {
            printf("%6" PRIu64 "  I%d %s: the program ends\n", f.seed, (int)INV_ALIVE,
                   invariant_name(INV_ALIVE));
        } else {
            printf("%6s  NOT FOUND in %" PRIu64 " seeds: %s\n", "-", seeds_max, p->what);
        }
        fflush(stdout);
    }
    printf("%d not found\n", missed);
    return missed == 0;
}

bool plant_tell(const struct sim_firm *firm, int number, uint64_t seed)
{
    struct sim *s = calloc(1, sizeof *s);
    if (s == NULL) {
        abort();
    }
    planted_number = number;
    s->tells = true;
    tape_record(&s->tape, seed);
    sim_run(s, firm, seed);
    bool good = s->broken == INV_NONE;
    sim_release(s);
    free(s);
    return good;
}
