/* legwork verify: is the replica's file whole, and does it hold what the server says it holds? The
 * second needs the server; without it the first is still told, and that the second wasn't. */
#include "client/cmd/verify_rebuild.h"
#include "client/cmd/sync.h"

#define REPORT_BYTES_MAX ((size_t)256 * 1024)

static bool check_file(struct app *app, enum exit_code *code)
{
    struct buf report;
    buf_init(&report, REPORT_BYTES_MAX);
    struct err err = db_integrity(app->home.db, &report);
    *code = EXIT_DONE;
    if (err.code == ERR_CORRUPT) {
        warn(app, PHRASE_VERIFY_DAMAGED, buf_text(&report), NULL);
        warn(app, PHRASE_REBUILD_HINT, NULL);
        *code = EXIT_REFUSED;
    } else if (err.code != ERR_OK) {
        *code = report_error(app, err);
    }
    buf_release(&report);
    return err.code == ERR_OK;
}

static const char *answer(bool asked, bool equal)
{
    return !asked ? "null" : equal ? "true" : "false";
}

static void put_json(bool whole, const struct client_tally *t)
{
    printf("{\"integrity\":%s,\"digest\":%s,\"contents\":%s,\"repaired\":%" PRId64 "}\n",
           whole ? "true" : "false", answer(t->digest_asked, t->digest_equal),
           answer(t->contents_asked, t->contents_equal), t->repaired);
}

static enum exit_code compare(struct app *app, struct sync_progress *progress,
                              struct sync_loop *loop)
{
    struct sync_result result;
    struct err err = sync_once(loop, true, SYNC_TRIES, &result);
    sync_progress_end(progress);
    bool asked = err.code == ERR_OK && result.tally.digest_asked;
    if (app->arguments.json) {
        put_json(true, &result.tally);
    }
    if (err.code != ERR_OK) {
        enum exit_code code = sync_explain(app, err, &result);
        warn(app, PHRASE_VERIFY_OFFLINE, NULL);
        return code;
    }
    bool contents = result.tally.contents_equal || !result.tally.contents_asked; /* older server */
    if (!asked || !result.tally.digest_equal || !contents) {
        warn(app, PHRASE_VERIFY_DIFFERS, NULL);
        return EXIT_REFUSED;
    }
    if (result.tally.repaired > 0) {
        say(app, PHRASE_VERIFY_REPAIRED, number_text(result.tally.repaired).text, NULL);
    }
    say(app, PHRASE_VERIFY_EQUAL, NULL);
    return EXIT_DONE;
}

enum exit_code command_verify(struct app *app)
{
    enum exit_code code;
    struct sync_progress progress;
    struct sync_loop *loop;
    if (arguments_option(&app->arguments, "--rebuild") != NULL) {
        return verify_rebuild(app);
    }
    if (!app_open(app, &code)) {
        return code;
    }
    if (!check_file(app, &code)) {
        if (app->arguments.json) {
            put_json(false, &(struct client_tally){.digest_asked = false});
        }
        return code;
    }
    say(app, PHRASE_VERIFY_WHOLE, NULL);
    home_close(&app->home);
    if (!sync_open(app, &progress, &loop, &code)) {
        return code;
    }
    code = compare(app, &progress, loop);
    sync_loop_close(loop);
    return code;
}
