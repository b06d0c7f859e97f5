/* What was accepted before and is offered again:
 *
 *   received_ms, mac, count, identities (32 bytes each), seq count of each, seq of each row */
#include "protocol/codec_parts.h"
#include "protocol/fields.h"

#define IDENTITY_BYTES ((size_t)32)

static const struct field entry_fields[] = {
    {offsetof(struct offered, seq_count), FIELD_COUNT, TX_CHANGES_MAX},
};
static const struct field seq_fields[] = {{0, FIELD_I64, 0}};

static void put_identities(struct list_writer *l, const struct reoffer *offer)
{
    uint8_t *all = cbor_scratch(l->w, offer->count, IDENTITY_BYTES);
    for (size_t i = 0; i < offer->count && all != NULL; i++) {
        memcpy(all + i * IDENTITY_BYTES, offer->entries[i].identity, IDENTITY_BYTES);
    }
    list_put_bytes(l, bytes_of(all, all == NULL ? 0 : offer->count * IDENTITY_BYTES));
}

void offer_put(struct list_writer *l, const struct reoffer *offer)
{
    size_t seq_count = 0;
    for (size_t i = 0; i < offer->count; i++) {
        seq_count += offer->entries[i].seq_count;
    }
    if (offer->count > PUSH_TX_MAX || seq_count > BATCH_CHANGES_MAX) {
        cbor_fail_writing(l->w, WIRE_LIMIT);
        return;
    }
    const void **entries = cbor_scratch(l->w, offer->count, sizeof *entries);
    const void **seqs = cbor_scratch(l->w, seq_count, sizeof *seqs);
    if (l->w->error != WIRE_OK) {
        return;
    }
    size_t at = 0;
    for (size_t i = 0; i < offer->count; i++) {
        entries[i] = &offer->entries[i];
        for (size_t k = 0; k < offer->entries[i].seq_count; k++) {
            seqs[at++] = &offer->entries[i].seqs[k];
        }
    }
    list_put_int(l, offer->received_ms);
    list_put_id(l, offer->mac);
    list_put_uint(l, offer->count);
    put_identities(l, offer);
    fields_put(l, FIELDS_OF(entry_fields), entries, offer->count);
    fields_put(l, FIELDS_OF(seq_fields), seqs, seq_count);
}

static void take_seqs(struct list_reader *l, struct reoffer *out)
{
    size_t count = 0;
    for (size_t i = 0; i < out->count; i++) {
        count += out->entries[i].seq_count;
    }
    if (count > BATCH_CHANGES_MAX) {
        cbor_fail(l->r, WIRE_LIMIT);
    }
    int64_t *seqs = cbor_alloc(l->r, count, sizeof *seqs);
    if (seqs == NULL) {
        return;
    }
    fields_take(l, FIELDS_OF(seq_fields), seqs, sizeof *seqs, count);
    for (size_t i = 0; i < out->count; i++) {
        out->entries[i].seqs = seqs;
        seqs += out->entries[i].seq_count;
    }
}

void offer_take(struct list_reader *l, struct reoffer *out)
{
    out->received_ms = list_take_int(l);
    list_take_id(l, out->mac);
    size_t count = (size_t)list_take_uint(l, UINT32_MAX);
    if (count > PUSH_TX_MAX) {
        cbor_fail(l->r, WIRE_LIMIT);
    }
    struct bytes all = list_take_bytes(l, PUSH_TX_MAX * IDENTITY_BYTES);
    if (all.size != count * IDENTITY_BYTES) {
        cbor_fail(l->r, WIRE_MALFORMED);
    }
    out->entries = cbor_alloc(l->r, count, sizeof *out->entries);
    if (out->entries == NULL || l->r->error != WIRE_OK) {
        return;
    }
    out->count = count;
    for (size_t i = 0; i < count; i++) {
        memcpy(out->entries[i].identity, all.at + i * IDENTITY_BYTES, IDENTITY_BYTES);
    }
    fields_take(l, FIELDS_OF(entry_fields), out->entries, sizeof *out->entries, count);
    take_seqs(l, out);
}
