/* Work about what its author no longer holds, made when their device could know: it isn't written
 * and isn't lost. What was wanted stands as rows of `proposal` in the author's `user:` scope and in
 * those of the people who hold the thing now; these accept it (their device writes the values like
 * any other work) or dismiss it, and the author sees what came of it. */
#ifndef CHANGELOG_SERVER_PROPOSAL_H
#define CHANGELOG_SERVER_PROPOSAL_H

#include "common/changelog/server/judge.h"

/* Of a transaction that was refused for rights (`t->why`), and rolled back: makes proposals of it
 * where its author once had them. `*made`: `t->why` says so then. */
MUST_USE struct err proposal_offer(struct judge *j, struct trial *t, const struct push *push,
                                   struct arena *arena, bool *made);
/* After somebody decided on a row of `proposal`: all others of its group hear of it. An author
 * takes their own back, but accepts nothing. */
MUST_USE struct err proposal_decide(struct trial *t, const struct work_row *row);
/* Whether `person` is the author of what was proposed to `to` about the row: who accepts it writes
 * down what somebody else did. */
MUST_USE struct err proposal_names(struct store *st, const uint8_t row[16], const uint8_t to[16],
                                   const uint8_t person[16], bool *out);

#endif
