/* Every allocation, every write, every sync fails once, in each scenario of both sides: the caller
 * gets an error, nothing crashes, nothing leaks, and the databases hold what they held before, or
 * all of the new. What goes on over several transactions is done once more without a failure, and
 * must come to the same end (enum scenario_end).
 *
 *     fault_each [--first N] [--stride N] [--only WORDS] [--kind K --at N --keep FOLDER]
 *
 * Stride 1 tries each; larger ones try the first (200) of a kind each and then every N-th (fewer of
 * what takes long: `thin`). To look at one: kind (0: allocation, …) and number as the complaint
 * names them; FOLDER gets the databases as they should be (should-X.db) and as they are
 * (is-X.db). */
#include "tests/fault/scenarios.h"
#include "tests/support/injector.h"

struct options {
    uint64_t first;
    uint64_t stride;
    const char *only;
    uint64_t kind;
    uint64_t at; /* 0: all of them */
    const char *keep;
};

struct run {
    struct rig rig;
    struct options o;
    uint64_t before, after_all, after_business;
    size_t live;
    uint64_t tried;
    uint64_t complaints;
};

static const char *const kind_names[INJECTIONS] = {
    [INJECT_ALLOC] = "allocation",
    [INJECT_WRITE] = "write (disk full)",
    [INJECT_WRITE_IO] = "write (I/O)",
    [INJECT_SYNC] = "sync",
    [INJECT_READ] = "read",
};

static void complain(struct run *r, const struct scenario *s, enum injection kind, uint64_t n,
                     const char *what, struct err err)
{
    (void)printf("%s: %s %" PRIu64 ": %s (%s %d in %s)\n", s->name, kind_names[kind], n, what,
                 err_name(err.code), err.cause, err.where == NULL ? "-" : err.where);
    r->complaints++;
}

static struct err run_clean(struct run *r, const struct scenario *s)
{
    struct err err = s->run(&r->rig);
    rig_close(&r->rig);
    return err;
}

/* Gone through once without a failure, to know what it leads to and how much there is to fail. */
static bool learn(struct run *r, const struct scenario *s, uint64_t counts[INJECTIONS])
{
    rig_restore(&r->rig);
    r->before = rig_digest(&r->rig, RIG_ALL);
    injector_arm(INJECT_ALLOC, 0);
    struct err err = run_clean(r, s);
    for (size_t k = 0; k < INJECTIONS; k++) {
        counts[k] = injector_count((enum injection)k);
    }
    (void)injector_disarm();
    if (err.code != ERR_OK) {
        complain(r, s, INJECT_ALLOC, 0, "fails by itself", err);
        return false;
    }
    if (r->o.keep != NULL) {
        rig_keep(&r->rig, r->o.keep, "should");
    }
    r->after_all = rig_digest(&r->rig, RIG_ALL);
    r->after_business = rig_digest(&r->rig, RIG_BUSINESS);
    return true;
}

static void check_one_transaction(struct run *r, const struct scenario *s, enum injection kind,
                                  uint64_t n, struct err err)
{
    uint64_t now = rig_digest(&r->rig, RIG_ALL);
    if (err.code == ERR_OK && now != r->after_all) {
        complain(r, s, kind, n, "says done and isn't", err);
    } else if (err.code != ERR_OK && now != r->before) {
        complain(r, s, kind, n, now == r->after_all ? "fails, and is done" : "half done", err);
    }
}

static void check_again(struct run *r, const struct scenario *s, enum injection kind, uint64_t n,
                        struct err err)
{
    struct err again = run_clean(r, s);
    if (again.code != ERR_OK) {
        complain(r, s, kind, n, "can't be done again", again);
    } else if (s->end == SAME_FILES ? rig_digest(&r->rig, RIG_ALL) != r->after_all
                                    : rig_digest(&r->rig, RIG_BUSINESS) != r->after_business) {
        complain(r, s, kind, n, "comes to another end", err);
    }
}

static void try_one(struct run *r, const struct scenario *s, enum injection kind, uint64_t n)
{
    rig_restore(&r->rig);
    injector_arm(kind, n);
    struct err err = s->run(&r->rig);
    bool fired = injector_disarm();
    rig_close(&r->rig);
    r->tried += fired;
    if (injector_live_blocks() != r->live) {
        complain(r, s, kind, n, "leaks", err);
        r->live = injector_live_blocks();
    }
    if (s->end == ALL_OR_NOTHING) {
        check_one_transaction(r, s, kind, n, err);
    } else {
        check_again(r, s, kind, n, err);
    }
}

static void try_all(struct run *r, const struct scenario *s)
{
    uint64_t counts[INJECTIONS];
    uint64_t before = r->tried;
    uint64_t thin = s->thin > 1 && r->o.stride > 1 ? s->thin : 1;
    if (!learn(r, s, counts)) {
        return;
    }
    r->live = injector_live_blocks();
    if (r->o.at > 0) {
        try_one(r, s, (enum injection)r->o.kind, r->o.at);
        if (r->o.keep != NULL) {
            rig_keep(&r->rig, r->o.keep, "is");
        }
        return;
    }
    for (size_t k = 0; k < INJECTIONS; k++) {
        for (uint64_t n = 1; n <= counts[k]; n += n < r->o.first / thin ? 1 : r->o.stride * thin) {
            try_one(r, s, (enum injection)k, n);
        }
    }
    (void)printf("%-42s %6" PRIu64 " injections\n", s->name, r->tried - before);
    (void)fflush(stdout);
}

static bool read_options(int argc, char **argv, struct options *o)
{
    *o = (struct options){.first = 200, .stride = 1, .only = ""};
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (value == NULL) {
            return false;
        }
        if (strcmp(argv[i], "--first") == 0) {
            o->first = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i], "--stride") == 0) {
            o->stride = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i], "--only") == 0) {
            o->only = value;
        } else if (strcmp(argv[i], "--kind") == 0) {
            o->kind = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i], "--at") == 0) {
            o->at = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i], "--keep") == 0) {
            o->keep = value;
        } else {
            return false;
        }
    }
    return o->stride > 0 && o->kind < INJECTIONS;
}

int main(int argc, char **argv)
{
    struct options o;
    struct run *r = read_options(argc, argv, &o) ? calloc(1, sizeof *r) : NULL;
    if (r == NULL) {
        (void)fputs("usage: fault_each [--first N] [--stride N] [--only WORDS] [--kind K --at N "
                    "--keep FOLDER]\n",
                    stderr);
        return 2;
    }
    r->o = o;
    injector_init();
    rig_init(&r->rig);
    for (size_t i = 0; i < scenario_count; i++) {
        if (strstr(scenarios[i].name, r->o.only) != NULL) {
            try_all(r, &scenarios[i]);
        }
    }
    rig_release(&r->rig);
    (void)printf("injections: %" PRIu64 ", complaints: %" PRIu64 "\n", r->tried, r->complaints);
    int status = r->complaints == 0 && r->tried > 0 ? 0 : 1;
    free(r);
    return status;
}
