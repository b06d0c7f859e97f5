/* One change-log transaction at work on the store: the rows it has in hand, each loaded once, each
 * given one number, and at the end the entry in the change log. Rows are written as soon as they
 * are put, so that SQL sees them; undoing is the savepoint's business.
 *
 * Values that are set borrow; they and the rows live as long as the arena. */
#ifndef CHANGELOG_SERVER_WORK_H
#define CHANGELOG_SERVER_WORK_H

#include "common/changelog/server/rowmeta.h"
#include "common/changelog/server/store_internal.h"

#define WORK_BUCKETS 512

struct work_row {
    const struct table *table;
    uint8_t id[16];
    bool fresh;    /* inserted by this transaction */
    bool touched;  /* has its number of this transaction */
    bool noted;    /* the verdict will speak of it */
    int64_t scope; /* scope.no */
    int64_t seq;
    int64_t entered;        /* seq of insert, move-in or restore */
    int64_t deleted_at;     /* 0: living */
    int64_t deleted_before; /* the same as this transaction found it */
    int64_t left_scope;     /* moved by this transaction: where it was, 0: it wasn't */
    int64_t left_seq;       /* and the number of its departure there */
    int64_t counted_scope;  /* where the digest counts the row, 0: nowhere, */
    int64_t counted_seq;    /* and under which number */
    int64_t found_check;    /* as it is stored, */
    int64_t drift;          /* and in what it differed from the row as it was found: not at all */
    struct row_meta meta;
    struct value *values;  /* by column number */
    struct value *before;  /* the same as this transaction found them */
    uint64_t pending;      /* columns set and not yet put */
    uint64_t written;      /* columns put by this transaction */
    uint64_t stands;       /* columns that hold just what the sender wrote */
    uint64_t differs;      /* columns that it wrote and that hold something else */
    struct work_row *next; /* in its bucket */
    struct work_row *next_touched;
};

/* Where a row is and whether it lives, for those that are only pointed to. */
struct work_glance {
    bool exists;
    bool deleted;
    int64_t scope;
};

/* Rows that were pointed to of late and were there: many visits point to few customers. Good as
 * long as nothing but new rows is written, and nothing is undone. */
#define GLANCES 64
struct glances {
    struct {
        const struct table *table; /* NULL: none */
        uint8_t id[16];
        struct work_glance seen;
    } at[GLANCES];
};

struct work_lost { /* a book that somebody holds no more */
    uint8_t person[16];
    uint8_t book[16];
    struct work_lost *next;
};

struct work {
    struct store *st;
    struct arena *arena;
    struct version by; /* of all that is written; each row's own seq is filled in */
    bool has_person;
    uint8_t person[16];
    int64_t received_ms;
    struct glances *glances; /* of the transactions before, NULL: none */
    struct work_row *buckets[WORK_BUCKETS];
    struct work_row *touched;
    struct work_row **touched_end;
    struct buf scratch;
    struct work_lost *lost; /* by what was written (rights.h): their days there are to be kept */
};

void work_init(struct work *w, struct store *st, struct arena *arena, const struct version *by);
void work_release(struct work *w); /* the arena is the caller's */

/* The row, living or deleted; NULL: there never was one. */
MUST_USE struct err work_find(struct work *w, const struct table *t, const uint8_t id[16],
                              struct work_row **out);
/* Where a row is and whether it lives, for those that are only pointed to. */
MUST_USE struct err work_glance(struct work *w, const struct table *t, const uint8_t id[16],
                                struct work_glance *out);
/* A new row without values, not in the store before work_put. The id must be free. */
MUST_USE struct err work_new(struct work *w, const struct table *t, const uint8_t id[16],
                             struct work_row **out);
void work_set(struct work_row *row, uint8_t column, const struct value *value);
void work_delete(struct work_row *row, int64_t at_ms);
/* The row lives again: its number is also `_entered`, so that it goes out whole. Written at once.
 */
MUST_USE struct err work_undelete(struct work *w, struct work_row *row);
/* Writes what was set, under the row's number of this transaction. */
MUST_USE struct err work_put(struct work *w, struct work_row *row);
/* Gives the row a new home: number and `_entered` there, departure in the old scope. Written at
 * once, with what was set before. */
MUST_USE struct err work_move(struct work *w, struct work_row *row, int64_t to_scope);

/* A customer with all that hangs on it, to another book; `*rows` counts them, 0: it is there. */
MUST_USE struct err work_move_customer(struct work *w, struct work_row *customer,
                                       const uint8_t book[16], int64_t *rows);

/* Replaced values of a touched row as a CBOR sequence: column, value, column, value, … */
MUST_USE struct err work_old_values(const struct work_row *row, struct buf *out);

/* The digest counts the row as it stands now; for who logs it. */
void work_count_anew(struct work *w, struct work_row *row);

struct work_entry { /* what the change log says of a transaction */
    uint8_t identity[32];
    enum outcome outcome;
    const char *code;
    struct bytes intent;
    struct bytes body;
};
/* Appends a whole entry to the change log and to the chain of each scope it touches, with the rows
 * of the work if `with_rows`. `*no` gets its number. */
MUST_USE struct err work_log(struct work *w, const struct work_entry *entry, bool with_rows,
                             int64_t *no);
/* The same in steps, for work of any size: the entry, its rows (counting on from `*index`; the
 * digest counts them anew), and when all of them are there, the chain. No other entry may come in
 * between. */
MUST_USE struct err work_log_open(struct work *w, const struct work_entry *entry, int64_t *no);
MUST_USE struct err work_log_rows(struct work *w, int64_t no, int64_t *index);
MUST_USE struct err work_log_close(struct store *st, int64_t no);
/* Notes which rows a refused or parked transaction names. */
MUST_USE struct err work_log_refused(struct work *w, int64_t no, const struct transaction *tx);

#endif
