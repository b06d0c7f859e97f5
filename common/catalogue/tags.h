/* Sets of short texts (tags, phone numbers) as TYPE_TAGS stores them: a JSON array of distinct
 * strings, sorted by code point. */
#ifndef COMMON_CATALOGUE_TAGS_H
#define COMMON_CATALOGUE_TAGS_H

#include "common/base/base.h"

#define TAGS_MAX 1000 /* of one value */

/* From what people write: parted by commas or semicolons, Western or Chinese; or a JSON array,
 * which is the one way to write a tag with a comma in it. `text` is NFC. False: no such array, too
 * many, or no memory. */
MUST_USE bool tags_parse(struct bytes text, struct arena *arena, struct bytes *json);
void tags_print(struct bytes json, struct buf *out); /* parted by commas */

#endif
