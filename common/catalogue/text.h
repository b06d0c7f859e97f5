/* Values of columns as people write and read them: `field=value`, CSV cells, lists, JSON. Major
 * units for money (18.00), quantities as written (1.5), rates as 0.15 or 15%, times with or
 * without a zone, enum names, TRUE/false/1/0/是/否, tags parted by commas. */
#ifndef COMMON_CATALOGUE_TEXT_H
#define COMMON_CATALOGUE_TEXT_H

#include "common/catalogue/catalogue.h"

struct text_rules {
    const char *currency; /* ISO 4217; gives the number of decimals */
    /* Offset in minutes from UTC of a local time, for times written without a zone and for
     * printing; the shell knows the zone. `local_ms`: the civil time read as if it were UTC. */
    int (*offset_min)(void *context, int64_t local_ms);
    void *context;
    const char *date_format; /* strptime-like (%Y %m %d %H %M %S), NULL: ISO 8601 */
    bool chinese;
};

/* "" gives NULL. An id must be a whole UUID here; prefixes and names are the commands' business. */
MUST_USE bool column_parse(const struct column *c, struct bytes text,
                           const struct text_rules *rules, struct arena *arena, struct value *out,
                           struct complaint *why);
void column_print(const struct column *c, const struct value *v, const struct text_rules *rules,
                  struct buf *out);
/* As JSON: stored integers, ids as UUID text, tags and JSON columns as they are. */
void column_json(const struct column *c, const struct value *v, struct buf *out);
/* Of a query, where no column is known: blobs of 16 bytes as UUID text, others as hex. */
void value_json(const struct value *v, struct buf *out);
void json_put_text(struct bytes text, struct buf *out); /* quoted and escaped; always valid JSON */

void id_text(const uint8_t id[16], char text[37]);
MUST_USE bool id_parse(struct bytes text, uint8_t id[16]);
void id_print(struct bytes id, struct buf *out); /* UUID text; hex where it hasn't 16 bytes */
struct bytes text_trim(struct bytes text);       /* without white space around it */
/* Decimals of a currency's minor unit: 2 for CNY, 0 for JPY, 3 for KWD (ISO 4217). */
int currency_decimals(const char *currency);

#endif
