/* See image.h. Where the three formats keep their size:
 *
 *   JPEG  FFD8, then segments  FF type length(2, big-endian, itself counted) …  up to the frame's
 *         (SOF0 to SOF15 without DHT, JPG, DAC):  precision(1) height(2) width(2) components(1)
 *   PNG   89 'PNG' 0D 0A 1A 0A, then the chunk IHDR:  length(4) 'IHDR' width(4) height(4) …
 *   WebP  'RIFF' size(4, little-endian) 'WEBP', then one of
 *           'VP8X'  flags(4) width-1(3) height-1(3)          canvas, for animation and metadata
 *           'VP8 '  frame tag(3) 9D 01 2A width(2) height(2)  14 bits each
 *           'VP8L'  2F, then 14 bits width-1, 14 bits height-1
 *
 * A JPEG's Exif orientation stands in an APP1 segment: 'Exif' 0 0, a TIFF header, and a directory
 * of 12-byte entries, of which tag 0x0112 is looked for. */
#include "common/media/image.h"

#define EXIF_ENTRIES_MAX    64
#define EXIF_ORIENTATION    0x0112
#define JPEG_SEGMENTS_MAX   1024
#define WEBP_CHUNK_HEAD     8
#define WEBP_FIRST_CHUNK_AT 12

static uint32_t big(const uint8_t *at, size_t size)
{
    uint32_t n = 0;
    for (size_t i = 0; i < size; i++) {
        n = n << 8 | at[i];
    }
    return n;
}

static uint32_t little(const uint8_t *at, size_t size)
{
    uint32_t n = 0;
    for (size_t i = size; i > 0; i--) {
        n = n << 8 | at[i - 1];
    }
    return n;
}

static bool begins(struct bytes file, size_t at, const char *text, size_t size)
{
    return at <= file.size && file.size - at >= size && memcmp(file.at + at, text, size) == 0;
}

/* ---- JPEG ---- */

/* The orientation that a TIFF directory names; 1 where it names none that makes sense. */
static int tiff_orientation(struct bytes tiff)
{
    if (!begins(tiff, 0, "II*\0", 4) && !begins(tiff, 0, "MM\0*", 4)) {
        return 1;
    }
    if (tiff.size < 8) {
        return 1;
    }
    uint32_t (*number)(const uint8_t *, size_t) = tiff.at[0] == 'I' ? little : big;
    size_t at = number(tiff.at + 4, 4);
    if (at > tiff.size || tiff.size - at < 2) {
        return 1;
    }
    size_t count = number(tiff.at + at, 2);
    at += 2;
    for (size_t i = 0; i < count && i < EXIF_ENTRIES_MAX && tiff.size - at >= 12; i++, at += 12) {
        if (number(tiff.at + at, 2) == EXIF_ORIENTATION) {
            uint32_t said = number(tiff.at + at + 8, 2);
            return said >= 1 && said <= 8 ? (int)said : 1;
        }
    }
    return 1;
}

static bool is_frame(uint8_t type)
{
    return type >= 0xc0 && type <= 0xcf && type != 0xc4 && type != 0xc8 && type != 0xcc;
}

static enum image_verdict jpeg_frame(struct bytes segment, struct image *out)
{
    if (segment.size < 6) {
        return IMAGE_DAMAGED;
    }
    out->height = big(segment.at + 1, 2);
    out->width = big(segment.at + 3, 2);
    return out->width > 0 && out->height > 0 ? IMAGE_GOOD : IMAGE_DAMAGED;
}

static enum image_verdict read_jpeg(struct bytes file, struct image *out)
{
    size_t at = 2;
    for (int i = 0; i < JPEG_SEGMENTS_MAX; i++) {
        while (at < file.size && file.at[at] == 0xff) { /* fill bytes may stand before a type */
            at++;
        }
        if (at < 3 || file.size - at < 3) {
            return IMAGE_DAMAGED;
        }
        uint8_t type = file.at[at++];
        size_t size = big(file.at + at, 2);
        if (type < 0xc0 || (type >= 0xd0 && type <= 0xda) || size < 2 || size > file.size - at) {
            return IMAGE_DAMAGED; /* data before any frame, or a segment that isn't there */
        }
        struct bytes segment = bytes_of(file.at + at + 2, size - 2);
        if (is_frame(type)) {
            return jpeg_frame(segment, out);
        }
        if (type == 0xe1 && begins(segment, 0, "Exif\0\0", 6)) {
            out->orientation = tiff_orientation(bytes_of(segment.at + 6, segment.size - 6));
        }
        at += size;
        if (at >= file.size || file.at[at] != 0xff) {
            return IMAGE_DAMAGED;
        }
    }
    return IMAGE_DAMAGED;
}

/* ---- PNG ---- */

static enum image_verdict read_png(struct bytes file, struct image *out)
{
    if (file.size < 33 || big(file.at + 8, 4) != 13 || !begins(file, 12, "IHDR", 4)) {
        return IMAGE_DAMAGED;
    }
    out->width = big(file.at + 16, 4);
    out->height = big(file.at + 20, 4);
    return out->width > 0 && out->height > 0 ? IMAGE_GOOD : IMAGE_DAMAGED;
}

/* ---- WebP ---- */

static enum image_verdict read_webp(struct bytes file, struct image *out)
{
    const size_t at = WEBP_FIRST_CHUNK_AT + WEBP_CHUNK_HEAD;
    if (file.size < at + 10) {
        return IMAGE_DAMAGED;
    }
    const uint8_t *chunk = file.at + at;
    if (begins(file, WEBP_FIRST_CHUNK_AT, "VP8X", 4)) {
        out->width = (int64_t)little(chunk + 4, 3) + 1;
        out->height = (int64_t)little(chunk + 7, 3) + 1;
    } else if (begins(file, WEBP_FIRST_CHUNK_AT, "VP8L", 4) && chunk[0] == 0x2f) {
        uint32_t bits = little(chunk + 1, 4);
        out->width = (int64_t)(bits & 0x3fff) + 1;
        out->height = (int64_t)(bits >> 14 & 0x3fff) + 1;
    } else if (begins(file, WEBP_FIRST_CHUNK_AT, "VP8 ", 4) &&
               begins(file, at + 3, "\x9d\x01\x2a", 3)) {
        out->width = little(chunk + 6, 2) & 0x3fff;
        out->height = little(chunk + 8, 2) & 0x3fff;
    } else {
        return IMAGE_DAMAGED;
    }
    return out->width > 0 && out->height > 0 ? IMAGE_GOOD : IMAGE_DAMAGED;
}

static enum image_verdict read_header(struct bytes file, struct image *out)
{
    if (begins(file, 0, "\xff\xd8\xff", 3)) {
        out->format = IMAGE_JPEG;
        return read_jpeg(file, out);
    }
    if (begins(file, 0, "\x89PNG\r\n\x1a\n", 8)) {
        out->format = IMAGE_PNG;
        return read_png(file, out);
    }
    if (begins(file, 0, "RIFF", 4) && begins(file, 8, "WEBP", 4)) {
        out->format = IMAGE_WEBP;
        return read_webp(file, out);
    }
    return IMAGE_STRANGE;
}

enum image_verdict image_read(struct bytes file, struct image *out)
{
    *out = (struct image){.orientation = 1};
    enum image_verdict verdict = read_header(file, out);
    if (verdict != IMAGE_GOOD) {
        return verdict;
    }
    bool fits = file.size <= (size_t)IMAGE_BYTES_MAX && out->width <= IMAGE_SIDE_MAX &&
                out->height <= IMAGE_SIDE_MAX && out->width * out->height <= IMAGE_PIXELS_MAX;
    return fits ? IMAGE_GOOD : IMAGE_TOO_LARGE;
}

const char *image_format_name(enum image_format format)
{
    static const char *const names[] = {"jpeg", "png", "webp"};
    return names[format];
}

const char *image_mime(enum image_format format)
{
    static const char *const mimes[] = {"image/jpeg", "image/png", "image/webp"};
    return mimes[format];
}
