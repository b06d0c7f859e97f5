/* Whole books change hands by their holders: no row of a customer is touched. */
#ifndef CHANGELOG_SERVER_BOOK_H
#define CHANGELOG_SERVER_BOOK_H

#include "common/changelog/server/store.h"

struct book_given {
    int64_t books;     /* changed hands */
    int64_t customers; /* living ones in them */
};

/* The books that `from` holds (or just `book`; NULL: all) are held by `to` instead. Where `to`
 * holds one already, `from` only lets go of it; given before, nothing is left to give. Refused
 * (`why`): to oneself, to somebody who is gone or inactive or only reads. */
MUST_USE struct err book_give(struct server_write *w, const uint8_t from[16], const uint8_t to[16],
                              const uint8_t *book, struct book_given *out, struct complaint *why);

#endif
