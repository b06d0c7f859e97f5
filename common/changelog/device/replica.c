/* A replica's file: made once, opened by every command; see replica.h. */
#include "common/changelog/device/replica.h"

#include "common/base/hlc.h"
#include "common/base/uuid.h"
#include "common/changelog/device/capture.h"
#include "common/changelog/device/freeze.h"
#include "common/changelog/device/outbox.h"
#include "common/changelog/device/sent.h"
#include "common/db/migrate.h"

#define SCHEMA_UNNUMBERED 1 /* what a replica holds that was made before schemas had numbers */
#define OLD_VALUES_MAX    ((size_t)2 * ROW_BYTES_MAX)

extern const char *const migrations_device[];

static struct err state_insert(struct db *db, const struct enrolled *who)
{
    static const char sql[] =
        "INSERT INTO device_state (one, device, number, person, epoch, token, timeline,"
        " timeline_id, digest_key, catalogue, seen_ms, digested)"
        " VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 1)";
    struct stmt st;
    struct err err = db_use(db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, who->device);
    bind_int(&st, 2, who->device_number);
    bind_id(&st, 3, who->person);
    bind_int(&st, 4, who->epoch);
    bind_id(&st, 5, who->token);
    bind_int(&st, 6, who->timeline.counter);
    bind_id(&st, 7, who->timeline.id);
    bind_id(&st, 8, who->digest_key);
    bind_int(&st, 9, CATALOGUE_VERSION);
    bind_int(&st, 10, who->server_ms);
    return db_step_done(&st, "replica_create");
}

/* With it, a server that lost this device together with its backup lets it in again. */
static struct err keep_certificate(struct db *db, struct bytes certificate)
{
    struct stmt st;
    if (certificate.size == 0) {
        return err_ok();
    }
    struct err err =
        db_use(db, "INSERT OR REPLACE INTO setting (name, value) VALUES ('certificate', ?1)", &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_blob(&st, 1, certificate);
    return db_step_done(&st, "replica_create");
}

struct err replica_create(struct db *db, const struct enrolled *who)
{
    struct err err = db_begin(db, DB_LOCK_WRITE);
    if (err.code != ERR_OK) {
        return err;
    }
    err = migrations_run(db, migrations_device, 0);
    if (err.code == ERR_OK) {
        err = catalogue_create(db, false);
    }
    if (err.code == ERR_OK) {
        err = capture_create(db);
    }
    if (err.code == ERR_OK) {
        err = state_insert(db, who);
    }
    if (err.code == ERR_OK) {
        err = keep_certificate(db, who->certificate);
    }
    return db_end(db, err);
}

static struct err state_read(struct replica *r, int64_t *catalogue)
{
    static const char sql[] = "SELECT device, person, number, digest_key, clock, offset_ms,"
                              " seen_ms, catalogue, wall_ms, mono_ms, boot, jump_ms, jumped_at"
                              " FROM device_state";
    struct stmt st;
    struct err err = db_use(r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    if (!db_step_row(&st)) {
        err = stmt_err(&st, "replica_open");
        return err.code != ERR_OK ? err : err_make(ERR_CORRUPT, 0, "replica_open: no state");
    }
    bool whole =
        col_id(&st, 0, r->device) && col_id(&st, 1, r->person) && col_id(&st, 3, r->digest_key);
    r->number = (uint32_t)col_int(&st, 2);
    r->clock = (uint64_t)col_int(&st, 4);
    r->offset_ms = col_int(&st, 5);
    r->seen_ms = col_int(&st, 6);
    *catalogue = col_int(&st, 7);
    r->exchange.clocks = (struct clocks){.wall_ms = col_int(&st, 8), .mono_ms = col_int(&st, 9)};
    r->exchange.known = col_id(&st, 10, r->exchange.clocks.boot); /* NULL: none yet */
    r->exchange.offset_ms = r->offset_ms;
    r->jump_ms = col_int(&st, 11);
    r->jumped_at = col_int(&st, 12);
    stmt_reset(&st);
    return whole ? err_ok() : err_make(ERR_CORRUPT, 0, "replica_open: state");
}

/* Stamps given since the clock was last stored stand in the outbox alone. */
static struct err clock_read(struct replica *r)
{
    static const char sql[] =
        "SELECT stamp FROM outbox WHERE stamp IS NOT NULL ORDER BY key DESC LIMIT 1";
    int64_t stamp = 0;
    struct err err = db_one_int(r->db, sql, &stamp);
    if (err.code == ERR_OK && (uint64_t)stamp > r->clock) {
        r->clock = (uint64_t)stamp;
    }
    return err.code == ERR_NOT_FOUND ? err_ok() : err;
}

/* What was captured under the older catalogue is frozen under it: its bytes never change, and new
 * columns are still empty. */
static struct err upgrade(struct replica *r)
{
    static const char sql[] = "UPDATE device_state SET catalogue = ?1";
    struct stmt st;
    struct err err = db_begin(r->db, DB_LOCK_WRITE);
    if (err.code != ERR_OK) {
        return err;
    }
    err = catalogue_create(r->db, false);
    if (err.code == ERR_OK) {
        err = freeze_all(r);
    }
    if (err.code == ERR_OK) {
        err = capture_create(r->db);
    }
    if (err.code == ERR_OK) {
        err = db_use(r->db, sql, &st);
    }
    if (err.code == ERR_OK) {
        bind_int(&st, 1, CATALOGUE_VERSION);
        err = db_step_done(&st, "replica_upgrade");
    }
    return db_end(r->db, err);
}

/* A replica from before sums were kept gets them from its rows. */
static struct err sums_raise(struct replica *r)
{
    int64_t made = 0;
    struct err err = db_one_int(r->db, "SELECT digested FROM device_state", &made);
    return err.code == ERR_OK && made == 0 ? replica_digest_make(r) : err;
}

/* Somebody else's triggers or views in the file go before anything of it is used. */
static struct err renew_capture(struct replica *r)
{
    bool ours = false;
    struct err err = capture_is_ours(r->db, &ours);
    if (err.code != ERR_OK || ours) {
        return err;
    }
    r->renewed = true;
    err = capture_renew(r->db);
    return err.code == ERR_READONLY ? err_ok() : err; /* nothing runs where nothing is saved */
}

struct err replica_open(struct replica *r, struct db *db, const struct host *host)
{
    int64_t catalogue = 0;
    *r = (struct replica){.db = db, .host = *host};
    buf_init(&r->capture.old, OLD_VALUES_MAX);
    sums_init(&r->sums, r->digest_key);
    struct err err = migrations_raise(db, migrations_device, SCHEMA_UNNUMBERED);
    if (err.code == ERR_OK) {
        err = state_read(r, &catalogue);
    }
    if (err.code == ERR_OK && catalogue > CATALOGUE_VERSION) {
        err = err_make(ERR_VERSION, (int)catalogue, "replica_open");
    }
    if (err.code == ERR_OK) {
        err = clock_read(r);
    }
    if (err.code == ERR_OK) {
        err = capture_define(r);
    }
    if (err.code == ERR_OK && catalogue < CATALOGUE_VERSION) {
        err = upgrade(r);
    }
    if (err.code == ERR_OK) {
        err = renew_capture(r);
    }
    if (err.code == ERR_OK) {
        err = sums_raise(r);
    }
    if (err.code != ERR_OK) {
        replica_close(r);
    }
    return err;
}

void replica_close(struct replica *r)
{
    if (r->db != NULL) {
        db_on_transaction_end(r->db, NULL, NULL);
    }
    outbox_free(r->outbox);
    r->outbox = NULL;
    sums_release(&r->sums);
    buf_release(&r->capture.old);
}

/* The timeline stays as it was: if the server was restored meanwhile, the next sync finds out. */
static struct err become(struct replica *r, const struct enrolled *who)
{
    static const char sql[] =
        "UPDATE device_state SET device = ?1, number = ?2, digest_key = ?3, verdict_seen = 0,"
        " seen_ms = max(seen_ms, ?4)";
    struct stmt st;
    struct err err = db_use(r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, who->device);
    bind_int(&st, 2, who->device_number);
    bind_id(&st, 3, who->digest_key);
    bind_int(&st, 4, who->server_ms);
    return db_step_done(&st, "replica_reenrol");
}

struct err replica_reenrol(struct replica *r, const struct enrolled *who,
                           struct err (*also)(void *context), void *context)
{
    if (memcmp(r->person, who->person, sizeof r->person) != 0) {
        return err_make(ERR_REFUSED, 0, "replica_reenrol");
    }
    struct err err = db_begin(r->db, DB_LOCK_WRITE);
    if (err.code != ERR_OK) {
        return err;
    }
    err = freeze_all(r);
    if (err.code == ERR_OK) {
        err = sent_renumber(r, who->epoch, who->token);
    }
    if (err.code == ERR_OK) {
        err = become(r, who);
    }
    if (err.code == ERR_OK) {
        err = keep_certificate(r->db, who->certificate);
    }
    if (err.code == ERR_OK && also != NULL) {
        err = also(context);
    }
    err = db_end(r->db, err);
    if (err.code != ERR_OK) {
        outbox_reset(r);
        return err;
    }
    r->number = who->device_number;
    memcpy(r->device, who->device, sizeof r->device);
    memcpy(r->digest_key, who->digest_key, sizeof r->digest_key);
    return err;
}

struct err replica_begin(struct replica *r, const char *intent)
{
    struct err err = db_begin(r->db, DB_LOCK_WRITE);
    if (err.code == ERR_OK) {
        assert(strlen(intent) < sizeof r->intent);
        (void)snprintf(r->intent, sizeof r->intent, "%s", intent);
    }
    return err;
}

struct err replica_end(struct replica *r, struct err err)
{
    err = db_end(r->db, err);
    r->intent[0] = 0;
    return err;
}

int64_t replica_now_ms(const struct replica *r)
{
    struct clocks now = {0};
    r->host.now(r->host.context, &now);
    return now.wall_ms + r->offset_ms;
}

int64_t replica_reckoned_ms(const struct replica *r)
{
    static const uint8_t unknown[16] = {0};
    const struct clocks *then = &r->exchange.clocks;
    struct clocks now = {0};
    r->host.now(r->host.context, &now);
    bool same_boot = r->exchange.known && memcmp(now.boot, then->boot, sizeof now.boot) == 0 &&
                     memcmp(now.boot, unknown, sizeof now.boot) != 0;
    int64_t wall_ms = same_boot ? then->wall_ms + (now.mono_ms - then->mono_ms) : now.wall_ms;
    return wall_ms + r->offset_ms;
}

void replica_new_id(struct replica *r, uint8_t id[16])
{
    uint8_t chance[UUID_RANDOM_SIZE];
    r->host.random(r->host.context, chance, sizeof chance);
    uuid_v7(replica_now_ms(r), chance, id);
}

struct err replica_new_no(struct replica *r, char no[24])
{
    static const char sql[] = "UPDATE device_state SET next_no = next_no + 1 RETURNING next_no - 1";
    int64_t next = 0;
    struct err err = db_one_int(r->db, sql, &next);
    if (err.code == ERR_OK) {
        (void)snprintf(no, 24, "D%" PRIu32 "-%04" PRId64, r->number, next);
    }
    return err;
}

struct err replica_counts(struct replica *r, struct replica_counts *out)
{
    static const char sql[] =
        "SELECT (SELECT count(DISTINCT tx) FROM outbox),"
        " (SELECT count(*) FROM inbox WHERE done IS NULL AND kind IN ('refused', 'held')"
        "  AND code <> 'proposal') + (SELECT count(DISTINCT group_id) FROM proposal"
        "  WHERE person_id = (SELECT person FROM device_state) AND author_id <> person_id"
        "  AND choice IS NULL AND _deleted_at IS NULL),"
        " (SELECT count(*) FROM inbox WHERE done IS NULL AND kind = 'merged'),"
        " (SELECT coalesce(last_sync_at, 0) FROM device_state),"
        " (SELECT count(*) FROM scope WHERE held = 1),"
        " (SELECT stalls FROM device_state),"
        " (SELECT coalesce(stalled_at, 0) FROM device_state)";
    struct stmt st;
    struct err err = db_use(r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    if (!db_step_row(&st)) {
        return stmt_err(&st, "replica_counts");
    }
    *out = (struct replica_counts){.pending = col_int(&st, 0),
                                   .needs_you = col_int(&st, 1),
                                   .merged = col_int(&st, 2),
                                   .last_sync_at = col_int(&st, 3),
                                   .scopes = col_int(&st, 4),
                                   .stalls = col_int(&st, 5),
                                   .stalled_at = col_int(&st, 6)};
    stmt_reset(&st);
    return err_ok();
}

struct err replica_outbox_last(struct replica *r, int64_t *out)
{
    struct stmt st;
    struct err err = db_use(r->db, "SELECT coalesce(max(key), 0) FROM outbox", &st);
    if (err.code == ERR_OK && db_step_row(&st)) {
        *out = col_int(&st, 0);
        stmt_reset(&st);
        return err_ok();
    }
    return err.code == ERR_OK ? stmt_err(&st, "replica_outbox_last") : err;
}

struct err replica_stalled(struct replica *r)
{
    static const char sql[] = "UPDATE device_state SET stalls = stalls + 1, stalled_at = ?1";
    struct stmt st;
    struct err err = db_use(r->db, sql, &st);
    if (err.code == ERR_OK) {
        bind_int(&st, 1, replica_now_ms(r));
        err = db_step_done(&st, "replica_stalled");
    }
    return err;
}

void replica_clock_doubt(const struct replica *r, struct clock_doubt *out)
{
    int64_t since = replica_now_ms(r) - r->jumped_at;
    bool fresh = r->jump_ms != 0 && since < CLOCK_JUMP_SHOWN_MS;
    *out = (struct clock_doubt){
        .offset_ms = r->exchange.known && clock_is_suspicious(r->offset_ms) ? r->offset_ms : 0,
        .jump_ms = fresh ? r->jump_ms : 0,
        .jumped_at = fresh ? r->jumped_at : 0};
}
