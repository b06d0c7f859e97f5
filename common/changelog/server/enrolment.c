/* Invitations, devices and their keys; see store.h. */
#include "common/changelog/server/store_internal.h"

#include "protocol/signature.h"

#include <sodium.h>

#define MESSAGE_TOKEN_BYTES 16

struct err store_invite(struct store *st, const uint8_t person[16], const uint8_t secret_hash[32],
                        int64_t now_ms, int64_t expires_ms)
{
    static const char sql[] = "INSERT INTO invitation (secret_hash, person, made_at, expires_at)"
                              " VALUES (?1, ?2, ?3, ?4)";
    struct stmt q;
    struct err err = db_use(st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_blob(&q, 1, bytes_of(secret_hash, 32));
    bind_id(&q, 2, person);
    bind_int(&q, 3, now_ms);
    bind_int(&q, 4, expires_ms);
    return db_step_done(&q, "store_invite");
}

/* ---- taking an invitation ---- */

struct enrolment {
    struct store *st;
    const struct enrol *request;
    int64_t now_ms;
    uint8_t secret_hash[32];
    uint8_t person[16];
    uint8_t token[MESSAGE_TOKEN_BYTES];
    uint32_t number;
    uint8_t device[16];
    uint32_t epoch;  /* its first */
    uint32_t family; /* of the device in whose place it comes; 0: of none */
};

/* The person whom a valid, unused invitation names. */
static struct err find_invitation(struct enrolment *e)
{
    static const char sql[] =
        "SELECT i.person FROM invitation i JOIN person p ON p.id = i.person"
        " WHERE i.secret_hash = ?1 AND i.used_at IS NULL AND i.expires_at > ?2"
        " AND p.active = 1 AND p._deleted_at IS NULL";
    struct stmt q;
    struct err err = db_use(e->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_blob(&q, 1, bytes_of(e->secret_hash, sizeof e->secret_hash));
    bind_int(&q, 2, e->now_ms);
    if (!db_step_row(&q)) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_AUTH, 0, "find_invitation");
    }
    bool good = col_id(&q, 0, e->person);
    stmt_reset(&q);
    return good ? err_ok() : err_make(ERR_CORRUPT, 0, "find_invitation");
}

static struct err take_number(struct enrolment *e)
{
    struct stmt q;
    struct err err = db_use(e->st->db,
                            "UPDATE store_state SET next_device = next_device + 1"
                            " RETURNING next_device - 1",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    if (!db_step_row(&q)) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_CORRUPT, 0, "take_number");
    }
    e->number = (uint32_t)col_int(&q, 0);
    return db_step_done(&q, "take_number");
}

/* The first token counts as given and not shown yet, so both fields hold it. */
static struct err key_insert(struct enrolment *e)
{
    static const char sql[] = "INSERT INTO device_key (number, device, person, key_id, public_key,"
                              " enrolled_at, token, token_pending, epoch, epoch_pending, family)"
                              " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?8, ?9)";
    char keyid[SIGNATURE_KEYID_MAX + 1];
    signature_keyid(e->request->public_key, keyid);
    struct stmt q;
    struct err err = db_use(e->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, e->number);
    bind_id(&q, 2, e->device);
    bind_id(&q, 3, e->person);
    bind_text(&q, 4, keyid);
    bind_blob(&q, 5, bytes_of(e->request->public_key, sizeof e->request->public_key));
    bind_int(&q, 6, e->now_ms);
    bind_blob(&q, 7, bytes_of(e->token, sizeof e->token));
    bind_int(&q, 8, e->epoch);
    bind_int(&q, 9, e->family);
    return db_step_done(&q, "key_insert");
}

static struct err use_up(struct enrolment *e)
{
    struct stmt q;
    struct err err = db_use(
        e->st->db, "UPDATE invitation SET used_at = ?2, used_by = ?3 WHERE secret_hash = ?1", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_blob(&q, 1, bytes_of(e->secret_hash, sizeof e->secret_hash));
    bind_int(&q, 2, e->now_ms);
    bind_int(&q, 3, e->number);
    err = db_step_done(&q, "use_up");
    return err.code == ERR_OK
               ? store_note(e->st, LEDGER_USED, bytes_of(e->secret_hash, sizeof e->secret_hash),
                            e->number, e->now_ms)
               : err;
}

/* One cell or more of the row that people see of a device. */
static struct err device_row_put(struct store *st, const uint8_t device[16],
                                 const struct cell *cells, size_t count, int64_t now_ms)
{
    struct complaint why = {0};
    struct server_write *w = NULL;
    int64_t seq = 0;
    struct err err = server_write_begin(st, NULL, "device", now_ms, &w);
    if (err.code != ERR_OK) {
        return err;
    }
    err = server_write_put(w, catalogue_table(TABLE_device), device, cells, count, -1, &seq, NULL,
                           &why);
    if (err.code != ERR_OK) {
        server_write_cancel(w);
        return err;
    }
    return server_write_end(w, &why);
}

static struct err device_insert(struct enrolment *e)
{
    const struct cell cells[] = {
        {.column = COLUMN_device_person_id, .value = value_blob(bytes_of(e->person, 16))},
        {.column = COLUMN_device_name, .value = value_text(e->request->name)},
        {.column = COLUMN_device_number, .value = value_int(e->number)},
        {.column = COLUMN_device_bound_at, .value = value_int(e->now_ms)},
        {.column = COLUMN_device_app_ver, .value = value_text(e->request->app)}};
    return device_row_put(e->st, e->device, cells, count_of(cells), e->now_ms);
}

/* ---- in the place of an older device ---- */

/* Who it was, as far as this store knows: after a restore it may know nothing of it. */
static struct err find_former(struct enrolment *e, uint32_t *number)
{
    struct stmt q;
    uint8_t person[16];
    struct err err =
        db_use(e->st->db, "SELECT number, family, person FROM device_key WHERE device = ?1", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, e->request->former);
    if (!db_step_row(&q)) {
        return stmt_err(&q, "find_former");
    }
    *number = (uint32_t)col_int(&q, 0);
    e->family = (uint32_t)col_int(&q, 1);
    bool good = col_id(&q, 2, person);
    stmt_reset(&q);
    if (!good) {
        return err_make(ERR_CORRUPT, 0, "find_former");
    }
    /* another's work must not go out under this person's name */
    return memcmp(person, e->person, sizeof person) == 0 ? err_ok()
                                                         : err_make(ERR_REFUSED, 0, "other_person");
}

static struct err found_family(struct enrolment *e, uint32_t former)
{
    struct stmt q;
    struct err err = db_use(e->st->db, "UPDATE device_key SET family = ?1 WHERE number = ?1", &q);
    if (err.code == ERR_OK) {
        bind_int(&q, 1, former);
        e->family = former;
        err = db_step_done(&q, "found_family");
    }
    return err;
}

/* Numbers of all epochs that any of the family ever used stay apart from the new one's, so that the
 * device needn't touch what it keeps of them. */
static struct err epoch_after(struct enrolment *e)
{
    struct stmt q;
    struct err err = db_use(e->st->db,
                            "SELECT max(epoch_pending) FROM device_key"
                            " WHERE family = ?1 AND family > 0",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, e->family);
    uint32_t last = e->request->former_epoch;
    if (db_step_row(&q)) {
        last = (uint32_t)col_int(&q, 0) > last ? (uint32_t)col_int(&q, 0) : last;
        stmt_reset(&q);
    }
    e->epoch = last + 1;
    return last < INT32_MAX ? stmt_err(&q, "epoch_after") : err_make(ERR_AUTH, 0, "epoch_after");
}

static struct err join_family(struct enrolment *e)
{
    static const uint8_t nobody[16] = {0};
    uint32_t former = 0;
    e->epoch = 1;
    if (memcmp(e->request->former, nobody, sizeof nobody) == 0) {
        return err_ok();
    }
    struct err err = find_former(e, &former);
    if (err.code == ERR_OK && former != 0 && e->family == 0) {
        err = found_family(e, former);
    }
    return err.code == ERR_OK ? epoch_after(e) : err;
}

static struct err make_device(struct enrolment *e)
{
    e->st->host.random(e->st->host.context, e->token, sizeof e->token);
    store_new_id(e->st, e->now_ms, e->device);
    struct err err = join_family(e);
    if (err.code == ERR_OK) {
        err = take_number(e);
    }
    if (err.code == ERR_OK) {
        err = key_insert(e);
    }
    if (err.code == ERR_OK) {
        err = device_insert(e);
    }
    return err.code == ERR_OK ? use_up(e) : err;
}

/* The answer to the first taking was lost: the same code with the same key gives the same device,
 * as long as it has not said anything yet. */
static struct err find_repeated(struct enrolment *e, bool *found)
{
    static const char sql[] =
        "SELECT d.number, d.device, d.person, d.token, d.epoch FROM invitation i"
        " JOIN device_key d ON d.number = i.used_by"
        " WHERE i.secret_hash = ?1 AND d.public_key = ?2 AND d.hello_ms = 0"
        " AND d.revoked_at IS NULL AND i.expires_at > ?3";
    struct stmt q;
    struct err err = db_use(e->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_blob(&q, 1, bytes_of(e->secret_hash, sizeof e->secret_hash));
    bind_blob(&q, 2, bytes_of(e->request->public_key, sizeof e->request->public_key));
    bind_int(&q, 3, e->now_ms);
    *found = db_step_row(&q);
    if (*found) {
        e->number = (uint32_t)col_int(&q, 0);
        e->epoch = (uint32_t)col_int(&q, 4);
        bool good = col_id(&q, 1, e->device) && col_id(&q, 2, e->person) && col_id(&q, 3, e->token);
        stmt_reset(&q);
        return good ? err_ok() : err_make(ERR_CORRUPT, 0, "find_repeated");
    }
    return stmt_err(&q, "find_repeated");
}

static struct err login_of(struct enrolment *e, struct arena *arena, struct bytes *login)
{
    struct stmt q;
    struct err err = db_use(e->st->db, "SELECT login FROM person WHERE id = ?1", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, e->person);
    if (!db_step_row(&q)) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_AUTH, 0, "login_of");
    }
    *login = arena_copy(arena, col_bytes(&q, 0));
    stmt_reset(&q);
    return login->at != NULL ? err_ok() : err_make(ERR_NOMEM, 0, "login_of");
}

/* ---- a word that is recognized after a restore ---- */

/* device, number, person, key; then the ledger's mac. */
#define CERTIFICATE_SIZE (16 + 4 + 16 + 32)

static void certificate_content(const struct enrolment *e, uint8_t out[CERTIFICATE_SIZE])
{
    const uint8_t number[4] = {(uint8_t)(e->number >> 24), (uint8_t)(e->number >> 16),
                               (uint8_t)(e->number >> 8), (uint8_t)e->number};
    memcpy(out, e->device, 16);
    memcpy(out + 16, number, 4);
    memcpy(out + 20, e->person, 16);
    memcpy(out + 36, e->request->public_key, 32);
}

static struct err make_certificate(const struct enrolment *e, struct arena *arena,
                                   struct bytes *out)
{
    uint8_t *at = arena_alloc(arena, CERTIFICATE_SIZE + LEDGER_MAC_SIZE);
    if (at == NULL) {
        return err_make(ERR_NOMEM, 0, "make_certificate");
    }
    certificate_content(e, at);
    ledger_mac(e->st->ledger, "enrolled", bytes_of(at, CERTIFICATE_SIZE), at + CERTIFICATE_SIZE);
    *out = bytes_of(at, CERTIFICATE_SIZE + LEDGER_MAC_SIZE);
    return err_ok();
}

/* Whose it is, as far as it is ours and of the key that is shown beside it. */
static bool read_certificate(struct enrolment *e)
{
    struct bytes said = e->request->certificate;
    if (e->st->ledger == NULL || said.size != CERTIFICATE_SIZE + LEDGER_MAC_SIZE ||
        !ledger_mac_fits(e->st->ledger, "enrolled", bytes_of(said.at, CERTIFICATE_SIZE),
                         bytes_of(said.at + CERTIFICATE_SIZE, LEDGER_MAC_SIZE))) {
        return false;
    }
    memcpy(e->device, said.at, 16);
    e->number = (uint32_t)said.at[16] << 24 | (uint32_t)said.at[17] << 16 |
                (uint32_t)said.at[18] << 8 | said.at[19];
    memcpy(e->person, said.at + 20, 16);
    return memcmp(said.at + 36, e->request->public_key, 32) == 0;
}

/* Neither revoked since nor of a person who is gone, and its number is free. */
static struct err may_come_back(const struct enrolment *e, bool *known)
{
    static const char sql[] =
        "SELECT EXISTS (SELECT 1 FROM person WHERE id = ?1 AND active = 1 AND _deleted_at IS NULL)"
        " AND NOT EXISTS (SELECT 1 FROM revoked_device WHERE device = ?2)"
        " AND NOT EXISTS (SELECT 1 FROM device_key WHERE device = ?2 AND revoked_at IS NOT NULL)"
        " AND NOT EXISTS (SELECT 1 FROM device_key WHERE number = ?3 AND device <> ?2),"
        " EXISTS (SELECT 1 FROM device_key WHERE device = ?2 AND public_key = ?4)";
    struct stmt q;
    struct err err = db_use(e->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, e->person);
    bind_id(&q, 2, e->device);
    bind_int(&q, 3, e->number);
    bind_blob(&q, 4, bytes_of(e->request->public_key, 32));
    if (!db_step_row(&q)) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_INTERNAL, 0, "may_come_back");
    }
    bool may = col_int(&q, 0) != 0;
    *known = col_int(&q, 1) != 0;
    stmt_reset(&q);
    return may ? err_ok() : err_make(ERR_AUTH, 0, "may_come_back");
}

static struct err skip_number(const struct enrolment *e)
{
    struct stmt q;
    struct err err =
        db_use(e->st->db, "UPDATE store_state SET next_device = max(next_device, ?1)", &q);
    if (err.code == ERR_OK) {
        bind_int(&q, 1, (int64_t)e->number + 1);
        err = db_step_done(&q, "skip_number");
    }
    return err;
}

/* It has seen verdicts that are lost: their numbers aren't given again. */
static struct err skip_verdicts(const struct enrolment *e)
{
    struct stmt q;
    struct err err =
        db_use(e->st->db, "UPDATE device_key SET verdict_last = ?2 WHERE number = ?1", &q);
    if (err.code == ERR_OK) {
        bind_int(&q, 1, e->number);
        bind_int(&q, 2, timeline_start(e->st->timeline.counter));
        err = db_step_done(&q, "skip_verdicts");
    }
    return err;
}

/* A device that was enrolled after the backup that this store began with. */
static struct err enrol_again(struct enrolment *e)
{
    bool known = false;
    if (!read_certificate(e)) {
        return err_make(ERR_AUTH, 0, "enrol_again");
    }
    struct err err = may_come_back(e, &known);
    if (err.code != ERR_OK || known) {
        return err;
    }
    e->st->host.random(e->st->host.context, e->token, sizeof e->token);
    err = skip_number(e);
    if (err.code == ERR_OK) {
        err = key_insert(e);
    }
    if (err.code == ERR_OK) {
        err = skip_verdicts(e);
    }
    return err.code == ERR_OK ? device_insert(e) : err;
}

static struct err enrol_by_secret(struct enrolment *e)
{
    bool repeated = false;
    struct err err = find_repeated(e, &repeated);
    if (err.code == ERR_OK && !repeated) {
        err = find_invitation(e);
        if (err.code == ERR_OK) {
            err = make_device(e);
        }
    }
    return err;
}

struct err store_enrol(struct store *st, const struct enrol *request, int64_t now_ms,
                       struct arena *arena, struct enrolled *out)
{
    store_refresh(st);
    if (st->superseded != 0) { /* another server has taken over */
        return err_make(ERR_BUSY, 0, "store_enrol");
    }
    struct enrolment e = {.st = st, .request = request, .now_ms = now_ms};
    crypto_hash_sha256(e.secret_hash, request->secret, sizeof request->secret);
    struct err err = request->certificate.size > 0 ? enrol_again(&e) : enrol_by_secret(&e);
    *out = (struct enrolled){
        .device_number = e.number, .epoch = e.epoch, .timeline = st->timeline, .server_ms = now_ms};
    memcpy(out->device, e.device, sizeof out->device);
    memcpy(out->person, e.person, sizeof out->person);
    memcpy(out->token, e.token, sizeof out->token);
    memcpy(out->digest_key, st->digest_key, sizeof out->digest_key);
    if (err.code == ERR_OK && request->protocol >= 2 && st->ledger != NULL) {
        err = make_certificate(&e, arena, &out->certificate);
    }
    return err.code == ERR_OK ? login_of(&e, arena, &out->login) : err;
}

/* ---- afterwards ---- */

struct err store_revoke(struct store *st, const uint8_t device[16], int64_t now_ms)
{
    store_refresh(st);
    struct stmt q;
    struct err err = db_use(st->db,
                            "UPDATE device_key SET revoked_at = ?2"
                            " WHERE device = ?1 AND revoked_at IS NULL",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, device);
    bind_int(&q, 2, now_ms);
    err = db_step_done(&q, "store_revoke");
    if (err.code == ERR_OK && db_changes(st->db) == 0) {
        err = err_make(ERR_NOT_FOUND, 0, "store_revoke");
    }
    if (err.code == ERR_OK) {
        err = store_note(st, LEDGER_REVOKED, bytes_of(device, 16), 0, now_ms);
    }
    const struct cell revoked = {.column = COLUMN_device_revoked_at, .value = value_int(now_ms)};
    return err.code == ERR_OK ? device_row_put(st, device, &revoked, 1, now_ms) : err;
}

struct err store_device_by_key(struct store *st, const char *key_id, struct store_device *out)
{
    static const char sql[] =
        "SELECT d.number, d.device, d.person, d.public_key,"
        " d.revoked_at IS NOT NULL OR p.id IS NULL OR p.active <> 1 OR p._deleted_at IS NOT NULL"
        " FROM device_key d LEFT JOIN person p ON p.id = d.person WHERE d.key_id = ?1";
    struct stmt q;
    struct err err = db_use(st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&q, 1, key_id);
    if (!db_step_row(&q)) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_NOT_FOUND, 0, "store_device_by_key");
    }
    struct bytes key = col_bytes(&q, 3);
    out->number = (uint32_t)col_int(&q, 0);
    out->revoked = col_int(&q, 4) != 0;
    bool good = col_id(&q, 1, out->device) && col_id(&q, 2, out->person) &&
                key.size == sizeof out->public_key;
    if (good) {
        memcpy(out->public_key, key.at, key.size);
    }
    stmt_reset(&q);
    return good ? err_ok() : err_make(ERR_CORRUPT, 0, "store_device_by_key");
}

struct err store_devices_refused(struct store *st, struct arena *arena, uint32_t **out,
                                 size_t *count)
{
    static const char sql[] =
        "SELECT d.number, count(*) OVER () FROM device_key d LEFT JOIN person p ON p.id = d.person"
        " WHERE d.revoked_at IS NOT NULL OR p.id IS NULL OR p.active <> 1"
        " OR p._deleted_at IS NOT NULL ORDER BY d.number";
    struct stmt q;
    struct err err = db_use(st->db, sql, &q);
    *out = NULL;
    *count = 0;
    while (err.code == ERR_OK && db_step_row(&q)) {
        if (*out == NULL) {
            *out = arena_array(arena, (size_t)col_int(&q, 1), sizeof **out);
        }
        if (*out == NULL) {
            stmt_reset(&q);
            return err_make(ERR_NOMEM, 0, "store_devices_refused");
        }
        (*out)[(*count)++] = (uint32_t)col_int(&q, 0);
    }
    return err.code == ERR_OK ? stmt_err(&q, "store_devices_refused") : err;
}
