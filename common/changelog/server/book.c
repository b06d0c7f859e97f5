/* See book.h. */
#include "common/changelog/server/book.h"

#include "common/changelog/server/past_day.h"

#include "common/changelog/server/store_internal.h"

#define BOOKS_MAX 1024

struct held {
    uint8_t id[16]; /* of the row in book_holder */
    uint8_t book[16];
    bool twice; /* the taker holds it too */
    int64_t customers;
};

static struct err refuse_taker(struct complaint *why, const char *detail)
{
    const struct table *t = catalogue_table(TABLE_book_holder);
    return refuse(why, "not_permitted", t, table_column(t, COLUMN_book_holder_person_id), detail);
}

/* Whoever gets a book must be there to work with it. */
static struct err check_taker(struct store *st, const uint8_t from[16], const uint8_t to[16],
                              struct complaint *why)
{
    static const char sql[] = "SELECT 1 FROM person WHERE id = ?1 AND active = 1"
                              " AND role <> 'analyst' AND _deleted_at IS NULL";
    struct stmt q;
    if (memcmp(from, to, 16) == 0) {
        return refuse_taker(why, "the same person");
    }
    struct err err = db_use(st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, to);
    bool can = db_step_row(&q);
    err = stmt_err(&q, "check_taker");
    stmt_reset(&q);
    return err.code == ERR_OK && !can ? refuse_taker(why, "inactive, or only reads") : err;
}

/* Read whole before anything changes. */
static struct err read_held(struct store *st, const uint8_t from[16], const uint8_t to[16],
                            const uint8_t *book, struct held *held, size_t *count)
{
    static const char sql[] =
        "SELECT h.id, h.book_id, EXISTS (SELECT 1 FROM book_holder o WHERE o.book_id = h.book_id"
        "  AND o.person_id = ?2 AND o._deleted_at IS NULL),"
        " (SELECT count(*) FROM customer c WHERE c.book_id = h.book_id AND c._deleted_at IS NULL)"
        " FROM book_holder h WHERE h.person_id = ?1 AND h._deleted_at IS NULL"
        "  AND (h.book_id = ?3 OR ?3 IS NULL) ORDER BY h.id";
    struct stmt q;
    *count = 0;
    struct err err = db_use(st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, from);
    bind_id(&q, 2, to);
    if (book == NULL) {
        bind_null(&q, 3);
    } else {
        bind_id(&q, 3, book);
    }
    while (*count < BOOKS_MAX && db_step_row(&q)) {
        struct held *h = &held[(*count)++];
        *h = (struct held){.twice = col_int(&q, 2) != 0, .customers = col_int(&q, 3)};
        if (!col_id(&q, 0, h->id) || !col_id(&q, 1, h->book)) {
            stmt_reset(&q);
            return err_make(ERR_CORRUPT, 0, "read_held");
        }
    }
    err = stmt_err(&q, "read_held");
    stmt_reset(&q);
    return err;
}

static struct err give_one(struct server_write *w, const struct held *h, const uint8_t to[16],
                           struct complaint *why)
{
    const struct table *t = catalogue_table(TABLE_book_holder);
    const struct cell cell = {.column = COLUMN_book_holder_person_id,
                              .value = value_blob(bytes_of(to, 16))};
    int64_t seq = 0;
    return h->twice ? server_write_delete(w, t, h->id, -1, why)
                    : server_write_put(w, t, h->id, &cell, 1, -1, &seq, NULL, why);
}

struct err book_give(struct server_write *w, const uint8_t from[16], const uint8_t to[16],
                     const uint8_t *book, struct book_given *out, struct complaint *why)
{
    struct store *st = server_write_store(w);
    size_t count = 0;
    *out = (struct book_given){.books = 0};
    struct err err = check_taker(st, from, to, why);
    struct held *held = err.code == ERR_OK ? calloc(BOOKS_MAX, sizeof *held) : NULL;
    if (err.code == ERR_OK && held == NULL) {
        return err_make(ERR_NOMEM, 0, "book_give");
    }
    if (err.code == ERR_OK) {
        err = read_held(st, from, to, book, held, &count);
    }
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        err = give_one(w, &held[i], to, why);
        if (err.code == ERR_OK) { /* also of somebody who isn't active any more */
            err = past_days_of_book(w, held[i].book, from);
        }
        out->books++;
        out->customers += held[i].customers;
    }
    free(held);
    return err;
}
