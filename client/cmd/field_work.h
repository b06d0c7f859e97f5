/* What the commands of a rep's day share: the visit under way, and what belongs to it. */
#ifndef CLIENT_CMD_FIELD_WORK_H
#define CLIENT_CMD_FIELD_WORK_H

#include "client/cmd/entry.h"

struct open_visit {
    bool found;
    uint8_t id[16];
    uint8_t customer[16];
    uint8_t plan[16];
    bool has_plan;
    int64_t checkin_at;
};
/* The visit of this device's person that has begun and not ended; the latest, if two devices left
 * two of them open. */
MUST_USE struct err field_open_visit(struct app *app, struct open_visit *out);

/* Today's or another day's plan entry for a customer that is still to be done. */
MUST_USE struct err field_planned(struct app *app, const uint8_t customer[16], const char *day,
                                  bool *found, uint8_t plan[16]);

/* The customer that operand `index` means. False: said why. */
MUST_USE bool field_customer(struct app *app, size_t index, uint8_t id[16], enum exit_code *code);

/* --at LAT,LON[,ACC] into these columns of `f`, in this order. False: said why. */
#define PLACE_COLUMNS 3
MUST_USE bool field_place(struct app *app, struct entry *f, const uint8_t columns[PLACE_COLUMNS],
                          enum exit_code *code);

#endif
