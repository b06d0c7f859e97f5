/* See shrink.h. A small pixel is the mean of the source pixels that fall into it; since it never is
 * larger than the source, each gets at least one. */
#include "client/media/shrink.h"

void shrink_size(uint32_t from_width, uint32_t from_height, uint32_t side_max, uint32_t *width,
                 uint32_t *height)
{
    uint32_t longer = from_width > from_height ? from_width : from_height;
    *width = from_width;
    *height = from_height;
    if (longer > side_max) {
        *width = (uint32_t)((uint64_t)from_width * side_max / longer);
        *height = (uint32_t)((uint64_t)from_height * side_max / longer);
        *width = *width > 0 ? *width : 1;
        *height = *height > 0 ? *height : 1;
    }
}

struct err shrink_init(struct shrink *s, uint32_t from_width, uint32_t from_height,
                       uint32_t side_max)
{
    assert(from_width > 0 && from_height > 0 && side_max > 0);
    *s = (struct shrink){.from_width = from_width, .from_height = from_height};
    shrink_size(from_width, from_height, side_max, &s->width, &s->height);
    s->sums = calloc((size_t)s->width * 4, sizeof *s->sums);
    s->pixels = calloc((size_t)s->width * s->height, 3);
    return s->sums != NULL && s->pixels != NULL ? err_ok() : err_make(ERR_NOMEM, 0, "shrink");
}

void shrink_release(struct shrink *s)
{
    free(s->sums);
    free(s->pixels);
    s->sums = NULL;
    s->pixels = NULL;
}

static uint32_t small_row(const struct shrink *s, uint32_t row)
{
    return (uint32_t)((uint64_t)row * s->height / s->from_height);
}

static void finish_row(struct shrink *s, uint32_t at)
{
    uint8_t *to = s->pixels + (size_t)at * s->width * 3;
    for (uint32_t x = 0; x < s->width; x++) {
        uint32_t *sum = s->sums + (size_t)x * 4;
        for (int c = 0; c < 3; c++) {
            to[x * 3 + (uint32_t)c] = (uint8_t)((sum[c] + sum[3] / 2) / sum[3]);
        }
        memset(sum, 0, 4 * sizeof *sum);
    }
}

void shrink_row(struct shrink *s, const uint8_t *rgb)
{
    assert(s->row < s->from_height);
    for (uint32_t x = 0; x < s->from_width; x++) {
        uint32_t *sum = s->sums + (size_t)((uint64_t)x * s->width / s->from_width) * 4;
        sum[0] += rgb[x * 3];
        sum[1] += rgb[x * 3 + 1];
        sum[2] += rgb[x * 3 + 2];
        sum[3]++;
    }
    uint32_t at = small_row(s, s->row);
    s->row++;
    if (s->row == s->from_height || small_row(s, s->row) != at) {
        finish_row(s, at);
    }
}

bool shrink_is_whole(const struct shrink *s)
{
    return s->pixels != NULL && s->row == s->from_height;
}

/* Where the pixel that shall stand at x, y stands now. Exif: 2 mirrored, 3 upside down, 4 both, 5
 * to 8 lying on a side. */
static size_t source_of(const struct shrink *s, int orientation, uint32_t x, uint32_t y)
{
    uint32_t right = s->width - 1;
    uint32_t bottom = s->height - 1;
    switch (orientation) {
    case 2:
        return (size_t)y * s->width + (right - x);
    case 3:
        return (size_t)(bottom - y) * s->width + (right - x);
    case 4:
        return (size_t)(bottom - y) * s->width + x;
    case 5:
        return (size_t)x * s->width + y;
    case 6:
        return (size_t)(bottom - x) * s->width + y;
    case 7:
        return (size_t)(bottom - x) * s->width + (right - y);
    case 8:
        return (size_t)x * s->width + (right - y);
    default:
        return (size_t)y * s->width + x;
    }
}

struct err shrink_turn(struct shrink *s, int orientation)
{
    uint32_t width = orientation >= 5 ? s->height : s->width;
    uint32_t height = orientation >= 5 ? s->width : s->height;
    uint8_t *turned = malloc((size_t)width * height * 3);
    if (turned == NULL) {
        return err_make(ERR_NOMEM, 0, "shrink_turn");
    }
    for (uint32_t y = 0; y < height; y++) {
        for (uint32_t x = 0; x < width; x++) {
            memcpy(turned + ((size_t)y * width + x) * 3,
                   s->pixels + source_of(s, orientation, x, y) * 3, 3);
        }
    }
    free(s->pixels);
    s->pixels = turned;
    s->width = width;
    s->height = height;
    return err_ok();
}
