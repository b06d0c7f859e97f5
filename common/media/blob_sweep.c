/* Sweeping a blob store; see blob_store.h. Marks are rows: each file is asked about by itself, so
 * that a sweep that is killed has done a part of its work and nothing wrong. */
#include "common/media/blob_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME_MAX 96

struct place { /* one folder of the store */
    struct blob_store *store;
    struct blob_sweep *sweep;
    const char *name; /* "ab" or "part" */
    int dir;
};

/* The blob's name: of a whole one folder and file, of a part what stands before its owner. */
static bool name_of(const struct place *p, const char *file, char name[BLOB_NAME_SIZE])
{
    bool whole = strcmp(p->name, "part") != 0;
    int size = whole ? snprintf(name, BLOB_NAME_SIZE, "%s%s", p->name, file)
                     : snprintf(name, BLOB_NAME_SIZE, "%s", file);
    return (whole ? size == BLOB_NAME_SIZE - 1 : size > BLOB_NAME_SIZE) && blob_name_is_good(name);
}

static bool is_old(const struct place *p, const char *file, int64_t *size)
{
    struct stat st;
    if (fstatat(p->dir, file, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) {
        return false;
    }
    *size = st.st_size;
    int64_t age_ms = p->sweep->now_ms - ((int64_t)st.st_mtim.tv_sec * 1000);
    return age_ms >= p->sweep->grace_ms;
}

/* Under the lock: asks once more for its age, since somebody may have come to rely on it. */
static struct err remove_one(struct place *p, const char *file, const char *name)
{
    struct blob_sweep *sweep = p->sweep;
    int64_t size;
    bool needed = false;
    if (!is_old(p, file, &size)) {
        sweep->kept++;
        return err_ok();
    }
    struct err err = sweep->is_needed(sweep->context, name, &needed);
    if (err.code == ERR_OK && needed) {
        sweep->kept++;
    } else if (err.code == ERR_OK && unlinkat(p->dir, file, 0) == 0) {
        sweep->removed++;
        sweep->removed_bytes += size;
    }
    return err;
}

static struct err look_at(struct place *p, const char *file)
{
    char name[BLOB_NAME_SIZE];
    int64_t size;
    if (!name_of(p, file, name)) {
        return err_ok(); /* none of ours: not ours to remove */
    }
    if (!is_old(p, file, &size)) {
        p->sweep->kept++;
        return err_ok();
    }
    int lock = openat(p->store->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0 || flock(lock, LOCK_EX) != 0) {
        struct err err = err_make(ERR_IO, errno, "blob_sweep");
        if (lock >= 0) {
            (void)close(lock);
        }
        return err;
    }
    struct err err = remove_one(p, file, name);
    (void)close(lock);
    return err;
}

static struct err sweep_folder(struct blob_store *s, struct blob_sweep *sweep, const char *name)
{
    struct place p = {.store = s, .sweep = sweep, .name = name};
    p.dir = openat(s->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = p.dir < 0 ? NULL : fdopendir(p.dir);
    if (list == NULL) {
        return p.dir < 0 && errno == ENOENT ? err_ok() : err_make(ERR_IO, errno, "blob_sweep");
    }
    struct err err = err_ok();
    for (struct dirent *e = readdir(list); e != NULL && err.code == ERR_OK; e = readdir(list)) {
        if (e->d_name[0] != '.' && strlen(e->d_name) < FILE_NAME_MAX) {
            err = look_at(&p, e->d_name);
        }
    }
    (void)closedir(list); /* closes p.dir */
    return err;
}

struct err blob_sweep(struct blob_store *s, struct blob_sweep *sweep)
{
    struct err err = sweep_folder(s, sweep, "part");
    for (unsigned i = 0; i < 256 && err.code == ERR_OK; i++) {
        char name[3];
        (void)snprintf(name, sizeof name, "%02x", i);
        err = sweep_folder(s, sweep, name);
    }
    return err;
}
