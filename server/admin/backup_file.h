/* A backup's file, looked at from outside: whole, sealed, and byte for byte what the ledger says.
 */
#ifndef SERVER_ADMIN_BACKUP_FILE_H
#define SERVER_ADMIN_BACKUP_FILE_H

#include "common/changelog/server/backup.h"

/* Opens the file, reads all of it twice (as bytes, as a database) and fills what is known of it;
 * `file->path` is the caller's. A finding is a line in `report`. `ledger` (may be NULL) is the text
 * of a ledger: if it names the seal, the file's hash must be the one it names. */
MUST_USE struct err backup_file_check(const char *path, struct buf *report,
                                      struct backup_facts *facts, struct backup_file *file,
                                      const struct buf *ledger);

#endif
