/* Finding customers, contacts and products on the device by what people remember: a Chinese word of
 * one or two characters, the start of a Latin word with or without accents, pinyin initials, the
 * tail of a phone number, a human number.
 *
 * Words are cut here and stored parted by spaces, each Chinese character a word of its own, so that
 * FTS5's own tokenizer is enough and the plain sqlite3 shell can read the index too. Triggers only
 * note which rows changed (search_dirty); the index itself is refreshed by search_refresh. */
#ifndef CHANGELOG_DEVICE_SEARCH_H
#define CHANGELOG_DEVICE_SEARCH_H

#include "common/catalogue/catalogue.h"
#include "common/db/db.h"

#define SEARCH_QUERY_BYTES_MAX 400
#define SEARCH_HITS_MAX        200

/* Makes tables and triggers where they are missing, and marks what stands there already as
 * changed. Inside a transaction or not. */
MUST_USE struct err search_setup(struct db *db);

/* Takes at most `rows_max` changed rows into the index, in one transaction; `*left`: whether more
 * wait. Cheap when nothing changed. */
MUST_USE struct err search_refresh(struct db *db, int rows_max, bool *left);

/* The row's words as they were go from the index and its file. Inside a transaction; takes as long
 * as writing the whole index anew. */
MUST_USE struct err search_forget(struct db *db, uint16_t table, const uint8_t id[16]);

struct search_hit {
    uint16_t table;
    uint8_t id[16];
};

/* Rows that have every word of `query`, best first: names that begin with it before others.
 * `hits` has room for `max`. ERR_INVALID: nothing in it can be searched for, or too long. */
MUST_USE struct err search_find(struct db *db, struct bytes query, size_t max,
                                struct search_hit *hits, size_t *count);

/* Pure halves, for tests: the words of a text, and the FTS5 expression of a query. */
void search_words(struct bytes text, struct buf *out);
void search_initials(struct bytes name, struct buf *out);
void search_phone_tails(struct bytes phones, struct buf *out);
void search_expression(struct bytes query, struct buf *out);

#endif
