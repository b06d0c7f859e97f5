/* legwork verify --rebuild: what happened to the file, in words. */
#include "client/cmd/verify_rebuild.h"

#include "client/rebuild.h"

static void put_json(const struct rebuild *r)
{
    struct buf out;
    buf_init(&out, APP_OUTPUT_BYTES_MAX);
    buf_printf(
        &out,
        "{\"integrity\":true,\"reindexed\":%s,\"rebuilt\":%s,\"rows\":%" PRId64
        ",\"waiting\":%" PRId64 ",\"logged_anew\":%" PRId64 ",\"lost\":%" PRId64 ",\"lost_work\":",
        r->end == REBUILD_REINDEXED ? "true" : "false", r->end == REBUILD_MADE ? "true" : "false",
        r->salvage.rows, r->salvage.waiting, r->salvage.logged_anew, r->salvage.lost);
    json_put_text(buf_bytes(&r->salvage.lost_names), &out);
    buf_put_text(&out, ",\"kept\":");
    json_put_text(bytes_text(r->kept), &out);
    buf_put_text(&out, "}\n");
    put_output(&out);
    buf_release(&out);
}

static void tell(const struct app *app, struct rebuild *r)
{
    if (r->end == REBUILD_NOTHING) {
        say(app, PHRASE_REBUILD_NOTHING, NULL);
    } else if (r->end == REBUILD_REINDEXED) {
        say(app, PHRASE_REBUILD_REINDEXED, NULL);
    } else {
        say(app, PHRASE_REBUILD_DONE, number_text(r->salvage.rows).text,
            number_text(r->salvage.waiting).text, r->kept, NULL);
    }
    if (r->salvage.lost > 0) {
        warn(app, PHRASE_REBUILD_LOST, number_text(r->salvage.lost).text,
             buf_text(&r->salvage.lost_names), NULL);
    }
}

static enum exit_code rebuild(const struct app *app)
{
    struct rebuild r;
    char path[HOME_FILE_MAX];
    enum exit_code code = EXIT_DONE;
    struct err err = home_rebuild(&app->home, &r);
    if (err.code == ERR_NOT_FOUND) {
        home_file(&app->home, "replica.db", path);
        warn(app, PHRASE_REBUILD_NOBODY, path, NULL);
        code = EXIT_REFUSED;
    } else if (err.code != ERR_OK) {
        code = report_error(app, err);
    } else {
        tell(app, &r);
        if (app->arguments.json) {
            put_json(&r);
        }
    }
    rebuild_release(&r);
    return code;
}

enum exit_code verify_rebuild(struct app *app)
{
    int lock = -1;
    enum exit_code code;
    if (home_find(&app->home, app->arguments.home).code != ERR_OK) {
        warn(app, PHRASE_NO_HOME, NULL);
        return EXIT_REFUSED;
    }
    if (!home_is_enrolled(&app->home)) {
        warn(app, PHRASE_NOT_ENROLLED, app->home.dir, NULL);
        return EXIT_REFUSED;
    }
    struct err err = home_lock(&app->home, &lock);
    if (err.code == ERR_BUSY) {
        warn(app, PHRASE_SYNC_RUNNING, NULL);
        code = EXIT_REFUSED;
    } else {
        code = err.code == ERR_OK ? rebuild(app) : report_error(app, err);
    }
    home_unlock(lock);
    return code;
}
