/* When a customer goes to somebody else's book, the visits, orders and payments there leave the
 * devices of who made them. What these were on each day is written into that person's own scope
 * first, so that their past days stay as they were. A device counts such a row only as long as it
 * doesn't hold the customer itself; the server's reports have the facts and don't need it. */
#ifndef CHANGELOG_SERVER_PAST_DAY_H
#define CHANGELOG_SERVER_PAST_DAY_H

#include "common/changelog/server/store.h"

/* Days of everybody who did something at the customer and doesn't hold its book now. Writes them
 * again where they were written before. */
MUST_USE struct err past_days_keep(struct server_write *w, const uint8_t customer[16]);
/* The same of all customers of a book at which `person` did something. */
MUST_USE struct err past_days_of_book(struct server_write *w, const uint8_t book[16],
                                      const uint8_t person[16]);

#endif
