/* One value of a column, as it is stored, sent and compared. Text and blobs borrow. */
#ifndef PROTOCOL_VALUE_H
#define PROTOCOL_VALUE_H

#include "protocol/bytes.h"

enum value_kind { VALUE_NULL, VALUE_INT, VALUE_REAL, VALUE_TEXT, VALUE_BLOB };

struct value {
    enum value_kind kind;
    union {
        int64_t i;
        double d;
        struct bytes b; /* TEXT: UTF-8; BLOB: an id has 16 bytes */
    };
};

static inline struct value value_null(void)
{
    return (struct value){.kind = VALUE_NULL};
}
static inline struct value value_int(int64_t i)
{
    return (struct value){.kind = VALUE_INT, .i = i};
}
static inline struct value value_real(double d)
{
    return (struct value){.kind = VALUE_REAL, .d = d};
}
static inline struct value value_text(struct bytes b)
{
    return (struct value){.kind = VALUE_TEXT, .b = b};
}
static inline struct value value_blob(struct bytes b)
{
    return (struct value){.kind = VALUE_BLOB, .b = b};
}
/* Same kind and same content. Reals are compared bit by bit, so that -0 and 0 differ as they do
 * in bytes. */
bool value_equal(const struct value *a, const struct value *b);

#endif
