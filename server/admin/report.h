/* Reports by name: what a manager asks for day by day. */
#ifndef SERVER_ADMIN_REPORT_H
#define SERVER_ADMIN_REPORT_H

#include "server/admin/data.h"
#include "server/admin/output.h"

struct report_range {
    const char *from; /* YYYY-MM-DD, both inclusive */
    const char *to;
    const char *login; /* NULL: everybody */
    const char *team;  /* NULL: every team */
};

/* False: no such report. */
bool report_exists(const char *name);
/* A row for each rep and day. */
MUST_USE struct err report_team_day(struct data *d, const struct report_range *range,
                                    enum output_format format, struct buf *out, size_t *rows);

#endif
