/* Parts of one scope and table, read from their rows: sums of the 256 buckets, and the rows of some
 * of them in the order in which PARTS lists them. */
#ifndef COMMON_CHANGELOG_PART_LIST_H
#define COMMON_CHANGELOG_PART_LIST_H

#include "common/changelog/contents.h"
#include "protocol/messages.h"

struct part_list {
    struct digest_sum sums[SUMS_BUCKETS];
    bool listed[SUMS_BUCKETS]; /* whose rows are kept; set before reading */
    size_t count;
    size_t room;
    struct part_row *rows; /* by bucket, then by id */
};

void part_list_init(struct part_list *l);
void part_list_release(struct part_list *l);
/* `c` gives database, key and what counts; its `each` isn't used. ERR_LIMIT: more than
 * PART_ROWS_MAX rows are to be listed. */
MUST_USE struct err part_list_read(struct part_list *l, const struct contents *c, int64_t scope,
                                   const struct table *t);
/* One more row, which the table doesn't show. */
MUST_USE struct err part_list_add(struct part_list *l, const struct contents_row *row);
void part_list_sort(struct part_list *l);
int part_row_compare(const void *a, const void *b);

#endif
