/* See json_read.h. What can't be read is read again: only what fails twice while memory can be had
 * is no JSON. */
#include "common/base/json_read.h"

#define PROBE_BYTES ((size_t)64 * 1024)

struct err json_read(struct bytes text, size_t flags, json_t **out)
{
    *out = json_loadb((const char *)text.at, text.size, flags, NULL);
    if (*out == NULL) {
        *out = json_loadb((const char *)text.at, text.size, flags, NULL);
    }
    if (*out != NULL) {
        return err_ok();
    }
    void *probe = malloc(PROBE_BYTES + text.size * 4);
    bool short_of_memory = probe == NULL;
    free(probe);
    return err_make(short_of_memory ? ERR_NOMEM : ERR_INVALID, 0, "json_read");
}
