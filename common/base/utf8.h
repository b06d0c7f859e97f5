/* Text as it is stored: valid UTF-8 in composed form (NFC), counted in code points. */
#ifndef COMMON_BASE_UTF8_H
#define COMMON_BASE_UTF8_H

#include "common/base/base.h"

/* The code point at the start of `text` and its size; 0: not UTF-8 (overlong forms, surrogates
 * and what lies beyond U+10FFFF are not). */
size_t utf8_next(struct bytes text, uint32_t *point);
bool utf8_is_valid(struct bytes text);
/* Code points of valid text. */
size_t utf8_count(struct bytes text);
/* Whether valid text is in NFC. ERR_NOMEM: there was no memory to tell. */
MUST_USE struct err utf8_is_nfc(struct bytes text, bool *out);
/* Valid text in NFC; `out` is `text` itself where it is already. False: not UTF-8, or no memory. */
MUST_USE bool utf8_to_nfc(struct bytes text, struct arena *arena, struct bytes *out);
/* Places that a code point takes on a terminal: 0, 1, or 2 for a Chinese character. */
int utf8_width(uint32_t point);
/* Controls, formats, line and paragraph ends: what acts on a screen instead of standing there. */
bool utf8_is_invisible(uint32_t point);

#endif
