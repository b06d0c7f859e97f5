/* Who wrote what over what: finds lost updates that comparing databases can't see.
 *
 * Every text that anybody writes into a column is unique, and stands here beside the text that its
 * writer saw there. At the end each of them is either what the column holds, or was seen by whoever
 * wrote over it, or is kept for people to restore, or was refused to its author's face. Anything
 * else is a lost update. */
#ifndef TESTS_SUPPORT_LEDGER_H
#define TESTS_SUPPORT_LEDGER_H

#include "tests/support/world.h"

#define LEDGER_LINES_MAX 4096
#define LEDGER_SERVER    (-1)

struct ledger_line {
    uint8_t row[16];
    const struct column *column;
    char text[24];
    char saw[24];
    int device; /* index, or LEDGER_SERVER */
    int64_t tx;
    bool rolled_back; /* by its author's own doing: an older copy of the file came back */
};

struct ledger {
    struct world *world;
    struct ledger_line lines[LEDGER_LINES_MAX];
    size_t count;
    int serial;
};

void ledger_init(struct ledger *l, struct world *w);
/* A line with a text to write and what `db` shows now; it counts once ledger_add was called. NULL:
 * the row isn't held there, or the ledger is full. */
struct ledger_line *ledger_draft(struct ledger *l, struct db *db, uint16_t table, uint8_t column,
                                 const uint8_t row[16]);
void ledger_add(struct ledger *l, int device, int64_t tx);
/* Lines of a device from `first` on may stand, or may never have happened. */
void ledger_roll_back(struct ledger *l, size_t first, int device);

/* For actions that write by themselves: what each cell of the ledger shows before, and then the
 * lines for those that changed. */
struct ledger_view {
    char (*texts)[24]; /* one for each line of the ledger */
    size_t count;
};
void ledger_look(const struct ledger *l, struct db *db, struct ledger_view *out);
void ledger_add_changes(struct ledger *l, struct world_device *d, struct ledger_view *before,
                        int64_t tx);

/* Ends the test where a text is lost. After world_heal. */
void ledger_check(const struct ledger *l);
/* How many kept values of a row hold `text`. */
int64_t kept(const struct world *w, const uint8_t row[16], const char *text);

#endif
