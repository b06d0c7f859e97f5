/* A PostgreSQL cluster of a test's own: in a temporary folder, over a Unix socket alone, ended with
 * the test whatever becomes of it. The system's clusters aren't touched. */
#ifndef TESTS_SUPPORT_CLUSTER_H
#define TESTS_SUPPORT_CLUSTER_H

#include "common/base/base.h"

#include <sys/types.h>

struct cluster {
    char dir[64];
    char conninfo[160]; /* of the superuser, database "postgres" */
    pid_t pid;
};

/* False where PostgreSQL isn't installed or can't be started; why stands on standard error.
 * `durable`: with fsync, for tests that kill it. */
MUST_USE bool cluster_start(struct cluster *c, bool durable);
/* Ends it as a power cut does; start again with cluster_resume. */
void cluster_kill(struct cluster *c);
MUST_USE bool cluster_resume(struct cluster *c);
void cluster_release(struct cluster *c);

#endif
