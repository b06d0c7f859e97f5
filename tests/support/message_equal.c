/* Compares decoded messages; see message_equal.h. A struct without pointers is compared as memory:
 * both the decoder and the tests fill structs that were zero before. */
#include "tests/support/message_equal.h"

#define SAME_MEMORY(a, b) (memcmp((a), (b), sizeof *(a)) == 0)

static bool cursors_equal(const struct cursor *a, const struct cursor *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!SAME_MEMORY(&a[i].scope, &b[i].scope) || a[i].done != b[i].done ||
            a[i].pos != b[i].pos || a[i].goal != b[i].goal || a[i].head_no != b[i].head_no ||
            memcmp(a[i].head, b[i].head, sizeof a[i].head) != 0) {
            return false;
        }
    }
    return true;
}

static bool timelines_equal(const struct timeline *a, const struct timeline *b)
{
    return a->counter == b->counter && memcmp(a->id, b->id, 16) == 0;
}

static bool hellos_equal(const struct hello *a, const struct hello *b)
{
    return a->protocol == b->protocol && a->catalogue == b->catalogue &&
           a->cursors_under == b->cursors_under && a->mask == b->mask &&
           memcmp(a->device, b->device, 16) == 0 && a->epoch == b->epoch &&
           memcmp(a->token, b->token, 16) == 0 && timelines_equal(&a->timeline, &b->timeline) &&
           a->wall_ms == b->wall_ms && a->mono_ms == b->mono_ms &&
           memcmp(a->boot, b->boot, 16) == 0 && a->verdict_seen == b->verdict_seen &&
           a->flags == b->flags && a->cursor_count == b->cursor_count &&
           cursors_equal(a->cursors, b->cursors, a->cursor_count);
}

static bool answers_equal(const struct answer *a, const struct answer *b)
{
    return a->status == b->status && a->protocol == b->protocol && a->catalogue == b->catalogue &&
           a->server_ms == b->server_ms && timelines_equal(&a->timeline, &b->timeline) &&
           a->epoch == b->epoch && memcmp(a->token, b->token, 16) == 0 && a->mask == b->mask &&
           a->mark_count == b->mark_count && cursors_equal(a->marks, b->marks, a->mark_count) &&
           memcmp(a->courier_key, b->courier_key, sizeof a->courier_key) == 0;
}

static bool cells_equal(const struct cell *a, const struct cell *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (a[i].column != b[i].column || a[i].has_old != b[i].has_old ||
            !value_equal(&a[i].value, &b[i].value) || !value_equal(&a[i].old, &b[i].old)) {
            return false;
        }
    }
    return true;
}

static bool changes_equal(const struct change *a, const struct change *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (a[i].table != b[i].table || a[i].op != b[i].op || memcmp(a[i].id, b[i].id, 16) != 0 ||
            a[i].base != b[i].base || a[i].cell_count != b[i].cell_count ||
            !cells_equal(a[i].cells, b[i].cells, a[i].cell_count)) {
            return false;
        }
    }
    return true;
}

static bool transactions_equal(const struct transaction *a, const struct transaction *b)
{
    if (a->device_seq != b->device_seq || a->rest_count != b->rest_count ||
        a->catalogue != b->catalogue || a->written.wall_ms != b->written.wall_ms ||
        a->written.mono_ms != b->written.mono_ms || a->written.seen_ms != b->written.seen_ms ||
        memcmp(a->written.boot, b->written.boot, 16) != 0 || !bytes_equal(a->intent, b->intent) ||
        a->change_count != b->change_count) {
        return false;
    }
    for (size_t i = 0; i < a->rest_count; i++) {
        if (a->rests_on[i] != b->rests_on[i]) {
            return false;
        }
    }
    return changes_equal(a->changes, b->changes, a->change_count);
}

static bool batches_equal(const struct batch *a, const struct batch *b)
{
    bool equal = a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++) {
        equal = transactions_equal(&a->transactions[i], &b->transactions[i]);
    }
    return equal;
}

static bool verdict_rows_equal(const struct verdict_row *a, const struct verdict_row *b)
{
    return a->table == b->table && memcmp(a->id, b->id, 16) == 0 &&
           SAME_MEMORY(&a->scope, &b->scope) && a->seq == b->seq &&
           a->unseen_count == b->unseen_count && cells_equal(a->unseen, b->unseen, a->unseen_count);
}

static bool losers_equal(const struct loser *a, const struct loser *b)
{
    return a->table == b->table && memcmp(a->id, b->id, 16) == 0 && a->column == b->column &&
           memcmp(a->kept_id, b->kept_id, 16) == 0 && value_equal(&a->kept, &b->kept) &&
           value_equal(&a->winner, &b->winner) &&
           memcmp(a->winner_person, b->winner_person, 16) == 0 &&
           a->winner_at_ms == b->winner_at_ms;
}

static bool one_verdict_equal(const struct verdict *a, const struct verdict *b)
{
    bool equal = a->number == b->number && a->epoch == b->epoch && a->device_seq == b->device_seq &&
                 a->outcome == b->outcome && strcmp(a->code, b->code) == 0 &&
                 strcmp(a->field, b->field) == 0 && bytes_equal(a->detail, b->detail) &&
                 a->row_count == b->row_count && a->loser_count == b->loser_count;
    for (size_t i = 0; equal && i < a->row_count; i++) {
        equal = verdict_rows_equal(&a->rows[i], &b->rows[i]);
    }
    for (size_t i = 0; equal && i < a->loser_count; i++) {
        equal = losers_equal(&a->losers[i], &b->losers[i]);
    }
    return equal;
}

static bool verdicts_equal(const struct verdicts *a, const struct verdicts *b)
{
    bool equal = a->count == b->count && memcmp(a->mac, b->mac, sizeof a->mac) == 0;
    for (size_t i = 0; equal && i < a->count; i++) {
        equal = one_verdict_equal(&a->verdicts[i], &b->verdicts[i]);
    }
    return equal;
}

static bool rows_equal(const struct rows *a, const struct rows *b)
{
    bool equal = SAME_MEMORY(&a->scope, &b->scope) && a->table == b->table &&
                 a->whole == b->whole && a->column_count == b->column_count &&
                 memcmp(a->columns, b->columns, a->column_count) == 0 && a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++) {
        equal = memcmp(a->rows[i].id, b->rows[i].id, 16) == 0 && a->rows[i].seq == b->rows[i].seq;
        for (size_t c = 0; equal && c < a->column_count; c++) {
            equal = value_equal(&a->rows[i].values[c], &b->rows[i].values[c]);
        }
    }
    return equal;
}

static bool digests_equal(const struct digest *a, const struct digest *b)
{
    bool equal = a->entry_count == b->entry_count;
    for (size_t i = 0; equal && i < a->entry_count; i++) {
        const struct digest_entry *x = &a->entries[i];
        const struct digest_entry *y = &b->entries[i];
        equal = SAME_MEMORY(&x->scope, &y->scope) && x->table == y->table && x->rows == y->rows &&
                memcmp(x->sum, y->sum, 16) == 0;
    }
    return equal;
}

static bool enrolled_equal(const struct enrolled *a, const struct enrolled *b)
{
    return memcmp(a->device, b->device, 16) == 0 && a->device_number == b->device_number &&
           memcmp(a->person, b->person, 16) == 0 && bytes_equal(a->login, b->login) &&
           a->epoch == b->epoch && memcmp(a->token, b->token, 16) == 0 &&
           timelines_equal(&a->timeline, &b->timeline) &&
           memcmp(a->digest_key, b->digest_key, 16) == 0 && a->server_ms == b->server_ms &&
           bytes_equal(a->certificate, b->certificate);
}

static bool offers_equal(const struct reoffer *a, const struct reoffer *b)
{
    bool equal = a->received_ms == b->received_ms && memcmp(a->mac, b->mac, sizeof a->mac) == 0 &&
                 a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++) {
        const struct offered *x = &a->entries[i];
        const struct offered *y = &b->entries[i];
        equal =
            SAME_MEMORY(&x->identity, &y->identity) && x->seq_count == y->seq_count &&
            (x->seq_count == 0 || memcmp(x->seqs, y->seqs, x->seq_count * sizeof *x->seqs) == 0);
    }
    return equal;
}

static bool asks_equal(const struct ask *a, const struct ask *b)
{
    bool equal = a->contents == b->contents && a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++) {
        equal = SAME_MEMORY(&a->parts[i], &b->parts[i]);
    }
    return equal;
}

static bool parts_equal(const struct parts *a, const struct parts *b)
{
    bool equal = a->count == b->count && a->row_count == b->row_count;
    for (size_t i = 0; equal && i < a->count; i++) {
        const struct digest_part *x = &a->parts[i];
        const struct digest_part *y = &b->parts[i];
        equal = SAME_MEMORY(&x->name, &y->name) && x->listed == y->listed && x->rows == y->rows &&
                memcmp(x->sum, y->sum, 16) == 0;
    }
    for (size_t i = 0; equal && i < a->row_count; i++) {
        const struct part_row *x = &a->rows[i];
        const struct part_row *y = &b->rows[i];
        equal =
            memcmp(x->id, y->id, 16) == 0 && x->seq == y->seq && memcmp(x->sum, y->sum, 16) == 0;
    }
    return equal;
}

static bool wants_equal(const struct want *a, const struct want *b)
{
    bool equal = a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++) {
        equal =
            a->rows[i].table == b->rows[i].table && memcmp(a->rows[i].id, b->rows[i].id, 16) == 0;
    }
    return equal;
}

bool message_equal(const struct message *a, const struct message *b)
{
    if (a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case MESSAGE_HELLO:
        return hellos_equal(&a->hello, &b->hello);
    case MESSAGE_BATCH:
        return batches_equal(&a->batch, &b->batch);
    case MESSAGE_END:
        return a->end.told == b->end.told && SAME_MEMORY(&a->end.sum, &b->end.sum);
    case MESSAGE_ANSWER:
        return answers_equal(&a->answer, &b->answer);
    case MESSAGE_VERDICTS:
        return verdicts_equal(&a->verdicts, &b->verdicts);
    case MESSAGE_SCOPE_ENTER:
    case MESSAGE_SCOPE_LEAVE:
        return SAME_MEMORY(&a->scope, &b->scope);
    case MESSAGE_ROWS:
    case MESSAGE_WITNESS:
        return rows_equal(&a->rows, &b->rows);
    case MESSAGE_DEPARTURE:
        return SAME_MEMORY(&a->departure.scope, &b->departure.scope) &&
               a->departure.seq == b->departure.seq && a->departure.table == b->departure.table &&
               memcmp(a->departure.id, b->departure.id, 16) == 0;
    case MESSAGE_CHECKPOINT:
        return cursors_equal(&a->checkpoint.cursor, &b->checkpoint.cursor, 1);
    case MESSAGE_DIGEST:
        return digests_equal(&a->digest, &b->digest);
    case MESSAGE_FAULT:
        return strcmp(a->fault.code, b->fault.code) == 0 &&
               bytes_equal(a->fault.detail, b->fault.detail) &&
               a->fault.server_ms == b->fault.server_ms && a->fault.limit == b->fault.limit;
    case MESSAGE_HINT:
        return a->hint.server_ms == b->hint.server_ms && a->hint.advanced == b->hint.advanced;
    case MESSAGE_ENROL:
        return memcmp(a->enrol.secret, b->enrol.secret, sizeof a->enrol.secret) == 0 &&
               memcmp(a->enrol.public_key, b->enrol.public_key, sizeof a->enrol.public_key) == 0 &&
               bytes_equal(a->enrol.name, b->enrol.name) &&
               bytes_equal(a->enrol.app, b->enrol.app) && a->enrol.protocol == b->enrol.protocol &&
               bytes_equal(a->enrol.certificate, b->enrol.certificate) &&
               memcmp(a->enrol.former, b->enrol.former, 16) == 0 &&
               a->enrol.former_epoch == b->enrol.former_epoch;
    case MESSAGE_ENROLLED:
        return enrolled_equal(&a->enrolled, &b->enrolled);
    case MESSAGE_OFFER:
        return offers_equal(&a->offer, &b->offer);
    case MESSAGE_ASK:
        return asks_equal(&a->ask, &b->ask);
    case MESSAGE_PARTS:
        return parts_equal(&a->parts, &b->parts);
    case MESSAGE_WANT:
        return wants_equal(&a->want, &b->want);
    }
    return false;
}
