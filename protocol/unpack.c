/* Messages out of one zstd frame, as its bytes arrive. Only as much is decompressed as the next
 * message needs: a small body that would swell to gigabytes meets a limit after 16 MiB, and what
 * it was swollen to is one message's worth. */
#include "protocol/codec_parts.h"

#include <stdlib.h>
#include <zstd.h>

#define WINDOW_LOG_MAX 23 /* 8 MiB */
#define OUT_STEP       ((size_t)64 * 1024)

struct unpacker {
    ZSTD_DCtx *zstd;
    size_t plain_max;
    size_t plain_sum; /* decompressed so far */
    struct buf packed;
    size_t packed_at; /* read up to here */
    struct buf plain;
    size_t plain_at; /* the next message begins here */
    struct cbor_scan scan;
    bool frame_ended;
    enum wire_error error; /* once broken, for good */
};

struct unpacker *unpacker_new(size_t plain_max)
{
    struct unpacker *u = calloc(1, sizeof *u);
    if (u == NULL) {
        return NULL;
    }
    u->plain_max = plain_max;
    buf_init(&u->packed, MESSAGE_BYTES_MAX);
    buf_init(&u->plain, MESSAGE_BYTES_MAX + 2 * OUT_STEP);
    u->zstd = ZSTD_createDCtx();
    if (u->zstd == NULL ||
        ZSTD_isError(ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
        unpacker_free(u);
        return NULL;
    }
    return u;
}

void unpacker_free(struct unpacker *u)
{
    if (u != NULL) {
        ZSTD_freeDCtx(u->zstd);
        buf_release(&u->packed);
        buf_release(&u->plain);
        free(u);
    }
}

/* Moves what is still to be read to the front. */
static void drop_read(struct buf *b, size_t *at)
{
    if (*at > 0) {
        memmove(b->at, b->at + *at, b->size - *at);
        b->size -= *at;
        *at = 0;
    }
}

enum wire_error unpacker_feed(struct unpacker *u, struct bytes packed)
{
    drop_read(&u->packed, &u->packed_at);
    buf_put(&u->packed, packed);
    if (u->packed.bad && u->error == WIRE_OK) {
        u->error = packed.size > MESSAGE_BYTES_MAX - u->packed.size ? WIRE_LIMIT : WIRE_NOMEM;
    }
    return u->error;
}

/* Decompresses one step more. WIRE_MORE: all that was fed is read. */
static enum wire_error unpack_step(struct unpacker *u)
{
    ZSTD_inBuffer in = {.src = u->packed.at, .size = u->packed.size, .pos = u->packed_at};
    if (u->frame_ended) {
        return in.pos < in.size ? WIRE_MALFORMED : WIRE_MORE;
    }
    drop_read(&u->plain, &u->plain_at);
    uint8_t *to = buf_reserve(&u->plain, OUT_STEP);
    if (to == NULL) {
        return u->plain.size + OUT_STEP > u->plain.size_max ? WIRE_LIMIT : WIRE_NOMEM;
    }
    ZSTD_outBuffer out = {.dst = to, .size = OUT_STEP};
    size_t hint = ZSTD_decompressStream(u->zstd, &out, &in);
    if (ZSTD_isError(hint)) {
        return WIRE_MALFORMED;
    }
    bool moved = in.pos != u->packed_at || out.pos > 0;
    u->packed_at = in.pos;
    u->plain.size += out.pos;
    u->plain_sum += out.pos;
    u->frame_ended = hint == 0;
    if (u->plain_sum > u->plain_max) {
        return WIRE_LIMIT;
    }
    return moved ? WIRE_OK : WIRE_MORE;
}

static struct bytes unread(const struct unpacker *u)
{
    if (u->plain.at == NULL) { /* nothing came yet, and even + 0 is undefined on NULL */
        return bytes_of("", 0);
    }
    return bytes_of(u->plain.at + u->plain_at, u->plain.size - u->plain_at);
}

static enum wire_error next(struct unpacker *u, struct arena *arena, struct message *out)
{
    for (;;) {
        enum wire_error err = cbor_scan_on(&u->scan, unread(u));
        if (err == WIRE_OK) {
            struct bytes item = bytes_of(u->plain.at + u->plain_at, u->scan.size);
            u->plain_at += u->scan.size;
            u->scan = (struct cbor_scan){0};
            return message_take(item, arena, out);
        }
        if (err != WIRE_MORE) {
            return err;
        }
        err = unpack_step(u);
        if (err != WIRE_OK) {
            return err;
        }
    }
}

enum wire_error unpacker_next(struct unpacker *u, struct arena *arena, struct message *out)
{
    if (u->error == WIRE_OK) {
        enum wire_error err = next(u, arena, out);
        u->error = err == WIRE_MORE ? WIRE_OK : err;
        return err;
    }
    return u->error;
}

bool unpacker_is_complete(const struct unpacker *u)
{
    return u->error == WIRE_OK && u->frame_ended && u->packed_at == u->packed.size &&
           u->plain_at == u->plain.size;
}
