/* Whether a device's hello fits what the server knows of it: epoch and token.
 *
 * An epoch's device_seq mean one thing each. Every answer carries a random token, which the next
 * hello shows; a new one is made only once the last was shown, so that any number of answers may
 * be lost. A token that fits neither says that the device runs from an older copy of its file: it
 * has to open a new epoch, renumber, and come again.
 *
 *                 shows `token` or `token_pending`
 *        ┌──────────────── OK ◄─────────────────────────┐
 *        ▼                                              │ shows token_pending of epoch_pending
 *   epoch open ── other token ────► epoch asked for ────┘
 *        │        (both tokens closed: whoever shows one of them is a second live copy)
 *        └─ a number of another transaction ─► epoch asked for (its token may be shown again) */
#ifndef CHANGELOG_SERVER_GATE_H
#define CHANGELOG_SERVER_GATE_H

#include "common/changelog/clockwatch.h"
#include "common/changelog/server/store_internal.h"
#include "protocol/signature.h"

/* A start of the device's machine, and the latest moment in it that a hello told. */
struct gate_boot {
    uint8_t boot[16];
    int64_t mono_ms;
};
#define GATE_BOOTS_MAX 4

/* How much later than another one a request can arrive that was written before it: its signature is
 * taken this long before the server's time, by a clock that may be as far ahead. */
#define GATE_LATE_MS_MAX (INT64_C(2) * SIGNATURE_SKEW_S * 1000)

struct gate { /* a row of device_key */
    uint32_t number;
    uint32_t family; /* 0: it never enrolled again, and no other did in its place */
    uint8_t device[16];
    uint8_t person[16];
    bool revoked;
    uint32_t epoch;
    uint32_t epoch_pending;
    uint8_t token[16];
    uint8_t token_pending[16];
    uint64_t verdict_last;
    uint64_t verdict_seen;
    int64_t complete_ms;
    unsigned mask;                  /* roles in force at the last answer */
    struct clock_exchange exchange; /* the last one */
    size_t boot_count;
    struct gate_boot boots[GATE_BOOTS_MAX]; /* latest first */
    int64_t mark_told;                      /* how far it has heard of marks; */
    int64_t mark_pending;                   /* with token_pending */
    uint32_t timeline;                      /* the last one in which it has brought all it had */
};

/* ERR_NOT_FOUND: no such device. */
MUST_USE struct err gate_load(struct store *st, uint32_t number, struct gate *out);
/* Whether the hello was written before one that was heard already: a copy of a request that the
 * network kept back. Its old token would pass for that of an older copy of the file. One that is
 * further behind than any request can be is of a machine resumed from a snapshot (same boot, clock
 * set back): not late, its token says what it is. */
bool gate_is_late(const struct gate *g, const struct hello *hello);
/* Decides by version, timeline, epoch and token; closes and opens epochs. */
MUST_USE struct err gate_check(struct store *st, struct gate *g, const struct hello *hello,
                               enum answer_status *out);
/* The same for what comes in a file: its token may be an old one, since the device goes on syncing,
 * so version, timeline and epoch alone decide. Changes nothing. */
MUST_USE struct err gate_check_courier(struct store *st, const struct gate *g,
                                       const struct hello *hello, enum answer_status *out);
MUST_USE struct err gate_save_verdicts(struct store *st, const struct gate *g);
/* A number of this epoch stands for two transactions. */
void gate_ask_epoch(struct store *st, struct gate *g);
/* Stores what changed, and what hello says of the device. */
MUST_USE struct err gate_save(struct store *st, const struct gate *g, const struct hello *hello,
                              unsigned mask, int64_t received_ms);

#endif
