/* Writes transactions by column; batch_form.h tells the form. */
#include "protocol/batch_form.h"

struct shape {
    uint16_t table;
    uint8_t op;
    uint64_t columns;   /* bit n: column n */
    uint64_t with_olds; /* of these: with an old value */
    size_t count;       /* changes */
    const struct change **changes;
};

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

/* Room for one shape more. */
static bool grow(struct cbor_writer *w, struct shapes *s)
{
    if (s->count < s->room) {
        return true;
    }
    size_t room = s->room == 0 ? 16 : s->room * 2;
    struct shape *grown = cbor_scratch(w, room, sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    if (s->count > 0) {
        memcpy(grown, s->at, s->count * sizeof *grown);
    }
    s->at = grown;
    s->room = room;
    return true;
}

/* The change's shape, a new one where it is the first of its kind; NULL and an error where it has
 * none. The latest are tried first: changes alike come in runs. */
static struct shape *find_shape(struct cbor_writer *w, struct shapes *s,
                                const struct change *change)
{
    struct shape shape;
    if (!shape_of(change, &shape)) {
        cbor_fail_writing(w, WIRE_MALFORMED);
        return NULL;
    }
    for (size_t i = s->count; i-- > 0;) {
        if (same_shape(&s->at[i], &shape)) {
            return &s->at[i];
        }
    }
    if (!grow(w, s)) {
        return NULL;
    }
    s->at[s->count] = shape;
    return &s->at[s->count++];
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

/* Each change's shape, and how many each has. */
static void find_shapes(struct cbor_writer *w, const struct batch *batch, struct shapes *s)
{
    *s = (struct shapes){.change_count = count_changes(w, batch)};
    s->of_change = cbor_scratch(w, s->change_count, sizeof *s->of_change);
    size_t n = 0;
    for (size_t i = 0; i < batch->count && s->of_change != NULL; i++) {
        const struct transaction *tx = &batch->transactions[i];
        for (size_t k = 0; k < tx->change_count; k++) {
            struct shape *shape = find_shape(w, s, &tx->changes[k]);
            if (shape == NULL) {
                return;
            }
            s->of_change[n++] = (size_t)(shape - s->at);
            shape->count++;
        }
    }
}

/* Each shape's changes, in the order in which they occur. */
static void sort_into_shapes(struct cbor_writer *w, const struct batch *batch, struct shapes *s)
{
    for (size_t i = 0; i < s->count; i++) {
        s->at[i].changes = cbor_scratch(w, s->at[i].count, sizeof(struct change *));
        s->at[i].count = 0;
    }
    if (s->count == 0) {
        return; /* no change at all, or an error */
    }
    size_t n = 0;
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
    find_shapes(l->w, batch, &shapes);
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
