/* What an import does with each column of a file, from its head and what was typed:
 *
 *   --map customerID=no              the column goes into the field
 *   --map account=customer_id:name   a reference, found by that field of the other table; where
 *                                    none is named, by id, number or name
 *   --map first+last=name            columns joined by a blank
 *   --set kind=customer              the same for all rows; also price_list_id=Standard
 *   --value role:Sales Manager=manager,*=rep      their word for ours; * is all others
 *
 * Columns that are called like a field, and that no --map names, go there by themselves. */
#ifndef SERVER_ADMIN_IMPORT_PLAN_H
#define SERVER_ADMIN_IMPORT_PLAN_H

#include "common/base/csv.h"
#include "common/catalogue/text.h"
#include "server/admin/options.h"

#define PLAN_TARGETS_MAX 63
#define PLAN_SOURCES_MAX 8
#define PLAN_VALUES_MAX  256
#define PLAN_KEYS_MAX    4
#define PLAN_SQL_MAX     512

struct plan_target {
    const struct column *column;
    const struct column *key; /* reference: the field of the other table that is given; or NULL */
    bool takes_id;            /* no field was named: a UUID, a number or a name will do */
    const char *constant;     /* --set; or NULL */
    size_t source_count;
    size_t sources[PLAN_SOURCES_MAX]; /* columns of the file */
    char find_sql[PLAN_SQL_MAX];      /* where `key` is: id by ?1 */
};

struct plan_value {
    const struct column *column;
    const char *theirs; /* "*": whatever else */
    const char *ours;
};

struct plan {
    const struct table *table;
    size_t target_count;
    struct plan_target targets[PLAN_TARGETS_MAX];
    size_t value_count;
    struct plan_value values[PLAN_VALUES_MAX];
    size_t key_count;
    const struct column *keys[PLAN_KEYS_MAX]; /* --key: a row with these exists: it is changed */
    char key_sql[PLAN_SQL_MAX * 2];
    const char *null_text; /* a cell of this text is empty; or NULL */
    size_t head_count;
    const char *head[CSV_FIELDS_MAX];
    struct arena arena; /* of the texts */
};

struct plan_typed { /* options, as read */
    const struct option *map;
    const struct option *set;
    const struct option *value;
    const struct option *key;
    const char *null_text;
};

void plan_init(struct plan *p, const struct table *t);
void plan_release(struct plan *p);
/* False: said what is wrong; `*status` is the exit status: 2 for what was typed, 1 for the file. */
MUST_USE bool plan_make(struct plan *p, const struct plan_typed *typed, const struct csv_row *head,
                        int *status);
/* The text of a target in a row, with values mapped; {NULL, 0}: empty. Lives in `arena`. */
struct bytes plan_text(const struct plan *p, const struct plan_target *t, const struct csv_row *row,
                       struct arena *arena);
const struct plan_target *plan_target_of(const struct plan *p, uint8_t column); /* or NULL */
void plan_print(const struct plan *p, struct buf *out);

#endif
