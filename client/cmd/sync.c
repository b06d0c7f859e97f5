/* legwork sync [--watch]: takes saved work to the server and fetches what is new. */
#include "client/cmd/sync.h"

#include "client/cmd/sync_photos.h"

#include "client/machine.h"
#include "client/reserve.h"

#include <signal.h>
#include <unistd.h>

#define PROGRESS_EVERY_MS 200
#define JSON_BYTES_MAX    1024

/* Set by the handler of SIGINT and SIGTERM, the one thing that a handler may do; a signal has no
 * other way to reach the program. */
static volatile sig_atomic_t
    stop_asked; // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

static void on_signal(int number)
{
    (void)number;
    stop_asked = 1;
}

void sync_heed_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static bool is_stopped(void *context)
{
    (void)context;
    return stop_asked != 0;
}

static void on_progress(void *context, const struct client_tally *tally,
                        struct http_traffic traffic)
{
    struct sync_progress *p = context;
    int64_t now_ms = machine_mono_ms();
    if (!p->terminal || now_ms - p->shown_ms < PROGRESS_EVERY_MS) {
        return;
    }
    p->shown_ms = now_ms;
    struct number rows = number_text(tally->pulled);
    struct number up = size_text(traffic.up);
    struct number down = size_text(traffic.down);
    const char *const args[] = {rows.text, up.text, down.text, NULL};
    struct buf text;
    buf_init(&text, JSON_BYTES_MAX);
    phrase_fill(PHRASE_SYNC_PROGRESS, p->app->chinese, args, &text);
    fprintf(stderr, "\r\033[K%s", buf_text(&text));
    buf_release(&text);
}

struct sync_watcher sync_watcher_of(struct sync_progress *p)
{
    p->terminal = isatty(STDERR_FILENO) == 1;
    return (struct sync_watcher){.context = p, .cancelled = is_stopped, .progress = on_progress};
}

void sync_progress_end(struct sync_progress *p)
{
    if (p->shown_ms != 0) {
        fprintf(stderr, "\r\033[K");
        p->shown_ms = 0;
    }
}

bool sync_open(struct app *app, struct sync_progress *progress, struct sync_loop **loop,
               enum exit_code *code)
{
    if (home_find(&app->home, app->arguments.home).code == ERR_OK) {
        reserve_make_room(&app->home); /* opening needs some, too */
    }
    if (!app_open(app, code)) {
        return false;
    }
    sync_heed_signals();
    *progress = (struct sync_progress){.app = app};
    struct sync_watcher watcher = sync_watcher_of(progress);
    struct err err = sync_loop_open(loop, &app->home, &watcher);
    if (err.code == ERR_BUSY) {
        warn(app, PHRASE_SYNC_RUNNING, NULL);
        *code = EXIT_REFUSED;
    } else if (err.code == ERR_NOT_FOUND) { /* all else that it opens is in the database */
        warn(app, PHRASE_SYNC_NO_KEY, app->home.dir, NULL);
        *code = EXIT_REFUSED;
    } else if (err.code != ERR_OK) {
        *code = report_error(app, err);
    }
    return err.code == ERR_OK;
}

/* ---- how it ended ---- */

static void say_waiting(struct app *app)
{
    struct replica_counts counts;
    if (replica_counts(&app->home.replica, &counts).code == ERR_OK) {
        warn(app, PHRASE_SYNC_SAVED, number_text(counts.pending).text, NULL);
    }
}

static const struct {
    const char *code;
    enum phrase phrase;
} failures[] = {
    {"device_revoked", PHRASE_SYNC_REVOKED}, {"reenrol", PHRASE_SYNC_REENROL},
    {"upgrade", PHRASE_SYNC_UPGRADE},        {"clock", PHRASE_SYNC_CLOCK},
    {"signature", PHRASE_SYNC_SIGNATURE},    {"new_timeline", PHRASE_SYNC_OLD_TIMELINE},
};

enum exit_code sync_explain(struct app *app, struct err err, const struct sync_result *result)
{
    enum exit_code code = EXIT_OFFLINE;
    if (err.code == ERR_CANCELLED) {
        warn(app, PHRASE_SYNC_STOPPED, NULL);
    } else if (result->stranger) {
        warn(app, PHRASE_SIGN_IN_NEEDED, NULL);
    } else if (err.code == ERR_TLS) {
        warn(app, PHRASE_SYNC_OTHER_SERVER, NULL);
    } else if (strcmp(result->code, "superseded") == 0) {
        warn(app, PHRASE_SYNC_SUPERSEDED, NULL);
    } else if (err.code == ERR_NETWORK && result->status != 0) {
        warn(app, PHRASE_SERVER_BUSY, number_text(result->status).text, NULL);
    } else if (err.code == ERR_NETWORK) {
        warn(app, PHRASE_SYNC_UNREACHABLE, NULL);
    } else {
        code = EXIT_REFUSED;
        for (size_t i = 0; i < count_of(failures); i++) {
            if (strcmp(failures[i].code, result->code) == 0) {
                warn(app, failures[i].phrase, NULL);
                say_waiting(app);
                return code;
            }
        }
        report_error(app, err);
        if (result->code[0] != 0) {
            warn(app, PHRASE_SYNC_CODE, result->code, number_text(result->status).text, NULL);
        }
    }
    say_waiting(app);
    return code;
}

static void put_json(const struct sync_result *r, const struct sync_photos *photos)
{
    const struct client_tally *t = &r->tally;
    printf("{\"pushed\":%" PRId64 ",\"accepted\":%" PRId64 ",\"merged\":%" PRId64
           ",\"parked\":%" PRId64 ",\"refused\":%" PRId64 ",\"pulled\":%" PRId64
           ",\"bytes_up\":%" PRId64 ",\"bytes_down\":%" PRId64 ",\"requests\":%" PRId64 ",",
           t->pushed, t->accepted, t->merged, t->parked, t->refused, t->pulled, r->traffic.up,
           r->traffic.down, t->requests);
    sync_photos_json(photos);
    printf("}\n");
    fflush(stdout); /* --watch: a line for each sync, when it ends */
}

static enum exit_code say_result(struct app *app, const struct sync_result *r,
                                 const struct sync_photos *photos)
{
    if (app->arguments.json) {
        put_json(r, photos);
    } else {
        say(app, PHRASE_SYNC_DONE, number_text(r->tally.pushed).text,
            number_text(r->tally.pulled).text, size_text(r->traffic.up).text,
            size_text(r->traffic.down).text, NULL);
    }
    if (r->tally.restored) {
        warn(app, PHRASE_SYNC_RESTORED, number_text(r->tally.again).text,
             number_text(r->tally.witnessed).text, NULL);
    }
    if (r->tally.refused > 0) {
        warn(app, PHRASE_SYNC_REFUSED, number_text(r->tally.refused).text, NULL);
    }
    if (r->tally.merged > 0) {
        warn(app, PHRASE_SYNC_MERGED, number_text(r->tally.merged).text, NULL);
    }
    return sync_photos_say(app, photos);
}

static bool did_something(const struct sync_result *r)
{
    return r->tally.pushed + r->tally.pulled + r->tally.left + r->tally.accepted > 0;
}

/* On a full disk the reserve is what it lives on, so that saved work still gets to the server. */
static struct err sync_on_any_disk(struct app *app, struct sync_loop *loop, int tries,
                                   struct sync_result *out)
{
    struct err err = sync_once(loop, false, tries, out);
    if (err.code == ERR_FULL && reserve_give_up(&app->home)) {
        err = sync_once(loop, false, tries, out);
    }
    if (err.code == ERR_OK) {
        reserve_keep(&app->home);
    }
    return err;
}

/* Goes on until a signal: an unreachable server is waited for, a device that isn't admitted any
 * more ends it. */
static enum exit_code watch(struct app *app, struct sync_progress *progress, struct sync_loop *loop)
{
    struct sync_result result;
    struct sync_photos photos = {.pause_until_ms = 0};
    bool first = true;
    bool offline = false;
    while (!is_stopped(NULL)) {
        struct err err = sync_on_any_disk(app, loop, 1, &result);
        sync_progress_end(progress);
        bool away = err.code == ERR_NETWORK || err.code == ERR_TLS || result.stranger;
        if (err.code == ERR_OK) {
            sync_photos_run(app, loop, &photos);
        }
        if (err.code == ERR_OK &&
            (first || offline || did_something(&result) || photos.result.sent > 0)) {
            (void)say_result(app, &result, &photos);
            fflush(stdout);
        } else if (away && !offline) {
            sync_explain(app, err, &result);
        } else if (err.code != ERR_OK && !away && err.code != ERR_CANCELLED) {
            return sync_explain(app, err, &result);
        }
        first = false;
        offline = away;
        sync_wait(loop);
    }
    return EXIT_DONE;
}

enum exit_code command_sync(struct app *app)
{
    enum exit_code code;
    struct sync_progress progress;
    struct sync_loop *loop;
    if (!sync_open(app, &progress, &loop, &code)) {
        return code;
    }
    if (!sync_photos_option(app, &code)) {
        sync_loop_close(loop);
        return code;
    }
    if (arguments_option(&app->arguments, "--watch") != NULL) {
        code = watch(app, &progress, loop);
    } else {
        struct sync_result result;
        struct err err = sync_on_any_disk(app, loop, SYNC_TRIES, &result);
        sync_progress_end(&progress);
        if (err.code == ERR_OK) {
            struct sync_photos photos = {.pause_until_ms = 0};
            sync_photos_run(app, loop, &photos);
            code = say_result(app, &result, &photos);
        } else {
            code = sync_explain(app, err, &result);
        }
    }
    sync_loop_close(loop);
    return code;
}
