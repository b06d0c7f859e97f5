/* The PostgreSQL driver of common/db: a connection to the store of a firm that one machine can't
 * hold any more. What db.h says goes for it as well; what differs:
 *
 *   - Statements that give no rows are sent and not waited for. Their error comes with a later
 *     call of the same transaction, at the latest with COMMIT. db_changes waits.
 *   - After an error the transaction only takes ROLLBACK, or the end of a savepoint.
 *   - A lost connection is made again by the next db_begin. A COMMIT whose answer was lost fails:
 *     the caller can't know whether it was done, and asks by the identity of what it wrote.
 *   - db_data_version is another one in each transaction: nothing is remembered between them.
 *
 * ERR_BUSY: a deadlock, a serialization failure, a lock that couldn't be had: the whole transaction
 * is worth another try. ERR_NETWORK: the database can't be reached or went away. */
#ifndef SERVER_STORE_POSTGRES_H
#define SERVER_STORE_POSTGRES_H

#include "common/db/db.h"

struct postgres_options {
    const char *conninfo; /* a URL or words, as libpq takes them; service files and PG… count too */
    const char *schema;   /* where the tables are; made where missing if `creates` */
    bool creates;
    int connect_timeout_s;
    int lock_timeout_ms;
    int statement_timeout_ms; /* 0: none */
};

/* `*out` is NULL on error, then `why` has libpq's words. */
MUST_USE struct err postgres_open(struct db **out, const struct postgres_options *options,
                                  struct buf *why);

#endif
