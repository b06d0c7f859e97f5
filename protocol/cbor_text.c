/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
#include "protocol/cbor.h"

/* Size of the character at `at`, or 0 where it isn't one. */
static size_t character_size(const uint8_t *at, size_t left)
{
    uint8_t lead = at[0];
    if (lead < 0x80) {
        return 1;
    }
    size_t size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (lead < 0xc2 || lead > 0xf4 || size > left) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (lead == 0xe0 && at[1] < 0xa0) || (lead == 0xf0 && at[1] < 0x90);
    bool surrogate = lead == 0xed && at[1] >= 0xa0;
    bool too_high = lead == 0xf4 && at[1] >= 0x90;
    return overlong || surrogate || too_high ? 0 : size;
}

/* Whether the next eight bytes are ASCII: much text is, and needs no look at each byte. */
static bool is_ascii(const uint8_t *at, size_t left)
{
    uint64_t word = 0;
    if (left < sizeof word) {
        return false;
    }
    memcpy(&word, at, sizeof word);
    return (word & UINT64_C(0x8080808080808080)) == 0;
}

bool cbor_is_utf8(struct bytes text)
{
    for (size_t i = 0; i < text.size;) {
        if (is_ascii(text.at + i, text.size - i)) {
            i += sizeof(uint64_t);
            continue;
        }
        size_t size = character_size(text.at + i, text.size - i);
        if (size == 0) {
            return false;
        }
        i += size;
    }
    return true;
}
