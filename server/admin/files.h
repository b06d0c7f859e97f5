/* How many files this process may have open: each connection is one. */
#ifndef SERVER_ADMIN_FILES_H
#define SERVER_ADMIN_FILES_H

#include <stddef.h>

/* Raises the limit as far as it goes, and says so where that isn't far. Gives the number of
 * connections that it leaves room for, at most CONNECTIONS_MAX. */
size_t files_for_connections(void);

#endif
