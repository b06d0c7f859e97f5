/* JPEG, by libjpeg-turbo: decoded at an eighth, a quarter or half of its size where that is enough,
 * row by row. */
#include "client/media/shrink.h"

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

#include <jerror.h>

#define MEMORY_MAX (384L * 1024 * 1024) /* coefficients of a progressive one of 50 megapixels */
#define SCANS_MAX  100                  /* a bomb repeats scans; cameras make about ten */

struct decoder {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf out;
    bool cut; /* the data ended, or broke off, before the picture did */
    uint8_t *row;
    struct shrink *shrink;
    struct err err;
};

static void on_error(j_common_ptr jpeg)
{
    struct decoder *d = jpeg->client_data;
    longjmp(d->out, 1);
}

/* Cameras leave harmless oddities; a picture that isn't whole is none. */
static void on_message(j_common_ptr jpeg, int level)
{
    struct decoder *d = jpeg->client_data;
    int code = jpeg->err->msg_code;
    d->cut = d->cut || (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER));
}

static void on_progress(j_common_ptr jpeg)
{
    struct decoder *d = jpeg->client_data;
    if (d->jpeg.input_scan_number > SCANS_MAX) {
        on_error(jpeg);
    }
}

/* The largest shrinking whose result is still as large as what is wanted. */
static unsigned scale_for(const struct jpeg_decompress_struct *jpeg, uint32_t side_max)
{
    uint32_t longer =
        jpeg->image_width > jpeg->image_height ? jpeg->image_width : jpeg->image_height;
    unsigned scale = 8;
    while (scale > 1 && longer / scale < side_max) {
        scale /= 2;
    }
    return scale;
}

static void read_rows(struct decoder *d)
{
    while (d->jpeg.output_scanline < d->jpeg.output_height) {
        JSAMPROW rows[] = {d->row};
        if (jpeg_read_scanlines(&d->jpeg, rows, 1) == 1) {
            shrink_row(d->shrink, d->row);
        }
    }
}

/* Left by longjmp where the library finds an error, so it keeps nothing in variables of its own. */
static void run(struct decoder *d, struct bytes file, uint32_t side_max)
{
    if (setjmp(d->out) != 0) {
        d->err = err_make(ERR_INVALID, d->errors.msg_code, "decode_jpeg");
        return;
    }
    jpeg_create_decompress(&d->jpeg);
    d->jpeg.mem->max_memory_to_use = MEMORY_MAX;
    d->jpeg.progress = &d->progress;
    jpeg_mem_src(&d->jpeg, file.at, (unsigned long)file.size);
    (void)jpeg_read_header(&d->jpeg, TRUE);
    d->jpeg.out_color_space = JCS_RGB;
    d->jpeg.scale_num = 1;
    d->jpeg.scale_denom = scale_for(&d->jpeg, side_max);
    (void)jpeg_start_decompress(&d->jpeg);
    d->err = shrink_init(d->shrink, d->jpeg.output_width, d->jpeg.output_height, side_max);
    d->row = malloc((size_t)d->jpeg.output_width * 3);
    if (d->row == NULL) {
        d->err = err_make(ERR_NOMEM, 0, "decode_jpeg");
    }
    if (d->err.code == ERR_OK) {
        read_rows(d);
        (void)jpeg_finish_decompress(&d->jpeg);
    }
}

struct err decode_jpeg(struct bytes file, uint32_t side_max, struct shrink *s)
{
    struct decoder *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return err_make(ERR_NOMEM, 0, "decode_jpeg");
    }
    d->shrink = s;
    d->jpeg.err = jpeg_std_error(&d->errors);
    d->jpeg.client_data = d;
    d->errors.error_exit = on_error;
    d->errors.emit_message = on_message;
    d->progress.progress_monitor = on_progress;
    run(d, file, side_max);
    jpeg_destroy_decompress(&d->jpeg);
    struct err err = d->err;
    if (err.code == ERR_OK && d->cut) {
        err = err_make(ERR_INVALID, 0, "decode_jpeg: cut");
    }
    free(d->row);
    free(d);
    return err;
}
