/* See scratch.h. */
#include "tests/support/scratch.h"

#include <dirent.h>
#include <unistd.h>

static bool made_in(struct scratch *s, const char *parent)
{
    int size = snprintf(s->dir, sizeof s->dir, "%s/legwork-test-XXXXXX", parent);
    return size > 0 && (size_t)size < sizeof s->dir && mkdtemp(s->dir) != NULL;
}

void scratch_init(struct scratch *s)
{
    /* Memory first: hundreds of small databases are made, and no test here is about the disk. */
    if (!made_in(s, "/dev/shm")) {
        scratch_init_on_disk(s);
    }
}

void scratch_init_on_disk(struct scratch *s)
{
    const char *wanted = getenv("TMPDIR");
    bool made = wanted != NULL && made_in(s, wanted);
    if (!made && !made_in(s, "/var/tmp") && !made_in(s, "/tmp")) {
        abort(); /* nothing can run without a place to write */
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
