/* Visits as reps write them, made from a seed: 14 columns, notes in Chinese and English that repeat
 * phrases as people do. The same number gives the same visit, so that a floor and the real thing
 * carry equal rows. */
#ifndef TESTS_BENCH_VISITS_H
#define TESTS_BENCH_VISITS_H

#include "common/catalogue/catalogue.h"

#define VISIT_COLUMNS 14
#define VISIT_NAMES                                                                                \
    "customer_id, person_id, state, checkin_at, visit_day, tz_offset_min, lat, lng, acc_m,"        \
    " checkout_at, outcome, note, next_action, next_on"

struct visit_maker {
    const uint8_t (*customers)[16];
    size_t customer_count;
    uint8_t person[16];
    int64_t last_ms; /* the newest visit's check-in; each earlier one lies minutes before */
    int64_t total;
    uint64_t seed;
};

struct visit_row { /* stays where it is: cells point into it */
    uint8_t id[16];
    struct cell cells[VISIT_COLUMNS];
    uint8_t customer[16];
    uint8_t person[16];
    char day[11];
    char next_on[11];
    char note[400];
};

/* The n-th visit, n from 0 to total - 1. */
void visit_make(const struct visit_maker *m, int64_t n, struct visit_row *out);

/* The floor: a table of the same columns and indexes, without anything of sync. */
struct db;
MUST_USE struct err plain_create(struct db *db);
MUST_USE struct err plain_insert(struct db *db, const struct visit_row *row);
/* A line of CSV with the row's values, ids in hex. */
void visit_csv(const struct visit_row *row, struct buf *out);

#endif
