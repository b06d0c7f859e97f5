/* Rows of a picture, averaged into a smaller one as they come. Used by the decoders of this folder.
 */
#ifndef CLIENT_MEDIA_SHRINK_H
#define CLIENT_MEDIA_SHRINK_H

#include "common/media/image.h"

struct shrink {
    uint32_t from_width, from_height;
    uint32_t width, height; /* never larger than the source */
    uint32_t row;           /* the next one to come */
    uint32_t *sums;         /* of the row of small pixels under way: red, green, blue, count */
    uint8_t *pixels;        /* width x height, 3 bytes each */
};

/* The size that a picture has within `side_max`, its proportions kept. */
void shrink_size(uint32_t from_width, uint32_t from_height, uint32_t side_max, uint32_t *width,
                 uint32_t *height);
MUST_USE struct err shrink_init(struct shrink *s, uint32_t from_width, uint32_t from_height,
                                uint32_t side_max);
void shrink_release(struct shrink *s);
void shrink_row(struct shrink *s, const uint8_t *rgb); /* from_width pixels */
bool shrink_is_whole(const struct shrink *s);
/* Turns the finished picture as Exif's `orientation` says. */
MUST_USE struct err shrink_turn(struct shrink *s, int orientation);

/* Each decodes one format into `s`, which it makes. ERR_INVALID: not to its end. */
MUST_USE struct err decode_jpeg(struct bytes file, uint32_t side_max, struct shrink *s);
MUST_USE struct err decode_png(struct bytes file, uint32_t side_max, struct shrink *s);
MUST_USE struct err decode_webp(struct bytes file, uint32_t side_max, struct shrink *s);

#endif
