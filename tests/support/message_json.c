/* Messages as JSON; see message_json.h. A list of fields ends with a comma that close() takes
 * back, so that each field is written alike. */
#include "tests/support/message_json.h"

#include <inttypes.h>

#define SAFE_INTEGER INT64_C(9007199254740991) /* what JavaScript holds exactly */

static void open(struct buf *out, const char *name, char bracket)
{
    if (name != NULL) {
        buf_printf(out, "\"%s\": ", name);
    }
    buf_put_u8(out, (uint8_t)bracket);
}

static void close(struct buf *out, char bracket)
{
    while (out->size > 0 && (out->at[out->size - 1] == ',' || out->at[out->size - 1] == ' ' ||
                             out->at[out->size - 1] == '\n')) {
        out->size--;
    }
    buf_put_u8(out, (uint8_t)bracket);
    buf_put_text(out, ",\n");
}

static void put_integer(struct buf *out, int64_t i)
{
    bool safe = i >= -SAFE_INTEGER && i <= SAFE_INTEGER;
    buf_printf(out, safe ? "%" PRId64 : "\"%" PRId64 "\"", i);
}

static void put_hex(struct buf *out, struct bytes bytes)
{
    buf_put_u8(out, '"');
    for (size_t i = 0; i < bytes.size; i++) {
        buf_printf(out, "%02x", bytes.at[i]);
    }
    buf_put_u8(out, '"');
}

static void put_string(struct buf *out, struct bytes text)
{
    buf_put_u8(out, '"');
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.at[i];
        if (c < ' ') {
            buf_printf(out, "\\u%04x", c);
        } else {
            buf_put_text(out, c == '"' || c == '\\' ? "\\" : "");
            buf_put_u8(out, c);
        }
    }
    buf_put_u8(out, '"');
}

static void integer(struct buf *out, const char *name, int64_t i)
{
    buf_printf(out, "\"%s\": ", name);
    put_integer(out, i);
    buf_put_text(out, ", ");
}

static void boolean(struct buf *out, const char *name, bool yes)
{
    buf_printf(out, "\"%s\": %s, ", name, yes ? "true" : "false");
}

static void hex(struct buf *out, const char *name, const void *at, size_t size)
{
    buf_printf(out, "\"%s\": ", name);
    put_hex(out, bytes_of(at, size));
    buf_put_text(out, ", ");
}

static void string(struct buf *out, const char *name, struct bytes text)
{
    buf_printf(out, "\"%s\": ", name);
    put_string(out, text);
    buf_put_text(out, ", ");
}

static void put_value(struct buf *out, const struct value *v)
{
    switch (v->kind) {
    case VALUE_NULL:
        buf_put_text(out, "null");
        return;
    case VALUE_INT:
        put_integer(out, v->i);
        return;
    case VALUE_REAL:
        buf_printf(out, "%.17g", v->d);
        return;
    case VALUE_TEXT:
        put_string(out, v->b);
        return;
    case VALUE_BLOB:
        buf_put_text(out, "{\"bytes\": ");
        put_hex(out, v->b);
        buf_put_u8(out, '}');
        return;
    }
}

static void value(struct buf *out, const char *name, const struct value *v)
{
    buf_printf(out, "\"%s\": ", name);
    put_value(out, v);
    buf_put_text(out, ", ");
}

static void scope(struct buf *out, const struct scope_id *s)
{
    static const char *const kinds[] = {"?", "company", "team", "book", "user", "private", "pool"};
    buf_printf(out, "\"scope\": \"%s:", kinds[s->kind <= SCOPE_POOL ? s->kind : 0]);
    for (size_t i = 0; i < 16; i++) {
        buf_printf(out, "%02x", s->id[i]);
    }
    buf_put_text(out, "\", ");
}

static void timeline(struct buf *out, const struct timeline *t)
{
    open(out, "timeline", '{');
    integer(out, "counter", t->counter);
    hex(out, "id", t->id, 16);
    close(out, '}');
}

static void cursor_fields(struct buf *out, const struct cursor *c)
{
    scope(out, &c->scope);
    integer(out, "done", c->done);
    integer(out, "pos", c->pos);
    integer(out, "goal", c->goal);
    integer(out, "head_no", c->head_no);
    hex(out, "head", c->head, sizeof c->head);
}

static void cursors(struct buf *out, const char *name, const struct cursor *c, size_t count)
{
    open(out, name, '[');
    for (size_t i = 0; i < count; i++) {
        open(out, NULL, '{');
        cursor_fields(out, &c[i]);
        close(out, '}');
    }
    close(out, ']');
}

static void hello(struct buf *out, const struct hello *h)
{
    integer(out, "protocol", h->protocol);
    integer(out, "catalogue", h->catalogue);
    integer(out, "cursors_under", h->cursors_under);
    integer(out, "mask", h->mask);
    hex(out, "device", h->device, 16);
    integer(out, "epoch", h->epoch);
    hex(out, "token", h->token, 16);
    timeline(out, &h->timeline);
    integer(out, "wall_ms", h->wall_ms);
    integer(out, "mono_ms", h->mono_ms);
    hex(out, "boot", h->boot, 16);
    integer(out, "verdict_seen", (int64_t)h->verdict_seen);
    integer(out, "flags", h->flags);
    cursors(out, "cursors", h->cursors, h->cursor_count);
}

static void answer(struct buf *out, const struct answer *a)
{
    integer(out, "status", a->status);
    integer(out, "protocol", a->protocol);
    integer(out, "catalogue", a->catalogue);
    integer(out, "server_ms", a->server_ms);
    timeline(out, &a->timeline);
    integer(out, "epoch", a->epoch);
    hex(out, "token", a->token, 16);
    integer(out, "mask", a->mask);
    cursors(out, "marks", a->marks, a->mark_count);
    hex(out, "courier_key", a->courier_key, sizeof a->courier_key);
}

static void change(struct buf *out, const struct change *c)
{
    open(out, NULL, '{');
    integer(out, "table", c->table);
    integer(out, "op", c->op);
    hex(out, "id", c->id, 16);
    integer(out, "base", c->base);
    open(out, "cells", '[');
    for (size_t i = 0; i < c->cell_count; i++) {
        open(out, NULL, '{');
        integer(out, "column", c->cells[i].column);
        value(out, "value", &c->cells[i].value);
        if (c->cells[i].has_old) {
            value(out, "old", &c->cells[i].old);
        }
        close(out, '}');
    }
    close(out, ']');
    close(out, '}');
}

static void transaction(struct buf *out, const struct transaction *tx, bool row_form)
{
    open(out, NULL, '{');
    if (!row_form) {
        integer(out, "device_seq", (int64_t)tx->device_seq);
        open(out, "rests_on", '[');
        for (size_t i = 0; i < tx->rest_count; i++) {
            put_integer(out, (int64_t)tx->rests_on[i]);
            buf_put_text(out, ", ");
        }
        close(out, ']');
    }
    integer(out, "catalogue", tx->catalogue);
    integer(out, "wall_ms", tx->written.wall_ms);
    integer(out, "mono_ms", tx->written.mono_ms);
    hex(out, "boot", tx->written.boot, 16);
    integer(out, "seen_ms", tx->written.seen_ms);
    string(out, "intent", tx->intent);
    open(out, "changes", '[');
    for (size_t i = 0; i < tx->change_count; i++) {
        change(out, &tx->changes[i]);
    }
    close(out, ']');
    close(out, '}');
}

static void verdict_row(struct buf *out, const struct verdict_row *r)
{
    open(out, NULL, '{');
    integer(out, "table", r->table);
    hex(out, "id", r->id, 16);
    scope(out, &r->scope);
    integer(out, "seq", r->seq);
    open(out, "unseen", '[');
    for (size_t i = 0; i < r->unseen_count; i++) {
        open(out, NULL, '{');
        integer(out, "column", r->unseen[i].column);
        value(out, "value", &r->unseen[i].value);
        close(out, '}');
    }
    close(out, ']');
    close(out, '}');
}

static void loser(struct buf *out, const struct loser *l)
{
    open(out, NULL, '{');
    integer(out, "table", l->table);
    hex(out, "id", l->id, 16);
    integer(out, "column", l->column);
    hex(out, "kept_id", l->kept_id, 16);
    value(out, "kept", &l->kept);
    value(out, "winner", &l->winner);
    hex(out, "winner_person", l->winner_person, 16);
    integer(out, "winner_at_ms", l->winner_at_ms);
    close(out, '}');
}

static void verdict(struct buf *out, const struct verdict *v)
{
    open(out, NULL, '{');
    integer(out, "number", (int64_t)v->number);
    integer(out, "epoch", v->epoch);
    integer(out, "device_seq", (int64_t)v->device_seq);
    integer(out, "outcome", v->outcome);
    string(out, "code", bytes_text(v->code));
    string(out, "field", bytes_text(v->field));
    string(out, "detail", v->detail);
    open(out, "rows", '[');
    for (size_t i = 0; i < v->row_count; i++) {
        verdict_row(out, &v->rows[i]);
    }
    close(out, ']');
    open(out, "losers", '[');
    for (size_t i = 0; i < v->loser_count; i++) {
        loser(out, &v->losers[i]);
    }
    close(out, ']');
    close(out, '}');
}

static void rows(struct buf *out, const struct rows *r)
{
    scope(out, &r->scope);
    integer(out, "table", r->table);
    boolean(out, "whole", r->whole);
    open(out, "columns", '[');
    for (size_t i = 0; i < r->column_count; i++) {
        buf_printf(out, "%u, ", (unsigned)r->columns[i]);
    }
    close(out, ']');
    open(out, "rows", '[');
    for (size_t i = 0; i < r->count; i++) {
        open(out, NULL, '{');
        hex(out, "id", r->rows[i].id, 16);
        integer(out, "seq", r->rows[i].seq);
        open(out, "values", '[');
        for (size_t c = 0; c < r->column_count; c++) {
            put_value(out, &r->rows[i].values[c]);
            buf_put_text(out, ", ");
        }
        close(out, ']');
        close(out, '}');
    }
    close(out, ']');
}

static void digest(struct buf *out, const struct digest *d)
{
    open(out, "entries", '[');
    for (size_t i = 0; i < d->entry_count; i++) {
        open(out, NULL, '{');
        scope(out, &d->entries[i].scope);
        integer(out, "rows", (int64_t)d->entries[i].rows);
        hex(out, "sum", d->entries[i].sum, 16);
        integer(out, "table", d->entries[i].table);
        close(out, '}');
    }
    close(out, ']');
}

static void enrolled(struct buf *out, const struct enrolled *e)
{
    hex(out, "device", e->device, 16);
    integer(out, "device_number", e->device_number);
    hex(out, "person", e->person, 16);
    string(out, "login", e->login);
    integer(out, "epoch", e->epoch);
    hex(out, "token", e->token, 16);
    timeline(out, &e->timeline);
    hex(out, "digest_key", e->digest_key, 16);
    integer(out, "server_ms", e->server_ms);
    hex(out, "certificate", e->certificate.at, e->certificate.size);
}

static void offer(struct buf *out, const struct reoffer *o)
{
    integer(out, "received_ms", o->received_ms);
    hex(out, "mac", o->mac, sizeof o->mac);
    open(out, "entries", '[');
    for (size_t i = 0; i < o->count; i++) {
        open(out, NULL, '{');
        hex(out, "identity", o->entries[i].identity, sizeof o->entries[i].identity);
        open(out, "seqs", '[');
        for (size_t k = 0; k < o->entries[i].seq_count; k++) {
            put_integer(out, o->entries[i].seqs[k]);
            buf_put_text(out, ", ");
        }
        close(out, ']');
        close(out, '}');
    }
    close(out, ']');
}

static void enrol(struct buf *out, const struct enrol *e)
{
    hex(out, "secret", e->secret, sizeof e->secret);
    hex(out, "public_key", e->public_key, sizeof e->public_key);
    string(out, "name", e->name);
    string(out, "app", e->app);
    integer(out, "protocol", e->protocol);
    hex(out, "certificate", e->certificate.at, e->certificate.size);
    hex(out, "former", e->former, 16);
    integer(out, "former_epoch", e->former_epoch);
}

static void departure(struct buf *out, const struct departure *d)
{
    scope(out, &d->scope);
    integer(out, "seq", d->seq);
    integer(out, "table", d->table);
    hex(out, "id", d->id, 16);
}

static void fault(struct buf *out, const struct fault *f)
{
    string(out, "code", bytes_text(f->code));
    string(out, "detail", f->detail);
    integer(out, "server_ms", f->server_ms);
    integer(out, "limit", f->limit);
}

static void list(struct buf *out, const struct message *m)
{
    if (m->kind == MESSAGE_BATCH) {
        open(out, "transactions", '[');
        for (size_t i = 0; i < m->batch.count; i++) {
            transaction(out, &m->batch.transactions[i], false);
        }
    } else {
        open(out, "verdicts", '[');
        for (size_t i = 0; i < m->verdicts.count; i++) {
            verdict(out, &m->verdicts.verdicts[i]);
        }
    }
    close(out, ']');
    if (m->kind == MESSAGE_VERDICTS) {
        hex(out, "mac", m->verdicts.mac, sizeof m->verdicts.mac);
    }
}

static void part_name(struct buf *out, const struct part_name *p)
{
    scope(out, &p->scope);
    integer(out, "table", p->table);
    integer(out, "bucket", p->bucket);
}

static void ask(struct buf *out, const struct ask *a)
{
    boolean(out, "contents", a->contents);
    open(out, "parts", '[');
    for (size_t i = 0; i < a->count; i++) {
        open(out, NULL, '{');
        part_name(out, &a->parts[i]);
        close(out, '}');
    }
    close(out, ']');
}

static void parts(struct buf *out, const struct parts *p)
{
    open(out, "parts", '[');
    for (size_t i = 0; i < p->count; i++) {
        open(out, NULL, '{');
        part_name(out, &p->parts[i].name);
        integer(out, "listed", p->parts[i].listed);
        integer(out, "rows", p->parts[i].rows);
        hex(out, "sum", p->parts[i].sum, 16);
        close(out, '}');
    }
    close(out, ']');
    open(out, "rows", '[');
    for (size_t i = 0; i < p->row_count; i++) {
        open(out, NULL, '{');
        hex(out, "id", p->rows[i].id, 16);
        integer(out, "seq", p->rows[i].seq);
        hex(out, "sum", p->rows[i].sum, 16);
        close(out, '}');
    }
    close(out, ']');
}

static void want(struct buf *out, const struct want *w)
{
    open(out, "rows", '[');
    for (size_t i = 0; i < w->count; i++) {
        open(out, NULL, '{');
        integer(out, "table", w->rows[i].table);
        hex(out, "id", w->rows[i].id, 16);
        close(out, '}');
    }
    close(out, ']');
}

static void fields(struct buf *out, const struct message *m)
{
    switch (m->kind) {
    case MESSAGE_HELLO:
        hello(out, &m->hello);
        return;
    case MESSAGE_BATCH:
    case MESSAGE_VERDICTS:
        list(out, m);
        return;
    case MESSAGE_END:
        if (m->end.told) {
            hex(out, "sum", m->end.sum, sizeof m->end.sum);
        }
        return;
    case MESSAGE_ANSWER:
        answer(out, &m->answer);
        return;
    case MESSAGE_SCOPE_ENTER:
    case MESSAGE_SCOPE_LEAVE:
        scope(out, &m->scope);
        return;
    case MESSAGE_ROWS:
    case MESSAGE_WITNESS:
        rows(out, &m->rows);
        return;
    case MESSAGE_DEPARTURE:
        departure(out, &m->departure);
        return;
    case MESSAGE_CHECKPOINT:
        cursor_fields(out, &m->checkpoint.cursor);
        return;
    case MESSAGE_DIGEST:
        digest(out, &m->digest);
        return;
    case MESSAGE_FAULT:
        fault(out, &m->fault);
        return;
    case MESSAGE_HINT:
        integer(out, "server_ms", m->hint.server_ms);
        boolean(out, "advanced", m->hint.advanced);
        return;
    case MESSAGE_ENROL:
        enrol(out, &m->enrol);
        return;
    case MESSAGE_ENROLLED:
        enrolled(out, &m->enrolled);
        return;
    case MESSAGE_OFFER:
        offer(out, &m->offer);
        return;
    case MESSAGE_ASK:
        ask(out, &m->ask);
        return;
    case MESSAGE_PARTS:
        parts(out, &m->parts);
        return;
    case MESSAGE_WANT:
        want(out, &m->want);
        return;
    }
}

/* The comma behind the outermost brace goes, too. */
static void end(struct buf *out)
{
    out->size -= out->size >= 2 ? 2 : 0;
    buf_put_u8(out, '\n');
}

void message_json(const struct message *m, struct buf *out)
{
    open(out, NULL, '{');
    string(out, "message", bytes_text(message_name(m->kind)));
    fields(out, m);
    close(out, '}');
    end(out);
}

void transaction_json(const struct transaction *tx, bool row_form, struct buf *out)
{
    transaction(out, tx, row_form);
    end(out);
}
