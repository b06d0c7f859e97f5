/* legwork status: who this device is and what waits on it. */
#include "client/cmd/lookup.h"
#include "client/cmd/moment.h"
#include "client/media/photos.h"

#define JSON_BYTES_MAX 4096

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
