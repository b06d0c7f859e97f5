/* WebP, by libwebp, which shrinks while it decodes. Moving pictures aren't photos and are refused.
 */
#include "client/media/shrink.h"

#include <webp/decode.h>

static struct err decode(struct bytes file, WebPDecoderConfig *config, struct shrink *s)
{
    config->options.use_scaling = 1;
    config->options.scaled_width = (int)s->width;
    config->options.scaled_height = (int)s->height;
    config->output.colorspace = MODE_RGB;
    config->output.is_external_memory = 1;
    config->output.u.RGBA.rgba = s->pixels;
    config->output.u.RGBA.stride = (int)s->width * 3;
    config->output.u.RGBA.size = (size_t)s->width * s->height * 3;
    VP8StatusCode status = WebPDecode(file.at, file.size, config);
    WebPFreeDecBuffer(&config->output);
    if (status == VP8_STATUS_OUT_OF_MEMORY) {
        return err_make(ERR_NOMEM, (int)status, "decode_webp");
    }
    s->row = s->from_height;
    return status == VP8_STATUS_OK ? err_ok() : err_make(ERR_INVALID, (int)status, "decode_webp");
}

struct err decode_webp(struct bytes file, uint32_t side_max, struct shrink *s)
{
    WebPDecoderConfig config;
    if (WebPInitDecoderConfig(&config) == 0 ||
        WebPGetFeatures(file.at, file.size, &config.input) != VP8_STATUS_OK ||
        config.input.has_animation != 0 || config.input.width <= 0 || config.input.height <= 0) {
        return err_make(ERR_INVALID, 0, "decode_webp");
    }
    struct err err =
        shrink_init(s, (uint32_t)config.input.width, (uint32_t)config.input.height, side_max);
    return err.code == ERR_OK ? decode(file, &config, s) : err;
}
