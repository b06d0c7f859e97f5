/* The half of text.h that knows no column's meaning: ids, and values as JSON. */
#include "common/catalogue/text.h"

#include <math.h>

#include "common/base/utf8.h"

#define NUMBER_TEXT_MAX 40

void id_text(const uint8_t id[16], char text[37])
{
    static const char hex[] = "0123456789abcdef";
    char *to = text;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *to++ = '-';
        }
        *to++ = hex[id[i] >> 4];
        *to++ = hex[id[i] & 15];
    }
    *to = 0;
}

static int hex_digit(uint8_t c)
{
    c = c >= 'A' && c <= 'F' ? (uint8_t)(c + 32) : c;
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool id_parse(struct bytes text, uint8_t id[16])
{
    if (text.size != 36) {
        return false;
    }
    size_t at = 0;
    for (int i = 0; i < 16; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && text.at[at++] != '-') {
            return false;
        }
        int high = hex_digit(text.at[at]);
        int low = hex_digit(text.at[at + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        id[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    return true;
}

void id_print(struct bytes id, struct buf *out)
{
    char text[37] = "";
    if (id.size == 16) {
        id_text(id.at, text);
        buf_put_text(out, text);
        return;
    }
    for (size_t i = 0; i < id.size; i++) {
        buf_printf(out, "%02x", id.at[i]);
    }
}

void json_put_text(struct bytes text, struct buf *out)
{
    buf_put_u8(out, '"');
    while (text.size > 0) {
        uint32_t point = 0;
        size_t size = utf8_next(text, &point);
        if (size == 0) { /* a damaged file may hold anything; the answer stays JSON */
            size = 1;
            buf_put_text(out, "\\ufffd");
        } else if (point == '"' || point == '\\') {
            buf_put_u8(out, '\\');
            buf_put_u8(out, (uint8_t)point);
        } else if (point < 0x20 || point == 0x7f) {
            buf_printf(out, "\\u%04x", (unsigned)point);
        } else {
            buf_put(out, bytes_of(text.at, size));
        }
        text = bytes_of(text.at + size, text.size - size);
    }
    buf_put_u8(out, '"');
}

/* The shortest of the two precisions that reads back as the same number. */
static void json_put_real(double d, struct buf *out)
{
    char text[NUMBER_TEXT_MAX];
    if (!isfinite(d)) {
        buf_put_text(out, "null");
        return;
    }
    (void)snprintf(text, sizeof text, "%.15g", d);
    if (strtod(text, NULL) != d) {
        (void)snprintf(text, sizeof text, "%.17g", d);
    }
    buf_put_text(out, text);
}

void value_json(const struct value *v, struct buf *out)
{
    switch (v->kind) {
    case VALUE_NULL:
        buf_put_text(out, "null");
        return;
    case VALUE_INT:
        buf_printf(out, "%" PRId64, v->i);
        return;
    case VALUE_REAL:
        json_put_real(v->d, out);
        return;
    case VALUE_TEXT:
        json_put_text(v->b, out);
        return;
    case VALUE_BLOB:
        buf_put_u8(out, '"');
        id_print(v->b, out);
        buf_put_u8(out, '"');
        return;
    }
}

void column_json(const struct column *c, const struct value *v, struct buf *out)
{
    if (v->kind == VALUE_TEXT && (c->type == TYPE_TAGS || c->type == TYPE_JSON)) {
        buf_put(out, v->b);
    } else {
        value_json(v, out);
    }
}
