/* See blob_store.h. The lock is a file: a sweep holds it alone while it removes one blob, whoever
 * answers "it is there" shares it while looking and renewing the blob's time. */
#include "common/media/blob_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE   96
#define PIECE_BYTES ((size_t)64 * 1024)
#define BLOB_MAX    ((size_t)64 * 1024 * 1024) /* of a content that is read whole */

static struct err file_err(const char *where)
{
    int cause = errno;
    bool held = cause == EWOULDBLOCK;
    return err_make(held ? ERR_BUSY : err_code_of_errno(cause, ERR_IO), cause, where);
}

bool blob_name_is_good(const char *name)
{
    return strspn(name, "0123456789abcdef") == BLOB_NAME_SIZE - 1 && name[BLOB_NAME_SIZE - 1] == 0;
}

static void name_of_hash(const uint8_t hash[32], char name[BLOB_NAME_SIZE])
{
    (void)sodium_bin2hex(name, BLOB_NAME_SIZE, hash, 32);
}

void blob_name_of(struct bytes content, char name[BLOB_NAME_SIZE])
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    (void)crypto_hash_sha256(hash, content.at, content.size);
    name_of_hash(hash, name);
}

static void whole_path(const char *name, char path[PATH_SIZE])
{
    assert(blob_name_is_good(name));
    (void)snprintf(path, PATH_SIZE, "%.2s/%s", name, name + 2);
}

static void part_path(const char *name, uint32_t owner, char path[PATH_SIZE])
{
    assert(blob_name_is_good(name));
    (void)snprintf(path, PATH_SIZE, "part/%s.%" PRIu32, name, owner);
}

/* ---- opening ---- */

static struct err make_folder(int at, const char *path)
{
    return mkdirat(at, path, 0700) == 0 || errno == EEXIST ? err_ok() : file_err("blob_folder");
}

struct err blob_store_open(struct blob_store *s, const char *path)
{
    s->dir = -1;
    struct err err = make_folder(AT_FDCWD, path);
    if (err.code != ERR_OK && err.code != ERR_READONLY) {
        return err;
    }
    s->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir < 0) {
        return file_err("blob_store_open");
    }
    err = make_folder(s->dir, "part");
    return err.code == ERR_READONLY ? err_ok() : err; /* what is there can still be read */
}

void blob_store_close(struct blob_store *s)
{
    if (s->dir >= 0) {
        (void)close(s->dir);
        s->dir = -1;
    }
}

/* `how`: LOCK_SH or LOCK_EX. Each holder has a file description of its own, so threads exclude each
 * other as processes do. */
static struct err take_lock(const struct blob_store *s, int how, int *fd)
{
    *fd = openat(s->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0) {
        return file_err("blob_lock");
    }
    if (flock(*fd, how) != 0) {
        struct err err = file_err("blob_lock");
        (void)close(*fd);
        return err;
    }
    return err_ok();
}

/* ---- writing ---- */

static struct err write_all(int fd, int64_t offset, struct bytes bytes)
{
    for (size_t done = 0; done < bytes.size;) {
        ssize_t n = pwrite(fd, bytes.at + done, bytes.size - done, (off_t)offset + (off_t)done);
        if (n < 0 && errno != EINTR) {
            return file_err("blob_write");
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return err_ok();
}

static struct err sync_folder(const struct blob_store *s, const char *path)
{
    int fd = openat(s->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return file_err("blob_sync");
    }
    struct err err = fsync(fd) == 0 ? err_ok() : file_err("blob_sync");
    (void)close(fd);
    return err;
}

/* The part's bytes are on the disk: gives them their name, for good. */
static struct err name_part(const struct blob_store *s, const char *part, const char *name)
{
    char path[PATH_SIZE], folder[3];
    whole_path(name, path);
    (void)snprintf(folder, sizeof folder, "%.2s", name);
    struct err err = make_folder(s->dir, folder);
    if (err.code == ERR_OK && renameat(s->dir, part, s->dir, path) != 0) {
        err = file_err("blob_rename");
    }
    if (err.code == ERR_OK) {
        err = sync_folder(s, folder);
    }
    return err.code == ERR_OK ? sync_folder(s, ".") : err;
}

struct err blob_put(struct blob_store *s, struct bytes content, char name[BLOB_NAME_SIZE])
{
    char part[PATH_SIZE];
    int64_t size;
    blob_name_of(content, name);
    struct err err = blob_keep(s, name, &size);
    if (err.code != ERR_NOT_FOUND) {
        return err;
    }
    (void)snprintf(part, sizeof part, "part/%s.%ld.new", name, (long)getpid());
    int fd = openat(s->dir, part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return file_err("blob_put");
    }
    err = write_all(fd, 0, content);
    if (err.code == ERR_OK && fsync(fd) != 0) {
        err = file_err("blob_put");
    }
    (void)close(fd);
    if (err.code == ERR_OK) {
        err = name_part(s, part, name);
    }
    if (err.code != ERR_OK) {
        (void)unlinkat(s->dir, part, 0); /* half a picture is none */
    }
    return err;
}

/* ---- reading ---- */

struct err blob_size(struct blob_store *s, const char *name, int64_t *size)
{
    char path[PATH_SIZE];
    struct stat st;
    whole_path(name, path);
    if (fstatat(s->dir, path, &st, 0) != 0) {
        return file_err("blob_size");
    }
    *size = st.st_size;
    return err_ok();
}

struct err blob_keep(struct blob_store *s, const char *name, int64_t *size)
{
    char path[PATH_SIZE];
    int lock;
    whole_path(name, path);
    struct err err = take_lock(s, LOCK_SH, &lock);
    if (err.code != ERR_OK) {
        return err;
    }
    err = blob_size(s, name, size);
    if (err.code == ERR_OK && utimensat(s->dir, path, NULL, 0) != 0) {
        err = file_err("blob_keep");
    }
    (void)close(lock);
    return err;
}

/* Reads on until `size_max` or the file's end. */
static struct err read_from(int fd, int64_t offset, size_t size_max, struct buf *out)
{
    uint8_t piece[4096];
    for (size_t left = size_max; left > 0;) {
        size_t want = left < sizeof piece ? left : sizeof piece;
        ssize_t n = pread(fd, piece, want, (off_t)offset);
        if (n < 0 && errno != EINTR) {
            return file_err("blob_read");
        }
        if (n == 0) {
            break;
        }
        if (n > 0) {
            buf_put(out, bytes_of(piece, (size_t)n));
            offset += n;
            left -= (size_t)n;
        }
    }
    return out->bad ? err_make(ERR_NOMEM, 0, "blob_read") : err_ok();
}

struct err blob_read(struct blob_store *s, const char *name, int64_t offset, size_t size_max,
                     struct buf *out)
{
    char path[PATH_SIZE];
    whole_path(name, path);
    int fd = openat(s->dir, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return file_err("blob_read");
    }
    struct err err = read_from(fd, offset, size_max, out);
    (void)close(fd);
    return err;
}

static struct err hash_file(int fd, char name[BLOB_NAME_SIZE])
{
    crypto_hash_sha256_state state;
    uint8_t hash[crypto_hash_sha256_BYTES];
    struct buf piece;
    struct err err = err_ok();
    (void)crypto_hash_sha256_init(&state);
    buf_init(&piece, PIECE_BYTES + 1);
    for (int64_t at = 0; err.code == ERR_OK;) {
        buf_clear(&piece);
        err = read_from(fd, at, PIECE_BYTES, &piece);
        if (piece.size == 0) {
            break;
        }
        (void)crypto_hash_sha256_update(&state, piece.at, piece.size);
        at += (int64_t)piece.size;
    }
    buf_release(&piece);
    (void)crypto_hash_sha256_final(&state, hash);
    name_of_hash(hash, name);
    return err;
}

struct err blob_check(struct blob_store *s, const char *name)
{
    char path[PATH_SIZE], found[BLOB_NAME_SIZE];
    whole_path(name, path);
    int fd = openat(s->dir, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return file_err("blob_check");
    }
    struct err err = hash_file(fd, found);
    (void)close(fd);
    if (err.code == ERR_OK && strcmp(found, name) != 0) {
        err = err_make(ERR_CORRUPT, 0, "blob_check");
    }
    return err;
}

/* ---- on their way ---- */

struct err blob_part_size(struct blob_store *s, const char *name, uint32_t owner, int64_t *size)
{
    char path[PATH_SIZE];
    struct stat st;
    part_path(name, owner, path);
    *size = 0;
    if (fstatat(s->dir, path, &st, 0) == 0) {
        *size = st.st_size;
        return err_ok();
    }
    return errno == ENOENT ? err_ok() : file_err("blob_part_size");
}

/* Opens it for its one writer. */
static struct err part_open(const struct blob_store *s, const char *name, uint32_t owner, int flags,
                            int *fd)
{
    char path[PATH_SIZE];
    part_path(name, owner, path);
    *fd = openat(s->dir, path, O_RDWR | O_CLOEXEC | flags, 0600);
    if (*fd < 0) {
        return file_err("blob_part");
    }
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
        struct err err = file_err("blob_part");
        (void)close(*fd);
        return err;
    }
    return err_ok();
}

struct err blob_part_append(struct blob_store *s, const char *name, uint32_t owner, int64_t offset,
                            struct bytes bytes)
{
    int fd;
    struct stat st;
    struct err err = part_open(s, name, owner, O_CREAT, &fd);
    if (err.code != ERR_OK) {
        return err;
    }
    if (fstat(fd, &st) != 0) {
        err = file_err("blob_part");
    } else if (st.st_size != offset) {
        err = err_make(ERR_INVALID, 0, "blob_part: offset");
    } else {
        err = write_all(fd, offset, bytes);
        if (err.code != ERR_OK && ftruncate(fd, offset) != 0) { /* no half piece stays */
            blob_part_drop(s, name, owner);
        }
    }
    (void)close(fd);
    return err;
}

static struct err check_part(int fd, const char *name, bool (*fits)(void *, struct bytes),
                             void *context)
{
    struct buf content;
    char found[BLOB_NAME_SIZE];
    buf_init(&content, BLOB_MAX);
    struct err err = read_from(fd, 0, BLOB_MAX, &content);
    if (err.code == ERR_OK) {
        blob_name_of(buf_bytes(&content), found);
        if (strcmp(found, name) != 0) {
            err = err_make(ERR_CORRUPT, 0, "blob_part_finish");
        } else if (fits != NULL && !fits(context, buf_bytes(&content))) {
            err = err_make(ERR_REFUSED, 0, "blob_part_finish");
        }
    }
    buf_release(&content);
    return err;
}

struct err blob_part_finish(struct blob_store *s, const char *name, uint32_t owner,
                            bool (*fits)(void *context, struct bytes content), void *context)
{
    int fd;
    char path[PATH_SIZE];
    part_path(name, owner, path);
    struct err err = part_open(s, name, owner, 0, &fd);
    if (err.code != ERR_OK) {
        return err;
    }
    err = check_part(fd, name, fits, context);
    if (err.code == ERR_CORRUPT || err.code == ERR_REFUSED) {
        blob_part_drop(s, name, owner);
    } else if (err.code == ERR_OK && fsync(fd) != 0) {
        err = file_err("blob_part_finish");
    }
    if (err.code == ERR_OK) {
        err = name_part(s, path, name);
    }
    (void)close(fd);
    return err;
}

void blob_part_drop(struct blob_store *s, const char *name, uint32_t owner)
{
    char path[PATH_SIZE];
    part_path(name, owner, path);
    (void)unlinkat(s->dir, path, 0);
}

struct err blob_remove(struct blob_store *s, const char *name)
{
    char path[PATH_SIZE];
    whole_path(name, path);
    return unlinkat(s->dir, path, 0) == 0 || errno == ENOENT ? err_ok() : file_err("blob_remove");
}
