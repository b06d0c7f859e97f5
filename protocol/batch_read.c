/* Reads transactions by column; batch_form.h tells the form. How many changes each shape has is
 * counted before a shape is read, so memory is asked for once and for what is really there. */
#include "protocol/batch_form.h"

bool columns_are_rising(struct bytes columns, uint8_t flag)
{
    for (size_t i = 0; i < columns.size; i++) {
        uint8_t number = (uint8_t)(columns.at[i] & ~flag);
        if (number > COLUMNS_MAX || (i > 0 && number <= (columns.at[i - 1] & ~flag))) {
            return false;
        }
    }
    return true;
}

/* A shape and the changes that are its own, found before its columns are read. */
struct shape_reader {
    size_t count;
    size_t given;
    struct change *changes;
};

/* The head of a shape: what its changes share. `columns` borrows from the input. */
static bool take_shape_head(struct cbor_reader *r, struct change *shared, struct bytes *columns)
{
    size_t elements = cbor_take_array(r);
    shared->table = (uint16_t)cbor_take_uint(r, UINT16_MAX);
    shared->op = (uint8_t)cbor_take_uint(r, CHANGE_DELETE);
    *columns = cbor_take_bytes(r, COLUMNS_MAX + 1);
    shared->cell_count = columns->size;
    size_t values = columns->size;
    for (size_t i = 0; i < columns->size; i++) {
        values += (columns->at[i] & WITH_OLD) != 0;
    }
    if (r->error != WIRE_OK || shared->op < CHANGE_INSERT ||
        !columns_are_rising(*columns, WITH_OLD) || elements != SHAPE_FIELDS + values) {
        cbor_fail(r, WIRE_MALFORMED);
        return false;
    }
    return true;
}

/* Ids and bases. */
static void take_shape_rows(struct cbor_reader *r, struct shape_reader *shape,
                            const struct change *shared)
{
    struct value *scratch = cbor_alloc(r, shape->count, sizeof *scratch);
    const struct column_target target = {scratch, sizeof *scratch, shape->count};
    if (scratch == NULL) {
        return;
    }
    column_take(r, &target);
    for (size_t i = 0; i < shape->count && r->error == WIRE_OK; i++) {
        if (scratch[i].kind != VALUE_BLOB || scratch[i].b.size != 16) {
            cbor_fail(r, WIRE_MALFORMED);
            return;
        }
        shape->changes[i] = *shared;
        memcpy(shape->changes[i].id, scratch[i].b.at, 16);
    }
    column_take(r, &target);
    for (size_t i = 0; i < shape->count && r->error == WIRE_OK; i++) {
        if (scratch[i].kind != VALUE_INT) {
            cbor_fail(r, WIRE_MALFORMED);
            return;
        }
        shape->changes[i].base = scratch[i].i;
    }
}

/* One column's values, and the old ones where it has any, into the same cell of each change. */
static void take_cells(struct cbor_reader *r, struct shape_reader *shape, struct cell *cells,
                       uint8_t column, size_t width)
{
    struct column_target target = {&cells->value, width * sizeof *cells, shape->count};
    bool has_old = (column & WITH_OLD) != 0;
    column_take(r, &target);
    if (has_old) {
        target.first = &cells->old;
        column_take(r, &target);
    }
    for (size_t i = 0; i < shape->count; i++) {
        cells[i * width].column = (uint8_t)(column & ~WITH_OLD);
        cells[i * width].has_old = has_old;
    }
}

static void take_shape(struct cbor_reader *r, struct shape_reader *shape)
{
    struct change shared = {0};
    struct bytes columns;
    if (!take_shape_head(r, &shared, &columns) || shape->count == 0) {
        cbor_fail(r, WIRE_MALFORMED); /* a shape that no change has */
        return;
    }
    shape->changes = cbor_alloc(r, shape->count, sizeof *shape->changes);
    struct cell *cells = cbor_alloc(r, shape->count * columns.size, sizeof *cells);
    if (shape->changes == NULL || cells == NULL) {
        return;
    }
    take_shape_rows(r, shape, &shared);
    for (size_t c = 0; c < columns.size && r->error == WIRE_OK; c++) {
        take_cells(r, shape, cells + c, columns.at[c], columns.size);
    }
    for (size_t i = 0; i < shape->count && columns.size > 0; i++) {
        shape->changes[i].cells = cells + i * columns.size;
    }
}

/* How many changes each shape has. */
static struct shape_reader *count_shapes(struct cbor_reader *r, const size_t *of_change,
                                         size_t change_count, size_t shape_count)
{
    struct shape_reader *shapes = cbor_alloc(r, shape_count, sizeof *shapes);
    for (size_t i = 0; i < change_count && shapes != NULL; i++) {
        if (of_change[i] >= shape_count) {
            cbor_fail(r, WIRE_MALFORMED);
            return NULL;
        }
        shapes[of_change[i]].count++;
    }
    return shapes;
}

static void take_changes(struct list_reader *l, struct batch *out, size_t change_count)
{
    struct cbor_reader *r = l->r;
    size_t *of_change = cbor_alloc(r, change_count, sizeof *of_change);
    if (of_change == NULL) {
        return;
    }
    fields_take(l, FIELDS_OF(number_field), of_change, sizeof *of_change, change_count);
    size_t shape_count = list_next(l) ? cbor_take_array(r) : 0;
    struct shape_reader *shapes = count_shapes(r, of_change, change_count, shape_count);
    struct change *changes = cbor_alloc(r, change_count, sizeof *changes);
    if (shapes == NULL || changes == NULL) {
        return;
    }
    for (size_t i = 0; i < shape_count && r->error == WIRE_OK; i++) {
        take_shape(r, &shapes[i]);
    }
    if (r->error != WIRE_OK) {
        return;
    }
    for (size_t i = 0; i < change_count; i++) {
        struct shape_reader *shape = &shapes[of_change[i]];
        changes[i] = shape->changes[shape->given++];
    }
    for (size_t i = 0; i < out->count; i++) {
        out->transactions[i].changes = changes;
        changes += out->transactions[i].change_count;
    }
}

static void take_rests(struct list_reader *l, struct batch *out)
{
    size_t count = 0;
    fields_take(l, FIELDS_OF(rest_count_field), out->transactions, sizeof *out->transactions,
                out->count);
    for (size_t i = 0; i < out->count; i++) {
        count += out->transactions[i].rest_count; /* at most TX_RESTS_MAX each */
    }
    size_t *distances = cbor_alloc(l->r, count, sizeof *distances);
    uint64_t *rests = cbor_alloc(l->r, count, sizeof *rests);
    if (distances == NULL || rests == NULL) {
        return;
    }
    fields_take(l, FIELDS_OF(number_field), distances, sizeof *distances, count);
    for (size_t i = 0; i < out->count; i++) {
        struct transaction *tx = &out->transactions[i];
        tx->rests_on = rests;
        for (size_t k = 0; k < tx->rest_count; k++) {
            if (*distances == 0 || *distances > tx->device_seq) {
                cbor_fail(l->r, WIRE_MALFORMED);
            }
            *rests++ = tx->device_seq - *distances++;
        }
    }
}

void batch_take(struct list_reader *l, struct batch *out)
{
    struct cbor_reader *r = l->r;
    size_t count = (size_t)list_take_uint(l, UINT32_MAX);
    if (count > PUSH_TX_MAX) {
        cbor_fail(r, WIRE_LIMIT);
    }
    out->transactions = cbor_alloc(r, count, sizeof *out->transactions);
    if (out->transactions == NULL) {
        return;
    }
    out->count = count;
    fields_take(l, FIELDS_OF(transaction_fields), out->transactions, sizeof *out->transactions,
                count);
    size_t change_count = 0;
    for (size_t i = 0; i < count; i++) {
        change_count += out->transactions[i].change_count;
        if (i > 0 && out->transactions[i].device_seq <= out->transactions[i - 1].device_seq) {
            cbor_fail(r, WIRE_MALFORMED);
        }
    }
    if (change_count > BATCH_CHANGES_MAX) {
        cbor_fail(r, WIRE_LIMIT);
    }
    if (r->error == WIRE_OK) {
        take_changes(l, out, change_count);
        take_rests(l, out);
    }
}
