/* See thumbnail.h. */
#include "client/media/thumbnail.h"

#include "client/media/shrink.h"

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

struct encoder {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jmp_buf out;
    unsigned char *memory;
    unsigned long size;
    bool failed;
};

static void on_error(j_common_ptr jpeg)
{
    struct encoder *e = jpeg->client_data;
    longjmp(e->out, 1);
}

static void run(struct encoder *e, const struct shrink *s, int quality)
{
    if (setjmp(e->out) != 0) {
        e->failed = true;
        return;
    }
    jpeg_create_compress(&e->jpeg);
    jpeg_mem_dest(&e->jpeg, &e->memory, &e->size);
    e->jpeg.image_width = s->width;
    e->jpeg.image_height = s->height;
    e->jpeg.input_components = 3;
    e->jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&e->jpeg);
    jpeg_set_quality(&e->jpeg, quality, TRUE);
    e->jpeg.optimize_coding = TRUE;
    jpeg_start_compress(&e->jpeg, TRUE);
    while (e->jpeg.next_scanline < s->height) {
        JSAMPROW rows[] = {s->pixels + (size_t)e->jpeg.next_scanline * s->width * 3};
        (void)jpeg_write_scanlines(&e->jpeg, rows, 1);
    }
    jpeg_finish_compress(&e->jpeg);
}

static struct err encode(const struct shrink *s, int quality, struct buf *jpeg)
{
    struct encoder *e = calloc(1, sizeof *e);
    if (e == NULL) {
        return err_make(ERR_NOMEM, 0, "thumbnail");
    }
    e->jpeg.err = jpeg_std_error(&e->errors);
    e->jpeg.client_data = e;
    e->errors.error_exit = on_error;
    run(e, s, quality);
    buf_clear(jpeg);
    if (!e->failed) {
        buf_put(jpeg, bytes_of(e->memory, e->size));
    }
    bool failed = e->failed;
    jpeg_destroy_compress(&e->jpeg);
    free(e->memory);
    free(e);
    return failed || jpeg->bad ? err_make(ERR_NOMEM, 0, "thumbnail") : err_ok();
}

static struct err decode(struct bytes file, enum image_format format, uint32_t side_max,
                         struct shrink *s)
{
    switch (format) {
    case IMAGE_JPEG:
        return decode_jpeg(file, side_max, s);
    case IMAGE_PNG:
        return decode_png(file, side_max, s);
    case IMAGE_WEBP:
        return decode_webp(file, side_max, s);
    }
    abort(); /* our own bug: a format without a decoder */
}

/* A busy picture takes more bytes: it gets a lower quality, in the end a smaller size. */
static struct err encode_small(const struct shrink *s, struct buf *jpeg, bool *fits)
{
    static const int qualities[] = {70, 50, 35, 20};
    struct err err = err_ok();
    *fits = false;
    for (size_t i = 0; i < count_of(qualities) && err.code == ERR_OK && !*fits; i++) {
        err = encode(s, qualities[i], jpeg);
        *fits = err.code == ERR_OK && jpeg->size <= THUMB_BYTES_MAX;
    }
    return err;
}

struct err thumbnail_make(struct bytes file, const struct image *image, struct buf *jpeg)
{
    bool fits = false;
    struct err err = err_ok();
    for (uint32_t side = THUMB_SIDE_MAX; side >= 8 && err.code == ERR_OK && !fits; side /= 2) {
        struct shrink s = {.row = 0};
        err = decode(file, image->format, side, &s);
        if (err.code == ERR_OK && !shrink_is_whole(&s)) {
            err = err_make(ERR_INVALID, 0, "thumbnail");
        }
        if (err.code == ERR_OK) {
            err = shrink_turn(&s, image->orientation);
        }
        if (err.code == ERR_OK) {
            err = encode_small(&s, jpeg, &fits);
        }
        shrink_release(&s);
    }
    return err;
}
