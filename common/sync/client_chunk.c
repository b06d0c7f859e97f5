/* See client_chunk.h. Messages are decoded into the chunk's own arena; only text and blobs, which
 * the decoder borrows from its buffer, are copied. */
#include "common/sync/client_chunk.h"

#define CHUNK_BYTES_MAX ((size_t)48 * 1024 * 1024)
#define CHUNK_ROWS_DUE  1000
#define CHUNK_BYTES_DUE ((size_t)4 * 1024 * 1024)

struct client_queued {
    struct client_queued *next;
    struct message message;
};

void client_chunk_init(struct client_chunk *c)
{
    *c = (struct client_chunk){.rows = 0};
    arena_init(&c->arena, CHUNK_BYTES_MAX);
}

void client_chunk_release(struct client_chunk *c)
{
    arena_release(&c->arena);
}

struct arena *client_chunk_arena(struct client_chunk *c)
{
    if (c->first == NULL) {
        arena_clear(&c->arena);
    }
    return &c->arena;
}

static bool own_value(struct arena *arena, struct value *v)
{
    if (v->kind == VALUE_TEXT || v->kind == VALUE_BLOB) {
        v->b = arena_copy(arena, v->b);
        return v->b.at != NULL;
    }
    return true;
}

static bool own_rows(struct arena *arena, const struct rows *rows)
{
    bool good = true;
    for (size_t i = 0; i < rows->count && good; i++) {
        for (size_t k = 0; k < rows->column_count && good; k++) {
            good = own_value(arena, &rows->rows[i].values[k]);
        }
    }
    return good;
}

struct err client_chunk_put(struct client_chunk *c, const struct message *m)
{
    struct client_queued *q = arena_alloc(&c->arena, sizeof *q);
    if (q == NULL || (m->kind == MESSAGE_ROWS && !own_rows(&c->arena, &m->rows))) {
        return err_make(c->arena.full ? ERR_LIMIT : ERR_NOMEM, 0, "client_chunk");
    }
    q->message = *m;
    *(c->first == NULL ? &c->first : &c->last->next) = q;
    c->last = q;
    c->rows += m->kind == MESSAGE_ROWS ? m->rows.count : 0;
    if (m->kind == MESSAGE_CHECKPOINT) {
        c->closed = q;
    }
    return err_ok();
}

struct err client_chunk_close(struct client_chunk *c)
{
    const struct client_queued *q = c->closed == NULL ? c->first : c->closed->next;
    for (; q != NULL; q = q->next) {
        if (q->message.kind == MESSAGE_ROWS || q->message.kind == MESSAGE_DEPARTURE) {
            return err_make(ERR_PROTOCOL, 0, "client_chunk: rows without a checkpoint");
        }
    }
    c->closed = c->last;
    return err_ok();
}

bool client_chunk_is_empty(const struct client_chunk *c)
{
    return c->closed == NULL;
}

bool client_chunk_is_due(const struct client_chunk *c)
{
    return c->closed != NULL && c->closed == c->last &&
           (c->rows >= CHUNK_ROWS_DUE || c->arena.size >= CHUNK_BYTES_DUE);
}

static struct err apply_message(struct apply *a, const struct message *m)
{
    switch (m->kind) {
    case MESSAGE_SCOPE_ENTER:
        return apply_enter(a, &m->scope);
    case MESSAGE_SCOPE_LEAVE:
        return apply_leave(a, &m->scope);
    case MESSAGE_ROWS:
        return apply_rows(a, &m->rows);
    case MESSAGE_DEPARTURE:
        return apply_departure(a, &m->departure);
    case MESSAGE_CHECKPOINT:
        return apply_checkpoint(a, &m->checkpoint.cursor);
    case MESSAGE_HELLO:
    case MESSAGE_BATCH:
    case MESSAGE_END:
    case MESSAGE_ANSWER:
    case MESSAGE_VERDICTS:
    case MESSAGE_DIGEST:
    case MESSAGE_FAULT:
    case MESSAGE_HINT:
    case MESSAGE_ENROL:
    case MESSAGE_ENROLLED:
    case MESSAGE_OFFER:
    case MESSAGE_WITNESS:
    case MESSAGE_ASK:
    case MESSAGE_PARTS:
    case MESSAGE_WANT:
        break;
    }
    return err_make(ERR_INTERNAL, (int)m->kind, "client_chunk");
}

struct err client_chunk_apply(struct client_chunk *c, struct apply *a)
{
    struct err err = err_ok();
    const struct client_queued *end = c->closed->next;
    for (const struct client_queued *q = c->first; q != end && err.code == ERR_OK; q = q->next) {
        err = apply_message(a, &q->message);
    }
    c->first = c->closed->next;
    c->closed = NULL;
    if (c->first == NULL) {
        c->last = NULL;
        c->rows = 0;
    }
    return err;
}
