/* See wake.h. The folder is watched, not the -wal file: SQLite may make that anew. */
#include "client/wake.h"

#include "common/base/base.h"

#include <sys/inotify.h>
#include <unistd.h>

int wake_open(const char *folder)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd >= 0 && inotify_add_watch(fd, folder, IN_MODIFY | IN_CREATE | IN_CLOSE_WRITE) < 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

bool wake_drain(int fd)
{
    char events[4096];
    bool some = false;
    while (fd >= 0 && read(fd, events, sizeof events) > 0) {
        some = true;
    }
    return some;
}

void wake_close(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}
