/* Failing runs, made short: parts of a tape are left out, then numbers made smaller, as long as the
 * same invariant breaks. A tape's file is the seed, the mistake that was made (0: none was
 * planned), and what was drawn, as text. */
#include "tests/sim/engine/main.h"

#define TRIES_MAX 3000

struct tape_file {
    uint64_t seed;
    enum invariant which;
    int mistake;
    size_t count;
    uint32_t *draws;
};

/* With the tape's own mistake, where `mistaken`. */
static enum invariant run(struct sim *world, const struct tape_file *t, bool mistaken)
{
    const struct run run = {.seed = t->seed,
                            .replays = true,
                            .given = t->draws,
                            .given_count = t->count,
                            .planted = mistaken ? t->mistake : 0,
                            .seconds_max = RUN_SECONDS_MAX};
    struct run_end end;
    run_apart(world, &run, &end);
    if (end.broken != INV_NONE) {
        printf("I%d %s: %s\n", (int)end.broken, invariant_name(end.broken), end.story);
    }
    return end.broken;
}

/* Tries the tape without `size` numbers from `at` on. */
static bool cut(struct sim *world, struct tape_file *t, size_t at, size_t size)
{
    struct tape_file shorter = *t;
    size_t end = at + size < t->count ? at + size : t->count;
    shorter.draws = malloc((t->count + 1) * sizeof *shorter.draws);
    if (shorter.draws == NULL) {
        abort();
    }
    memcpy(shorter.draws, t->draws, at * sizeof *t->draws);
    memcpy(shorter.draws + at, t->draws + end, (t->count - end) * sizeof *t->draws);
    shorter.count = t->count - (end - at);
    if (run(world, &shorter, true) != t->which) {
        free(shorter.draws);
        return false;
    }
    free(t->draws);
    *t = shorter;
    return true;
}

static bool zero(struct sim *world, struct tape_file *t, size_t at)
{
    uint32_t was = t->draws[at];
    t->draws[at] = 0;
    if (run(world, t, true) == t->which) {
        return true;
    }
    t->draws[at] = was;
    return false;
}

static void shrink(struct sim *world, struct tape_file *t)
{
    int tries = 0;
    for (size_t size = t->count / 2; size > 0 && tries < TRIES_MAX; size /= 2) {
        for (size_t at = 0; at < t->count && tries < TRIES_MAX; tries++) {
            at += cut(world, t, at, size) ? 0 : size;
        }
    }
    for (size_t at = 0; at < t->count && tries < TRIES_MAX; at++) {
        if (t->draws[at] != 0) {
            (void)zero(world, t, at);
            tries++;
        }
    }
    while (t->count > 0 && t->draws[t->count - 1] == 0) { /* behind the end there are zeros */
        t->count--;
    }
}

static bool store(const struct tape_file *t, const char *path)
{
    FILE *f = fopen(path, "w");
    if (f == NULL) {
        return false;
    }
    fprintf(f, "seed %" PRIu64 " breaks I%d %s, mistake %d\n", t->seed, (int)t->which,
            invariant_name(t->which), t->mistake);
    for (size_t i = 0; i < t->count; i++) {
        fprintf(f, "%" PRIu32 "%c", t->draws[i], i % 20 == 19 ? '\n' : ' ');
    }
    fprintf(f, "\n");
    return fclose(f) == 0;
}

static bool load(const char *path, struct tape_file *t)
{
    FILE *f = fopen(path, "r");
    int which = 0;
    *t = (struct tape_file){.seed = 0};
    if (f == NULL || fscanf(f, "seed %" SCNu64 " breaks I%d %*[^,], mistake %d", &t->seed, &which,
                            &t->mistake) != 3) {
        if (f != NULL) {
            fclose(f);
        }
        return false;
    }
    t->which = (enum invariant)which;
    size_t room = 0;
    uint32_t drawn;
    while (fscanf(f, "%" SCNu32, &drawn) == 1) {
        if (t->count == room) {
            room = room == 0 ? 256 : room * 2;
            uint32_t *more = realloc(t->draws, room * sizeof *more);
            if (more == NULL) {
                abort();
            }
            t->draws = more;
        }
        t->draws[t->count++] = drawn;
    }
    fclose(f);
    return true;
}

bool tapes_shrink(struct sim *world, uint64_t seed, const char *path, int planted)
{
    const struct run run = {
        .seed = seed, .planted = planted, .keeps_tape = true, .seconds_max = RUN_SECONDS_MAX};
    struct run_end end;
    run_apart(world, &run, &end);
    struct tape_file t = {.seed = seed,
                          .which = end.broken,
                          .mistake = planted,
                          .count = end.drawn_count,
                          .draws = end.drawn}; /* taken over */
    if (!end.ended) {
        printf("seed %" PRIu64 ": %s: no tape of it is left\n", seed, end.story);
        return false;
    }
    if (t.which != INV_NONE) {
        shrink(world, &t);
        printf("seed %" PRIu64 ": %zu choices are left\n", seed, t.count);
    } else {
        printf("seed %" PRIu64 " holds\n", seed);
    }
    bool good = t.which != INV_NONE && store(&t, path);
    free(t.draws);
    return good;
}

bool tapes_replay(struct sim *world, char **paths, int count, bool mistaken)
{
    bool good = count > 0;
    for (int i = 0; i < count; i++) {
        struct tape_file t;
        if (!load(paths[i], &t)) {
            printf("%s: no tape\n", paths[i]);
            good = false;
            continue;
        }
        enum invariant wanted = mistaken && t.mistake != 0 ? t.which : INV_NONE;
        enum invariant broken = run(world, &t, mistaken);
        printf("%s: %s%s\n", paths[i], broken == INV_NONE ? "holds" : "breaks",
               broken == wanted ? "" : ", WRONG");
        good = good && broken == wanted;
        free(t.draws);
    }
    return good;
}
