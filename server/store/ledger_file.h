/* The ledger's file beside the store; common/changelog/server/store_ledger.h says what stands in
 * it. */
#ifndef SERVER_STORE_LEDGER_FILE_H
#define SERVER_STORE_LEDGER_FILE_H

#include "common/changelog/server/store_ledger.h"

#define LEDGER_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct ledger_file {
    int fd;
    struct store_ledger ledger; /* for store_use_ledger; appends are atomic across processes */
};

/* Opens the file at `path` and reads its key. A missing file is made, with a new key, where `make`;
 * else ERR_NOT_FOUND. ERR_CORRUPT: it has no key. `f` must stay where it is until it is closed. */
MUST_USE struct err ledger_file_open(struct ledger_file *f, const char *path, bool make);
void ledger_file_close(struct ledger_file *f); /* also one that wasn't opened: all zero, or fd -1 */
/* The whole text. */
MUST_USE struct err ledger_file_read(struct ledger_file *f, struct buf *out);

#endif
