/* See media.h. */
#include "common/changelog/server/media.h"

#include "common/changelog/server/store_internal.h"

#define ROWS_BYTES_MAX         ((size_t)1024 * 1024) /* 16 each: rows that name one picture */
#define PERMIT_ARENA_BYTES_MAX ((size_t)1024 * 1024) /* a manager's scopes */

enum { FOUND_SCOPE, FOUND_SIZE, FOUND_WIDTH, FOUND_HEIGHT, FOUND_FORMAT, FOUND_AUTHOR };

static bool read_claim(const struct stmt *q, struct media_claim *out)
{
    const struct column *format = table_column(catalogue_table(TABLE_media), COLUMN_media_format);
    int rank = column_rank(format, col_bytes(q, FOUND_FORMAT));
    *out = (struct media_claim){.size = col_int(q, FOUND_SIZE),
                                .width = col_int(q, FOUND_WIDTH),
                                .height = col_int(q, FOUND_HEIGHT),
                                .format = rank > 0 ? (enum image_format)rank : IMAGE_JPEG};
    return rank >= 0 && out->size > 0 && out->size <= IMAGE_BYTES_MAX;
}

static struct err has_proof(struct store *st, const char *sha256, const uint8_t person[16],
                            bool *out)
{
    struct stmt q;
    struct err err =
        db_use(st->db, "SELECT 1 FROM blob_proof WHERE sha256 = ?1 AND person = ?2", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&q, 1, sha256);
    bind_id(&q, 2, person);
    *out = db_step_row(&q) || planted(HASH_IS_PROOF);
    err = stmt_err(&q, "has_proof");
    stmt_reset(&q);
    return err;
}

/* One way to a picture: a row, and whoever asks. */
struct media_way {
    const struct permit *permit;
    const char *sha256;
    bool bringing;
    bool good; /* a row was found */
    bool proven;
    struct media_claim claim;
};

static struct err look_at(struct store *st, const struct stmt *q, struct media_way *way)
{
    const uint8_t *person = way->permit->person;
    uint8_t author[16];
    struct media_claim claim;
    bool held = false;
    bool has_author = col_id(q, FOUND_AUTHOR, author);
    bool own = way->bringing && has_author && memcmp(author, person, sizeof author) == 0;
    struct err err = permit_holds(way->permit, st, col_int(q, FOUND_SCOPE), &held);
    if (err.code != ERR_OK || !(own || held) || !read_claim(q, &claim)) {
        return err;
    }
    if (way->bringing || has_author) {
        err = has_proof(st, way->sha256, way->bringing ? person : author, &way->proven);
    }
    if (!way->good || way->proven) {
        way->claim = claim;
    }
    way->good = true;
    return err;
}

static struct err find(struct store *st, struct media_way *way)
{
    struct stmt q;
    struct err err = db_use(st->db,
                            "SELECT _scope, size, width, height, format, created_by FROM media"
                            " WHERE sha256 = ?1 AND _deleted_at IS NULL",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&q, 1, way->sha256);
    while (err.code == ERR_OK && !way->proven && db_step_row(&q)) {
        err = look_at(st, &q, way);
    }
    if (err.code == ERR_OK) {
        err = stmt_err(&q, "media_find");
    }
    stmt_reset(&q);
    return err.code == ERR_OK && !way->good ? err_make(ERR_NOT_FOUND, 0, "media_find") : err;
}

struct err media_find(struct store *st, const uint8_t person[16], const char *sha256, bool bringing,
                      struct media_claim *out, bool *proven)
{
    struct arena arena;
    struct permit permit;
    struct media_way way = {.permit = &permit, .sha256 = sha256, .bringing = bringing};
    struct err err = db_begin(st->db, DB_LOCK_READ);
    if (err.code != ERR_OK) {
        return err;
    }
    arena_init(&arena, PERMIT_ARENA_BYTES_MAX);
    store_refresh(st);
    err = permit_load(st, person, &arena, &permit);
    if (err.code == ERR_OK) {
        err = find(st, &way);
    }
    *out = way.claim;
    *proven = way.proven;
    arena_release(&arena);
    return db_end(st->db, err);
}

bool media_fits(const struct media_claim *claim, struct bytes content)
{
    struct image image;
    return image_read(content, &image) == IMAGE_GOOD && (int64_t)content.size == claim->size &&
           image.format == claim->format && image.width == claim->width &&
           image.height == claim->height;
}

static struct err note_proof(struct store *st, const char *sha256, int64_t now_ms,
                             const uint8_t person[16])
{
    struct stmt q;
    struct err err = db_use(st->db,
                            "INSERT INTO blob_proof (sha256, person, at) VALUES (?1, ?2, ?3)"
                            " ON CONFLICT DO NOTHING",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&q, 1, sha256);
    bind_id(&q, 2, person);
    bind_int(&q, 3, now_ms);
    return db_step_done(&q, "media_came");
}

struct err media_came(struct store *st, const char *sha256, int64_t size, int64_t now_ms,
                      const struct store_device *by)
{
    struct stmt q;
    struct err err = db_use(st->db,
                            "INSERT INTO blob (sha256, size, whole_at, device)"
                            " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (sha256) DO NOTHING",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&q, 1, sha256);
    bind_int(&q, 2, size);
    bind_int(&q, 3, now_ms);
    bind_int(&q, 4, by->number);
    err = db_step_done(&q, "media_came");
    return err.code == ERR_OK ? note_proof(st, sha256, now_ms, by->person) : err;
}

struct err media_came_since(struct store *st, int64_t since_ms, media_each each, void *context)
{
    static const char sql[] = "SELECT device, size, whole_at FROM blob WHERE whole_at >= ?1"
                              " ORDER BY whole_at";
    struct stmt q;
    struct err err = db_use(st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, since_ms);
    while (db_step_row(&q)) {
        each(context, (uint32_t)col_int(&q, 0), col_int(&q, 1), col_int(&q, 2));
    }
    return stmt_err(&q, "media_came_since");
}

struct err media_has_come(struct store *st, const char *sha256, bool *out)
{
    struct stmt q;
    *out = false;
    struct err err = db_use(st->db, "SELECT 1 FROM blob WHERE sha256 = ?1", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&q, 1, sha256);
    if (db_step_row(&q)) {
        *out = true;
        stmt_reset(&q);
    }
    return stmt_err(&q, "media_has_come");
}

struct err media_is_needed(struct store *st, const char *sha256, bool *needed)
{
    struct stmt q;
    *needed = true;
    struct err err =
        db_use(st->db,
               "SELECT EXISTS (SELECT 1 FROM media WHERE sha256 = ?1 AND _deleted_at IS NULL)", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&q, 1, sha256);
    if (db_step_row(&q)) {
        *needed = col_int(&q, 0) != 0;
        stmt_reset(&q);
    }
    return stmt_err(&q, "media_is_needed");
}

struct err media_next_whole(struct store *st, const char *after, struct media_whole *out)
{
    struct stmt q;
    struct err err = db_use(st->db,
                            "SELECT sha256, size FROM blob WHERE sha256 > ?1 AND EXISTS"
                            " (SELECT 1 FROM media m WHERE m.sha256 = blob.sha256"
                            "  AND m._deleted_at IS NULL) ORDER BY sha256 LIMIT 1",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&q, 1, after != NULL ? after : "");
    if (!db_step_row(&q)) {
        err = stmt_err(&q, "media_next_whole");
        return err.code == ERR_OK ? err_make(ERR_NOT_FOUND, 0, "media_next_whole") : err;
    }
    (void)snprintf(out->sha256, sizeof out->sha256, "%s", col_text(&q, 0));
    out->size = col_int(&q, 1);
    stmt_reset(&q);
    return err_ok();
}

struct err media_count_awaited(struct store *st, int64_t *count)
{
    return db_one_int(st->db,
                      "SELECT count(DISTINCT sha256) FROM media m WHERE m._deleted_at IS NULL"
                      " AND NOT EXISTS (SELECT 1 FROM blob b WHERE b.sha256 = m.sha256)",
                      count);
}

struct err media_forget_unneeded(struct store *st)
{
    struct err err = db_exec(st->db, "DELETE FROM blob WHERE NOT EXISTS (SELECT 1 FROM media m"
                                     " WHERE m.sha256 = blob.sha256 AND m._deleted_at IS NULL)");
    return err.code == ERR_OK
               ? db_exec(st->db, "DELETE FROM blob_proof WHERE NOT EXISTS (SELECT 1 FROM media m"
                                 " WHERE m.sha256 = blob_proof.sha256 AND m._deleted_at IS NULL)")
               : err;
}

/* The rows that name it, read before any is written. */
static struct err rows_of(struct store *st, const char *sha256, struct buf *ids)
{
    struct stmt q;
    struct err err =
        db_use(st->db, "SELECT id FROM media WHERE sha256 = ?1 AND _deleted_at IS NULL", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&q, 1, sha256);
    while (db_step_row(&q)) {
        buf_put(ids, col_bytes(&q, 0));
    }
    err = stmt_err(&q, "media_rows");
    return err.code == ERR_OK && ids->bad ? err_make(ERR_LIMIT, 0, "media_rows") : err;
}

static struct err want(struct server_write *w, const struct buf *ids, int64_t now_ms,
                       struct complaint *why)
{
    const struct cell wanted = {.column = COLUMN_media_wanted_at, .value = value_int(now_ms)};
    struct err err = err_ok();
    for (size_t at = 0; at + 16 <= ids->size && err.code == ERR_OK; at += 16) {
        int64_t seq;
        err = server_write_put(w, catalogue_table(TABLE_media), ids->at + at, &wanted, 1, -1, &seq,
                               NULL, why);
    }
    return err;
}

static struct err drop_record(struct store *st, const char *sha256)
{
    struct stmt q;
    struct err err = db_use(st->db, "DELETE FROM blob WHERE sha256 = ?1", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&q, 1, sha256);
    return db_step_done(&q, "media_ask_again");
}

struct err media_ask_again(struct store *st, const char *sha256, int64_t now_ms)
{
    struct server_write *w = NULL;
    struct complaint why;
    struct buf ids;
    struct err err = db_begin(st->db, DB_LOCK_WRITE);
    if (err.code != ERR_OK) {
        return err;
    }
    buf_init(&ids, ROWS_BYTES_MAX);
    err = server_write_begin(st, NULL, "photo.wanted", now_ms, &w);
    if (err.code == ERR_OK) {
        err = rows_of(st, sha256, &ids);
        err = err.code == ERR_OK ? want(w, &ids, now_ms, &why) : err;
        err = err.code == ERR_OK ? drop_record(st, sha256) : err;
        if (err.code == ERR_OK) {
            err = server_write_end(w, &why);
        } else {
            server_write_cancel(w);
        }
    }
    buf_release(&ids);
    return db_end(st->db, err);
}
