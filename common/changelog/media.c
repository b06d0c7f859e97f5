/* See media.h. */
#include "common/changelog/media.h"

#include "common/changelog/store_internal.h"

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

static struct err look_at(struct store *st, const struct permit *permit, const struct stmt *q,
                          bool bringing, struct media_claim *claim, bool *good)
{
    uint8_t author[16];
    bool own = bringing && col_id(q, FOUND_AUTHOR, author) &&
               memcmp(author, permit->person, sizeof author) == 0;
    bool held = false;
    struct err err = permit_holds(permit, st, col_int(q, FOUND_SCOPE), &held);
    *good = err.code == ERR_OK && (own || held) && read_claim(q, claim);
    return err;
}

static struct err find(struct store *st, const struct permit *permit, const char *sha256,
                       bool bringing, struct media_claim *out)
{
    struct stmt q;
    struct err err = db_use(st->db,
                            "SELECT _scope, size, width, height, format, created_by FROM media"
                            " WHERE sha256 = ?1 AND _deleted_at IS NULL",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&q, 1, sha256);
    bool good = false;
    while (err.code == ERR_OK && !good && db_step_row(&q)) {
        err = look_at(st, permit, &q, bringing, out, &good);
    }
    if (err.code == ERR_OK) {
        err = stmt_err(&q, "media_find");
    }
    stmt_reset(&q);
    return err.code == ERR_OK && !good ? err_make(ERR_NOT_FOUND, 0, "media_find") : err;
}

struct err media_find(struct store *st, const uint8_t person[16], const char *sha256, bool bringing,
                      struct media_claim *out)
{
    struct arena arena;
    struct permit permit;
    struct err err = db_begin(st->db, DB_LOCK_READ);
    if (err.code != ERR_OK) {
        return err;
    }
    arena_init(&arena, PERMIT_ARENA_BYTES_MAX);
    store_refresh(st);
    err = permit_load(st, person, &arena, &permit);
    if (err.code == ERR_OK) {
        err = find(st, &permit, sha256, bringing, out);
    }
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

struct err media_came(struct store *st, const char *sha256, int64_t size, int64_t now_ms,
                      uint32_t number)
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
    bind_int(&q, 4, number);
    return db_step_done(&q, "media_came");
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
