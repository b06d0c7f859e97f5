/* See photo.h. */
#include "client/cmd/photo.h"

#include "client/media/thumbnail.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

static bool refused(struct app *app, enum phrase phrase, const char *path, const char *detail,
                    enum exit_code *code)
{
    warn(app, phrase, path, detail, NULL);
    *code = EXIT_REFUSED;
    return false;
}

static bool read_all(int fd, struct buf *out)
{
    uint8_t piece[16384];
    ssize_t n = 1;
    while (n > 0 && !out->bad) {
        n = read(fd, piece, sizeof piece);
        if (n > 0) {
            buf_put(out, bytes_of(piece, (size_t)n));
        }
    }
    return n == 0 && !out->bad;
}

static bool read_file(struct app *app, const char *path, struct buf *out, enum exit_code *code)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe isn't waited for */
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        const char *why = strerror(fd < 0 ? errno : EISDIR);
        if (fd >= 0) {
            (void)close(fd);
        }
        return refused(app, PHRASE_PHOTO_UNREADABLE, path, why, code);
    }
    bool whole = st.st_size <= IMAGE_BYTES_MAX && read_all(fd, out);
    (void)close(fd);
    if (whole) {
        return true;
    }
    return st.st_size > IMAGE_BYTES_MAX
               ? refused(app, PHRASE_PHOTO_TOO_LARGE, path, size_text(IMAGE_BYTES_MAX).text, code)
               : refused(app, PHRASE_PHOTO_UNREADABLE, path, "", code);
}

static bool check_image(struct app *app, const char *path, struct bytes file, struct image *out,
                        enum exit_code *code)
{
    switch (image_read(file, out)) {
    case IMAGE_GOOD:
        return true;
    case IMAGE_STRANGE:
        return refused(app, PHRASE_PHOTO_STRANGE, path, "", code);
    case IMAGE_DAMAGED:
        return refused(app, PHRASE_PHOTO_DAMAGED, path, "", code);
    case IMAGE_TOO_LARGE:
        return refused(app, PHRASE_PHOTO_TOO_LARGE, path, size_text(IMAGE_BYTES_MAX).text, code);
    }
    abort(); /* our own bug: a verdict without words */
}

static bool make_thumb(struct app *app, const char *path, struct bytes file,
                       struct taken_photo *out, enum exit_code *code)
{
    struct buf jpeg;
    buf_init(&jpeg, (size_t)IMAGE_BYTES_MAX);
    struct err err = thumbnail_make(file, &out->image, &jpeg);
    if (err.code == ERR_OK) {
        size_t room = sodium_base64_ENCODED_LEN(jpeg.size, sodium_base64_VARIANT_ORIGINAL);
        char *text = arena_alloc(&app->arena, room);
        if (text != NULL) {
            (void)sodium_bin2base64(text, room, jpeg.at, jpeg.size, sodium_base64_VARIANT_ORIGINAL);
            out->thumb = bytes_text(text);
        } else {
            err = err_make(ERR_NOMEM, 0, "make_thumb");
        }
    }
    buf_release(&jpeg);
    if (err.code == ERR_INVALID) {
        return refused(app, PHRASE_PHOTO_DAMAGED, path, "", code);
    }
    if (err.code != ERR_OK) {
        *code = report_error(app, err);
    }
    return err.code == ERR_OK;
}

static bool store(struct app *app, struct bytes file, struct taken_photo *out, enum exit_code *code)
{
    struct blob_store blobs;
    struct err err = photos_open(&app->home, &blobs);
    if (err.code == ERR_OK) {
        err = blob_put(&blobs, file, out->name);
    }
    blob_store_close(&blobs);
    if (err.code != ERR_OK) {
        *code = report_error(app, err);
    }
    return err.code == ERR_OK;
}

bool photo_take(struct app *app, const char *path, struct taken_photo *out, enum exit_code *code)
{
    struct buf file;
    buf_init(&file, (size_t)IMAGE_BYTES_MAX + 1);
    *out = (struct taken_photo){.size = 0};
    bool good = read_file(app, path, &file, code) &&
                check_image(app, path, buf_bytes(&file), &out->image, code) &&
                make_thumb(app, path, buf_bytes(&file), out, code) &&
                store(app, buf_bytes(&file), out, code);
    out->size = (int64_t)file.size;
    buf_release(&file);
    return good;
}

bool photo_write_file(struct app *app, const char *path, struct bytes content, enum exit_code *code)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = fd >= 0;
    for (size_t done = 0; good && done < content.size;) {
        ssize_t n = write(fd, content.at + done, content.size - done);
        good = n > 0;
        done += n > 0 ? (size_t)n : 0;
    }
    int cause = errno;
    if (fd >= 0) {
        good = close(fd) == 0 && good;
        if (!good) {
            (void)unlink(path);
        }
    }
    return good || refused(app, PHRASE_PHOTO_NOT_WRITTEN, path, strerror(cause), code);
}

bool photo_write_whole(struct app *app, const char *name, const char *path, enum exit_code *code)
{
    struct blob_store s;
    struct buf file;
    buf_init(&file, (size_t)IMAGE_BYTES_MAX + 1);
    struct err err = photos_open(&app->home, &s);
    if (err.code == ERR_OK) {
        err = blob_name_is_good(name) ? blob_read(&s, name, 0, (size_t)IMAGE_BYTES_MAX, &file)
                                      : err_make(ERR_NOT_FOUND, 0, "photo");
    }
    bool good = err.code == ERR_OK && photo_write_file(app, path, buf_bytes(&file), code);
    if (err.code == ERR_NOT_FOUND) {
        warn(app, PHRASE_PHOTO_NOT_HERE, app->arguments.operands[0], NULL);
        *code = EXIT_REFUSED;
    } else if (err.code != ERR_OK) {
        *code = report_error(app, err);
    }
    buf_release(&file);
    blob_store_close(&s);
    return good;
}
