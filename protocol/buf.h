/* Owned bytes that grow up to a named ceiling. A buf goes bad for good when memory or the ceiling
 * is reached: writers write straight through and look at `bad` once, at the end. */
#ifndef PROTOCOL_BUF_H
#define PROTOCOL_BUF_H

#include "protocol/bytes.h"

struct buf {
    uint8_t *at;
    size_t size;
    size_t room;
    size_t size_max;
    bool bad;
};

void buf_init(struct buf *b, size_t size_max);
void buf_release(struct buf *b);
void buf_clear(struct buf *b); /* empties, keeps the memory, and is good again */
/* Room for `n` more bytes at the end, or NULL and bad. The caller then adds to `size` itself. */
uint8_t *buf_reserve(struct buf *b, size_t n);
void buf_put(struct buf *b, struct bytes bytes);
void buf_put_u8(struct buf *b, uint8_t byte);
void buf_put_text(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The text so far, ended by a zero that isn't counted in `size`; "" when bad. */
const char *buf_text(struct buf *b);

static inline struct bytes buf_bytes(const struct buf *b)
{
    return bytes_of(b->at, b->size);
}

#endif
