/* legwork courier export FILE: what waits, as a file that somebody carries to the server. */
#include "client/cmd/app.h"
#include "client/cmd/rows.h"
#include "common/sync/courier_export.h"

#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

#define FILE_BYTES_MAX (2 * COURIER_BYTES_MAX)
#define PATH_BYTES_MAX 4096
#define JSON_BYTES_MAX (PATH_BYTES_MAX * 6 + 256)

static bool write_all(int file, struct bytes content)
{
    while (content.size > 0) {
        ssize_t n = write(file, content.at, content.size);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        if (n > 0) {
            content = bytes_of(content.at + n, content.size - (size_t)n);
        }
    }
    return fsync(file) == 0;
}

/* The rename outlives a power cut once its folder is on the disk as well. */
static bool sync_folder(const char *path)
{
    char folder[PATH_BYTES_MAX];
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    snprintf(folder, sizeof folder, "%.*s.", (int)size, path);
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = file >= 0 && (fsync(file) == 0 || errno == EINVAL); /* some media can't */
    if (file >= 0) {
        close(file);
    }
    return good;
}

/* Under another name first: FILE is whole, or what it was before. 0 or errno. */
static int write_file(const char *path, struct bytes content)
{
    char beside[PATH_BYTES_MAX];
    int size = snprintf(beside, sizeof beside, "%s.part-%ld", path, (long)getpid());
    if (size < 0 || size >= (int)sizeof beside) {
        return ENAMETOOLONG;
    }
    int file = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) {
        return errno;
    }
    bool good = write_all(file, content);
    int cause = good ? 0 : errno;
    close(file);
    if (good && (rename(beside, path) != 0 || !sync_folder(path))) {
        cause = errno;
    }
    if (cause != 0) {
        unlink(beside);
    }
    return cause;
}

static void put_json(const char *path, int64_t count, size_t size)
{
    struct buf out;
    buf_init(&out, JSON_BYTES_MAX);
    buf_put_text(&out, "{\"file\":");
    if (count > 0) {
        json_put_text(bytes_text(path), &out);
    } else {
        buf_put_text(&out, "null");
    }
    buf_printf(&out, ",\"transactions\":%" PRId64 ",\"bytes\":%zu}\n", count, size);
    put_output(&out);
    buf_release(&out);
}

static enum exit_code store_file(struct app *app, const struct buf *file, int64_t count)
{
    const char *path = arguments_operand(&app->arguments, 0);
    int cause = count > 0 ? write_file(path, buf_bytes(file)) : 0;
    if (cause != 0) {
        warn(app, PHRASE_COURIER_UNWRITABLE, path, strerror(cause), NULL);
        return EXIT_REFUSED;
    }
    if (app->arguments.json) {
        put_json(path, count, file->size);
    } else if (count == 0) {
        say(app, PHRASE_COURIER_NOTHING, NULL);
    } else {
        say(app, PHRASE_COURIER_WRITTEN, path, number_text(count).text,
            size_text((int64_t)file->size).text, NULL);
    }
    return EXIT_DONE;
}

static enum exit_code export_work(struct app *app)
{
    uint8_t secret_key[64];
    int64_t count = 0;
    struct buf file;
    enum exit_code code;
    struct err err = home_key_read(&app->home, secret_key);
    if (err.code == ERR_NOT_FOUND) {
        warn(app, PHRASE_SYNC_NO_KEY, app->home.dir, NULL);
        return EXIT_REFUSED;
    }
    if (err.code != ERR_OK) {
        return report_error(app, err);
    }
    buf_init(&file, FILE_BYTES_MAX);
    err = courier_export(&app->home.replica, secret_key, &file, &count);
    sodium_memzero(secret_key, sizeof secret_key);
    if (err.code == ERR_NOT_FOUND) {
        warn(app, PHRASE_COURIER_NO_KEY, NULL);
        code = EXIT_REFUSED;
    } else {
        code = err.code == ERR_OK ? store_file(app, &file, count) : report_error(app, err);
    }
    buf_release(&file);
    return code;
}

enum exit_code command_courier_export(struct app *app)
{
    enum exit_code code;
    int lock = -1;
    if (!app_open(app, &code)) {
        return code;
    }
    struct err err = home_lock(&app->home, &lock);
    if (err.code == ERR_BUSY) {
        warn(app, PHRASE_SYNC_RUNNING, NULL);
        code = EXIT_REFUSED;
    } else {
        code = err.code == ERR_OK ? export_work(app) : report_error(app, err);
    }
    home_unlock(lock);
    return code;
}
