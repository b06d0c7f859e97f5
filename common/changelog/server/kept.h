/* The losing value of a conflict, kept for people: a row of kept_value in the scope of the row it
 * is about, so that both sides receive it. */
#ifndef CHANGELOG_SERVER_KEPT_H
#define CHANGELOG_SERVER_KEPT_H

#include "common/changelog/server/work.h"

struct kept_side {
    const struct value *value;
    uint32_t author; /* device_key.number; 0: the server */
    int64_t at_ms;
};

struct kept {
    const struct work_row *row;
    const struct column *column;
    int64_t base; /* of the change that met the other */
    struct kept_side loser;
    struct kept_side winner;
};

/* Writes it as the server; `id` gets the new row's. */
MUST_USE struct err kept_put(struct work *w, const struct kept *kept, uint8_t id[16]);

#endif
