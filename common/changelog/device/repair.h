/* Making a replica equal to its server by the rows that differ alone: what to ask, what to drop,
 * which rows are wanted whole. The session carries the questions; this decides.
 *
 *   repair_begin ─► [ASK, WANT go out] ─► repair_parts (what PARTS says) ─► ask and want again …
 *                                         repair_rows  (what was wanted)
 *
 * Scopes that differ are asked for their tables, those for their buckets, those for their rows.
 * Belongs to the thread of the replica. */
#ifndef CHANGELOG_DEVICE_REPAIR_H
#define CHANGELOG_DEVICE_REPAIR_H

#include "common/changelog/device/apply.h"

#define REPAIR_WANTED_MAX 100000 /* rows of one repair; more: whole scopes begin anew */

struct repair {
    struct apply *a;
    bool contents; /* what stands in the rows, not just which there are */
    uint32_t mask; /* roles and catalogue version that the server goes by */
    size_t ask_count, ask_room;
    struct part_name *asks; /* of the next request, by scope, table and bucket */
    bool asks_all;          /* it asks for all that is held */
    size_t want_count, want_room, want_at;
    struct wanted_row *wants; /* from `want_at` on: of the next request */
    int64_t dropped, wanted, differing;
};

void repair_init(struct repair *r, struct apply *a);
void repair_release(struct repair *r);
/* Forgets what was under way and begins at the top. */
void repair_begin(struct repair *r, bool contents);
/* The same, to ask for nothing but the rows that repair_row names. */
void repair_begin_rows(struct repair *r);
MUST_USE struct err repair_row(struct repair *r, const struct table *t, const uint8_t id[16]);
bool repair_is_open(const struct repair *r); /* something is to be asked or wanted */
/* What the next request carries; borrowed until repair_parts. False: nothing of that kind. */
bool repair_ask(const struct repair *r, struct ask *out);
bool repair_want(const struct repair *r, struct want *out);
/* Inside apply_begin, after all that came before PARTS. */
MUST_USE struct err repair_parts(struct repair *r, const struct parts *parts);
MUST_USE struct err repair_rows(struct repair *r, const struct rows *rows);
/* END's sum, as this device has it. */
MUST_USE struct err repair_total(struct replica *r, uint8_t sum[8]);

#endif
