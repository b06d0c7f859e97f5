/* Rows of a query for people and programs: an aligned table, a JSON array of objects, or CSV. */
#ifndef SERVER_ADMIN_OUTPUT_H
#define SERVER_ADMIN_OUTPUT_H

#include "common/catalogue/text.h"
#include "common/db/db.h"

enum output_format { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_CSV };

#define OUTPUT_ROWS_MAX  10000
#define OUTPUT_BYTES_MAX (16 * 1024 * 1024)

/* NULL is a table. False: no such format. */
MUST_USE bool output_format_named(const char *name, enum output_format *out);
struct output {
    enum output_format format;
    /* What the columns mean, by which tables and CSV print them (JSON has the stored values);
     * NULL: they are printed as they are. `rules` stands beside it. */
    const struct column *columns;
    const struct text_rules *rules;
};

/* Steps `st` to its end into `out`. ERR_LIMIT beyond OUTPUT_ROWS_MAX rows or the size of `out`. */
MUST_USE struct err output_rows(struct stmt *st, const struct output *how, struct buf *out,
                                size_t *rows);
/* A whole command of the kind "x list [--json]": the rows of a fixed statement. */
int print_list(int argc, char **argv, const char *sql);

#endif
