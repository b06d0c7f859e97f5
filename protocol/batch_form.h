/* Transactions by column.
 *
 * The transactions' own fields are columns over transactions. Changes are sorted into shapes: same
 * table, same operation, same columns. Within a shape ids, bases and each column's values stand
 * together, in the order in which the changes occur; one more column gives each change's shape,
 * so the order of changes, and with it the row form, comes back byte for byte.
 *
 *   count, device_seq, catalogue, wall_ms, mono_ms, boot, seen_ms, intent, change count,
 *   shape of each change, [shape, …], rest count, rests
 *   shape: [table, op, columns, id, base, values, (old values,) …] */
#ifndef PROTOCOL_BATCH_FORM_H
#define PROTOCOL_BATCH_FORM_H

#include "protocol/codec_parts.h"
#include "protocol/fields.h"

#define WITH_OLD     0x80u /* flag beside a column's number: its old value follows */
#define SHAPE_FIELDS 5     /* of a shape, before its values */

static const struct field transaction_fields[] = {
    {offsetof(struct transaction, device_seq), FIELD_U64, 0},
    {offsetof(struct transaction, catalogue), FIELD_U32, 0},
    {offsetof(struct transaction, written.wall_ms), FIELD_I64, 0},
    {offsetof(struct transaction, written.mono_ms), FIELD_I64, 0},
    {offsetof(struct transaction, written.boot), FIELD_ID, 0},
    {offsetof(struct transaction, written.seen_ms), FIELD_I64, 0},
    {offsetof(struct transaction, intent), FIELD_TEXT, NAME_BYTES_MAX},
    {offsetof(struct transaction, change_count), FIELD_COUNT, TX_CHANGES_MAX},
};
static const struct field rest_count_field[] = {
    {offsetof(struct transaction, rest_count), FIELD_COUNT, TX_RESTS_MAX},
};
static const struct field number_field[] = {{0, FIELD_COUNT, INT64_MAX}};

#endif
