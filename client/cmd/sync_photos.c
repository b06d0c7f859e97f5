/* See sync_photos.h. */
#include "client/cmd/sync_photos.h"

#include "client/machine.h"

bool sync_photos_option(struct app *app, enum exit_code *code)
{
    const char *text = arguments_option(&app->arguments, "--network");
    if (text == NULL) {
        return true;
    }
    bool any = strcmp(text, "any") == 0;
    if (!any && strcmp(text, "unmetered") != 0) {
        *code = usage_error(app, PHRASE_USAGE_MALFORMED, text);
        return false;
    }
    struct err err = photo_network_put(&app->home, any ? NETWORK_ANY : NETWORK_UNMETERED);
    if (err.code != ERR_OK) {
        *code = report_error(app, err);
    }
    return err.code == ERR_OK;
}

void sync_photos_run(struct app *app, struct sync_loop *loop, struct sync_photos *p)
{
    enum photo_network network;
    p->result = (struct photo_result){.sent = 0};
    p->err = photo_network_get(&app->home, &network);
    p->held_back = p->err.code == ERR_OK && !photos_may_go(network);
    if (p->err.code == ERR_OK && !p->held_back && machine_mono_ms() >= p->pause_until_ms) {
        p->err = photos_upload(loop, &app->home, &p->result);
        p->pause_until_ms =
            p->result.retry_after_s > 0 ? machine_mono_ms() + p->result.retry_after_s * 1000 : 0;
    }
    struct err err = photos_waiting(app->home.db, &p->waiting);
    p->err = p->err.code == ERR_OK ? err : p->err;
}

void sync_photos_json(const struct sync_photos *p)
{
    printf("\"photos_sent\":%" PRId64 ",\"photo_bytes_sent\":%" PRId64
           ",\"photos_waiting\":%" PRId64 ",\"photo_bytes_waiting\":%" PRId64,
           p->result.sent, p->result.sent_bytes, p->waiting.count, p->waiting.bytes);
}

static void say_waiting(struct app *app, const struct sync_photos *p)
{
    bool quota = strcmp(p->result.fault.code, "quota") == 0;
    enum phrase phrase = p->held_back ? PHRASE_PHOTOS_WAIT_FOR_LINE
                         : quota      ? PHRASE_PHOTOS_WAIT_QUOTA
                                      : PHRASE_PHOTOS_WAIT;
    warn(app, phrase, number_text(p->waiting.count).text, size_text(p->waiting.bytes).text, NULL);
}

enum exit_code sync_photos_say(struct app *app, const struct sync_photos *p)
{
    const struct photo_result *r = &p->result;
    if (r->sent > 0) {
        say(app, PHRASE_PHOTOS_SENT, number_text(r->sent).text, size_text(r->sent_bytes).text,
            NULL);
    }
    if (r->lost > 0) {
        warn(app, PHRASE_PHOTOS_LOST, number_text(r->lost).text, NULL);
    }
    if (r->refused > 0) {
        warn(app, PHRASE_PHOTOS_REFUSED, number_text(r->refused).text, NULL);
    }
    if (p->waiting.count > 0) {
        say_waiting(app, p);
    }
    if (p->err.code == ERR_OK || p->err.code == ERR_CANCELLED || r->fault.code[0] != 0) {
        return EXIT_DONE; /* the exchange itself finished */
    }
    return report_error(app, p->err);
}
