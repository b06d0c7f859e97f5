/* Rows as people name them: a whole id, an unambiguous beginning of one, the human number, or the
 * exact name. */
#ifndef SERVER_ADMIN_FIND_H
#define SERVER_ADMIN_FIND_H

#include "server/admin/data.h"

struct finder {
    const char *label;
    const char *label_zh;
    const char *by_text;   /* SELECT id … WHERE number or name is ?1, LIMIT 2 */
    const char *by_prefix; /* SELECT id … WHERE id >= ?1 AND id <= ?2 LIMIT 2 */
};

extern const struct finder find_customer;
extern const struct finder find_device;

/* False: said that nothing fits, or more than one. */
MUST_USE bool find_one(struct data *d, const struct finder *f, const char *text, uint8_t id[16]);
/* A row of any table; of the `deleted` ones alone if that is asked. A whole id is taken as it is:
 * of a row that was refused there is nothing to find. */
MUST_USE bool find_row(struct data *d, const struct table *t, const char *text, bool deleted,
                       uint8_t id[16]);

#endif
