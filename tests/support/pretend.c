/* See pretend.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/pretend.h"

#include "common/sync/server_session.h"
#include "protocol/codec.h"

void pretend_enrol(struct pretend *p, struct firm *f, const uint8_t person[16], uint8_t key)
{
    *p = (struct pretend){.f = f, .epoch = 1, .next_seq = 1};
    struct enrol request = {.public_key = {key}, .name = bytes_text("phone")};
    memset(request.secret, key, sizeof request.secret);
    assert_int_equal(firm_enrol(f, person, &request, &p->who).code, ERR_OK);
    memcpy(p->token, p->who.token, sizeof p->token);
    p->clocks = (struct clocks){.wall_ms = f->host.wall_ms, .mono_ms = 1000, .boot = {key}};
    arena_init(&p->arena, (size_t)256 << 20);
}

void pretend_free(struct pretend *p)
{
    arena_release(&p->arena);
}

void pretend_and(struct pretend *p, struct transaction *tx, uint8_t op, uint16_t table,
                 const uint8_t id[16], int64_t base, const struct cell *cells, size_t count)
{
    (void)p;
    struct change *changes = realloc(tx->changes, (tx->change_count + 1) * sizeof *changes);
    assert_non_null(changes);
    tx->changes = changes;
    struct change *c = &changes[tx->change_count++];
    *c = (struct change){.table = table, .op = op, .base = base, .cell_count = count};
    memcpy(c->id, id, 16);
    c->cells = count == 0 ? NULL : calloc(count, sizeof *c->cells);
    if (count > 0) {
        memcpy(c->cells, cells, count * sizeof *cells);
    }
}

struct transaction *pretend_change(struct pretend *p, uint8_t op, uint16_t table,
                                   const uint8_t id[16], int64_t base, const struct cell *cells,
                                   size_t count)
{
    assert_true(p->tx_count < PRETEND_MAX);
    struct transaction *tx = &p->txs[p->tx_count++];
    *tx = (struct transaction){.device_seq = p->next_seq++,
                               .catalogue = CATALOGUE_VERSION,
                               .written = p->clocks,
                               .intent = bytes_text("test")};
    pretend_and(p, tx, op, table, id, base, cells, count);
    return tx;
}

void pretend_clear(struct pretend *p)
{
    for (size_t i = 0; i < p->tx_count; i++) {
        for (size_t k = 0; k < p->txs[i].change_count; k++) {
            free(p->txs[i].changes[k].cells);
        }
        free(p->txs[i].changes);
    }
    p->tx_count = 0;
}

static void request(struct pretend *p, struct buf *out)
{
    struct packer *packer = packer_new(3);
    struct message m = {.kind = MESSAGE_HELLO};
    struct hello *h = &m.hello;
    *h = (struct hello){.protocol = PROTOCOL_VERSION,
                        .catalogue = CATALOGUE_VERSION,
                        .cursors_under = CATALOGUE_VERSION,
                        .mask = p->mask,
                        .epoch = p->epoch,
                        .timeline = p->who.timeline,
                        .wall_ms = p->clocks.wall_ms,
                        .mono_ms = p->clocks.mono_ms,
                        .verdict_seen = p->verdict_seen,
                        .flags = p->flags,
                        .cursor_count = p->cursor_count,
                        .cursors = p->cursors};
    memcpy(h->device, p->who.device, 16);
    memcpy(h->token, p->token, 16);
    memcpy(h->boot, p->clocks.boot, 16);
    assert_int_equal(packer_put(packer, &m, out), WIRE_OK);
    if (p->tx_count > 0) {
        m = (struct message){.kind = MESSAGE_BATCH,
                             .batch = {.count = p->tx_count, .transactions = p->txs}};
        assert_int_equal(packer_put(packer, &m, out), WIRE_OK);
    }
    m = (struct message){.kind = MESSAGE_END};
    assert_int_equal(packer_put(packer, &m, out), WIRE_OK);
    assert_int_equal(packer_end(packer, out), WIRE_OK);
    packer_free(packer);
}

static struct cursor *cursor_at(struct pretend *p, const struct scope_id *id)
{
    for (size_t i = 0; i < p->cursor_count; i++) {
        if (memcmp(&p->cursors[i].scope, id, sizeof *id) == 0) {
            return &p->cursors[i];
        }
    }
    assert_true(p->cursor_count < PRETEND_MAX);
    p->cursors[p->cursor_count] = (struct cursor){.scope = *id};
    return &p->cursors[p->cursor_count++];
}

static void leave(struct pretend *p, const struct scope_id *id)
{
    struct cursor *c = cursor_at(p, id);
    *c = p->cursors[--p->cursor_count];
    p->leave_count++;
}

static void receive(struct pretend *p, const struct message *m)
{
    switch (m->kind) {
    case MESSAGE_ANSWER:
        p->answer = m->answer;
        memcpy(p->token, m->answer.token, 16);
        p->epoch = m->answer.epoch;
        p->clocks.seen_ms = m->answer.server_ms;
        break;
    case MESSAGE_VERDICTS:
        for (size_t i = 0; i < m->verdicts.count; i++) {
            assert_true(p->verdict_count < PRETEND_MAX);
            p->verdicts[p->verdict_count++] = m->verdicts.verdicts[i];
            p->verdict_seen = m->verdicts.verdicts[i].number;
        }
        break;
    case MESSAGE_ROWS:
        assert_true(p->rows_count < PRETEND_MAX);
        p->rows[p->rows_count++] = m->rows;
        break;
    case MESSAGE_DEPARTURE:
        assert_true(p->departure_count < PRETEND_MAX);
        p->departures[p->departure_count++] = m->departure;
        break;
    case MESSAGE_CHECKPOINT:
        *cursor_at(p, &m->checkpoint.cursor.scope) = m->checkpoint.cursor;
        p->checkpoint_count++;
        break;
    case MESSAGE_SCOPE_ENTER:
        (void)cursor_at(p, &m->scope);
        p->enter_count++;
        break;
    case MESSAGE_SCOPE_LEAVE:
        leave(p, &m->scope);
        break;
    case MESSAGE_END:
        p->ended = true;
        p->mask = p->answer.mask; /* as a device that lost a download's end doesn't */
        break;
    case MESSAGE_DIGEST:
    case MESSAGE_PARTS:
        break;
    case MESSAGE_HELLO:
    case MESSAGE_BATCH:
    case MESSAGE_FAULT:
    case MESSAGE_HINT:
    case MESSAGE_ENROL:
    case MESSAGE_ENROLLED:
    case MESSAGE_OFFER:
    case MESSAGE_WITNESS:
    case MESSAGE_ASK:
    case MESSAGE_WANT:
        fail_msg("%s in an answer", message_name(m->kind));
    }
}

/* What was unpacked before is gone at the next message, so each is decoded from a copy. */
static void take_in(struct pretend *p, struct bytes packed)
{
    struct unpacker *u = unpacker_new((size_t)64 << 20);
    assert_int_equal(unpacker_feed(u, packed), WIRE_OK);
    for (;;) {
        struct message m;
        struct message copy;
        struct buf bytes;
        size_t used = 0;
        enum wire_error wire = unpacker_next(u, &p->arena, &m);
        if (wire == WIRE_MORE) {
            break;
        }
        assert_int_equal(wire, WIRE_OK);
        buf_init(&bytes, MESSAGE_BYTES_MAX);
        assert_int_equal(message_encode(&m, &bytes), WIRE_OK);
        struct bytes kept = arena_copy(&p->arena, buf_bytes(&bytes));
        assert_int_equal(message_decode(kept, &p->arena, &copy, &used), WIRE_OK);
        buf_release(&bytes);
        receive(p, &copy);
        if (p->cut_after > 0 && p->checkpoint_count == p->cut_after) {
            unpacker_free(u);
            return;
        }
    }
    assert_true(unpacker_is_complete(u));
    unpacker_free(u);
}

static void read_answer(struct pretend *p, struct server_session *s, bool lost)
{
    struct buf out;
    bool done = false;
    buf_init(&out, (size_t)64 << 20);
    while (!done) {
        struct err err = server_session_read(s, &p->f->store, &out, &done);
        if (err.code != ERR_OK) {
            fail_msg("read: %s %s %s", err_name(err.code), err.where, db_message(p->f->db));
        }
    }
    server_session_read_end(s, &p->f->store);
    assert_int_equal(server_session_next(s), SERVER_DONE);
    p->answer_bytes = out.size;
    if (!lost) {
        take_in(p, buf_bytes(&out));
    }
    buf_release(&out);
}

static void exchange(struct pretend *p, struct bytes body, bool lost)
{
    struct server_session *s = NULL;
    struct host host = fake_host_as_host(&p->f->host);
    p->fault_status = 0;
    p->verdict_count = p->rows_count = p->departure_count = 0;
    p->enter_count = p->leave_count = p->checkpoint_count = 0;
    p->ended = false;
    arena_clear(&p->arena);
    struct err err = server_session_new(body, p->who.device_number, p->f->host.wall_ms, &host, &s);
    if (err.code == ERR_OK) {
        assert_int_equal(db_begin(p->f->db, DB_LOCK_WRITE).code, ERR_OK);
        err = server_session_judge(s, &p->f->store);
        if (err.code != ERR_OK) {
            fail_msg("judge: %s %s %s", err_name(err.code), err.where, db_message(p->f->db));
        }
        err = db_end(p->f->db, err_ok());
        server_session_committed(s, err);
    }
    if (server_session_next(s) == SERVER_FAULT) {
        p->fault_status = server_session_fault(s, &p->fault);
    } else {
        read_answer(p, s, lost);
    }
    server_session_free(s);
}

void pretend_send_bytes(struct pretend *p, struct bytes body)
{
    exchange(p, body, false);
}

void pretend_sync(struct pretend *p)
{
    struct buf body;
    buf_init(&body, (size_t)16 << 20);
    request(p, &body);
    exchange(p, buf_bytes(&body), false);
    buf_release(&body);
    pretend_clear(p);
}

void pretend_sync_lost(struct pretend *p)
{
    struct buf body;
    buf_init(&body, (size_t)16 << 20);
    request(p, &body);
    exchange(p, buf_bytes(&body), true);
    buf_release(&body);
}

/* ---- looking at what came ---- */

const struct verdict *pretend_verdict(const struct pretend *p)
{
    assert_int_equal(p->verdict_count, 1);
    return &p->verdicts[0];
}

const struct row *pretend_row(const struct pretend *p, uint16_t table, const uint8_t id[16],
                              const struct rows **group)
{
    for (size_t i = 0; i < p->rows_count; i++) {
        for (size_t k = 0; k < p->rows[i].count; k++) {
            if (p->rows[i].table == table && memcmp(p->rows[i].rows[k].id, id, 16) == 0) {
                if (group != NULL) {
                    *group = &p->rows[i];
                }
                return &p->rows[i].rows[k];
            }
        }
    }
    return NULL;
}

const struct value *pretend_value(const struct pretend *p, uint16_t table, const uint8_t id[16],
                                  uint8_t column)
{
    const struct rows *group = NULL;
    const struct row *row = pretend_row(p, table, id, &group);
    for (size_t i = 0; row != NULL && i < group->column_count; i++) {
        if (group->columns[i] == column) {
            return &row->values[i];
        }
    }
    return NULL;
}

const struct value *verdict_value(const struct verdict *v, const uint8_t id[16], uint8_t column)
{
    for (size_t i = 0; i < v->row_count; i++) {
        for (size_t k = 0; k < v->rows[i].unseen_count; k++) {
            if (memcmp(v->rows[i].id, id, 16) == 0 && v->rows[i].unseen[k].column == column) {
                return &v->rows[i].unseen[k].value;
            }
        }
    }
    return NULL;
}
