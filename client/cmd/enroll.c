/* legwork enroll CODE: makes this folder a device of the firm.
 *
 *   fetch the authority unchecked ── its key's hash is the code's? ──no──► stop, nothing was sent
 *      │ yes
 *   key on disk ─► new replica file ready to write ─► secret and public key over checked TLS
 *      │ the answer names the device
 *   replica made under another name ─► renamed: from now on the folder is enrolled
 *
 * What can fail on this side is tried before the one-time secret goes out.
 *
 * Where the folder is enrolled already (two copies of it live, or the server lost track of it), it
 * stays as it is, with all work in it, and becomes a new device of the same person: the key is a
 * new one, and instead of a new replica the one that is there changes its name, in one transaction.
 */
#include "client/cmd/app.h"
#include "client/cmd/invitation.h"
#include "client/net/authority.h"
#include "client/net/http.h"
#include "protocol/codec.h"

#include <sodium.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX ((size_t)64 * 1024)
#define NEW_FILE         "replica.new"

struct enrolment {
    struct app *app;
    struct invitation invitation;
    char server[300];
    struct buf ca;
    struct buf answer; /* encoded; `who` borrows from it */
    struct enrolled who;
    uint8_t secret_key[64];
    struct db *db; /* the new replica */
    bool again;    /* over the replica that is open in app->home */
    int lock;      /* of syncs, then */
    uint32_t epoch;
};

static struct err keep_piece(void *context, struct bytes piece)
{
    struct buf *to = context;
    buf_put(to, piece);
    return to->bad ? err_make(ERR_PROTOCOL, 0, "enroll: long answer") : err_ok();
}

static enum exit_code explain(const struct enrolment *e, struct err err,
                              const struct http_answer *answer)
{
    if (answer->stranger) {
        warn(e->app, PHRASE_SIGN_IN_NEEDED, NULL);
        return EXIT_OFFLINE;
    }
    if (err.code == ERR_NETWORK || err.code == ERR_CANCELLED) {
        warn(e->app, PHRASE_ENROLL_UNREACHABLE, e->invitation.address, NULL);
        return EXIT_OFFLINE;
    }
    if (err.code == ERR_TLS) {
        warn(e->app, PHRASE_ENROLL_OTHER_SERVER, e->invitation.address, NULL);
        return EXIT_REFUSED;
    }
    if (err.code == ERR_OK && answer->status == 409) {
        warn(e->app, PHRASE_ENROLL_OTHER_PERSON, e->app->home.dir, NULL);
        return EXIT_REFUSED;
    }
    if (err.code == ERR_OK && answer->status == 400) {
        warn(e->app, e->again ? PHRASE_ENROLL_OLD_SERVER : PHRASE_ENROLL_TOO_OLD_SERVER, NULL);
        return EXIT_REFUSED;
    }
    if (err.code == ERR_OK && answer->status == 401) {
        warn(e->app, PHRASE_ENROLL_REFUSED, NULL);
        return EXIT_REFUSED;
    }
    if (err.code == ERR_OK) { /* 429, 503: the server is there and can't now */
        warn(e->app, PHRASE_SERVER_BUSY, number_text(answer->status).text, NULL);
        return EXIT_OFFLINE;
    }
    return report_error(e->app, err);
}

/* The authority as whoever answers shows it. Only its key's hash makes it the firm's. */
static enum exit_code fetch_authority(struct enrolment *e)
{
    struct http *http;
    struct http_options options = {.server = e->server};
    struct err err = http_open(&http, &options);
    if (err.code != ERR_OK) {
        return report_error(e->app, err);
    }
    struct http_request request = {
        .method = "GET", .path = "/v1/ca", .received = keep_piece, .context = &e->ca};
    struct http_answer answer;
    err = http_send(http, &request, &answer);
    enum exit_code code = EXIT_DONE;
    if (err.code != ERR_OK || answer.status != 200) {
        code = explain(e, err, &answer);
    }
    http_answer_release(&answer);
    http_close(http);
    return code;
}

static enum exit_code check_authority(const struct enrolment *e)
{
    uint8_t hash[32];
    if (!authority_key_hash(buf_bytes(&e->ca), hash) ||
        sodium_memcmp(hash, e->invitation.ca_hash, sizeof hash) != 0) {
        warn(e->app, PHRASE_ENROLL_OTHER_SERVER, e->invitation.address, NULL);
        return EXIT_REFUSED;
    }
    return EXIT_DONE;
}

/* The invitation must be of the firm whose work lies here. */
static enum exit_code check_firm(struct enrolment *e)
{
    uint8_t hash[32];
    struct bytes ca;
    int64_t epoch = 0;
    struct home *h = &e->app->home;
    struct err err = home_setting(h->db, "ca", &e->app->arena, &ca);
    if (err.code == ERR_OK) {
        err = db_one_int(h->db, "SELECT epoch FROM device_state", &epoch);
    }
    if (err.code != ERR_OK) {
        return report_error(e->app, err);
    }
    if (!authority_key_hash(ca, hash) ||
        sodium_memcmp(hash, e->invitation.ca_hash, sizeof hash) != 0) {
        warn(e->app, PHRASE_ENROLLED_ALREADY, h->dir, NULL);
        return EXIT_REFUSED;
    }
    e->epoch = (uint32_t)epoch;
    return EXIT_DONE;
}

/* A key from an attempt that broke off is used again: the server may know it already. */
static struct err prepare_files(struct enrolment *e)
{
    const struct home *h = &e->app->home;
    if (e->again) {
        return home_key_next(h, e->secret_key);
    }
    struct err err = home_make(h);
    if (err.code == ERR_OK) {
        err = home_key_read(h, e->secret_key);
    }
    if (err.code == ERR_NOT_FOUND) {
        err = home_key_make(h, e->secret_key);
    }
    char path[HOME_FILE_MAX];
    home_file(h, "tls.session", path);
    unlink(path); /* of another server, from before */
    home_file(h, NEW_FILE, path);
    unlink(path); /* what an attempt left that broke off */
    if (err.code == ERR_OK) {
        struct db_options options = {.mode = DB_CREATE, .busy_timeout_ms = 10000, .shrinks = true};
        err = db_open(&e->db, path, &options);
    }
    return err;
}

/* What a server of protocol 1 knows ends with the program's name: zero stands at the end of the
 * others, and isn't sent. */
static void encode_request(const struct enrolment *e, const char *name, uint32_t protocol,
                           struct buf *out)
{
    struct message message = {.kind = MESSAGE_ENROL,
                              .enrol = {.name = bytes_text(name),
                                        .app = bytes_text("legwork " LEGWORK_VERSION),
                                        .protocol = protocol}};
    memcpy(message.enrol.secret, e->invitation.secret, sizeof message.enrol.secret);
    memcpy(message.enrol.public_key, e->secret_key + 32, 32); /* libsodium's layout: seed, public */
    if (e->again) {
        memcpy(message.enrol.former, e->app->home.replica.device, 16);
        message.enrol.former_epoch = e->epoch;
    }
    if (message_encode(&message, out) != WIRE_OK) {
        out->bad = true;
    }
}

static struct err decode_answer(struct enrolment *e)
{
    struct message message;
    size_t used;
    if (message_decode(buf_bytes(&e->answer), &e->app->arena, &message, &used) != WIRE_OK ||
        message.kind != MESSAGE_ENROLLED) {
        return err_make(ERR_PROTOCOL, 0, "enroll: answer");
    }
    e->who = message.enrolled;
    return err_ok();
}

static struct err ask(struct enrolment *e, const char *name, uint32_t protocol,
                      struct http_answer *answer)
{
    struct buf body;
    buf_init(&body, ANSWER_BYTES_MAX);
    buf_clear(&e->answer);
    encode_request(e, name, protocol, &body);
    struct http *http = NULL;
    struct http_options options = {.server = e->server, .ca = buf_bytes(&e->ca)};
    struct err err = body.bad ? err_make(ERR_LIMIT, 0, "enroll") : http_open(&http, &options);
    if (err.code == ERR_OK) {
        struct http_request request = {.method = "POST",
                                       .path = "/v1/enroll",
                                       .body = buf_bytes(&body),
                                       .accepts = "application/cbor-seq",
                                       .received = keep_piece,
                                       .context = &e->answer};
        err = http_send(http, &request, answer);
    }
    if (err.code == ERR_OK && answer->status == 200) {
        err = decode_answer(e);
    }
    http_close(http);
    buf_release(&body);
    return err;
}

static enum exit_code register_device(struct enrolment *e, const char *name)
{
    struct http_answer answer = {0};
    struct err err = ask(e, name, PROTOCOL_VERSION, &answer);
    if (err.code == ERR_OK && answer.status == 400 && !e->again) { /* it may know the first alone */
        http_answer_release(&answer);
        answer = (struct http_answer){0};
        err = ask(e, name, 0, &answer);
    }
    enum exit_code code = EXIT_DONE;
    if (err.code != ERR_OK || answer.status != 200) {
        code = explain(e, err, &answer);
    }
    http_answer_release(&answer);
    return code;
}

static struct err settings_put(void *context)
{
    const struct enrolment *e = context;
    struct db *db = e->app->home.db;
    struct err err = home_setting_put(db, "server", bytes_text(e->server));
    return err.code == ERR_OK ? home_key_name(db, e->secret_key) : err;
}

static struct err become_device(struct enrolment *e)
{
    char path[HOME_FILE_MAX];
    uint8_t key[64];
    struct home *h = &e->app->home;
    struct err err = replica_reenrol(&h->replica, &e->who, settings_put, e);
    if (err.code == ERR_OK) {
        err = home_key_read(h, key); /* the new one takes its place */
    }
    home_file(h, "tls.session", path);
    unlink(path); /* of the old device's connections */
    sodium_memzero(key, sizeof key);
    return err;
}

/* The file gets its name when all is in it, so that a folder is enrolled or not, never half. */
static struct err store_device(struct enrolment *e)
{
    struct err err = replica_create(e->db, &e->who);
    if (err.code == ERR_OK) {
        err = home_setting_put(e->db, "server", bytes_text(e->server));
    }
    if (err.code == ERR_OK) {
        err = home_setting_put(e->db, "ca", buf_bytes(&e->ca));
    }
    db_close(e->db); /* the last connection: the log file goes into the database */
    e->db = NULL;
    char from[HOME_FILE_MAX];
    char to[HOME_FILE_MAX];
    home_file(&e->app->home, NEW_FILE, from);
    home_file(&e->app->home, "replica.db", to);
    if (err.code == ERR_OK && rename(from, to) != 0) {
        err = err_make(ERR_IO, errno, "enroll: rename");
    }
    return err;
}

static void tell(const struct enrolment *e)
{
    struct number number = number_text(e->who.device_number);
    char login[128];
    snprintf(login, sizeof login, "%.*s", (int)e->who.login.size, (const char *)e->who.login.at);
    say(e->app, e->again ? PHRASE_ENROLLED_AGAIN : PHRASE_ENROLLED, login, number.text, NULL);
    if (e->app->arguments.json) {
        char device[37];
        id_text(e->who.device, device);
        struct buf out;
        buf_init(&out, ANSWER_BYTES_MAX);
        buf_printf(&out, "{\"device\":\"%s\",\"number\":%s,\"user\":", device, number.text);
        json_put_text(e->who.login, &out);
        buf_put_text(&out, "}\n");
        put_output(&out);
        buf_release(&out);
    }
}

static enum exit_code enroll(struct enrolment *e)
{
    enum exit_code code = fetch_authority(e);
    if (code == EXIT_DONE) {
        code = check_authority(e);
    }
    if (code == EXIT_DONE && e->again) {
        code = check_firm(e);
    }
    if (code != EXIT_DONE) {
        return code;
    }
    struct err err = prepare_files(e);
    if (err.code != ERR_OK) {
        return report_error(e->app, err);
    }
    char host[128] = "device";
    (void)gethostname(host, sizeof host - 1); /* without one, "device" is as good */
    const char *name = arguments_option(&e->app->arguments, "--name");
    code = register_device(e, name ? name : host);
    if (code != EXIT_DONE) {
        return code;
    }
    err = e->again ? become_device(e) : store_device(e);
    if (err.code != ERR_OK) {
        return report_error(e->app, err);
    }
    tell(e);
    return EXIT_DONE;
}

/* The replica that is here, and nobody syncing it. */
static bool open_again(struct enrolment *e, enum exit_code *code)
{
    if (!app_open(e->app, code)) {
        return false;
    }
    struct err err = home_lock(&e->app->home, &e->lock);
    if (err.code == ERR_BUSY) {
        warn(e->app, PHRASE_SYNC_RUNNING, NULL);
        *code = EXIT_REFUSED;
    } else if (err.code != ERR_OK) {
        *code = report_error(e->app, err);
    }
    return err.code == ERR_OK;
}

enum exit_code command_enroll(struct app *app)
{
    struct enrolment e = {.app = app, .lock = -1};
    if (home_find(&app->home, app->arguments.home).code != ERR_OK) {
        warn(app, PHRASE_NO_HOME, NULL);
        return EXIT_REFUSED;
    }
    if (!invitation_parse(arguments_operand(&app->arguments, 0), &e.invitation)) {
        return usage_error(app, PHRASE_ENROLL_BAD_CODE, "");
    }
    enum exit_code code = EXIT_DONE;
    e.again = home_is_enrolled(&app->home);
    if (e.again && !open_again(&e, &code)) {
        home_unlock(e.lock);
        return code;
    }
    snprintf(e.server, sizeof e.server, "https://%s", e.invitation.address);
    buf_init(&e.ca, AUTHORITY_PEM_BYTES_MAX);
    buf_init(&e.answer, ANSWER_BYTES_MAX);
    code = enroll(&e);
    home_unlock(e.lock);
    db_close(e.db);
    sodium_memzero(e.secret_key, sizeof e.secret_key);
    buf_release(&e.ca);
    buf_release(&e.answer);
    return code;
}
