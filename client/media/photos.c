/* See photos.h. */
#include "client/media/photos.h"

struct err photos_open(const struct home *h, struct blob_store *out)
{
    char path[HOME_FILE_MAX];
    home_file(h, "blobs", path);
    return blob_store_open(out, path);
}

struct err photos_waiting(struct db *db, struct photos_waiting *out)
{
    *out = (struct photos_waiting){0};
    struct stmt st;
    struct err err = db_use(db,
                            "SELECT count(*), coalesce(sum(size), 0) FROM blob"
                            " WHERE uploaded_at IS NULL AND refused IS NULL",
                            &st);
    if (err.code == ERR_OK && db_step_row(&st)) {
        out->count = col_int(&st, 0);
        out->bytes = col_int(&st, 1);
        stmt_reset(&st);
    }
    return err.code == ERR_OK ? stmt_err(&st, "photos_waiting") : err;
}

/* ---- on its way to the server ---- */

struct err photo_will_upload(struct db *db, const char *name, int64_t size)
{
    struct stmt st;
    struct err err = db_use(db,
                            "INSERT INTO blob (sha256, size) VALUES (?1, ?2) ON CONFLICT (sha256)"
                            " DO UPDATE SET uploaded_at = NULL, refused = NULL",
                            &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&st, 1, name);
    bind_int(&st, 2, size);
    return db_step_done(&st, "photo_will_upload");
}

struct err photo_uploaded(struct db *db, const char *name, int64_t at_ms)
{
    struct stmt st;
    struct err err = db_use(db, "UPDATE blob SET uploaded_at = ?2 WHERE sha256 = ?1", &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&st, 1, name);
    bind_int(&st, 2, at_ms);
    return db_step_done(&st, "photo_uploaded");
}

struct err photo_refused(struct db *db, const char *name, const char *code)
{
    struct stmt st;
    struct err err = db_use(db, "UPDATE blob SET refused = ?2 WHERE sha256 = ?1", &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&st, 1, name);
    bind_text(&st, 2, code);
    return db_step_done(&st, "photo_refused");
}

static struct err forget(struct db *db, const char *name)
{
    struct stmt st;
    struct err err = db_use(db, "DELETE FROM blob WHERE sha256 = ?1", &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&st, 1, name);
    return db_step_done(&st, "photo_forget");
}

struct err photo_lost(struct replica *r, const char *name)
{
    struct err err = replica_begin(r, "photo.lost");
    if (err.code != ERR_OK) {
        return err;
    }
    struct stmt st;
    err = db_use(r->db,
                 "UPDATE media SET lost_at = ?2"
                 " WHERE sha256 = ?1 AND lost_at IS NULL AND _deleted_at IS NULL",
                 &st);
    if (err.code == ERR_OK) {
        bind_text(&st, 1, name);
        bind_int(&st, 2, replica_now_ms(r));
        err = db_step_done(&st, "photo_lost");
    }
    if (err.code == ERR_OK) {
        err = forget(r->db, name);
    }
    return replica_end(r, err);
}

struct err photos_wanted_again(struct db *db)
{
    return db_exec(db, "UPDATE blob SET uploaded_at = NULL WHERE uploaded_at IS NOT NULL AND EXISTS"
                       " (SELECT 1 FROM media m WHERE m.sha256 = blob.sha256"
                       "  AND m.wanted_at > blob.uploaded_at AND m._deleted_at IS NULL)");
}

struct err photo_next_waiting(struct db *db, const struct waiting_photo *after,
                              struct waiting_photo *out)
{
    struct stmt st;
    struct err err = db_use(db,
                            "SELECT sha256, size FROM blob"
                            " WHERE uploaded_at IS NULL AND refused IS NULL"
                            " AND (size, sha256) > (?1, ?2) AND NOT EXISTS (SELECT 1 FROM media m"
                            "  WHERE m.sha256 = blob.sha256 AND m._seq IS NULL)"
                            " ORDER BY size, sha256 LIMIT 1",
                            &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, after != NULL ? after->size : -1);
    bind_text(&st, 2, after != NULL ? after->name : "");
    if (!db_step_row(&st)) {
        err = stmt_err(&st, "photo_next_waiting");
        return err.code == ERR_OK ? err_make(ERR_NOT_FOUND, 0, "photo_next_waiting") : err;
    }
    (void)snprintf(out->name, sizeof out->name, "%s", col_text(&st, 0));
    out->size = col_int(&st, 1);
    stmt_reset(&st);
    return blob_name_is_good(out->name) ? err_ok() : err_make(ERR_CORRUPT, 0, "blob");
}

/* ---- what is where ---- */

static struct err read_place(struct db *db, const char *name, bool here, enum photo_place *out)
{
    struct stmt st;
    struct err err =
        db_use(db,
               "SELECT (SELECT CASE WHEN refused IS NOT NULL THEN 2"
               " WHEN uploaded_at IS NULL THEN 1 ELSE 0 END FROM blob WHERE sha256 = ?1),"
               " EXISTS (SELECT 1 FROM media WHERE sha256 = ?1 AND lost_at IS NOT NULL)",
               &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&st, 1, name);
    if (db_step_row(&st)) {
        int64_t state = col_is_null(&st, 0) ? 0 : col_int(&st, 0);
        bool lost = col_int(&st, 1) != 0;
        *out = !here        ? (lost ? PHOTO_LOST : PHOTO_SERVER)
               : state == 1 ? PHOTO_WAITING
               : state == 2 ? PHOTO_REFUSED
                            : PHOTO_HERE;
        stmt_reset(&st);
    }
    return stmt_err(&st, "photo_place");
}

struct err photo_place(struct db *db, struct blob_store *s, const char *name, enum photo_place *out)
{
    int64_t size;
    *out = PHOTO_SERVER;
    if (!blob_name_is_good(name)) {
        return err_ok(); /* whoever wrote this row names nothing that could be fetched */
    }
    struct err err = blob_size(s, name, &size);
    if (err.code != ERR_OK && err.code != ERR_NOT_FOUND) {
        return err;
    }
    return read_place(db, name, err.code == ERR_OK, out);
}

/* ---- sweeping ---- */

/* A deleted row still needs its picture until the server agreed that it is deleted; one that waits
 * is needed though its customer, and so its row, went to somebody else. */
static struct err is_needed(void *context, const char *name, bool *needed)
{
    struct db *db = context;
    struct stmt st;
    struct err err = db_use(db,
                            "SELECT EXISTS (SELECT 1 FROM blob WHERE sha256 = ?1"
                            "  AND uploaded_at IS NULL AND refused IS NULL)"
                            " OR EXISTS (SELECT 1 FROM media m WHERE m.sha256 = ?1"
                            " AND (m._deleted_at IS NULL OR EXISTS (SELECT 1 FROM outbox o"
                            "  WHERE o.tbl = ?2 AND o.row = m.id)))",
                            &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&st, 1, name);
    bind_int(&st, 2, TABLE_media);
    *needed = true;
    if (db_step_row(&st)) {
        *needed = col_int(&st, 0) != 0;
        stmt_reset(&st);
    }
    return stmt_err(&st, "photo_is_needed");
}

struct err photos_sweep(struct home *h, struct blob_store *s, int64_t now_ms)
{
    struct blob_sweep sweep = {
        .now_ms = now_ms, .grace_ms = BLOB_GRACE_MS, .is_needed = is_needed, .context = h->db};
    struct err err = blob_sweep(s, &sweep);
    if (err.code != ERR_OK) {
        return err;
    }
    return db_exec(h->db, "DELETE FROM blob WHERE (uploaded_at IS NOT NULL OR refused IS NOT NULL)"
                          " AND NOT EXISTS"
                          " (SELECT 1 FROM media m WHERE m.sha256 = blob.sha256"
                          "  AND (m._deleted_at IS NULL OR EXISTS"
                          "   (SELECT 1 FROM outbox o WHERE o.tbl = 24 AND o.row = m.id)))");
}
