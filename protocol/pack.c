/* Messages into one zstd frame. The frame has no checksum: TLS guards the way, and a request's
 * digest its content. */
#include "protocol/codec.h"

#include <stdlib.h>
#include <zstd.h>

#define WINDOW_LOG_MAX 21 /* 2 MiB: what a device's reader must hold */
#define OUT_STEP       ((size_t)16 * 1024)

struct packer {
    ZSTD_CCtx *zstd;
    struct buf plain; /* of the message under way */
};

struct packer *packer_new(int level)
{
    struct packer *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    buf_init(&p->plain, MESSAGE_BYTES_MAX);
    p->zstd = ZSTD_createCCtx();
    if (p->zstd == NULL ||
        ZSTD_isError(ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, level)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_windowLog, WINDOW_LOG_MAX))) {
        packer_free(p);
        return NULL;
    }
    return p;
}

void packer_free(struct packer *p)
{
    if (p != NULL) {
        ZSTD_freeCCtx(p->zstd);
        buf_release(&p->plain);
        free(p);
    }
}

/* Compresses all of `plain`; with a flush or an end, until nothing is held back. */
static enum wire_error compress(struct packer *p, struct bytes plain, ZSTD_EndDirective how,
                                struct buf *out)
{
    ZSTD_inBuffer in = {.src = plain.at, .size = plain.size};
    size_t left = 1;
    while (left != 0 && (how != ZSTD_e_continue || in.pos < in.size)) {
        uint8_t *to = buf_reserve(out, OUT_STEP);
        if (to == NULL) {
            return WIRE_LIMIT;
        }
        ZSTD_outBuffer step = {.dst = to, .size = OUT_STEP};
        left = ZSTD_compressStream2(p->zstd, &step, &in, how);
        out->size += step.pos;
        if (ZSTD_isError(left)) {
            return WIRE_NOMEM; /* our own parameters and pointers can't be wrong */
        }
    }
    return WIRE_OK;
}

enum wire_error packer_put(struct packer *p, const struct message *m, struct buf *out)
{
    buf_clear(&p->plain);
    enum wire_error err = message_encode(m, &p->plain);
    return err == WIRE_OK ? compress(p, buf_bytes(&p->plain), ZSTD_e_continue, out) : err;
}

enum wire_error packer_flush(struct packer *p, struct buf *out)
{
    return compress(p, (struct bytes){0}, ZSTD_e_flush, out);
}

enum wire_error packer_end(struct packer *p, struct buf *out)
{
    return compress(p, (struct bytes){0}, ZSTD_e_end, out);
}
