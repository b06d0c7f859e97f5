/* See scratch.h. */
#include "tests/support/scratch.h"

#include <dirent.h>
#include <unistd.h>

void scratch_init(struct scratch *s)
{
    /* Memory first: hundreds of small databases are made, and no test here is about the disk. */
    snprintf(s->dir, sizeof s->dir, "/dev/shm/legwork-test-XXXXXX");
    if (mkdtemp(s->dir) == NULL) {
        snprintf(s->dir, sizeof s->dir, "/tmp/legwork-test-XXXXXX");
        if (mkdtemp(s->dir) == NULL) {
            abort(); /* no test can run without a place to write */
        }
    }
}

void scratch_release(struct scratch *s)
{
    DIR *dir = opendir(s->dir);
    for (const struct dirent *e = dir ? readdir(dir) : NULL; e != NULL; e = readdir(dir)) {
        char path[sizeof s->dir + sizeof e->d_name + 1];
        snprintf(path, sizeof path, "%s/%s", s->dir, e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            unlink(path);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    rmdir(s->dir);
}

const char *scratch_path(const struct scratch *s, const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", s->dir, name);
    return path;
}
