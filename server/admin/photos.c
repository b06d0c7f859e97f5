/* legworkd photos check, sweep, backup: the pictures' files. `verify` includes the check; `serve`
 * sweeps by itself (server/net/blob_sweeping.h). */
#include "server/admin/photos.h"

#include "common/changelog/server/media.h"
#include "common/media/blob_store.h"
#include "server/admin/command.h"
#include "server/admin/options.h"
#include "server/admin/say.h"
#include "server/store/machine.h"

#define REPORT_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define DAY_MS           INT64_C(86400000)
#define DAYS_MAX         3650

struct err photos_open(struct blob_store *s)
{
    char path[DATA_PATH_MAX];
    s->dir = -1;
    return data_path(BLOB_DIR, path) ? blob_store_open(s, path)
                                     : err_make(ERR_INVALID, 0, "photos");
}

/* ---- check ---- */

struct check {
    struct data *data;
    struct blob_store blobs;
    bool ask;
    struct buf *report;
    struct photos_found *out;
};

static struct err look_at(struct check *c, const struct media_whole *m)
{
    struct err err = blob_name_is_good(m->sha256) ? blob_check(&c->blobs, m->sha256)
                                                  : err_make(ERR_NOT_FOUND, 0, "photos");
    if (err.code == ERR_OK) {
        c->out->whole++;
        return err;
    }
    if (err.code != ERR_NOT_FOUND && err.code != ERR_CORRUPT) {
        return err;
    }
    bool missing = err.code == ERR_NOT_FOUND;
    c->out->missing += missing;
    c->out->wrong += !missing;
    buf_printf(c->report, "photo %s: %s\n", m->sha256,
               missing ? say_choose("its file is missing", "文件缺失")
                       : say_choose("its file isn't what it was", "文件内容已改变"));
    if (!c->ask) {
        return err_ok();
    }
    err = missing ? err_ok() : blob_remove(&c->blobs, m->sha256);
    if (err.code == ERR_OK) {
        err = media_ask_again(&c->data->store, m->sha256, machine_wall_ms());
        c->out->asked++;
    }
    return err;
}

struct err photos_check(struct data *d, bool ask, struct buf *report, struct photos_found *out)
{
    struct check c = {.data = d, .ask = ask, .report = report, .out = out};
    struct media_whole m = {.sha256 = ""};
    *out = (struct photos_found){0};
    struct err err = photos_open(&c.blobs);
    while (err.code == ERR_OK) {
        err = media_next_whole(&d->store, m.sha256, &m);
        if (err.code == ERR_OK) {
            err = look_at(&c, &m);
        }
    }
    blob_store_close(&c.blobs);
    return err.code == ERR_NOT_FOUND ? media_count_awaited(&d->store, &out->awaited) : err;
}

static int say_checked(const struct photos_found *f, const char *report, bool json)
{
    bool good = f->missing + f->wrong == 0;
    if (json) {
        (void)printf("{\"whole\":%" PRId64 ",\"missing\":%" PRId64 ",\"wrong\":%" PRId64
                     ",\"awaited\":%" PRId64 ",\"asked\":%" PRId64 "}\n",
                     f->whole, f->missing, f->wrong, f->awaited, f->asked);
    } else {
        (void)fputs(report, stderr);
        say("%" PRId64 " pictures whole, %" PRId64 " missing, %" PRId64 " wrong, %" PRId64
            " awaited from devices",
            "图片完好 %" PRId64 "，缺失 %" PRId64 "，损坏 %" PRId64 "，等待设备上传 %" PRId64,
            f->whole, f->missing, f->wrong, f->awaited);
    }
    return good || f->asked > 0 ? EXIT_DONE : EXIT_REFUSED;
}

int cmd_photos_check(int argc, char **argv)
{
    struct option options[] = {{"--ask", OPTION_FLAG, 0, {0}}, {"--json", OPTION_FLAG, 0, {0}}};
    struct arguments rest;
    struct data d;
    struct photos_found found;
    struct buf report;
    if (!options_read(options, count_of(options), argc, argv, 0, 0, &rest)) {
        return EXIT_USAGE;
    }
    bool ask = options[0].count > 0;
    if (!data_open(&d, ask)) {
        return EXIT_REFUSED;
    }
    buf_init(&report, REPORT_BYTES_MAX);
    struct err err = photos_check(&d, ask, &report, &found);
    int status = err.code == ERR_OK ? say_checked(&found, buf_text(&report), options[1].count > 0)
                                    : refuse_err(err, NULL, "photos", db_message(d.db));
    buf_release(&report);
    data_close(&d);
    return status;
}

/* ---- sweep ---- */

static struct err is_needed(void *context, const char *name, bool *needed)
{
    struct data *d = context;
    return media_is_needed(&d->store, name, needed);
}

struct err photos_sweep(struct data *d, int64_t grace_ms, int64_t *removed, int64_t *bytes)
{
    struct blob_store blobs;
    struct blob_sweep sweep = {
        .now_ms = machine_wall_ms(), .grace_ms = grace_ms, .is_needed = is_needed, .context = d};
    struct err err = photos_open(&blobs);
    if (err.code == ERR_OK) { /* first the record: a file without one is found and noted again */
        err = db_begin(d->db, DB_LOCK_WRITE);
        err = err.code == ERR_OK ? db_end(d->db, media_forget_unneeded(&d->store)) : err;
    }
    if (err.code == ERR_OK) {
        err = blob_sweep(&blobs, &sweep);
    }
    blob_store_close(&blobs);
    *removed = sweep.removed;
    *bytes = sweep.removed_bytes;
    return err;
}

int cmd_photos_sweep(int argc, char **argv)
{
    struct option days = {"--days", OPTION_TEXT, 0, {0}};
    struct arguments rest;
    struct data d;
    int64_t grace, removed, bytes;
    if (!options_read(&days, 1, argc, argv, 0, 0, &rest) ||
        !option_int(&days, 0, DAYS_MAX, BLOB_GRACE_MS / DAY_MS, &grace)) {
        return EXIT_USAGE;
    }
    if (!data_open(&d, true)) {
        return EXIT_REFUSED;
    }
    struct err err = photos_sweep(&d, grace * DAY_MS, &removed, &bytes);
    if (err.code == ERR_OK) {
        say("%" PRId64 " files removed (%" PRId64 " bytes)",
            "已删除 %" PRId64 " 个文件（%" PRId64 " 字节）", removed, bytes);
    }
    int status = err.code == ERR_OK ? EXIT_DONE : refuse_err(err, NULL, "photos", db_message(d.db));
    data_close(&d);
    return status;
}
