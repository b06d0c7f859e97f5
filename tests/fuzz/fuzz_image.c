/* Any bytes as a picture's header: no crash, nothing read beyond them, and what is called good
 * keeps to the limits that decoding and storing rely on. */
#include "common/media/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image image;
    if (image_read(bytes_of(data, size), &image) == IMAGE_GOOD) {
        must(image.width > 0 && image.width <= IMAGE_SIDE_MAX);
        must(image.height > 0 && image.height <= IMAGE_SIDE_MAX);
        must(image.width * image.height <= IMAGE_PIXELS_MAX);
    }
    must(image.orientation >= 1 && image.orientation <= 8);
    must(image_format_name(image.format)[0] != 0);
    return 0;
}
