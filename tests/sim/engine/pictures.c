/* Rows that name pictures, and who is given their bytes. The bytes themselves, their pieces and
 * cuts are the shells' business (client/, server/): here a picture comes whole, or not at all.
 * Whoever knows a hash may name it in a row of his own; that alone gives him nothing. */
#include "common/changelog/server/media.h"
#include "tests/sim/engine/sim.h"

#define PICTURES 2 /* few, so that people name the same */
#define BYTES    1000

static void name_of(uint64_t picture, char sha256[65])
{
    (void)snprintf(sha256, 65, "%064x", (unsigned)picture + 1);
}

static void take_picture(struct sim *s)
{
    struct sim_device *d = &s->devices[sim_below(s, SIM_DEVICES)];
    uint8_t id[16], customer[16];
    char sha256[65];
    name_of(sim_below(s, PICTURES), sha256);
    if (d->db == NULL || !work_draw_customer(d, customer)) {
        return;
    }
    const struct cell cells[] = {sim_id(COLUMN_media_customer_id, customer),
                                 sim_text(COLUMN_media_kind, "photo"),
                                 sim_text(COLUMN_media_sha256, sha256),
                                 sim_text(COLUMN_media_format, "jpeg"),
                                 sim_int(COLUMN_media_size, BYTES),
                                 sim_int(COLUMN_media_width, 10),
                                 sim_int(COLUMN_media_height, 10),
                                 sim_int(COLUMN_media_taken_at, replica_now_ms(&d->replica)),
                                 sim_text(COLUMN_media_taken_day, "2025-11-25"),
                                 sim_id(COLUMN_media_created_by, s->firm->people[d->who])};
    (void)work_insert(d, TABLE_media, id, cells, count_of(cells));
}

/* What the server says of it must be what the oracle says; true: the person may, and `*proven`. */
static bool ask(struct sim *s, enum sim_person who, const char *sha256, bool brings, bool *proven)
{
    struct media_claim claim;
    bool may = false, known = false;
    oracle_picture(&s->oracle, s->firm->people[who], sha256, brings, &may, &known);
    struct err err =
        media_find(&s->server.writer, s->firm->people[who], sha256, brings, &claim, proven);
    if (server_is_gone(s) || (err.code != ERR_OK && err.code != ERR_NOT_FOUND)) {
        return false;
    }
    bool found = err.code == ERR_OK;
    if (found != may || (found && *proven != known)) {
        sim_break(s, INV_PICTURE, "%s a picture: found %d, proven %d, by the oracle %d, %d",
                  brings ? "bringing" : "fetching", found, found && *proven, may, known);
    }
    return found;
}

static void bring(struct sim *s)
{
    struct sim_server *v = &s->server;
    const struct sim_device *d = &s->devices[sim_below(s, SIM_DEVICES)];
    struct store_device by = {.number = d->number, .revoked = false};
    struct clocks now;
    char sha256[65];
    bool proven = false;
    name_of(sim_below(s, PICTURES), sha256);
    if (d->revoked || !ask(s, d->who, sha256, true, &proven) || proven) {
        return;
    }
    memcpy(by.device, d->id, sizeof by.device);
    memcpy(by.person, s->firm->people[d->who], sizeof by.person);
    host_now(&v->host, &now);
    struct err err = db_begin(v->writer_db, DB_LOCK_WRITE);
    if (err.code == ERR_OK) {
        err = db_end(v->writer_db, media_came(&v->writer, sha256, BYTES, now.wall_ms, &by));
    }
    sim_trace(s, "device %d brings %s: %s", d->index, sha256 + 60, err_name(err.code));
    (void)server_is_gone(s);
    if (err.code == ERR_OK) {
        oracle_proof(&s->oracle, s->firm->people[d->who], sha256);
    }
}

static void sweep(struct sim *s)
{
    struct sim_server *v = &s->server;
    struct err err = db_begin(v->writer_db, DB_LOCK_WRITE);
    if (err.code == ERR_OK) {
        err = db_end(v->writer_db, media_forget_unneeded(&v->writer));
    }
    sim_trace(s, "pictures are swept: %s", err_name(err.code));
    if (!server_is_gone(s) && err.code == ERR_OK) {
        oracle_sweep(&s->oracle);
    }
}

/* After a death it isn't known whether the last came: the store says so. */
void pictures_look(struct sim *s)
{
    static const char sql[] = "SELECT sha256, person FROM blob_proof";
    struct stmt q;
    s->oracle.proof_count = 0;
    if (db_use(s->server.writer_db, sql, &q).code != ERR_OK) {
        return;
    }
    while (db_step_row(&q)) {
        uint8_t person[16];
        char sha256[65];
        (void)snprintf(sha256, sizeof sha256, "%s", col_text(&q, 0));
        if (col_id(&q, 1, person)) {
            oracle_proof(&s->oracle, person, sha256);
        }
    }
}

void feature_pictures(struct sim *s)
{
    char sha256[65];
    bool proven = false;
    uint64_t drawn = sim_below(s, 8);
    if (drawn <= 2) {
        take_picture(s);
    } else if (!s->server.up) {
        return;
    } else if (drawn <= 4) {
        bring(s);
    } else if (drawn == 5) {
        sweep(s);
    } else {
        enum sim_person who = (enum sim_person)sim_below(s, SIM_PEOPLE);
        name_of(sim_below(s, PICTURES), sha256);
        (void)ask(s, who, sha256, false, &proven);
    }
}
