/* See decimal.h. */
#include "common/base/decimal.h"

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* Shifts one digit in, towards the side of `negative`, so that INT64_MIN can be read too. */
static bool digit_push(int64_t *value, int digit, bool negative)
{
    return !__builtin_mul_overflow(*value, 10, value) &&
           !__builtin_add_overflow(*value, negative ? -digit : digit, value);
}

enum decimal_result decimal_parse(struct bytes text, int decimals, int64_t *out)
{
    size_t i = 0;
    bool negative = text.size > 0 && text.at[0] == '-';
    if (negative || (text.size > 0 && text.at[0] == '+')) {
        i++;
    }
    int64_t value = 0;
    size_t digits = 0;
    bool fits = true;
    for (; i < text.size && is_digit(text.at[i]); i++, digits++) {
        fits = fits && digit_push(&value, text.at[i] - '0', negative);
    }
    int places = 0;
    bool precise = true;
    if (i < text.size && text.at[i] == '.') {
        for (i++; i < text.size && is_digit(text.at[i]); i++, digits++) {
            if (places < decimals) {
                fits = fits && digit_push(&value, text.at[i] - '0', negative);
                places++;
            } else {
                precise = precise && text.at[i] == '0';
            }
        }
    }
    if (digits == 0 || i != text.size) {
        return DECIMAL_MALFORMED;
    }
    for (; places < decimals; places++) {
        fits = fits && digit_push(&value, 0, negative);
    }
    if (!precise) {
        return DECIMAL_TOO_PRECISE;
    }
    *out = value;
    return fits ? DECIMAL_OK : DECIMAL_OUT_OF_RANGE;
}

void decimal_print(int64_t value, int decimals, int decimals_min, struct buf *out)
{
    char digits[24]; /* from the right */
    int count = 0;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    int places = decimals;
    for (; places > decimals_min && rest % 10 == 0; places--) {
        rest /= 10;
    }
    while (rest > 0 || count <= places) {
        digits[count++] = (char)('0' + rest % 10);
        rest /= 10;
    }
    if (value < 0) {
        buf_put_u8(out, '-');
    }
    while (count > 0) {
        buf_put_u8(out, (uint8_t)digits[--count]);
        if (count == places && places > 0) {
            buf_put_u8(out, '.');
        }
    }
}
