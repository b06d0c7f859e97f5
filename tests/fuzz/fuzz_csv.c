/* Any bytes through the CSV reader: it ends, stays within its limits, and gives the same rows
 * however the bytes arrive. The first byte says in which pieces. */
#include "common/base/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct source {
    struct bytes left;
    size_t piece;
};

static int64_t read_source(void *context, uint8_t *to, size_t size)
{
    struct source *s = context;
    size_t n = s->left.size < size ? s->left.size : size;
    n = n < s->piece ? n : s->piece;
    if (n > 0) {
        memcpy(to, s->left.at, n);
        s->left = bytes_of(s->left.at + n, s->left.size - n);
    }
    return (int64_t)n;
}

static uint64_t mix(uint64_t hash, struct bytes bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        hash = (hash ^ bytes.at[i]) * UINT64_C(1099511628211); /* FNV-1a */
    }
    return (hash ^ 0x100) * UINT64_C(1099511628211);
}

static uint64_t read_all(struct bytes text, size_t piece)
{
    static struct csv c; /* too large for the stack of a sanitized build */
    static struct csv_row row;
    struct source source = {.left = text, .piece = piece};
    struct complaint why;
    uint64_t hash = 0;
    csv_init(&c, read_source, &source);
    for (enum csv_result r = csv_next(&c, &row, &why); r != CSV_END; r = csv_next(&c, &row, &why)) {
        hash = mix(hash, bytes_text(why.code));
        for (size_t i = 0; r == CSV_ROW && i < row.count; i++) {
            if (row.fields[i].size > CSV_FIELD_BYTES_MAX) {
                abort();
            }
            hash = mix(hash, row.fields[i]);
        }
    }
    csv_release(&c);
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0) {
        struct bytes text = bytes_of(data + 1, size - 1);
        if (read_all(text, (size_t)data[0] + 1) != read_all(text, SIZE_MAX)) {
            abort();
        }
    }
    return 0;
}
