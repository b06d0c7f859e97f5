/* What became of one row: each change that was accepted, merged or refused, in the order in which
 * the server judged them, and the row as it stood at any time. Read backwards from the row of now:
 * the change log holds what each change replaced. */
#ifndef CHANGELOG_SERVER_HISTORY_H
#define CHANGELOG_SERVER_HISTORY_H

#include "common/changelog/server/store.h"

enum history_act {
    HISTORY_MADE,
    HISTORY_CHANGED,
    HISTORY_DELETED,
    HISTORY_RESTORED, /* lives again */
    HISTORY_MOVED,    /* to another scope, maybe with changes */
    HISTORY_WANTED,   /* refused, parked, or lost whole: `now` is what it would have written */
    HISTORY_WANTED_DELETE
};

struct history_cell {
    uint8_t column; /* COLUMN_DELETED: the row's deletion */
    struct value old;
    struct value now;
};

struct history_item {
    int64_t no; /* change_log.no */
    int64_t received_ms;
    int64_t effective_ms;
    int64_t device;   /* device_key.number; 0: the server */
    bool has_clock;   /* it is known what the device's clock said when the change was made: */
    int64_t clock_ms; /* its error then; by clock_is_suspicious (clockwatch.h) people are told */
    bool has_person;
    uint8_t person[16];
    enum outcome outcome;
    enum history_act act;
    bool erased; /* what it replaced or wanted is no longer there */
    struct bytes code;
    struct bytes intent;
    struct scope_id from; /* MOVED */
    struct scope_id to;
    size_t cell_count;
    struct history_cell *cells;
    struct history_item *next; /* the one after it */
};

struct history {
    struct history_item *first;
    bool existed; /* the row was there, living or deleted */
    int64_t deleted_at;
    struct value *values; /* by column number */
};

/* Up to `as_of_ms` of the server's clock (INT64_MAX: now). ERR_NOT_FOUND: there never was such a
 * row, nor a refused one. All of it lives in `arena`. */
MUST_USE struct err history_read(struct store *st, const struct table *t, const uint8_t id[16],
                                 int64_t as_of_ms, struct arena *arena, struct history *out);

#endif
