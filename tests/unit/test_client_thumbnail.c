/* Thumbnails: pictures made here, shrunk, and looked at again. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "client/media/shrink.h"
#include "client/media/thumbnail.h"

#include <jpeglib.h>
#include <png.h>
#include <webp/encode.h>

#define WIDE 640
#define HIGH 320

/* The left half is red, the right one blue. */
static void paint(uint8_t *rgb)
{
    for (size_t i = 0; i < (size_t)WIDE * HIGH; i++) {
        bool left = i % WIDE < WIDE / 2;
        rgb[i * 3] = left ? 255 : 0;
        rgb[i * 3 + 1] = 0;
        rgb[i * 3 + 2] = left ? 0 : 255;
    }
}

static void make_jpeg(const uint8_t *rgb, bool progressive, struct buf *out)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    unsigned char *memory = NULL;
    unsigned long size = 0;
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &memory, &size);
    c.image_width = WIDE;
    c.image_height = HIGH;
    c.input_components = 3;
    c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c);
    if (progressive) {
        jpeg_simple_progression(&c);
    }
    jpeg_start_compress(&c, TRUE);
    while (c.next_scanline < HIGH) {
        uint8_t row[WIDE * 3];
        JSAMPROW rows[] = {row};
        memcpy(row, rgb + (size_t)c.next_scanline * WIDE * 3, sizeof row);
        (void)jpeg_write_scanlines(&c, rows, 1);
    }
    jpeg_finish_compress(&c);
    buf_put(out, bytes_of(memory, size));
    jpeg_destroy_compress(&c);
    free(memory);
}

static void make_png(const uint8_t *rgb, struct buf *out)
{
    png_image image = {
        .version = PNG_IMAGE_VERSION, .width = WIDE, .height = HIGH, .format = PNG_FORMAT_RGB};
    png_alloc_size_t size = 0;
    assert_true(png_image_write_to_memory(&image, NULL, &size, 0, rgb, 0, NULL));
    assert_true(png_image_write_to_memory(&image, buf_reserve(out, size), &size, 0, rgb, 0, NULL));
    out->size += size;
}

static void make_webp(const uint8_t *rgb, struct buf *out)
{
    uint8_t *memory = NULL;
    size_t size = WebPEncodeRGB(rgb, WIDE, HIGH, WIDE * 3, 80, &memory);
    assert_true(size > 0);
    buf_put(out, bytes_of(memory, size));
    WebPFree(memory);
}

enum made { MADE_JPEG, MADE_PROGRESSIVE, MADE_PNG, MADE_WEBP, MADE_COUNT };

static void make(enum made what, struct buf *out)
{
    uint8_t *rgb = malloc((size_t)WIDE * HIGH * 3);
    assert_non_null(rgb);
    paint(rgb);
    buf_init(out, (size_t)IMAGE_BYTES_MAX);
    switch (what) {
    case MADE_JPEG:
    case MADE_PROGRESSIVE:
        make_jpeg(rgb, what == MADE_PROGRESSIVE, out);
        break;
    case MADE_PNG:
        make_png(rgb, out);
        break;
    case MADE_WEBP:
        make_webp(rgb, out);
        break;
    case MADE_COUNT:
        break;
    }
    free(rgb);
}

static bool is_near(const uint8_t *pixel, int red, int blue)
{
    return abs(pixel[0] - red) < 40 && pixel[1] < 40 && abs(pixel[2] - blue) < 40;
}

/* The thumbnail itself, decoded: red at its start, blue at its end. */
static void check_thumb(struct buf *thumb, uint32_t width, uint32_t height)
{
    struct image image;
    struct shrink s = {.row = 0};
    assert_in_range(thumb->size, 1, THUMB_BYTES_MAX);
    assert_int_equal(image_read(buf_bytes(thumb), &image), IMAGE_GOOD);
    assert_int_equal(image.format, IMAGE_JPEG);
    assert_int_equal(decode_jpeg(buf_bytes(thumb), THUMB_SIDE_MAX, &s).code, ERR_OK);
    assert_int_equal(s.width, width);
    assert_int_equal(s.height, height);
    assert_true(is_near(s.pixels, 255, 0));
    assert_true(is_near(s.pixels + ((size_t)width * height - 1) * 3, 0, 255));
    shrink_release(&s);
}

static void test_each_format(void **state)
{
    (void)state;
    for (enum made what = 0; what < MADE_COUNT; what++) {
        struct buf file, thumb;
        struct image image;
        make(what, &file);
        buf_init(&thumb, (size_t)IMAGE_BYTES_MAX);
        assert_int_equal(image_read(buf_bytes(&file), &image), IMAGE_GOOD);
        assert_int_equal(image.width, WIDE);
        assert_int_equal(image.height, HIGH);
        assert_int_equal(thumbnail_make(buf_bytes(&file), &image, &thumb).code, ERR_OK);
        check_thumb(&thumb, THUMB_SIDE_MAX, THUMB_SIDE_MAX / 2);
        buf_release(&thumb);
        buf_release(&file);
    }
}

/* On its side: what was left stands on top, so the first pixel is still red and the last blue. */
static void test_turned(void **state)
{
    (void)state;
    struct buf file, thumb;
    struct image image;
    make(MADE_PNG, &file);
    buf_init(&thumb, (size_t)IMAGE_BYTES_MAX);
    assert_int_equal(image_read(buf_bytes(&file), &image), IMAGE_GOOD);
    image.orientation = 6;
    assert_int_equal(thumbnail_make(buf_bytes(&file), &image, &thumb).code, ERR_OK);
    check_thumb(&thumb, THUMB_SIDE_MAX / 2, THUMB_SIDE_MAX);
    buf_release(&thumb);
    buf_release(&file);
}

static void test_cut_is_refused(void **state)
{
    (void)state;
    for (enum made what = 0; what < MADE_COUNT; what++) {
        struct buf file, thumb;
        struct image image;
        make(what, &file);
        buf_init(&thumb, (size_t)IMAGE_BYTES_MAX);
        assert_int_equal(image_read(buf_bytes(&file), &image), IMAGE_GOOD);
        struct bytes half = bytes_of(file.at, file.size / 2);
        struct err err = thumbnail_make(half, &image, &thumb);
        if (err.code != ERR_INVALID) {
            fail_msg("picture %d, cut in half, was taken", (int)what);
        }
        buf_release(&thumb);
        buf_release(&file);
    }
}

/* A picture of noise takes the most bytes; its thumbnail keeps to the limit all the same. */
static void test_noise_fits(void **state)
{
    (void)state;
    struct shrink s;
    struct buf file, thumb;
    struct image image;
    uint8_t *rgb = malloc((size_t)WIDE * HIGH * 3);
    assert_non_null(rgb);
    uint32_t x = 1;
    for (size_t i = 0; i < (size_t)WIDE * HIGH * 3; i++) {
        x = x * 1664525 + 1013904223;
        rgb[i] = (uint8_t)((x >> 31) * 255);
    }
    buf_init(&file, (size_t)IMAGE_BYTES_MAX);
    buf_init(&thumb, (size_t)IMAGE_BYTES_MAX);
    make_png(rgb, &file);
    assert_int_equal(image_read(buf_bytes(&file), &image), IMAGE_GOOD);
    assert_int_equal(thumbnail_make(buf_bytes(&file), &image, &thumb).code, ERR_OK);
    assert_in_range(thumb.size, 1, THUMB_BYTES_MAX);
    assert_int_equal(decode_jpeg(buf_bytes(&thumb), THUMB_SIDE_MAX, &s).code, ERR_OK);
    shrink_release(&s);
    free(rgb);
    buf_release(&thumb);
    buf_release(&file);
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        uint32_t from[2], to[2];
    } cases[] = {{{1, 1}, {1, 1}},
                 {{160, 160}, {160, 160}},
                 {{320, 10}, {160, 5}},
                 {{16383, 1}, {160, 1}},
                 {{1, 16383}, {1, 160}}};
    for (size_t i = 0; i < count_of(cases); i++) {
        uint32_t width, height;
        shrink_size(cases[i].from[0], cases[i].from[1], 160, &width, &height);
        assert_int_equal(width, cases[i].to[0]);
        assert_int_equal(height, cases[i].to[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_format),    cmocka_unit_test(test_turned),
        cmocka_unit_test(test_cut_is_refused), cmocka_unit_test(test_noise_fits),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
