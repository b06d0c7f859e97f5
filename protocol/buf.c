/* Growth is by doubling, bounded by `size_max`; see buf.h. */
#include "protocol/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *b, size_t size_max)
{
    *b = (struct buf){.size_max = size_max};
}

void buf_release(struct buf *b)
{
    free(b->at);
    *b = (struct buf){.size_max = b->size_max};
}

void buf_clear(struct buf *b)
{
    b->size = 0;
    b->bad = false;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
    if (b->bad || n > b->size_max || b->size > b->size_max - n) {
        b->bad = true;
        return NULL;
    }
    size_t need = b->size + n;
    if (need > b->room) {
        size_t room = b->room < 64 ? 64 : b->room;
        while (room < need) {
            room = room > b->size_max / 2 ? b->size_max : room * 2;
        }
        uint8_t *at = realloc(b->at, room);
        if (at == NULL) {
            b->bad = true;
            return NULL;
        }
        b->at = at;
        b->room = room;
    }
    return b->at + b->size;
}

void buf_put(struct buf *b, struct bytes bytes)
{
    if (bytes.size == 0) {
        return;
    }
    uint8_t *to = buf_reserve(b, bytes.size);
    if (to != NULL) {
        memcpy(to, bytes.at, bytes.size);
        b->size += bytes.size;
    }
}

void buf_put_u8(struct buf *b, uint8_t byte)
{
    buf_put(b, bytes_of(&byte, 1));
}

void buf_put_text(struct buf *b, const char *text)
{
    buf_put(b, bytes_text(text));
}

/* Tried in the room that is there; what doesn't fit is printed again. */
void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    size_t left = b->bad ? 0 : b->room - b->size;
    int n = vsnprintf(left == 0 ? NULL : (char *)b->at + b->size, left, format, args);
    va_end(args);
    bool fits = n >= 0 && (size_t)n < left;
    uint8_t *to = n < 0 ? NULL : buf_reserve(b, (size_t)n + 1);
    if (to == NULL) {
        b->bad = true;
    } else {
        if (!fits) {
            (void)vsnprintf((char *)to, (size_t)n + 1, format, again);
        }
        b->size += (size_t)n;
    }
    va_end(again);
}

const char *buf_text(struct buf *b)
{
    uint8_t *end = buf_reserve(b, 1);
    if (end == NULL) {
        return "";
    }
    *end = 0;
    return (const char *)b->at;
}
