/* legwork photo fetch ID: the whole of a picture that only its thumbnail is here of. */
#include "client/cmd/lookup.h"
#include "client/cmd/photo.h"
#include "client/cmd/rows.h"
#include "client/cmd/sync.h"
#include "client/media/transfer.h"

struct wanted {
    uint8_t id[16];
    char name[BLOB_NAME_SIZE];
    int64_t size;
};

static bool read_wanted(struct app *app, struct wanted *w, enum exit_code *code)
{
    struct stored_row row;
    const struct table *t = catalogue_table(TABLE_media);
    if (!lookup_row(app, t, app->arguments.operands[0], w->id, code)) {
        return false;
    }
    struct err err = row_get(app->home.db, t, w->id, &app->arena, &row);
    if (err.code == ERR_OK) {
        struct bytes sha256 = stored_value(&row, t, COLUMN_media_sha256)->b;
        w->size = stored_value(&row, t, COLUMN_media_size)->i;
        (void)snprintf(w->name, sizeof w->name, "%.*s", (int)sha256.size, (const char *)sha256.at);
        if (!blob_name_is_good(w->name) || w->size <= 0 || w->size > IMAGE_BYTES_MAX) {
            err = err_make(ERR_NOT_FOUND, 0, "photo"); /* a row that names no picture */
        }
    }
    if (err.code != ERR_OK) {
        *code = report_error(app, err);
    }
    return err.code == ERR_OK;
}

static enum exit_code explain(struct app *app, struct err err, const struct sync_fault *fault)
{
    if (err.code != ERR_NOT_FOUND) {
        return report_error(app, err);
    }
    warn(app, strcmp(fault->code, "not_yet") == 0 ? PHRASE_PHOTO_NOT_YET : PHRASE_PHOTO_NOT_GIVEN,
         NULL);
    return EXIT_REFUSED;
}

static struct err fetch(struct app *app, const struct wanted *w, struct sync_fault *fault)
{
    struct sync_loop *loop;
    struct sync_progress progress = {.app = app};
    sync_heed_signals();
    struct sync_watcher watcher = sync_watcher_of(&progress);
    *fault = (struct sync_fault){.limit = 0};
    struct err err = sync_loop_open_beside(&loop, &app->home, &watcher);
    if (err.code == ERR_OK) {
        err = photo_fetch(loop, &app->home, w->name, w->size, fault);
        sync_loop_close(loop);
    }
    return err;
}

static enum exit_code say_fetched(struct app *app, const struct wanted *w)
{
    char id[37];
    id_text(w->id, id);
    if (app->arguments.json) {
        printf("{\"id\":\"%s\",\"sha256\":\"%s\",\"size\":%" PRId64 ",\"place\":\"here\"}\n", id,
               w->name, w->size);
    } else {
        lookup_short_id(app->home.db, catalogue_table(TABLE_media), w->id, id);
        say(app, PHRASE_PHOTO_FETCHED, id, size_text(w->size).text, NULL);
    }
    return EXIT_DONE;
}

enum exit_code command_photo_fetch(struct app *app)
{
    enum exit_code code;
    struct wanted w;
    struct sync_fault fault;
    if (!app_open(app, &code) || !read_wanted(app, &w, &code)) {
        return code;
    }
    struct err err = fetch(app, &w, &fault);
    if (err.code != ERR_OK) {
        return explain(app, err, &fault);
    }
    const char *to = arguments_option(&app->arguments, "--to");
    if (to != NULL && !photo_write_whole(app, w.name, to, &code)) {
        return code;
    }
    return say_fetched(app, &w);
}
