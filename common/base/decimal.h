/* Decimal numbers as scaled integers: money in minor units, quantities in thousandths, rates in
 * basis points. What people write is taken exactly or refused; nothing is rounded here. */
#ifndef COMMON_BASE_DECIMAL_H
#define COMMON_BASE_DECIMAL_H

#include "common/base/base.h"

enum decimal_result { DECIMAL_OK, DECIMAL_MALFORMED, DECIMAL_TOO_PRECISE, DECIMAL_OUT_OF_RANGE };

/* An optional sign, digits, optionally a point and digits: "18", "-0.5", ".5". Digits beyond
 * `decimals` must be zeros. Separators of thousands are refused: "1,234" means 1.234 to half of
 * the world. */
enum decimal_result decimal_parse(struct bytes text, int decimals, int64_t *out);
/* With at least `decimals_min` of the `decimals`, trailing zeros beyond them left out. */
void decimal_print(int64_t value, int decimals, int decimals_min, struct buf *out);

#endif
