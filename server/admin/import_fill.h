/* What a file of another system doesn't say and every row needs: states to begin with, days of
 * times, amounts of lines, totals of orders. */
#ifndef SERVER_ADMIN_IMPORT_FILL_H
#define SERVER_ADMIN_IMPORT_FILL_H

#include "server/admin/import_rows.h"

/* Adds to the cells of a new row what isn't among them. */
MUST_USE struct err import_fill(struct import *im, struct cells *cells, struct complaint *why);
/* After the lines of orders: subtotal, discount, tax and total of each order that got some. */
MUST_USE struct err import_totals(struct import *im, struct complaint *why);

#endif
