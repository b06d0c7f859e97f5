/* Erasures, run to their end: rows, the change log, pictures' files, the write-ahead log. */
#ifndef SERVER_ADMIN_ERASE_H
#define SERVER_ADMIN_ERASE_H

#include "common/changelog/server/erase.h"
#include "server/admin/data.h"

/* All that were left unfinished, the oldest first; `last` is the last of them. */
MUST_USE struct err erase_jobs_resume(struct data *d, struct erase_job *last, int64_t *count);

#endif
