/* Entries of the change log read back, to be chained or to be checked. */
#ifndef CHANGELOG_SERVER_CHAIN_READ_H
#define CHANGELOG_SERVER_CHAIN_READ_H

#include "common/changelog/server/chain.h"

struct chain_read {
    struct chain_entry entry; /* its texts live in `kept` */
    bool sealed;              /* its seal is a salt or a hash: `entry.content` counts */
    struct bytes chain;       /* as stored; empty: not chained */
    struct buf kept;
};

/* The first entry from number `from` on; ERR_NOT_FOUND: there is none. */
MUST_USE struct err chain_read_entry(struct db *db, int64_t from, struct chain_read *out);
void chain_read_end(struct chain_read *read); /* also after an error */
/* Adds the entry's rows to its sum. ERR_CORRUPT: a row is none. */
MUST_USE struct err chain_read_rows(struct db *db, int64_t no, struct chain_sum *sum);
/* Where no row is: the scope that the entry stands in, made where missing if `make`. */
MUST_USE struct err chain_add_home(struct chain_sum *sum, struct store *st, bool make);

#endif
