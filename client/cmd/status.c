/* legwork status: who this device is and what waits on it. */
#include "client/cmd/lookup.h"
#include "client/cmd/moment.h"
#include "client/media/photos.h"

#define JSON_BYTES_MAX 4096

/* The server's time as far as it is known here, so that a wrong clock makes no age wrong. */
static int64_t sync_age_ms(const struct app *app, const struct replica_counts *c)
{
    int64_t age_ms = replica_reckoned_ms(&app->home.replica) - c->last_sync_at;
    return age_ms > 0 ? age_ms : 0;
}

static void put_sync_json(const struct app *app, const struct replica_counts *c, struct buf *out)
{
    struct clock_doubt doubt;
    replica_clock_doubt(&app->home.replica, &doubt);
    if (c->last_sync_at != 0) {
        buf_printf(out, ",\"sync_age_ms\":%" PRId64, sync_age_ms(app, c));
    } else {
        buf_put_text(out, ",\"sync_age_ms\":null");
    }
    buf_printf(out, ",\"stalls\":%" PRId64, c->stalls);
    buf_printf(out,
               ",\"clock\":{\"suspicious\":%s,\"offset_ms\":%" PRId64 ",\"jump_ms\":%" PRId64 "}",
               doubt.offset_ms != 0 || doubt.jump_ms != 0 ? "true" : "false",
               app->home.replica.offset_ms, doubt.jump_ms);
}

/* "3 d", "5 h", "12 min": enough to see how long ago. */
static struct number duration_text(int64_t ms)
{
    struct number text;
    int64_t minutes = (ms < 0 ? -ms : ms) / 60000;
    if (minutes >= (int64_t)2 * 24 * 60) {
        (void)snprintf(text.text, sizeof text.text, "%" PRId64 " d", minutes / (24 * 60));
    } else if (minutes >= 120) {
        (void)snprintf(text.text, sizeof text.text, "%" PRId64 " h", minutes / 60);
    } else {
        (void)snprintf(text.text, sizeof text.text, "%" PRId64 " min", minutes);
    }
    return text;
}

static void say_clock(const struct app *app)
{
    struct clock_doubt doubt;
    replica_clock_doubt(&app->home.replica, &doubt);
    if (doubt.offset_ms != 0) { /* the server's clock ahead: this one is behind */
        say(app, doubt.offset_ms > 0 ? PHRASE_CLOCK_BEHIND : PHRASE_CLOCK_AHEAD,
            duration_text(doubt.offset_ms).text, NULL);
    } else if (doubt.jump_ms != 0) {
        say(app, PHRASE_CLOCK_SET, duration_text(doubt.jump_ms).text, NULL);
    }
}

static void put_json(const struct app *app, struct bytes login, const struct replica_counts *c,
                     const struct photos_waiting *photos)
{
    char device[37];
    id_text(app->home.replica.device, device);
    struct buf out;
    buf_init(&out, JSON_BYTES_MAX);
    buf_printf(&out, "{\"device\":\"%s\",\"user\":", device);
    json_put_text(login, &out);
    buf_printf(&out, ",\"pending\":%" PRId64 ",\"needs_you\":%" PRId64 ",\"merged\":%" PRId64,
               c->pending, c->needs_you, c->merged);
    if (c->last_sync_at != 0) {
        buf_printf(&out, ",\"last_sync_at\":%" PRId64, c->last_sync_at);
    } else {
        buf_put_text(&out, ",\"last_sync_at\":null");
    }
    buf_printf(&out, ",\"scopes\":%" PRId64, c->scopes);
    put_sync_json(app, c, &out);
    buf_printf(&out, ",\"photos_waiting\":%" PRId64 ",\"photo_bytes_waiting\":%" PRId64 "}\n",
               photos->count, photos->bytes);
    put_output(&out);
    buf_release(&out);
}

static struct err read_login(struct app *app, struct buf *out)
{
    struct stmt st;
    struct err err = db_use(app->home.db, "SELECT login FROM person WHERE id = ?1", &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, app->home.replica.person);
    if (db_step_row(&st)) {
        buf_put(out, col_bytes(&st, 0));
        stmt_reset(&st);
    }
    return stmt_err(&st, "status");
}

static void put_lines(const struct app *app, const char *login, const struct replica_counts *c,
                      const struct photos_waiting *photos)
{
    char device[37];
    char when[32];
    id_text(app->home.replica.device, device);
    struct moment last = moment_at(c->last_sync_at);
    char clock[6];
    moment_clock(c->last_sync_at, clock);
    snprintf(when, sizeof when, "%s %s", last.day, clock);
    say(app, PHRASE_STATUS_DEVICE, number_text(app->home.replica.number).text, device, login, NULL);
    say(app, PHRASE_STATUS_WORK, number_text(c->pending).text, number_text(c->needs_you).text,
        number_text(c->merged).text, NULL);
    say(app, PHRASE_STATUS_SYNC,
        c->last_sync_at != 0 ? when : phrase_text(PHRASE_NEVER, app->chinese),
        number_text(c->scopes).text, NULL);
    if (c->last_sync_at != 0) {
        say(app, PHRASE_STATUS_AGE, duration_text(sync_age_ms(app, c)).text, NULL);
    }
    if (c->stalls > 0) {
        struct moment stalled = moment_at(c->stalled_at);
        char at[6];
        moment_clock(c->stalled_at, at);
        snprintf(when, sizeof when, "%s %s", stalled.day, at);
        say(app, PHRASE_STATUS_STALLS, number_text(c->stalls).text, when, NULL);
    }
    say_clock(app);
    if (photos->count > 0) {
        say(app, PHRASE_PHOTOS_WAIT, number_text(photos->count).text, size_text(photos->bytes).text,
            NULL);
    }
    if (c->needs_you > 0) {
        say(app, PHRASE_SEE_INBOX, NULL);
    }
}

enum exit_code command_status(struct app *app)
{
    enum exit_code code;
    if (!app_open(app, &code)) {
        return code;
    }
    struct buf login;
    buf_init(&login, JSON_BYTES_MAX);
    struct replica_counts counts;
    struct photos_waiting photos = {0};
    struct err err = read_login(app, &login);
    if (err.code == ERR_OK) {
        err = replica_counts(&app->home.replica, &counts);
    }
    if (err.code == ERR_OK) {
        err = photos_waiting(app->home.db, &photos);
    }
    if (err.code == ERR_OK && app->arguments.json) {
        put_json(app, buf_bytes(&login), &counts, &photos);
    } else if (err.code == ERR_OK) {
        put_lines(app, buf_text(&login), &counts, &photos);
    }
    buf_release(&login);
    return err.code == ERR_OK ? EXIT_DONE : report_error(app, err);
}
