/* From text to words, and from what a person types to an FTS5 expression; see search.h.
 *
 *   "厦门 Café-Bar 2号"   words: 厦 门 café bar 2 号
 *   name 厦门食品         initials: xmsp msp sp p        (any part of the name can be typed)
 *   phone (5) 555-4729    tails: 55554729 5554729 … 4729 (any tail of at least four digits)
 */
#include "common/changelog/device/search.h"

#include "common/base/pinyin.h"

#include <utf8proc.h>

#define INITIALS_MAX     24 /* characters of a name that count */
#define TAIL_DIGITS      4
#define PHONE_DIGITS_MAX 15 /* ITU-T E.164 */

static bool is_han(int32_t c)
{
    return (c >= 0x3400 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0x20000 && c <= 0x3ffff);
}

static bool is_word(int32_t c)
{
    if (c < 0x80) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    }
    utf8proc_category_t kind = utf8proc_category(c);
    return (kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_MC) ||
           kind == UTF8PROC_CATEGORY_ND;
}

/* The next code point of text that was checked when it was stored; broken bytes are passed over
 * as spaces, one at a time. False at the end. */
static bool next_point(struct bytes text, size_t *at, int32_t *point, size_t *size)
{
    if (*at >= text.size) {
        return false;
    }
    utf8proc_ssize_t n =
        utf8proc_iterate(text.at + *at, (utf8proc_ssize_t)(text.size - *at), point);
    if (n <= 0) {
        *point = ' ';
        n = 1;
    }
    *size = (size_t)n;
    *at += *size;
    return true;
}

void search_words(struct bytes text, struct buf *out)
{
    bool inside = false; /* a word of letters or digits */
    int32_t point = 0;
    size_t size = 0;
    for (size_t at = 0; next_point(text, &at, &point, &size);) {
        bool han = is_han(point);
        bool word = !han && is_word(point);
        if (out->size > 0 && (han || (word && !inside))) {
            buf_put_u8(out, ' ');
        }
        if (han || word) {
            buf_put(out, bytes_of(text.at + at - size, size));
        }
        inside = word;
    }
}

/* One row of initials for each choice of readings: the common one, and (flag) the second one. */
static size_t read_initials(struct bytes name, bool second, char letters[INITIALS_MAX])
{
    size_t count = 0;
    int32_t point = 0;
    size_t size = 0;
    for (size_t at = 0; count < INITIALS_MAX && next_point(name, &at, &point, &size);) {
        char letter = pinyin_initial((uint32_t)point);
        char other = second ? pinyin_second((uint32_t)point) : 0;
        if (letter != 0) {
            letters[count++] = other != 0 ? other : letter;
        }
    }
    return count;
}

static void put_suffixes(const char *letters, size_t count, size_t shortest, struct buf *out)
{
    for (size_t from = 0; from + shortest <= count; from++) {
        if (out->size > 0) {
            buf_put_u8(out, ' ');
        }
        buf_put(out, bytes_of(letters + from, count - from));
    }
}

void search_initials(struct bytes name, struct buf *out)
{
    char first[INITIALS_MAX];
    char second[INITIALS_MAX];
    size_t count = read_initials(name, false, first);
    put_suffixes(first, count, 2, out);
    if (read_initials(name, true, second) == count && memcmp(first, second, count) != 0) {
        put_suffixes(second, count, 2, out);
    }
}

void search_phone_tails(struct bytes phones, struct buf *out)
{
    char digits[PHONE_DIGITS_MAX];
    size_t count = 0;
    for (size_t i = 0; i <= phones.size; i++) {
        char c = i < phones.size ? (char)phones.at[i] : ',';
        if (c >= '0' && c <= '9') {
            if (count == PHONE_DIGITS_MAX) { /* longer than any number: keep the tail */
                memmove(digits, digits + 1, --count);
            }
            digits[count++] = c;
        } else if (strchr(" -().+/", c) == NULL) {
            put_suffixes(digits, count, TAIL_DIGITS, out);
            count = 0;
        }
    }
}

void search_expression(struct bytes query, struct buf *out)
{
    enum { NOTHING, HAN, WORD } run = NOTHING;
    int32_t point = 0;
    size_t size = 0;
    for (size_t at = 0; next_point(query, &at, &point, &size);) {
        bool han = is_han(point);
        bool word = !han && is_word(point);
        if (run == HAN && !han) {
            buf_put_text(out, "\"");
        } else if (run == WORD && !word) {
            buf_put_text(out, "\"*");
        }
        if ((han && run != HAN) || (word && run != WORD)) {
            buf_put_text(out, out->size > 0 ? " AND \"" : "\"");
        } else if (han) {
            buf_put_u8(out, ' ');
        }
        if (han || word) {
            buf_put(out, bytes_of(query.at + at - size, size));
        }
        run = han ? HAN : word ? WORD : NOTHING;
    }
    if (run != NOTHING) {
        buf_put_text(out, run == HAN ? "\"" : "\"*");
    }
}
