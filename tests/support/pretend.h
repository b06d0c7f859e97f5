/* A device as the server sees it: it keeps token, cursors and verdict numbers, sends what the test
 * made, and lays what comes in arrays for the test to look at. It stores no rows. */
#ifndef TESTS_SUPPORT_PRETEND_H
#define TESTS_SUPPORT_PRETEND_H

#include "tests/support/firm.h"

#define PRETEND_MAX 256

struct pretend {
    struct firm *f;
    struct enrolled who;
    uint8_t token[16];
    uint32_t epoch;
    uint64_t verdict_seen;
    uint32_t mask;
    uint64_t next_seq;
    uint32_t flags;       /* HELLO_… of the next hello */
    size_t cut_after;     /* the stream breaks behind so many checkpoints; 0: it doesn't */
    struct clocks clocks; /* as the device says them; seen_ms: last server time */
    size_t cursor_count;
    struct cursor cursors[PRETEND_MAX];
    /* to be sent */
    size_t tx_count;
    struct transaction txs[PRETEND_MAX];
    /* what the last answer brought */
    struct arena arena;
    int fault_status;
    struct fault fault;
    struct answer answer;
    size_t verdict_count;
    struct verdict verdicts[PRETEND_MAX];
    size_t rows_count;
    struct rows rows[PRETEND_MAX];
    size_t departure_count;
    struct departure departures[PRETEND_MAX];
    size_t enter_count, leave_count, checkpoint_count;
    bool ended;
    size_t answer_bytes;
};

void pretend_enrol(struct pretend *p, struct firm *f, const uint8_t person[16], uint8_t key);
void pretend_free(struct pretend *p);

/* Adds a change to a new transaction; cells are borrowed until the sync. */
struct transaction *pretend_change(struct pretend *p, uint8_t op, uint16_t table,
                                   const uint8_t id[16], int64_t base, const struct cell *cells,
                                   size_t count);
/* Another change of the same transaction. */
void pretend_and(struct pretend *p, struct transaction *tx, uint8_t op, uint16_t table,
                 const uint8_t id[16], int64_t base, const struct cell *cells, size_t count);
/* Sends what was made; the answer is taken in. */
void pretend_sync(struct pretend *p);
/* The server judges and commits, but the answer is lost. What was made is still there. */
void pretend_sync_lost(struct pretend *p);
void pretend_send_bytes(struct pretend *p, struct bytes body);
/* Forgets what was made, when it was kept by a lost answer. */
void pretend_clear(struct pretend *p);

/* The only verdict of the last answer. */
const struct verdict *pretend_verdict(const struct pretend *p);
/* A row of the last answer; NULL: it didn't come. `group` (may be NULL) gets its message. */
const struct row *pretend_row(const struct pretend *p, uint16_t table, const uint8_t id[16],
                              const struct rows **group);
/* A cell of such a row, or of a verdict; NULL: it didn't come. */
const struct value *pretend_value(const struct pretend *p, uint16_t table, const uint8_t id[16],
                                  uint8_t column);
const struct value *verdict_value(const struct verdict *v, const uint8_t id[16], uint8_t column);

static inline struct value text_value(const char *t)
{
    return value_text(bytes_text(t));
}
static inline struct value id_value(const uint8_t id[16])
{
    return value_blob(bytes_of(id, 16));
}

#endif
