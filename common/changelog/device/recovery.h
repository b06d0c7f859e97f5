/* A device whose server was restored from a backup brings back what the server lost. Nothing goes
 * before the server has said that it has it:
 *
 *     adopt ─► OFFERING ─► WITNESSING ─► FETCHING ─► NOT_NEEDED
 *       acknowledged     rows of the    the server's
 *       work, again      lost part      state of all
 *
 * Each step is found again from the file, however the one before ended: transactions in state 5 are
 * still to be offered; rows above their scope's number in `restored` are still to be handed in;
 * those handed in have no number. protocol/README.md, timelines, tells the whole. */
#ifndef CHANGELOG_DEVICE_RECOVERY_H
#define CHANGELOG_DEVICE_RECOVERY_H

#include "common/changelog/device/apply.h"
#include "common/changelog/device/judged.h"

enum recovery_step {
    RECOVERY_NOT_NEEDED,
    RECOVERY_OFFERING,
    RECOVERY_WITNESSING,
    RECOVERY_FETCHING
};

MUST_USE struct err recovery_step(struct replica *r, enum recovery_step *out);
/* Takes the timeline, epoch and token of an answer that says so. Inside apply_begin/apply_end.
 * `*offered` counts what is to go out again. */
MUST_USE struct err recovery_adopt(struct apply *a, const struct answer *answer, int64_t *offered);

struct witness_ref {
    const struct table *table;
    uint8_t id[16];
};
struct witnesses {
    size_t count; /* rows */
    struct witness_ref *refs;
    size_t message_count;
    struct rows *messages;
};
/* The next rows to hand in, as the server knew them, about `bytes_max` of them; in `arena`. */
MUST_USE struct err recovery_witnesses(struct replica *r, size_t bytes_max, struct arena *arena,
                                       struct witnesses *out);
/* They have arrived: whatever comes may take their place. Inside apply_begin/apply_end. */
MUST_USE struct err recovery_witnessed(struct apply *a, const struct witnesses *arrived);
/* The download is over: what was handed in and hasn't come goes. Inside apply_begin/apply_end. */
MUST_USE struct err recovery_finish(struct apply *a);

/* Keeps the server's word on these verdicts, where it can be put together; before they are applied.
 * `judged` are their transactions. `*proof` gets its number, 0: none. */
MUST_USE struct err recovery_keep_proof(struct replica *r, const struct verdicts *verdicts,
                                        const struct judged *judged, int64_t server_ms,
                                        struct arena *arena, int64_t *proof);
/* Those of offered transactions numbered from `from` to `to`, one after the other behind `*after`,
 * in `arena`. ERR_NOT_FOUND: no more. */
MUST_USE struct err recovery_next_proof(struct replica *r, uint64_t from, uint64_t to,
                                        int64_t *after, struct arena *arena, struct reoffer *out);

#endif
