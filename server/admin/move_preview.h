/* legworkd move --dry-run: what would go where, which devices it leaves and reaches, and whose work
 * may still be on its way. */
#ifndef SERVER_ADMIN_MOVE_PREVIEW_H
#define SERVER_ADMIN_MOVE_PREVIEW_H

#include "server/admin/data.h"

/* Prints it; gives the exit status. Nothing is changed: each move is done and undone. */
MUST_USE int move_preview(struct data *d, const uint8_t (*customers)[16], size_t count,
                          const uint8_t to_book[16], bool json);

#endif
