/* The small picture that travels in a row of `media`: a JPEG of at most THUMB_SIDE_MAX pixels a
 * side, upright, on white. Making it decodes the whole picture, so it also proves that there is
 * one: what can't be decoded isn't taken in. Bounded by what image_read allows: source rows are
 * averaged as they come, and only interlaced PNGs and progressive JPEGs are ever held whole. */
#ifndef CLIENT_MEDIA_THUMBNAIL_H
#define CLIENT_MEDIA_THUMBNAIL_H

#include "common/media/image.h"

#define THUMB_SIDE_MAX  160
#define THUMB_BYTES_MAX ((size_t)6000) /* 8,000 characters of base64; media.thumb takes 8,192 */

/* ERR_INVALID: the picture can't be decoded to its end. ERR_NOMEM. */
MUST_USE struct err thumbnail_make(struct bytes file, const struct image *image, struct buf *jpeg);

#endif
