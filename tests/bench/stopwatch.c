/* See stopwatch.h. */
#include "tests/bench/stopwatch.h"

static double seconds(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double clock_s(void)
{
    return seconds(CLOCK_MONOTONIC);
}

double cpu_s(void)
{
    return seconds(CLOCK_PROCESS_CPUTIME_ID);
}

void figure(const char *what, double value, double floor, const char *unit, const char *target)
{
    if (floor > 0) {
        printf("| %s | %.4g %s | %.4g %s | %.2f | %s |\n", what, value, unit, floor, unit,
               value / floor, target);
    } else {
        printf("| %s | %.4g %s | – | – | %s |\n", what, value, unit, target);
    }
    fflush(stdout);
}

void need(struct err err, const char *what)
{
    if (err.code != ERR_OK) {
        fprintf(stderr, "%s: %s at %s, cause %d\n", what, err_text(err.code, false),
                err.where ? err.where : "?", err.cause);
        exit(1);
    }
}
