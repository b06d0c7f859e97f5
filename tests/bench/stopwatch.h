/* Time, and how a figure is printed: one line each that run.sh gathers into a table. */
#ifndef TESTS_BENCH_STOPWATCH_H
#define TESTS_BENCH_STOPWATCH_H

#include "common/base/base.h"

double clock_s(void); /* monotonic */
double cpu_s(void);   /* of this process, user and system */

/* "what | value | floor | ratio | target": `floor` 0 where there is none. */
void figure(const char *what, double value, double floor, const char *unit, const char *target);
/* Ends the program where a bench can't go on. */
void need(struct err err, const char *what);

#endif
