/* Verdicts by column. Ten thousand accepted inserts cost a few bytes each: numbers, device_seqs
 * and seqs count up, and all else is the same for all.
 *
 *   count, number, epoch, device_seq, outcome, row count,
 *   table, id, scope, seq, unseen count of each row,
 *   column, value of each unseen cell,
 *   code, field, detail, loser count of each verdict, [loser columns], mac */
#include "protocol/codec_parts.h"
#include "protocol/fields.h"

static const struct field verdict_fields[] = {
    {offsetof(struct verdict, number), FIELD_U64, 0},
    {offsetof(struct verdict, epoch), FIELD_U32, 0},
    {offsetof(struct verdict, device_seq), FIELD_U64, 0},
    {offsetof(struct verdict, outcome), FIELD_U8, 0},
    {offsetof(struct verdict, row_count), FIELD_COUNT, TX_CHANGES_MAX},
};
static const struct field row_fields[] = {
    {offsetof(struct verdict_row, table), FIELD_U16, 0},
    {offsetof(struct verdict_row, id), FIELD_ID, 0},
    {offsetof(struct verdict_row, scope), FIELD_SCOPE, 0},
    {offsetof(struct verdict_row, seq), FIELD_I64, 0},
    {offsetof(struct verdict_row, unseen_count), FIELD_COUNT, COLUMNS_MAX + 1},
};
static const struct field unseen_fields[] = {
    {offsetof(struct cell, column), FIELD_U8, 0},
    {offsetof(struct cell, value), FIELD_VALUE, 0},
};
static const struct field reason_fields[] = {
    {offsetof(struct verdict, code), FIELD_CODE, CODE_BYTES_MAX},
    {offsetof(struct verdict, field), FIELD_CODE, (size_t)CODE_BYTES_MAX * 2},
    {offsetof(struct verdict, detail), FIELD_TEXT, NAME_BYTES_MAX},
    {offsetof(struct verdict, loser_count), FIELD_COUNT, TX_CHANGES_MAX},
};
static const struct field loser_fields[] = {
    {offsetof(struct loser, table), FIELD_U16, 0},
    {offsetof(struct loser, id), FIELD_ID, 0},
    {offsetof(struct loser, column), FIELD_U8, 0},
    {offsetof(struct loser, kept_id), FIELD_ID, 0},
    {offsetof(struct loser, kept), FIELD_VALUE, 0},
    {offsetof(struct loser, winner), FIELD_VALUE, 0},
    {offsetof(struct loser, winner_person), FIELD_ID, 0},
    {offsetof(struct loser, winner_at_ms), FIELD_I64, 0},
};

/* ---- writing: a pointer to each thing, in order ---- */

struct things {
    const void **verdicts, **rows, **unseen, **losers;
    size_t row_count, unseen_count, loser_count;
};

static void count_things(const struct verdicts *verdicts, struct things *t)
{
    *t = (struct things){0};
    for (size_t i = 0; i < verdicts->count; i++) {
        const struct verdict *v = &verdicts->verdicts[i];
        t->row_count += v->row_count;
        t->loser_count += v->loser_count;
        for (size_t k = 0; k < v->row_count; k++) {
            t->unseen_count += v->rows[k].unseen_count;
        }
    }
}

static bool list_things(struct cbor_writer *w, const struct verdicts *verdicts, struct things *t)
{
    count_things(verdicts, t);
    t->verdicts = cbor_scratch(w, verdicts->count, sizeof *t->verdicts);
    t->rows = cbor_scratch(w, t->row_count, sizeof *t->rows);
    t->unseen = cbor_scratch(w, t->unseen_count, sizeof *t->unseen);
    t->losers = cbor_scratch(w, t->loser_count, sizeof *t->losers);
    if (w->error != WIRE_OK) {
        return false;
    }
    size_t rows = 0;
    size_t unseen = 0;
    size_t losers = 0;
    for (size_t i = 0; i < verdicts->count; i++) {
        const struct verdict *v = &verdicts->verdicts[i];
        t->verdicts[i] = v;
        for (size_t k = 0; k < v->loser_count; k++) {
            t->losers[losers++] = &v->losers[k];
        }
        for (size_t k = 0; k < v->row_count; k++) {
            t->rows[rows++] = &v->rows[k];
            for (size_t c = 0; c < v->rows[k].unseen_count; c++) {
                t->unseen[unseen++] = &v->rows[k].unseen[c];
            }
        }
    }
    return true;
}

void verdicts_put(struct list_writer *l, const struct verdicts *verdicts)
{
    struct things t;
    if (!list_things(l->w, verdicts, &t)) {
        return;
    }
    if (verdicts->count > PUSH_TX_MAX || t.row_count > BATCH_CHANGES_MAX) {
        cbor_fail_writing(l->w, WIRE_LIMIT);
        return;
    }
    list_put_uint(l, verdicts->count);
    fields_put(l, FIELDS_OF(verdict_fields), t.verdicts, verdicts->count);
    fields_put(l, FIELDS_OF(row_fields), t.rows, t.row_count);
    fields_put(l, FIELDS_OF(unseen_fields), t.unseen, t.unseen_count);
    fields_put(l, FIELDS_OF(reason_fields), t.verdicts, verdicts->count);
    struct list_writer inner;
    list_begin(&inner, l->w);
    fields_put(&inner, FIELDS_OF(loser_fields), t.losers, t.loser_count);
    list_end(&inner);
    list_mark(l, t.loser_count > 0);
    list_put_id(l, verdicts->mac);
}

/* ---- reading: all rows in one array, and each verdict's place in it ---- */

static void take_unseen(struct list_reader *l, struct verdict_row *rows, size_t row_count)
{
    size_t count = 0;
    for (size_t i = 0; i < row_count; i++) {
        count += rows[i].unseen_count; /* at most COLUMNS_MAX + 1 each */
    }
    struct cell *cells = cbor_alloc(l->r, count, sizeof *cells);
    if (cells == NULL) {
        return;
    }
    fields_take(l, FIELDS_OF(unseen_fields), cells, sizeof *cells, count);
    for (size_t i = 0; i < count; i++) {
        if (cells[i].column > COLUMNS_MAX) {
            cbor_fail(l->r, WIRE_MALFORMED);
        }
    }
    for (size_t i = 0; i < row_count; i++) {
        rows[i].unseen = cells;
        cells += rows[i].unseen_count;
    }
}

static void take_rows(struct list_reader *l, struct verdicts *out)
{
    size_t count = 0;
    for (size_t i = 0; i < out->count; i++) {
        count += out->verdicts[i].row_count;
    }
    if (count > BATCH_CHANGES_MAX) {
        cbor_fail(l->r, WIRE_LIMIT);
    }
    struct verdict_row *rows = cbor_alloc(l->r, count, sizeof *rows);
    if (rows == NULL) {
        return;
    }
    fields_take(l, FIELDS_OF(row_fields), rows, sizeof *rows, count);
    take_unseen(l, rows, count);
    for (size_t i = 0; i < out->count; i++) {
        out->verdicts[i].rows = rows;
        rows += out->verdicts[i].row_count;
    }
}

static void take_losers(struct list_reader *l, struct verdicts *out)
{
    size_t count = 0;
    for (size_t i = 0; i < out->count; i++) {
        count += out->verdicts[i].loser_count;
    }
    if (count > BATCH_CHANGES_MAX) {
        cbor_fail(l->r, WIRE_LIMIT);
    }
    struct loser *losers = cbor_alloc(l->r, count, sizeof *losers);
    if (losers == NULL) {
        return;
    }
    if (list_next(l)) {
        struct list_reader inner;
        list_open(&inner, l->r);
        fields_take(&inner, FIELDS_OF(loser_fields), losers, sizeof *losers, count);
        list_close(&inner);
    }
    for (size_t i = 0; i < count; i++) {
        if (losers[i].column > COLUMNS_MAX) {
            cbor_fail(l->r, WIRE_MALFORMED);
        }
    }
    for (size_t i = 0; i < out->count; i++) {
        out->verdicts[i].losers = losers;
        losers += out->verdicts[i].loser_count;
    }
}

void verdicts_take(struct list_reader *l, struct verdicts *out)
{
    struct cbor_reader *r = l->r;
    size_t count = (size_t)list_take_uint(l, UINT32_MAX);
    if (count > PUSH_TX_MAX) {
        cbor_fail(r, WIRE_LIMIT);
    }
    out->verdicts = cbor_alloc(r, count, sizeof *out->verdicts);
    if (out->verdicts == NULL) {
        return;
    }
    out->count = count;
    fields_take(l, FIELDS_OF(verdict_fields), out->verdicts, sizeof *out->verdicts, count);
    take_rows(l, out);
    fields_take(l, FIELDS_OF(reason_fields), out->verdicts, sizeof *out->verdicts, count);
    take_losers(l, out);
    list_take_id(l, out->mac);
    for (size_t i = 0; i < out->count; i++) {
        if (out->verdicts[i].outcome > OUTCOME_REFUSED ||
            (i > 0 && out->verdicts[i].number <= out->verdicts[i - 1].number)) {
            cbor_fail(r, WIRE_MALFORMED);
        }
    }
}
