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

struct shape {
    uint16_t table;
    uint8_t op;
    uint64_t columns;   /* bit n: column n */
    uint64_t with_olds; /* of these: with an old value */
    size_t count;       /* changes */
    const struct change **changes;
};

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

/* ---- writing ---- */

struct shapes {
    struct shape *at;
    size_t count;
    size_t room;
    size_t *of_change;
    size_t change_count;
};

static bool shape_of(const struct change *change, struct shape *out)
{
    *out = (struct shape){.table = change->table, .op = change->op};
    for (size_t i = 0; i < change->cell_count; i++) {
        const struct cell *cell = &change->cells[i];
        if (cell->column > COLUMNS_MAX || (i > 0 && cell->column <= cell[-1].column)) {
            return false;
        }
        out->columns |= UINT64_C(1) << cell->column;
        out->with_olds |= cell->has_old ? UINT64_C(1) << cell->column : 0;
    }
    return true;
}

static bool same_shape(const struct shape *a, const struct shape *b)
{
    return a->table == b->table && a->op == b->op && a->columns == b->columns &&
           a->with_olds == b->with_olds;
}

/* Index of the change's shape, a new one where it is the first of its kind. The latest are tried
 * first: changes alike come in runs. */
static size_t shape_index(struct cbor_writer *w, struct shapes *s, const struct change *change)
{
    struct shape shape;
    if (!shape_of(change, &shape)) {
        cbor_fail_writing(w, WIRE_MALFORMED);
        return 0;
    }
    for (size_t i = s->count; i-- > 0;) {
        if (same_shape(&s->at[i], &shape)) {
            return i;
        }
    }
    if (s->count == s->room) {
        size_t room = s->room == 0 ? 16 : s->room * 2;
        struct shape *grown = cbor_scratch(w, room, sizeof *grown);
        if (grown == NULL) {
            return 0;
        }
        if (s->count > 0) {
            memcpy(grown, s->at, s->count * sizeof *grown);
        }
        s->at = grown;
        s->room = room;
    }
    s->at[s->count] = shape;
    return s->count++;
}

static size_t count_changes(struct cbor_writer *w, const struct batch *batch)
{
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        count += batch->transactions[i].change_count;
        if (batch->transactions[i].change_count > TX_CHANGES_MAX || count > BATCH_CHANGES_MAX) {
            cbor_fail_writing(w, WIRE_LIMIT);
            return 0;
        }
    }
    return count;
}

/* Each change's shape, then each shape's changes. */
static void sort_into_shapes(struct cbor_writer *w, const struct batch *batch, struct shapes *s)
{
    *s = (struct shapes){.change_count = count_changes(w, batch)};
    s->of_change = cbor_scratch(w, s->change_count, sizeof *s->of_change);
    size_t n = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct transaction *tx = &batch->transactions[i];
        for (size_t k = 0; k < tx->change_count && w->error == WIRE_OK; k++) {
            size_t index = shape_index(w, s, &tx->changes[k]);
            s->of_change[n++] = index;
            if (w->error == WIRE_OK) {
                s->at[index].count++;
            }
        }
    }
    for (size_t i = 0; i < s->count; i++) {
        s->at[i].changes = cbor_scratch(w, s->at[i].count, sizeof(struct change *));
        s->at[i].count = 0;
    }
    n = 0;
    for (size_t i = 0; i < batch->count && w->error == WIRE_OK; i++) {
        const struct transaction *tx = &batch->transactions[i];
        for (size_t k = 0; k < tx->change_count; k++) {
            struct shape *shape = &s->at[s->of_change[n++]];
            shape->changes[shape->count++] = &tx->changes[k];
        }
    }
}

struct cell_source {
    const struct shape *shape;
    size_t cell;
    bool old;
};

static struct value cell_at(const void *context, size_t index)
{
    const struct cell_source *source = context;
    const struct cell *cell = &source->shape->changes[index]->cells[source->cell];
    return source->old ? cell->old : cell->value;
}

static struct value id_at(const void *context, size_t index)
{
    const struct shape *shape = context;
    return value_blob(bytes_of(shape->changes[index]->id, 16));
}

static struct value base_at(const void *context, size_t index)
{
    const struct shape *shape = context;
    return value_int(shape->changes[index]->base);
}

static void put_shape(struct cbor_writer *w, const struct shape *shape)
{
    const struct change *sample = shape->changes[0];
    uint8_t columns[COLUMNS_MAX + 1];
    size_t values = sample->cell_count;
    for (size_t i = 0; i < sample->cell_count; i++) {
        columns[i] = (uint8_t)(sample->cells[i].column | (sample->cells[i].has_old ? WITH_OLD : 0));
        values += sample->cells[i].has_old;
    }
    cbor_put_array(w, SHAPE_FIELDS + values);
    cbor_put_uint(w, shape->table);
    cbor_put_uint(w, shape->op);
    cbor_put_bytes(w, bytes_of(columns, sample->cell_count));
    column_put(w, &(struct column_source){id_at, shape, shape->count});
    column_put(w, &(struct column_source){base_at, shape, shape->count});
    for (size_t i = 0; i < sample->cell_count; i++) {
        struct cell_source source = {.shape = shape, .cell = i};
        column_put(w, &(struct column_source){cell_at, &source, shape->count});
        if (sample->cells[i].has_old) {
            source.old = true;
            column_put(w, &(struct column_source){cell_at, &source, shape->count});
        }
    }
}

static void put_changes(struct list_writer *l, const struct batch *batch)
{
    struct shapes shapes;
    sort_into_shapes(l->w, batch, &shapes);
    const void **indexes = cbor_scratch(l->w, shapes.change_count, sizeof *indexes);
    if (indexes == NULL) {
        return;
    }
    for (size_t i = 0; i < shapes.change_count; i++) {
        indexes[i] = &shapes.of_change[i];
    }
    fields_put(l, FIELDS_OF(number_field), indexes, shapes.change_count);
    cbor_put_array(l->w, shapes.count);
    for (size_t i = 0; i < shapes.count; i++) {
        put_shape(l->w, &shapes.at[i]);
    }
    list_mark(l, shapes.count > 0);
}

/* Predecessors, each as its distance to the transaction that rests on it. */
static void put_rests(struct list_writer *l, const struct batch *batch, const void *const *things)
{
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        count += batch->transactions[i].rest_count;
    }
    fields_put(l, FIELDS_OF(rest_count_field), things, batch->count);
    size_t *distances = cbor_scratch(l->w, count, sizeof *distances);
    const void **rests = cbor_scratch(l->w, count, sizeof *rests);
    if (distances == NULL || rests == NULL) {
        return;
    }
    size_t n = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct transaction *tx = &batch->transactions[i];
        for (size_t k = 0; k < tx->rest_count; k++) {
            if (tx->rest_count > TX_RESTS_MAX || tx->rests_on[k] >= tx->device_seq) {
                cbor_fail_writing(l->w, WIRE_MALFORMED);
            }
            distances[n] = tx->device_seq - tx->rests_on[k];
            rests[n] = &distances[n];
            n++;
        }
    }
    fields_put(l, FIELDS_OF(number_field), rests, count);
}

void batch_put(struct list_writer *l, const struct batch *batch)
{
    const void **things = cbor_scratch(l->w, batch->count, sizeof *things);
    if (batch->count > PUSH_TX_MAX) {
        cbor_fail_writing(l->w, WIRE_LIMIT);
    }
    if (things == NULL) {
        return;
    }
    for (size_t i = 0; i < batch->count; i++) {
        things[i] = &batch->transactions[i];
    }
    list_put_uint(l, batch->count);
    fields_put(l, FIELDS_OF(transaction_fields), things, batch->count);
    put_changes(l, batch);
    put_rests(l, batch, things);
}

/* ---- reading ---- */

/* A shape and the changes that are its own, found before its columns are read. */
struct shape_reader {
    size_t count;
    size_t given;
    struct change *changes;
};

/* One shape's columns. `columns` borrows from the input. */
static void take_shape(struct cbor_reader *r, struct shape_reader *shape)
{
    size_t elements = cbor_take_array(r);
    uint16_t table = (uint16_t)cbor_take_uint(r, UINT16_MAX);
    uint8_t op = (uint8_t)cbor_take_uint(r, CHANGE_DELETE);
    struct bytes columns = cbor_take_bytes(r, COLUMNS_MAX + 1);
    size_t values = columns.size;
    for (size_t i = 0; i < columns.size; i++) {
        values += (columns.at[i] & WITH_OLD) != 0;
    }
    if (r->error != WIRE_OK || op < CHANGE_INSERT || !columns_are_rising(columns, WITH_OLD) ||
        elements != SHAPE_FIELDS + values || shape->count == 0) {
        cbor_fail(r, WIRE_MALFORMED);
        return;
    }
    struct change *changes = cbor_alloc(r, shape->count, sizeof *changes);
    struct cell *cells = cbor_alloc(r, shape->count * columns.size, sizeof *cells);
    struct value *scratch = cbor_alloc(r, shape->count, sizeof *scratch);
    if (changes == NULL || cells == NULL || scratch == NULL) {
        return;
    }
    struct column_target ids = {scratch, sizeof *scratch, shape->count};
    column_take(r, &ids);
    for (size_t i = 0; i < shape->count && r->error == WIRE_OK; i++) {
        if (scratch[i].kind != VALUE_BLOB || scratch[i].b.size != 16) {
            cbor_fail(r, WIRE_MALFORMED);
            return;
        }
        changes[i] = (struct change){.table = table, .op = op, .cell_count = columns.size};
        changes[i].cells = cells + i * columns.size;
        memcpy(changes[i].id, scratch[i].b.at, 16);
    }
    column_take(r, &ids);
    for (size_t i = 0; i < shape->count && r->error == WIRE_OK; i++) {
        if (scratch[i].kind != VALUE_INT) {
            cbor_fail(r, WIRE_MALFORMED);
            return;
        }
        changes[i].base = scratch[i].i;
    }
    for (size_t c = 0; c < columns.size && r->error == WIRE_OK; c++) {
        struct column_target target = {&cells[c].value, columns.size * sizeof *cells, shape->count};
        bool has_old = (columns.at[c] & WITH_OLD) != 0;
        column_take(r, &target);
        if (has_old) {
            target.first = &cells[c].old;
            column_take(r, &target);
        }
        for (size_t i = 0; i < shape->count; i++) {
            cells[i * columns.size + c].column = (uint8_t)(columns.at[c] & ~WITH_OLD);
            cells[i * columns.size + c].has_old = has_old;
        }
    }
    shape->changes = changes;
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
