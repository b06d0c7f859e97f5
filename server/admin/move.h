/* Jobs of moves, run to their end with their progress on stderr. */
#ifndef SERVER_ADMIN_MOVE_H
#define SERVER_ADMIN_MOVE_H

#include "common/changelog/server/move_job.h"

MUST_USE struct err move_job_run(struct store *st, int64_t no, struct move_job *out);
/* All that were left unfinished, the oldest first; `last` is the last of them. */
MUST_USE struct err move_jobs_resume(struct store *st, struct move_job *last, int64_t *count);

#endif
