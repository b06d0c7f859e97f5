/* A descriptor that becomes readable when a file in a folder is written: another process that saved
 * work wakes a watch at once, without anybody asking the database several times a second. */
#ifndef CLIENT_WAKE_H
#define CLIENT_WAKE_H

#include <stdbool.h>

/* -1 where the system has no such thing to give: then who waits has to look now and then. */
int wake_open(const char *folder);
/* Takes what has come, so that the next write is seen; false: nothing had. */
bool wake_drain(int fd);
void wake_close(int fd);

#endif
