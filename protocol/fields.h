/* The same fields of many structs, each field a column: a table says where each stands, and both
 * directions go by it, so that they can't differ. */
#ifndef PROTOCOL_FIELDS_H
#define PROTOCOL_FIELDS_H

#include "protocol/cbor_list.h"
#include "protocol/column.h"

enum field_type {
    FIELD_U8,
    FIELD_U16,
    FIELD_U32,
    FIELD_U64, /* below 2^63 */
    FIELD_I64,
    FIELD_COUNT, /* size_t, at most `max` */
    FIELD_ID,    /* uint8_t[16] */
    FIELD_SCOPE,
    FIELD_CODE, /* char[max], ended by a zero: printable ASCII */
    FIELD_TEXT, /* struct bytes, UTF-8, at most `max` */
    FIELD_VALUE
};

struct field {
    size_t offset;
    enum field_type type;
    size_t max;
};

/* `things` points to each struct. Columns that hold nothing anywhere may be left out at the end. */
void fields_put(struct list_writer *l, const struct field *fields, size_t field_count,
                const void *const *things, size_t count);
/* The reverse, into an array of zeroed structs. */
void fields_take(struct list_reader *l, const struct field *fields, size_t field_count, void *first,
                 size_t stride, size_t count);

#define FIELDS_OF(table) (table), sizeof(table) / sizeof((table)[0])

#endif
