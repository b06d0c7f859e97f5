/* Erasing a person's data: an employee, a contact, or a customer who is one. A job names all rows
 * that hold some of it in one transaction; then each is emptied in one of its own, like any change
 * that devices hear of, and what the change log kept of it is destroyed (shred.h). So a process
 * that dies loses at most the row under way, and any later one goes on where it was.
 *
 *     erase_begin: note in the ledger, row in `erased`, the job's items
 *     erase_step:  one item: overwritten, shredded, marked
 *
 * From erase_begin on no device writes to the subject any more: `erased`, and what it sent is
 * destroyed as well. */
#ifndef CHANGELOG_SERVER_ERASE_H
#define CHANGELOG_SERVER_ERASE_H

#include "common/changelog/server/store.h"
#include "protocol/messages.h"

struct erase_job {
    int64_t no;
    int64_t total;   /* rows that hold something of the subject */
    int64_t emptied; /* had their turn */
    int64_t entries; /* of the change log that tell no more */
};

/* Whether rows of the table are somebody's data as a whole. */
bool erase_is_of(const struct table *t);
/* Names the rows; inside the caller's transaction. The subject needn't be in the store: it may come
 * back from a device. `*no` gets the job's number. */
MUST_USE struct err erase_begin(struct store *st, const struct table *t, const uint8_t id[16],
                                int64_t now_ms, int64_t *no);
/* The oldest job that isn't finished. ERR_NOT_FOUND: there is none. */
MUST_USE struct err erase_open(struct store *st, int64_t *no);
/* How far it came. */
MUST_USE struct err erase_read(struct store *st, int64_t no, struct erase_job *out);
/* Empties the next row of the job, in a transaction of its own. `*ended`: none was left. The bytes
 * are gone from the file once the write-ahead log is (erase_settle). */
MUST_USE struct err erase_step(struct store *st, int64_t no, int64_t now_ms, bool *ended);
/* Moves the write-ahead log into the file and cuts it to nothing. ERR_BUSY: a reader still needs
 * it, try later. */
MUST_USE struct err erase_settle(struct store *st);

/* Whether the row was ever named as a subject, or is the contact of one. */
MUST_USE struct err erase_is_begun(struct store *st, uint16_t table, const uint8_t id[16],
                                   bool *out);
/* Whether a job has the row among its own: nothing of it comes back. */
MUST_USE struct err erase_has_emptied(struct store *st, uint16_t table, const uint8_t id[16],
                                      bool *out);
#endif
