/* See home.h. */
#include "client/home.h"

#include "client/machine.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_SIZE      64
#define KEY_ARENA_MAX ((size_t)256 * 1024)
#define KEY_FILE      "device.key"
#define KEY_NEXT      "device.key.next"

static struct err errno_err(const char *where)
{
    int cause = errno;
    return err_make(err_code_of_errno(cause, ERR_IO), cause, where);
}

struct err home_find(struct home *h, const char *option)
{
    const char *dir = option ? option : getenv("LEGWORK_HOME");
    const char *user = getenv("HOME");
    int size = -1;
    if (dir != NULL && dir[0] != 0) {
        size = snprintf(h->dir, sizeof h->dir, "%s", dir);
    } else if (user != NULL && user[0] != 0) {
        size = snprintf(h->dir, sizeof h->dir, "%s/.legwork", user);
    }
    if (size <= 0 || (size_t)size >= sizeof h->dir) {
        return err_make(ERR_INVALID, 0, "home_find");
    }
    return err_ok();
}

void home_file(const struct home *h, const char *name, char path[HOME_FILE_MAX])
{
    int size = snprintf(path, HOME_FILE_MAX, "%s/%s", h->dir, name);
    assert(size > 0 && size < HOME_FILE_MAX);
    (void)size;
}

bool home_is_enrolled(const struct home *h)
{
    char path[HOME_FILE_MAX];
    struct stat status;
    home_file(h, "replica.db", path);
    return stat(path, &status) == 0;
}

struct err home_make(const struct home *h)
{
    struct stat status;
    if (mkdir(h->dir, 0700) == 0 ||
        (errno == EEXIST && stat(h->dir, &status) == 0 && S_ISDIR(status.st_mode))) {
        return err_ok();
    }
    return errno_err("home_make");
}

/* Currency and zone of the firm. Before the first sync there is no company yet: times are taken in
 * UTC, and an amount needs its currency said. */
static struct err read_firm(struct home *h)
{
    char tz[65] = "UTC";
    h->currency[0] = 0;
    struct stmt st;
    struct err err = db_use(h->db, "SELECT currency, tz FROM company LIMIT 1", &st);
    if (err.code != ERR_OK) {
        return err;
    }
    if (db_step_row(&st)) {
        snprintf(h->currency, sizeof h->currency, "%s", col_text(&st, 0));
        snprintf(tz, sizeof tz, "%s", col_text(&st, 1));
        stmt_reset(&st);
    }
    machine_zone(tz);
    return stmt_err(&st, "read_firm");
}

struct err home_open(struct home *h, bool chinese)
{
    if (!home_is_enrolled(h)) {
        return err_make(ERR_NOT_FOUND, 0, "home_open");
    }
    char path[HOME_FILE_MAX];
    home_file(h, "replica.db", path);
    struct db_options options = {.mode = DB_WRITE, .busy_timeout_ms = 10000};
    struct err err = db_open(&h->db, path, &options);
    h->read_only = err.code == ERR_READONLY;
    if (h->read_only) {
        options.mode = DB_READ;
        err = db_open(&h->db, path, &options);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    struct host host = machine_host();
    err = replica_open(&h->replica, h->db, &host);
    if (err.code != ERR_OK) {
        db_close(h->db);
        h->db = NULL;
        return err;
    }
    h->rules = (struct text_rules){
        .currency = h->currency, .offset_min = machine_local_offset_min, .chinese = chinese};
    err = read_firm(h);
    if (err.code != ERR_OK) {
        home_close(h);
    }
    return err;
}

void home_close(struct home *h)
{
    if (h->db != NULL) {
        replica_close(&h->replica);
        db_close(h->db);
        h->db = NULL;
    }
}

struct err home_setting(struct db *db, const char *name, struct arena *arena, struct bytes *out)
{
    *out = bytes_text("");
    struct stmt st;
    struct err err = db_use(db, "SELECT value FROM setting WHERE name = ?1", &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&st, 1, name);
    if (db_step_row(&st)) {
        *out = arena_copy(arena, col_bytes(&st, 0));
        stmt_reset(&st);
    }
    return stmt_err(&st, "home_setting");
}

struct err home_setting_put(struct db *db, const char *name, struct bytes value)
{
    struct stmt st;
    struct err err = db_use(db,
                            "INSERT INTO setting (name, value) VALUES (?1, ?2)"
                            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                            &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&st, 1, name);
    bind_text_bytes(&st, 2, value);
    return db_step_done(&st, "home_setting_put");
}

struct err home_lock(const struct home *h, int *lock)
{
    char path[HOME_FILE_MAX];
    home_file(h, "sync.lock", path);
    *lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*lock < 0) {
        return err_make(errno == ENOSPC ? ERR_FULL : ERR_READONLY, errno, "sync.lock");
    }
    if (flock(*lock, LOCK_EX | LOCK_NB) != 0) {
        return err_make(ERR_BUSY, errno, "sync.lock");
    }
    return err_ok();
}

void home_unlock(int lock)
{
    if (lock >= 0) {
        close(lock); /* frees the lock; the file stays, or two could hold one each */
    }
}

/* ---- keys ---- */

static struct err read_key(const struct home *h, const char *name, uint8_t secret_key[KEY_SIZE])
{
    char path[HOME_FILE_MAX];
    home_file(h, name, path);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return errno_err("home_key_read");
    }
    ssize_t size = read(file, secret_key, KEY_SIZE);
    struct err err = size < 0           ? errno_err("home_key_read")
                     : size == KEY_SIZE ? err_ok()
                                        : err_make(ERR_CORRUPT, 0, "home_key_read");
    close(file);
    return err;
}

static void key_name(const uint8_t secret_key[KEY_SIZE], char name[65])
{
    sodium_bin2hex(name, 65, secret_key + 32, 32); /* libsodium's layout: seed, public */
}

struct err home_key_name(struct db *db, const uint8_t secret_key[KEY_SIZE])
{
    char name[65];
    key_name(secret_key, name);
    return home_setting_put(db, "key", bytes_text(name));
}

/* Enrolling again ends with two steps, the replica's commit and the key's new name; a process that
 * died between the two left the second one to us. */
static void adopt_next(const struct home *h)
{
    uint8_t next[KEY_SIZE];
    char name[65];
    struct arena arena;
    struct bytes wanted;
    arena_init(&arena, KEY_ARENA_MAX);
    if (h->db != NULL && read_key(h, KEY_NEXT, next).code == ERR_OK &&
        home_setting(h->db, "key", &arena, &wanted).code == ERR_OK) {
        char from[HOME_FILE_MAX];
        char to[HOME_FILE_MAX];
        key_name(next, name);
        home_file(h, KEY_NEXT, from);
        home_file(h, KEY_FILE, to);
        if (bytes_equal(wanted, bytes_text(name)) && rename(from, to) != 0) {
            errno = 0; /* the old key is read, the server doesn't know it, the next start tries */
        }
    }
    sodium_memzero(next, sizeof next);
    arena_release(&arena);
}

struct err home_key_read(const struct home *h, uint8_t secret_key[KEY_SIZE])
{
    adopt_next(h);
    return read_key(h, KEY_FILE, secret_key);
}

static struct err write_key(int file, const uint8_t secret_key[KEY_SIZE])
{
    ssize_t size = write(file, secret_key, KEY_SIZE);
    if (size >= 0 && size != KEY_SIZE) {
        return err_make(ERR_FULL, 0, "home_key_make");
    }
    return size == KEY_SIZE && fsync(file) == 0 ? err_ok() : errno_err("home_key_make");
}

static struct err make_key(const struct home *h, const char *name, uint8_t secret_key[KEY_SIZE])
{
    char path[HOME_FILE_MAX];
    home_file(h, name, path);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) {
        return errno_err("home_key_make");
    }
    uint8_t public_key[32];
    crypto_sign_ed25519_keypair(public_key, secret_key);
    struct err err = write_key(file, secret_key);
    close(file);
    if (err.code != ERR_OK) {
        unlink(path); /* half a key would stand in the way of the next try */
    }
    return err;
}

struct err home_key_make(const struct home *h, uint8_t secret_key[KEY_SIZE])
{
    return make_key(h, KEY_FILE, secret_key);
}

struct err home_key_next(const struct home *h, uint8_t secret_key[KEY_SIZE])
{
    struct err err = read_key(h, KEY_NEXT, secret_key);
    return err.code == ERR_NOT_FOUND ? make_key(h, KEY_NEXT, secret_key) : err;
}
