/* legworkd invite: one line with all that a device needs to enrol, and its QR code.
 *
 *     lw1,HOST:PORT,SHA-256 of the CA's key,secret
 *
 * The secret is known to nobody but the reader of that line: the store keeps its hash. */
#include "common/base/base.h"

#include <qrencode.h>
#include <sodium.h>

#include "server/admin/certificate.h"
#include "server/admin/command.h"
#include "server/admin/data.h"
#include "server/admin/options.h"
#include "server/admin/say.h"
#include "server/store/machine.h"

#define SECRET_SIZE          20 /* 160 bits */
#define HOURS_MAX            24
#define HOUR_MS              INT64_C(3600000)
#define PORT_USUAL           8443
#define INVITATION_BYTES_MAX 512
#define QR_BORDER            2 /* light modules around; readers ask for some */

enum { QR, HOURS, HOST, PORT, OPTION_COUNT };

struct invitation {
    const char *host; /* NULL: the first name of the certificate */
    int64_t port;
    int64_t hours;
    bool qr;
    uint8_t secret[SECRET_SIZE];
};

static bool put_base64(struct buf *out, const uint8_t *at, size_t size)
{
    char text[64];
    if (sodium_base64_ENCODED_LEN(size, sodium_base64_VARIANT_URLSAFE_NO_PADDING) > sizeof text) {
        return false;
    }
    (void)sodium_bin2base64(text, sizeof text, at, size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    buf_put_text(out, text);
    sodium_memzero(text, sizeof text);
    return true;
}

/* A certificate of the data directory. */
static bool read_pem(const char *name, struct buf *out)
{
    char path[DATA_PATH_MAX];
    return data_path(name, path) && file_read(path, out);
}

static bool find_host(const struct invitation *inv, char host[HOST_TEXT_MAX])
{
    if (inv->host != NULL) {
        (void)snprintf(host, HOST_TEXT_MAX, "%s", inv->host);
        return true;
    }
    struct buf pem;
    buf_init(&pem, DATA_FILE_MAX);
    bool good = read_pem(TLS_FILE, &pem);
    if (good) {
        struct err err = leaf_first_host(buf_bytes(&pem), host);
        good = err.code == ERR_OK;
        if (!good) {
            refuse_err(err, NULL, TLS_FILE, NULL);
        }
    }
    buf_release(&pem);
    return good;
}

static bool find_ca_hash(uint8_t hash[32])
{
    struct buf pem;
    buf_init(&pem, DATA_FILE_MAX);
    bool good = read_pem(CA_FILE, &pem);
    if (good) {
        struct err err = ca_key_hash(buf_bytes(&pem), hash);
        good = err.code == ERR_OK;
        if (!good) {
            refuse_err(err, NULL, CA_FILE, NULL);
        }
    }
    buf_release(&pem);
    return good;
}

static bool write_code(const struct invitation *inv, struct buf *code)
{
    char host[HOST_TEXT_MAX];
    uint8_t hash[32];
    if (!find_host(inv, host) || !find_ca_hash(hash)) {
        return false;
    }
    bool bare = strchr(host, ':') == NULL; /* an IPv6 address stands in brackets before a port */
    buf_printf(code, "lw1,%s%s%s:%" PRId64 ",", bare ? "" : "[", host, bare ? "" : "]", inv->port);
    bool good = put_base64(code, hash, sizeof hash);
    buf_put_u8(code, ',');
    return put_base64(code, inv->secret, sizeof inv->secret) && good && !code->bad;
}

static bool qr_is_dark(const QRcode *qr, int x, int y)
{
    bool inside = x >= 0 && y >= 0 && x < qr->width && y < qr->width;
    return inside && (qr->data[y * qr->width + x] & 1) != 0;
}

/* Two rows of modules a line. Light is drawn, dark is left: a terminal is usually dark. */
static void print_qr(const char *code)
{
    static const char *const blocks[2][2] = {{"█", "▀"}, {"▄", " "}}; /* [upper][lower] dark? */
    QRcode *qr = QRcode_encodeString8bit(code, 0, QR_ECLEVEL_L);
    if (qr == NULL) {
        complain("the QR code can't be made: %s", "无法生成二维码：%s", strerror(errno));
        return;
    }
    for (int y = -QR_BORDER; y < qr->width + QR_BORDER; y += 2) {
        for (int x = -QR_BORDER; x < qr->width + QR_BORDER; x++) {
            (void)fputs(blocks[qr_is_dark(qr, x, y)][qr_is_dark(qr, x, y + 1)], stdout);
        }
        (void)fputc('\n', stdout);
    }
    QRcode_free(qr);
}

static struct err store_secret(struct data *d, const uint8_t person[16],
                               const struct invitation *inv)
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, inv->secret, sizeof inv->secret);
    int64_t now = machine_wall_ms();
    struct err err = db_begin(d->db, DB_LOCK_WRITE);
    if (err.code != ERR_OK) {
        return err;
    }
    return db_end(d->db, store_invite(&d->store, person, hash, now, now + inv->hours * HOUR_MS));
}

static bool is_active(struct data *d, const char *login, const uint8_t person[16])
{
    static const char sql[] = "SELECT active FROM person WHERE id = ?1";
    struct stmt st;
    struct err err = db_use(d->db, sql, &st);
    bool active = false;
    if (err.code == ERR_OK) {
        bind_id(&st, 1, person);
        if (db_step_row(&st)) {
            active = col_int(&st, 0) != 0;
            stmt_reset(&st);
        }
    }
    if (!active) {
        complain("%s is disabled", "%s 已停用", login);
    }
    return active;
}

static int invite(struct data *d, const char *login, struct invitation *inv)
{
    uint8_t person[16];
    if (!person_find(d, login, person) || !is_active(d, login, person)) {
        return EXIT_REFUSED;
    }
    struct buf code;
    buf_init(&code, INVITATION_BYTES_MAX);
    randombytes_buf(inv->secret, sizeof inv->secret);
    int status = write_code(inv, &code) ? EXIT_DONE : EXIT_REFUSED;
    if (status == EXIT_DONE) {
        struct err err = store_secret(d, person, inv);
        status = err.code == ERR_OK ? EXIT_DONE : refuse_err(err, NULL, login, db_message(d->db));
    }
    if (status == EXIT_DONE) {
        (void)puts(buf_text(&code));
        if (inv->qr) {
            print_qr(buf_text(&code));
        }
    }
    sodium_memzero(inv->secret, sizeof inv->secret);
    buf_release(&code);
    return status;
}

int cmd_invite(int argc, char **argv)
{
    struct option options[OPTION_COUNT] = {
        [QR] = {"--qr", OPTION_FLAG, 0, {0}},
        [HOURS] = {"--hours", OPTION_TEXT, 0, {0}},
        [HOST] = {"--host", OPTION_TEXT, 0, {0}},
        [PORT] = {"--port", OPTION_TEXT, 0, {0}},
    };
    struct arguments rest;
    struct invitation inv = {0};
    if (!options_read(options, OPTION_COUNT, argc, argv, 1, 1, &rest) ||
        !option_int(&options[HOURS], 1, HOURS_MAX, HOURS_MAX, &inv.hours) ||
        !option_int(&options[PORT], 1, UINT16_MAX, PORT_USUAL, &inv.port)) {
        return EXIT_USAGE;
    }
    inv.qr = options[QR].count > 0;
    inv.host = option_text(&options[HOST]);
    if (inv.host != NULL && !host_is_valid(inv.host)) {
        return usage_wrong("--host %s: not a host name or an address",
                           "--host %s：不是主机名或地址", inv.host);
    }
    struct data d;
    if (!data_open(&d, true)) {
        return EXIT_REFUSED;
    }
    int status = invite(&d, rest.at[0], &inv);
    data_close(&d);
    return status;
}
