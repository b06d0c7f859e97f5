/* Moves of many customers. A job names them all in one transaction; then each is moved in one of
 * its own, together with the mark that it is done. So a process that dies loses at most the move
 * under way, any later one goes on where it was, and two at once share the work. */
#ifndef CHANGELOG_SERVER_MOVE_JOB_H
#define CHANGELOG_SERVER_MOVE_JOB_H

#include "common/changelog/server/store.h"

struct move_job {
    int64_t no;
    int64_t total;  /* customers */
    int64_t moved;  /* had their turn, failed ones too */
    int64_t rows;   /* moved so far, with all that hangs on the customers */
    int64_t failed; /* couldn't be moved; move_item says why */
};

/* Names the customers; a transaction of its own. `*no` gets the job's number. */
MUST_USE struct err move_job_make(struct store *st, const uint8_t (*customers)[16], size_t count,
                                  const uint8_t to_book[16], int64_t now_ms, int64_t *no);
/* The oldest job that isn't finished. ERR_NOT_FOUND: there is none. */
MUST_USE struct err move_job_open(struct store *st, int64_t *no);
/* How far it came. */
MUST_USE struct err move_job_read(struct store *st, int64_t no, struct move_job *out);
/* Moves the next customer of the job, in a transaction of its own. `*ended`: none was left. */
MUST_USE struct err move_job_step(struct store *st, int64_t no, int64_t now_ms, bool *ended);

#endif
