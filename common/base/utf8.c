/* See utf8.h. utf8proc allocates and looks up every code point, so text made of code points that
 * NFC never touches (ASCII, Latin, Chinese) doesn't get there. */
#include "common/base/utf8.h"

#include <utf8proc.h>

/* Bytes that follow a lead byte, and the lowest code point that needs so many. */
static int shape_of(uint8_t lead, uint32_t *point, uint32_t *lowest)
{
    if (lead < 0x80) {
        *point = lead;
        *lowest = 0;
        return 0;
    }
    if (lead >= 0xc2 && lead <= 0xdf) {
        *point = lead & 0x1fu;
        *lowest = 0x80;
        return 1;
    }
    if (lead >= 0xe0 && lead <= 0xef) {
        *point = lead & 0x0fu;
        *lowest = 0x800;
        return 2;
    }
    *point = lead & 0x07u;
    *lowest = 0x10000;
    return lead >= 0xf0 && lead <= 0xf4 ? 3 : -1;
}

size_t utf8_next(struct bytes text, uint32_t *point)
{
    uint32_t lowest = 0;
    int more = text.size == 0 ? -1 : shape_of(text.at[0], point, &lowest);
    if (more < 0 || (size_t)more >= text.size) {
        return 0;
    }
    for (int i = 1; i <= more; i++) {
        if ((text.at[i] & 0xc0) != 0x80) {
            return 0;
        }
        *point = *point << 6 | (text.at[i] & 0x3fu);
    }
    bool surrogate = *point >= 0xd800 && *point <= 0xdfff;
    return *point < lowest || surrogate || *point > 0x10ffff ? 0 : (size_t)more + 1;
}

bool utf8_is_valid(struct bytes text)
{
    while (text.size > 0) {
        uint32_t point;
        size_t size = utf8_next(text, &point);
        if (size == 0) {
            return false;
        }
        text = bytes_of(text.at + size, text.size - size);
    }
    return true;
}

size_t utf8_count(struct bytes text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++) {
        count += (text.at[i] & 0xc0) != 0x80;
    }
    return count;
}

/* Code points that stand in NFC text whatever is around them: below the combining marks, and the
 * Chinese ones with their punctuation and full-width forms. */
static bool is_inert(uint32_t point)
{
    return point < 0x300 || (point >= 0x4e00 && point <= 0x9fff) ||
           (point >= 0x3000 && point <= 0x3029) || (point >= 0xff01 && point <= 0xffe6);
}

static bool is_surely_nfc(struct bytes text)
{
    while (text.size > 0) {
        uint32_t point;
        size_t size = utf8_next(text, &point);
        if (size == 0 || !is_inert(point)) {
            return false;
        }
        text = bytes_of(text.at + size, text.size - size);
    }
    return true;
}

/* utf8proc's own memory, to be freed; {NULL, 0}: not UTF-8, or no memory. */
static struct bytes composed(struct bytes text)
{
    utf8proc_uint8_t *to = NULL;
    utf8proc_ssize_t size =
        utf8proc_map(text.at, (utf8proc_ssize_t)text.size, &to, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    return size < 0 ? bytes_of(NULL, 0) : bytes_of(to, (size_t)size);
}

struct err utf8_is_nfc(struct bytes text, bool *out)
{
    *out = is_surely_nfc(text);
    if (*out) {
        return err_ok();
    }
    struct bytes nfc = composed(text);
    if (nfc.at == NULL) { /* the text is valid: nothing else can be wrong */
        return err_make(ERR_NOMEM, 0, "utf8_is_nfc");
    }
    *out = bytes_equal(nfc, text);
    free((void *)(uintptr_t)nfc.at);
    return err_ok();
}

bool utf8_to_nfc(struct bytes text, struct arena *arena, struct bytes *out)
{
    *out = text;
    if (!utf8_is_valid(text)) {
        return false;
    }
    if (is_surely_nfc(text)) {
        return true;
    }
    struct bytes nfc = composed(text);
    *out = nfc.at == NULL ? nfc : arena_copy(arena, nfc);
    free((void *)(uintptr_t)nfc.at);
    return out->at != NULL;
}

int utf8_width(uint32_t point)
{
    return utf8proc_charwidth((utf8proc_int32_t)point);
}

bool utf8_is_invisible(uint32_t point)
{
    utf8proc_category_t kind = utf8proc_category((utf8proc_int32_t)point);
    return kind == UTF8PROC_CATEGORY_CC || kind == UTF8PROC_CATEGORY_CF ||
           kind == UTF8PROC_CATEGORY_ZL || kind == UTF8PROC_CATEGORY_ZP;
}
