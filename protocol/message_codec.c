/* A message: an array of its kind and its fields. The whole item is found first (cbor_scan_on),
 * then read, so that "not all here yet" and "broken" can't be mistaken for each other. */
#include "protocol/codec_parts.h"

static void hint_put(struct list_writer *l, const struct hint *hint)
{
    list_put_int(l, hint->server_ms);
    list_put_bool(l, hint->advanced);
}

static void put_fields(struct list_writer *l, const struct message *m)
{
    switch (m->kind) {
    case MESSAGE_HELLO:
        hello_put(l, &m->hello);
        return;
    case MESSAGE_BATCH:
        batch_put(l, &m->batch);
        return;
    case MESSAGE_END:
        end_put(l, &m->end);
        return;
    case MESSAGE_ANSWER:
        answer_put(l, &m->answer);
        return;
    case MESSAGE_VERDICTS:
        verdicts_put(l, &m->verdicts);
        return;
    case MESSAGE_SCOPE_ENTER:
    case MESSAGE_SCOPE_LEAVE:
        list_put_scope(l, &m->scope);
        return;
    case MESSAGE_ROWS:
    case MESSAGE_WITNESS:
        rows_put(l, &m->rows);
        return;
    case MESSAGE_DEPARTURE:
        departure_put(l, &m->departure);
        return;
    case MESSAGE_CHECKPOINT:
        cursor_put(l, &m->checkpoint.cursor);
        return;
    case MESSAGE_DIGEST:
        digest_put(l, &m->digest);
        return;
    case MESSAGE_FAULT:
        fault_put(l, &m->fault);
        return;
    case MESSAGE_HINT:
        hint_put(l, &m->hint);
        return;
    case MESSAGE_ENROL:
        enrol_put(l, &m->enrol);
        return;
    case MESSAGE_ENROLLED:
        enrolled_put(l, &m->enrolled);
        return;
    case MESSAGE_OFFER:
        offer_put(l, &m->offer);
        return;
    case MESSAGE_ASK:
        ask_put(l, &m->ask);
        return;
    case MESSAGE_PARTS:
        parts_put(l, &m->parts);
        return;
    case MESSAGE_WANT:
        want_put(l, &m->want);
        return;
    }
}

enum wire_error message_encode(const struct message *message, struct buf *out)
{
    struct cbor_writer w;
    struct list_writer l;
    size_t start = out->size;
    cbor_writer_init(&w, out);
    list_begin(&l, &w);
    list_put_uint(&l, message->kind);
    put_fields(&l, message);
    list_end(&l);
    if (!out->bad && out->size - start > MESSAGE_BYTES_MAX) {
        cbor_fail_writing(&w, WIRE_LIMIT);
    }
    return cbor_writer_done(&w, start);
}

static void hint_take(struct list_reader *l, struct hint *out)
{
    out->server_ms = list_take_int(l);
    out->advanced = list_take_bool(l);
}

static void take_fields(struct list_reader *l, struct message *m)
{
    switch (m->kind) {
    case MESSAGE_HELLO:
        hello_take(l, &m->hello);
        return;
    case MESSAGE_BATCH:
        batch_take(l, &m->batch);
        return;
    case MESSAGE_END:
        end_take(l, &m->end);
        return;
    case MESSAGE_ANSWER:
        answer_take(l, &m->answer);
        return;
    case MESSAGE_VERDICTS:
        verdicts_take(l, &m->verdicts);
        return;
    case MESSAGE_SCOPE_ENTER:
    case MESSAGE_SCOPE_LEAVE:
        list_take_scope(l, &m->scope);
        return;
    case MESSAGE_ROWS:
    case MESSAGE_WITNESS:
        rows_take(l, &m->rows);
        return;
    case MESSAGE_DEPARTURE:
        departure_take(l, &m->departure);
        return;
    case MESSAGE_CHECKPOINT:
        cursor_take(l, &m->checkpoint.cursor);
        return;
    case MESSAGE_DIGEST:
        digest_take(l, &m->digest);
        return;
    case MESSAGE_FAULT:
        fault_take(l, &m->fault);
        return;
    case MESSAGE_HINT:
        hint_take(l, &m->hint);
        return;
    case MESSAGE_ENROL:
        enrol_take(l, &m->enrol);
        return;
    case MESSAGE_ENROLLED:
        enrolled_take(l, &m->enrolled);
        return;
    case MESSAGE_OFFER:
        offer_take(l, &m->offer);
        return;
    case MESSAGE_ASK:
        ask_take(l, &m->ask);
        return;
    case MESSAGE_PARTS:
        parts_take(l, &m->parts);
        return;
    case MESSAGE_WANT:
        want_take(l, &m->want);
        return;
    }
}

enum wire_error message_take(struct bytes item, struct arena *arena, struct message *out)
{
    struct cbor_reader r;
    struct list_reader l;
    memset(out, 0, sizeof *out);
    cbor_reader_init(&r, item, arena);
    list_open(&l, &r);
    uint64_t kind = list_take_uint(&l, MESSAGE_WANT);
    if (kind == 0) {
        cbor_fail(&r, WIRE_MALFORMED);
    }
    if (r.error == WIRE_OK) {
        out->kind = (enum message_kind)kind;
        take_fields(&l, out);
        list_close(&l);
    }
    return r.error;
}

enum wire_error message_decode(struct bytes in, struct arena *arena, struct message *out,
                               size_t *used)
{
    struct cbor_scan scan = {0};
    enum wire_error err = cbor_scan_on(&scan, in);
    if (err != WIRE_OK) {
        return err;
    }
    *used = scan.size;
    return message_take(bytes_of(in.at, scan.size), arena, out);
}
