/* Messages into one zstd frame. The frame has no checksum: TLS guards the way, and a request's
 * digest its content.
 *
 * The first bytes are held back until they are too many or somebody needs them. Most frames end
 * before: zstd then knows how little it is, and neither clears nor touches the megabyte of tables
 * that it wants for a stream of unknown length. */
#include "protocol/codec.h"

#include <stdlib.h>
#include <zstd.h>

#define WINDOW_LOG_MAX 21 /* 2 MiB: what a device's reader must hold */
#define OUT_STEP       ((size_t)16 * 1024)
#define HELD_MAX       ((size_t)16 * 1024)

struct packer {
    ZSTD_CCtx *zstd;
    struct buf plain; /* of the message under way */
    struct buf held;  /* messages that zstd hasn't seen yet */
    bool begun;       /* it has seen some: nothing is held any more */
};

struct packer *packer_new(int level)
{
    struct packer *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    buf_init(&p->plain, MESSAGE_BYTES_MAX);
    buf_init(&p->held, HELD_MAX);
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
        buf_release(&p->held);
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

static enum wire_error let_go(struct packer *p, ZSTD_EndDirective how, struct buf *out)
{
    enum wire_error err = compress(p, buf_bytes(&p->held), how, out);
    p->begun = true;
    buf_clear(&p->held);
    return err;
}

enum wire_error packer_put(struct packer *p, const struct message *m, struct buf *out)
{
    buf_clear(&p->plain);
    enum wire_error err = message_encode(m, &p->plain);
    if (err == WIRE_OK && !p->begun && p->plain.size <= HELD_MAX - p->held.size) {
        buf_put(&p->held, buf_bytes(&p->plain));
        return p->held.bad ? WIRE_NOMEM : WIRE_OK;
    }
    if (err == WIRE_OK && !p->begun) {
        err = let_go(p, ZSTD_e_continue, out);
    }
    return err == WIRE_OK ? compress(p, buf_bytes(&p->plain), ZSTD_e_continue, out) : err;
}

enum wire_error packer_flush(struct packer *p, struct buf *out)
{
    return let_go(p, ZSTD_e_flush, out);
}

enum wire_error packer_end(struct packer *p, struct buf *out)
{
    return let_go(p, ZSTD_e_end, out);
}
