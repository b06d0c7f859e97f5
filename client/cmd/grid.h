/* Rows and columns on a terminal: aligned by what the characters take there (a Chinese one takes
 * two places), cut to one line each, with control and invisible characters shown as they are
 * written (\u{1b}), so that a name can't drive the terminal. */
#ifndef CLIENT_CMD_GRID_H
#define CLIENT_CMD_GRID_H

#include "common/base/base.h"

#define GRID_COLUMNS_MAX 16
#define GRID_CELL_WIDTH  40 /* the last column may be wider */

struct grid {
    struct arena *arena; /* where texts live */
    size_t columns;
    const char **cells; /* row by row, the titles first */
    size_t count;
    size_t room;
    bool bad;
};

void grid_init(struct grid *g, struct arena *arena, size_t columns);
/* The next cell, row by row. Copied. */
void grid_put(struct grid *g, struct bytes text);
void grid_put_text(struct grid *g, const char *text);
void grid_print(const struct grid *g, FILE *to);

/* Appends `text` with what doesn't show made visible. */
void put_visible(struct bytes text, struct buf *out);

#endif
