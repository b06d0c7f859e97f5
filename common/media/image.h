/* What a picture says of itself in its first bytes: its kind and its size in pixels. The one gate
 * for pictures, on the device before one is taken in and on the server before one is kept: JPEG,
 * PNG and WebP by their content, never by a name or a declared type. Reads headers alone, decodes
 * nothing and asks for no memory, so it may be given anything. */
#ifndef COMMON_MEDIA_IMAGE_H
#define COMMON_MEDIA_IMAGE_H

#include "common/base/base.h"

#define IMAGE_BYTES_MAX  (INT64_C(8) * 1024 * 1024)  /* of one picture */
#define IMAGE_PIXELS_MAX (INT64_C(50) * 1000 * 1000) /* phones take 12 to 50 million */
#define IMAGE_SIDE_MAX   16383 /* what WebP can be; JPEG and PNG may say more */

enum image_format { IMAGE_JPEG, IMAGE_PNG, IMAGE_WEBP }; /* by their rank in media.format */

struct image {
    enum image_format format;
    int64_t width, height; /* pixels as stored */
    int orientation;       /* how to hold it, as Exif says: 1 (upright) to 8 */
};

enum image_verdict {
    IMAGE_GOOD,
    IMAGE_STRANGE,   /* none of the three: SVG, HTML, HEIC, … */
    IMAGE_DAMAGED,   /* begins like one, but its header is cut or contradicts itself */
    IMAGE_TOO_LARGE, /* in bytes, pixels or one side */
};

enum image_verdict image_read(struct bytes file, struct image *out);
const char *image_format_name(enum image_format format); /* as in media.format: "jpeg" */
const char *image_mime(enum image_format format);        /* "image/jpeg" */

#endif
