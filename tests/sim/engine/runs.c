/* A run is a fork of the standing world: whatever it does, the next one begins with the same
 * memory, to the byte. So nothing is opened, parsed or founded twice, and a run that ends in an
 * assertion or a signal is a failing run like any other. */
#include "tests/sim/engine/main.h"

#include <sys/wait.h>
#include <unistd.h>

int planted_number = 0; /* NOLINT: chosen once a process, read by the planted layer alone */

static void write_all(int to, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    ssize_t n = 1;
    for (size_t done = 0; done < size && n > 0; done += (size_t)n) {
        n = write(to, at + done, size - done);
    }
}

/* False: the other end was closed before. */
static bool read_all(int from, void *bytes, size_t size)
{
    uint8_t *at = bytes;
    size_t done = 0;
    ssize_t n = 1;
    while (done < size && (n = read(from, at + done, size - done)) > 0) {
        done += (size_t)n;
    }
    return done == size;
}

/* The child's half. Sanitizers look at what is left when a process ends; without them there is
 * nothing to be learned from putting everything away. */
static void be_the_run(struct sim *s, const struct run *run, int to)
{
    struct run_end end = {.seed = run->seed, .ended = true};
    (void)alarm(run->seconds_max);
    if (run->planted != 0) {
        (void)!freopen("/dev/null", "w", stderr); /* what an assertion says */
    }
    planted_number = run->planted;
    s->tells = run->tells;
    tape_release(&s->tape); /* the founding's */
    if (run->replays) {
        tape_replay(&s->tape, run->given, run->given_count);
    } else {
        tape_record(&s->tape, run->seed);
    }
    sim_run(s, run->seed);
    end.broken = s->broken;
    end.hash = s->hash;
    end.counts = s->counts;
    end.drawn_count = s->tape.count;
    memcpy(end.story, s->story, sizeof end.story);
    write_all(to, &end, sizeof end);
    if (run->keeps_tape) {
        write_all(to, s->tape.drawn, s->tape.count * sizeof *s->tape.drawn);
    }
    close(to);
    (void)fflush(stdout);
#ifdef LEGWORK_SANITIZED
    sim_release(s);
    free(s);
    exit(0);
#endif
    _exit(0);
}

static void hear(const struct run *run, int from, struct run_end *out)
{
    *out = (struct run_end){.seed = run->seed};
    if (!read_all(from, out, sizeof *out)) {
        *out = (struct run_end){.seed = run->seed};
    }
    out->drawn = NULL;
    if (out->ended && run->keeps_tape) {
        out->drawn = malloc((out->drawn_count + 1) * sizeof *out->drawn);
        if (out->drawn == NULL ||
            !read_all(from, out->drawn, out->drawn_count * sizeof *out->drawn)) {
            abort();
        }
    }
}

void run_apart(struct sim *world, const struct run *run, struct run_end *out)
{
    int ends[2];
    int status = 0;
    (void)fflush(stdout); /* or the child says it again */
    if (pipe(ends) != 0) {
        abort();
    }
    pid_t child = fork();
    if (child < 0) {
        abort();
    }
    if (child == 0) {
        close(ends[0]);
        be_the_run(world, run, ends[1]);
    }
    close(ends[1]);
    hear(run, ends[0], out);
    close(ends[0]);
    (void)waitpid(child, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        out->ended = false;
    }
    if (!out->ended) {
        out->broken = INV_ALIVE;
        (void)snprintf(out->story, sizeof out->story, "the program ends (%s %d)",
                       WIFSIGNALED(status) ? "signal" : "status",
                       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
}

void run_end_release(struct run_end *end)
{
    free(end->drawn);
    end->drawn = NULL;
}
