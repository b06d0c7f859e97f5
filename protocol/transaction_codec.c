/* Row form of a transaction: one deterministic item whose SHA-256 is the transaction's identity.
 * Nothing is left out and nothing depends on how a transaction travelled:
 *
 *   [catalogue, wall_ms, mono_ms, boot, seen_ms, intent, [change, …]]
 *   change: [table, op, id, base, [cell, …]]      cell: [column, value] or [column, value, old] */
#include "protocol/codec_parts.h"
#include "protocol/sha256.h"

static void put_cell(struct cbor_writer *w, const struct cell *cell)
{
    cbor_put_array(w, cell->has_old ? 3 : 2);
    cbor_put_uint(w, cell->column);
    cbor_put_value(w, &cell->value);
    if (cell->has_old) {
        cbor_put_value(w, &cell->old);
    }
}

static void put_change(struct cbor_writer *w, const struct change *change)
{
    cbor_put_array(w, 5);
    cbor_put_uint(w, change->table);
    cbor_put_uint(w, change->op);
    cbor_put_bytes(w, bytes_of(change->id, 16));
    cbor_put_int(w, change->base);
    cbor_put_array(w, change->cell_count);
    for (size_t i = 0; i < change->cell_count; i++) {
        put_cell(w, &change->cells[i]);
    }
}

enum wire_error transaction_encode(const struct transaction *tx, struct buf *out)
{
    struct cbor_writer w;
    size_t start = out->size;
    cbor_writer_init(&w, out);
    cbor_put_array(&w, 7);
    cbor_put_uint(&w, tx->catalogue);
    cbor_put_int(&w, tx->written.wall_ms);
    cbor_put_int(&w, tx->written.mono_ms);
    cbor_put_bytes(&w, bytes_of(tx->written.boot, 16));
    cbor_put_int(&w, tx->written.seen_ms);
    cbor_put_text(&w, tx->intent);
    cbor_put_array(&w, tx->change_count);
    for (size_t i = 0; i < tx->change_count; i++) {
        put_change(&w, &tx->changes[i]);
    }
    if (tx->change_count > TX_CHANGES_MAX || (!out->bad && out->size - start > TX_BYTES_MAX)) {
        cbor_fail_writing(&w, WIRE_LIMIT);
    }
    return cbor_writer_done(&w, start);
}

static void take_cell(struct cbor_reader *r, struct cell *out)
{
    size_t elements = cbor_take_array(r);
    if (elements != 2 && elements != 3) {
        cbor_fail(r, WIRE_MALFORMED);
        return;
    }
    out->column = (uint8_t)cbor_take_uint(r, COLUMNS_MAX);
    out->value = cbor_take_value(r);
    out->has_old = elements == 3;
    out->old = out->has_old ? cbor_take_value(r) : value_null();
}

static void take_change(struct cbor_reader *r, struct change *out)
{
    if (cbor_take_array(r) != 5) {
        cbor_fail(r, WIRE_MALFORMED);
        return;
    }
    out->table = (uint16_t)cbor_take_uint(r, UINT16_MAX);
    out->op = (uint8_t)cbor_take_uint(r, CHANGE_DELETE);
    cbor_take_fixed(r, out->id, 16);
    out->base = cbor_take_int(r);
    size_t count = cbor_take_array(r);
    if (count > COLUMNS_MAX + 1 || out->op < CHANGE_INSERT) {
        cbor_fail(r, WIRE_MALFORMED);
        return;
    }
    out->cells = cbor_alloc(r, count, sizeof *out->cells);
    for (size_t i = 0; i < count && out->cells != NULL; i++) {
        take_cell(r, &out->cells[i]);
        if (i > 0 && out->cells[i].column <= out->cells[i - 1].column) {
            cbor_fail(r, WIRE_MALFORMED);
        }
        out->cell_count++;
    }
}

static void take_transaction(struct cbor_reader *r, struct transaction *out)
{
    if (cbor_take_array(r) != 7) {
        cbor_fail(r, WIRE_MALFORMED);
        return;
    }
    out->catalogue = (uint32_t)cbor_take_uint(r, UINT32_MAX);
    out->written.wall_ms = cbor_take_int(r);
    out->written.mono_ms = cbor_take_int(r);
    cbor_take_fixed(r, out->written.boot, 16);
    out->written.seen_ms = cbor_take_int(r);
    out->intent = cbor_take_text(r, NAME_BYTES_MAX);
    size_t count = cbor_take_array(r);
    if (count > TX_CHANGES_MAX) {
        cbor_fail(r, WIRE_LIMIT);
    }
    out->changes = cbor_alloc(r, count, sizeof *out->changes);
    for (size_t i = 0; i < count && out->changes != NULL; i++) {
        take_change(r, &out->changes[i]);
        out->change_count++;
    }
    if (r->left > 0) {
        cbor_fail(r, WIRE_MALFORMED);
    }
}

enum wire_error transaction_decode(struct bytes row_form, struct arena *arena,
                                   struct transaction *out)
{
    struct cbor_reader r;
    memset(out, 0, sizeof *out);
    cbor_reader_init(&r, row_form, arena);
    take_transaction(&r, out);
    return r.error;
}

void transaction_identity(struct bytes row_form, uint8_t identity[32])
{
    sha256_of(row_form, identity);
}
