/* PNG, by libpng: row by row, and whole only where it is interlaced. What is transparent becomes
 * white, as a signature drawn on nothing is meant. */
#include "client/media/shrink.h"

#include <setjmp.h>

#include <png.h>

#define CHUNK_BYTES_MAX ((size_t)IMAGE_BYTES_MAX)
#define CHUNKS_KEPT_MAX 64

struct decoder {
    png_structp png;
    png_infop info;
    struct bytes left;
    struct shrink *shrink;
    uint32_t width, height;
    int passes;
    uint8_t *pixels; /* one row, or all of an interlaced one */
    struct err err;
};

static void on_read(png_structp png, png_bytep to, size_t size)
{
    struct decoder *d = png_get_io_ptr(png);
    if (size > d->left.size) {
        png_error(png, "cut");
    }
    memcpy(to, d->left.at, size);
    d->left = bytes_of(d->left.at + size, d->left.size - size);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

/* Any kind of PNG becomes 8 bits of red, green and blue. */
static void ask_for_rgb(struct decoder *d)
{
    png_color_16 white = {.red = 255, .green = 255, .blue = 255, .gray = 255};
    png_set_expand(d->png);
    png_set_strip_16(d->png);
    png_set_gray_to_rgb(d->png);
    png_set_background(d->png, &white, PNG_BACKGROUND_GAMMA_SCREEN, 0, 1.0);
    d->passes = png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    if (png_get_rowbytes(d->png, d->info) != (size_t)d->width * 3) {
        png_error(d->png, "not RGB");
    }
}

static void read_rows(struct decoder *d)
{
    size_t stride = (size_t)d->width * 3;
    for (int pass = 0; pass < d->passes; pass++) {
        for (uint32_t y = 0; y < d->height; y++) {
            uint8_t *row = d->pixels + (d->passes > 1 ? y * stride : 0);
            png_read_row(d->png, row, NULL);
            if (pass == d->passes - 1) {
                shrink_row(d->shrink, row);
            }
        }
    }
    png_read_end(d->png, NULL);
}

/* Left by longjmp where the library finds an error. */
static void run(struct decoder *d, uint32_t side_max)
{
    if (setjmp(png_jmpbuf(d->png)) != 0) {
        d->err = err_make(ERR_INVALID, 0, "decode_png");
        return;
    }
    png_set_user_limits(d->png, IMAGE_SIDE_MAX, IMAGE_SIDE_MAX);
    png_set_chunk_malloc_max(d->png, CHUNK_BYTES_MAX);
    png_set_chunk_cache_max(d->png, CHUNKS_KEPT_MAX);
    png_set_read_fn(d->png, d, on_read);
    png_read_info(d->png, d->info);
    d->width = png_get_image_width(d->png, d->info);
    d->height = png_get_image_height(d->png, d->info);
    ask_for_rgb(d);
    d->pixels = calloc(d->passes > 1 ? d->height : 1, (size_t)d->width * 3);
    d->err = shrink_init(d->shrink, d->width, d->height, side_max);
    if (d->pixels == NULL) {
        d->err = err_make(ERR_NOMEM, 0, "decode_png");
    }
    if (d->err.code == ERR_OK) {
        read_rows(d);
    }
}

struct err decode_png(struct bytes file, uint32_t side_max, struct shrink *s)
{
    struct decoder *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return err_make(ERR_NOMEM, 0, "decode_png");
    }
    d->left = file;
    d->shrink = s;
    d->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, on_warning);
    d->info = d->png == NULL ? NULL : png_create_info_struct(d->png);
    if (d->info != NULL) {
        run(d, side_max);
    } else {
        d->err = err_make(ERR_NOMEM, 0, "decode_png");
    }
    struct err err = d->err;
    png_destroy_read_struct(&d->png, &d->info, NULL);
    free(d->pixels);
    free(d);
    return err;
}
