/* See reserve.h. */
#include "client/reserve.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Measured: a sync that sends 500 transactions of a visit each takes 1.0 MiB more while it runs
 * (log file and all), 2,000 take 4.0 MiB, 10,000 take 8.5 MiB and would go in two goes. */
#define RESERVE_FILE  "reserve"
#define RESERVE_BYTES ((uint64_t)8 * 1024 * 1024)

/* What the disk has left for this user; UINT64_MAX where nobody says. */
static uint64_t room_of(const struct home *h)
{
    struct statvfs disk;
    return statvfs(h->dir, &disk) == 0 ? (uint64_t)disk.f_bavail * disk.f_frsize : UINT64_MAX;
}

void reserve_keep(const struct home *h)
{
    char path[HOME_FILE_MAX];
    struct stat there;
    home_file(h, RESERVE_FILE, path);
    uint64_t room = room_of(h);
    bool has = stat(path, &there) == 0;
    if ((has && (uint64_t)there.st_size >= RESERVE_BYTES) || room == UINT64_MAX ||
        room < 2 * RESERVE_BYTES) {
        return;
    }
    if (has) { /* a smaller one, of an older program */
        (void)unlink(path);
    }
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) {
        return;
    }
    if (posix_fallocate(file, 0, (off_t)RESERVE_BYTES) != 0) {
        (void)unlink(path); /* half a reserve would pass for a whole one */
    }
    (void)close(file);
}

void reserve_make_room(const struct home *h)
{
    if (room_of(h) < RESERVE_BYTES / 4) {
        (void)reserve_give_up(h);
    }
}

bool reserve_give_up(const struct home *h)
{
    char path[HOME_FILE_MAX];
    home_file(h, RESERVE_FILE, path);
    return unlink(path) == 0;
}
