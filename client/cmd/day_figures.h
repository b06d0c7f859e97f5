/* A rep's day in figures, from the replica: named and counted as the server's team_day report does,
 * so that the two agree once everything has been synced. */
#ifndef CLIENT_CMD_DAY_FIGURES_H
#define CLIENT_CMD_DAY_FIGURES_H

#include "client/cmd/app.h"

struct day_figures {
    int64_t planned;     /* visits on the plan that nobody called off */
    int64_t visited;     /* visits begun */
    int64_t productive;  /* visits with a submitted order that wasn't cancelled */
    int64_t orders;      /* submitted */
    int64_t order_value; /* minor units */
    int64_t collected;   /* minor units */
    int64_t first_at;    /* first and last check-in, 0: none */
    int64_t last_at;
    int64_t outlet_min; /* minutes between check-in and check-out, summed */
};

/* Of this device's person on `day`. */
MUST_USE struct err day_figures_read(struct app *app, const char *day, struct day_figures *out);
/* productive / visited in basis points; 0 without a visit. */
int64_t day_figures_strike(const struct day_figures *f);
/* {"planned":…,…} with the report's names. */
void day_figures_json(const struct day_figures *f, struct buf *out);
void day_figures_say(const struct app *app, const struct day_figures *f);

#endif
