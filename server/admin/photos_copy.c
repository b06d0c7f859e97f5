/* legworkd photos backup, and what backup and restore do about pictures: a backup's pictures lie in
 * a folder, each once, whichever backups name it. */
#include "common/base/base.h"

#include <unistd.h>

#include "common/changelog/server/media.h"
#include "server/admin/command.h"
#include "server/admin/options.h"
#include "server/admin/photos.h"
#include "server/admin/say.h"
#include "server/store/machine.h"

/* From one folder to the other, unless it is there; what came wrong out of its file isn't taken.
 * ERR_NOT_FOUND: there is none that is good. */
static struct err copy_one(struct blob_store *from, struct blob_store *to, const char *sha256,
                           int64_t *copied)
{
    int64_t size;
    char name[BLOB_NAME_SIZE];
    if (!blob_name_is_good(sha256)) {
        return err_make(ERR_NOT_FOUND, 0, "photos");
    }
    if (blob_size(to, sha256, &size).code == ERR_OK) {
        return err_ok();
    }
    struct buf content;
    buf_init(&content, (size_t)IMAGE_BYTES_MAX + 1);
    struct err err = blob_read(from, sha256, 0, (size_t)IMAGE_BYTES_MAX, &content);
    if (err.code == ERR_OK) {
        blob_name_of(buf_bytes(&content), name);
        err = strcmp(name, sha256) == 0 ? blob_put(to, buf_bytes(&content), name)
                                        : err_make(ERR_NOT_FOUND, 0, "photos");
        *copied += err.code == ERR_OK;
    }
    buf_release(&content);
    return err;
}

static struct err back_up_one(struct blob_store *from, struct blob_store *to, const char *sha256,
                              struct photos_copied *out)
{
    struct err err = copy_one(from, to, sha256, &out->copied);
    if (err.code == ERR_NOT_FOUND) {
        complain("photo %s: missing or damaged, left out; see: legworkd photos check",
                 "图片 %s 缺失或损坏，未备份；请运行 legworkd photos check", sha256);
        out->missing++;
        return err_ok();
    }
    out->there += err.code == ERR_OK;
    return err;
}

struct err photos_backup(struct data *d, const char *folder, struct photos_copied *out)
{
    struct blob_store from = {.dir = -1}, to = {.dir = -1};
    struct media_whole m = {.sha256 = ""};
    *out = (struct photos_copied){0};
    struct err err = media_next_whole(&d->store, m.sha256, &m);
    if (err.code == ERR_OK) { /* a firm without pictures gets no folder */
        err = photos_open(&from);
    }
    if (err.code == ERR_OK) {
        err = blob_store_open(&to, folder);
    }
    while (err.code == ERR_OK) {
        err = back_up_one(&from, &to, m.sha256, out);
        if (err.code == ERR_OK) {
            err = media_next_whole(&d->store, m.sha256, &m);
        }
    }
    blob_store_close(&from);
    blob_store_close(&to);
    return err.code == ERR_NOT_FOUND ? err_ok() : err;
}

/* What no folder has is asked for, so that a device which still holds it brings it. */
static struct err take_back_one(struct data *d, struct blob_store *from, struct blob_store *to,
                                const char *sha256, struct photos_copied *out)
{
    struct err err = copy_one(from, to, sha256, &out->copied);
    if (err.code == ERR_NOT_FOUND) {
        complain("photo %s: missing here and in the backup; asked for from devices",
                 "图片 %s 在本机和备份中均缺失；已要求设备重新上传", sha256);
        out->missing++;
        return media_ask_again(&d->store, sha256, machine_wall_ms());
    }
    out->there += err.code == ERR_OK;
    return err;
}

struct err photos_take_back(struct data *d, const char *folder, struct photos_copied *out)
{
    struct blob_store from = {.dir = -1}, to = {.dir = -1};
    struct media_whole m = {.sha256 = ""};
    *out = (struct photos_copied){0};
    struct err err = media_next_whole(&d->store, m.sha256, &m);
    if (err.code == ERR_OK) {
        err = photos_open(&to);
    }
    if (err.code == ERR_OK) {
        err = access(folder, F_OK) == 0 ? blob_store_open(&from, folder) : photos_open(&from);
    }
    while (err.code == ERR_OK) {
        err = take_back_one(d, &from, &to, m.sha256, out);
        if (err.code == ERR_OK) {
            err = media_next_whole(&d->store, m.sha256, &m);
        }
    }
    blob_store_close(&from);
    blob_store_close(&to);
    return err.code == ERR_NOT_FOUND ? err_ok() : err;
}

bool photos_beside(const char *backup, char out[DATA_PATH_MAX])
{
    const char *name = strrchr(backup, '/');
    int folder = name == NULL ? 0 : (int)(name - backup + 1);
    return snprintf(out, DATA_PATH_MAX, "%.*s" PICTURES_DIR, folder, backup) < DATA_PATH_MAX;
}

int cmd_photos_backup(int argc, char **argv)
{
    struct arguments rest;
    struct data d;
    struct photos_copied done;
    if (!options_read(NULL, 0, argc, argv, 1, 1, &rest)) {
        return EXIT_USAGE;
    }
    if (!data_open(&d, false)) {
        return EXIT_REFUSED;
    }
    struct err err = photos_backup(&d, rest.at[0], &done);
    if (err.code == ERR_OK) {
        say("%" PRId64 " pictures copied to %s", "已复制 %" PRId64 " 张图片到 %s", done.copied,
            rest.at[0]);
    }
    int status = err.code == ERR_OK ? EXIT_DONE : refuse_err(err, NULL, rest.at[0], NULL);
    data_close(&d);
    return status;
}
