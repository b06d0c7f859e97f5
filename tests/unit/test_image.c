/* What is taken for a picture, by its first bytes. Beginnings are written as hexadecimal; "@n" pads
 * with zeroes up to n bytes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/media/image.h"

#define SOI  "ffd8"
#define APP0 "ffe000104a46494600010100000100010000"
/* An Exif block of one entry: orientation 6, little- and big-endian. */
#define EXIF_II                                                                                    \
    "ffe10022457869660000"                                                                         \
    "49492a0008000000"                                                                             \
    "0100"                                                                                         \
    "120103000100000006000000"                                                                     \
    "00000000"
#define EXIF_MM                                                                                    \
    "ffe10022457869660000"                                                                         \
    "4d4d002a00000008"                                                                             \
    "0001"                                                                                         \
    "011200030000000100060000"                                                                     \
    "00000000"
#define PNG_MAGIC "89504e470d0a1a0a0000000d49484452"
#define RIFF(chunk)                                                                                \
    "5249464600100000"                                                                             \
    "57454250" chunk "00100000"
#define VP8X "56503858"
#define VP8  "56503820"
#define VP8L "5650384c"

static size_t from_hex(const char *hex, uint8_t *out, size_t room)
{
    size_t size = 0;
    for (const char *at = hex; *at != 0;) {
        if (*at == '@') {
            char *end;
            size_t to = (size_t)strtoul(at + 1, &end, 10);
            assert_in_range(to, size, room);
            memset(out + size, 0, to - size);
            size = to;
            at = end;
            continue;
        }
        char pair[3] = {at[0], at[1], 0};
        assert_in_range(size, 0, room - 1);
        out[size++] = (uint8_t)strtoul(pair, NULL, 16);
        at += 2;
    }
    return size;
}

static const struct {
    const char *says;
    const char *bytes;
    enum image_verdict verdict;
    struct image image;
} cases[] = {
    {"JPEG, 640 x 480",
     SOI APP0 "ffc00011080"
              "1e00280"
              "03@200",
     IMAGE_GOOD,
     {IMAGE_JPEG, 640, 480, 1}},
    {"progressive JPEG",
     SOI "ffc20011080"
         "1e00280"
         "03@60",
     IMAGE_GOOD,
     {IMAGE_JPEG, 640, 480, 1}},
    {"fill bytes before a segment",
     SOI "ffffff"
         "c00011080"
         "1e00280"
         "03@60",
     IMAGE_GOOD,
     {IMAGE_JPEG, 640, 480, 1}},
    {"JPEG on its side",
     SOI EXIF_II "ffc00011080"
                 "1e00280"
                 "03@90",
     IMAGE_GOOD,
     {IMAGE_JPEG, 640, 480, 6}},
    {"the same, big-endian",
     SOI EXIF_MM "ffc00011080"
                 "1e00280"
                 "03@90",
     IMAGE_GOOD,
     {IMAGE_JPEG, 640, 480, 6}},
    {"Exif whose directory lies outside",
     SOI "ffe1001045786966000049492a00ffffffff"
         "ffc00011080"
         "1e00280"
         "03@60",
     IMAGE_GOOD,
     {IMAGE_JPEG, 640, 480, 1}},
    {"JPEG without a frame", SOI APP0, IMAGE_DAMAGED, {IMAGE_JPEG, 0, 0, 1}},
    {"a segment longer than the file", SOI "ffe0ffff4a46", IMAGE_DAMAGED, {IMAGE_JPEG, 0, 0, 1}},
    {"a segment shorter than its length",
     SOI "ffe00001ffc00011",
     IMAGE_DAMAGED,
     {IMAGE_JPEG, 0, 0, 1}},
    {"data before any frame", SOI "ffda000803010200003f", IMAGE_DAMAGED, {IMAGE_JPEG, 0, 0, 1}},
    {"a frame that is cut", SOI "ffc0001108", IMAGE_DAMAGED, {IMAGE_JPEG, 0, 0, 1}},
    {"JPEG of no width",
     SOI "ffc00011080"
         "1e00000"
         "03@60",
     IMAGE_DAMAGED,
     {IMAGE_JPEG, 0, 480, 1}},
    {"JPEG of 65,535 pixels a side",
     SOI "ffc0001108ffffffff03@60",
     IMAGE_TOO_LARGE,
     {IMAGE_JPEG, 65535, 65535, 1}},
    {"PNG, 32 x 16", PNG_MAGIC "00000020000000100802000000@40", IMAGE_GOOD, {IMAGE_PNG, 32, 16, 1}},
    {"PNG of 100 megapixels",
     PNG_MAGIC "00002710000027100802000000@40",
     IMAGE_TOO_LARGE,
     {IMAGE_PNG, 10000, 10000, 1}},
    {"PNG wider than any",
     PNG_MAGIC "ffffffff000000010802000000@40",
     IMAGE_TOO_LARGE,
     {IMAGE_PNG, 4294967295, 1, 1}},
    {"PNG of nothing",
     PNG_MAGIC "00000000000000100802000000@40",
     IMAGE_DAMAGED,
     {IMAGE_PNG, 0, 16, 1}},
    {"PNG that is cut", PNG_MAGIC "00000020", IMAGE_DAMAGED, {IMAGE_PNG, 0, 0, 1}},
    {"PNG whose first chunk is another",
     "89504e470d0a1a0a0000000d49444154@40",
     IMAGE_DAMAGED,
     {IMAGE_PNG, 0, 0, 1}},
    {"WebP, lossy",
     RIFF(VP8) "3001009d012a"
               "80024001"
               "@60",
     IMAGE_GOOD,
     {IMAGE_WEBP, 640, 320, 1}},
    {"WebP, lossless",
     RIFF(VP8L) "2f"
                "7fc24f00"
                "@60",
     IMAGE_GOOD,
     {IMAGE_WEBP, 640, 320, 1}},
    {"WebP, extended",
     RIFF(VP8X) "10000000"
                "7f0200"
                "3f0100"
                "@60",
     IMAGE_GOOD,
     {IMAGE_WEBP, 640, 320, 1}},
    {"extended WebP of 16,777,216 pixels a side",
     RIFF(VP8X) "10000000"
                "ffffff"
                "ffffff@60",
     IMAGE_TOO_LARGE,
     {IMAGE_WEBP, 16777216, 16777216, 1}},
    {"lossy WebP without its mark",
     RIFF(VP8) "300100000000"
               "80024001"
               "@60",
     IMAGE_DAMAGED,
     {IMAGE_WEBP, 0, 0, 1}},
    {"WebP that is cut", RIFF(VP8X), IMAGE_DAMAGED, {IMAGE_WEBP, 0, 0, 1}},
    {"RIFF of another kind", "524946460010000057415645@60", IMAGE_STRANGE, {0, 0, 0, 1}},
    {"SVG", "3c73766720786d6c6e733d@60", IMAGE_STRANGE, {0, 0, 0, 1}},
    {"HTML", "3c21444f43545950452068746d6c3e@60", IMAGE_STRANGE, {0, 0, 0, 1}},
    {"GIF", "474946383961@60", IMAGE_STRANGE, {0, 0, 0, 1}},
    {"HEIC", "0000001866747970686569630000@60", IMAGE_STRANGE, {0, 0, 0, 1}},
    {"nothing", "", IMAGE_STRANGE, {0, 0, 0, 1}},
};

static void test_headers(void **state)
{
    (void)state;
    for (size_t i = 0; i < count_of(cases); i++) {
        uint8_t bytes[256];
        struct image image;
        size_t size = from_hex(cases[i].bytes, bytes, sizeof bytes);
        enum image_verdict verdict = image_read(bytes_of(bytes, size), &image);
        if (verdict != cases[i].verdict || image.width != cases[i].image.width ||
            image.height != cases[i].image.height || image.format != cases[i].image.format ||
            image.orientation != cases[i].image.orientation) {
            fail_msg("%s: verdict %d, %" PRId64 " x %" PRId64 ", orientation %d", cases[i].says,
                     (int)verdict, image.width, image.height, image.orientation);
        }
    }
}

/* Each beginning of each case stays within its bytes (the sanitizers watch) and is never good where
 * the whole isn't. */
static void test_cut_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < count_of(cases); i++) {
        uint8_t bytes[256];
        size_t size = from_hex(cases[i].bytes, bytes, sizeof bytes);
        for (size_t cut = 0; cut < size; cut++) {
            struct image image;
            uint8_t *alone = malloc(cut + 1);
            assert_non_null(alone);
            memcpy(alone, bytes, cut);
            enum image_verdict verdict = image_read(bytes_of(alone, cut), &image);
            free(alone);
            assert_true(verdict != IMAGE_GOOD || cases[i].verdict == IMAGE_GOOD);
        }
    }
}

static void test_bytes_max(void **state)
{
    (void)state;
    size_t size = (size_t)IMAGE_BYTES_MAX + 1;
    uint8_t *bytes = calloc(1, size);
    struct image image;
    assert_non_null(bytes);
    (void)from_hex(PNG_MAGIC "00000020000000100802000000@40", bytes, size);
    assert_int_equal(image_read(bytes_of(bytes, size), &image), IMAGE_TOO_LARGE);
    assert_int_equal(image_read(bytes_of(bytes, size - 1), &image), IMAGE_GOOD);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_bytes_max),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
