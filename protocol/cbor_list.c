/* Arrays with their last, empty fields left out; see cbor_list.h. */
#include "protocol/cbor_list.h"

#include <assert.h>

#define FIELDS_MAX 23

void list_begin(struct list_writer *l, struct cbor_writer *w)
{
    *l = (struct list_writer){.w = w, .head_at = w->out->size};
    buf_put_u8(w->out, CBOR_ARRAY << 5); /* the count comes in at the end */
    l->kept_at = w->out->size;
}

void list_mark(struct list_writer *l, bool is_something)
{
    l->count++;
    assert(l->count <= FIELDS_MAX);
    if (is_something) {
        l->kept = l->count;
        l->kept_at = l->w->out->size;
    }
}

void list_end(struct list_writer *l)
{
    if (!l->w->out->bad) {
        l->w->out->at[l->head_at] = (uint8_t)(CBOR_ARRAY << 5 | l->kept);
        l->w->out->size = l->kept_at;
    }
}

void list_put_uint(struct list_writer *l, uint64_t n)
{
    cbor_put_uint(l->w, n);
    list_mark(l, n != 0);
}

void list_put_int(struct list_writer *l, int64_t i)
{
    cbor_put_int(l->w, i);
    list_mark(l, i != 0);
}

void list_put_bool(struct list_writer *l, bool yes)
{
    cbor_put_bool(l->w, yes);
    list_mark(l, yes);
}

void list_put_bytes(struct list_writer *l, struct bytes bytes)
{
    cbor_put_bytes(l->w, bytes);
    list_mark(l, bytes.size > 0);
}

void list_put_text(struct list_writer *l, struct bytes text)
{
    cbor_put_text(l->w, text);
    list_mark(l, text.size > 0);
}

static void put_fixed(struct list_writer *l, const uint8_t *at, size_t size)
{
    bool something = false;
    for (size_t i = 0; i < size && !something; i++) {
        something = at[i] != 0;
    }
    list_put_bytes(l, bytes_of(at, something ? size : 0));
}

void list_put_id(struct list_writer *l, const uint8_t id[16])
{
    put_fixed(l, id, 16);
}

void list_put_key(struct list_writer *l, const uint8_t key[COURIER_KEY_BYTES])
{
    put_fixed(l, key, COURIER_KEY_BYTES);
}

void list_open(struct list_reader *l, struct cbor_reader *r)
{
    *l = (struct list_reader){.r = r, .left = cbor_take_array(r)};
}

void list_close(struct list_reader *l)
{
    if (l->left > 0) {
        cbor_fail(l->r, WIRE_MALFORMED);
    }
}

bool list_next(struct list_reader *l)
{
    if (l->left == 0 || l->r->error != WIRE_OK) {
        return false;
    }
    l->left--;
    return true;
}

uint64_t list_take_uint(struct list_reader *l, uint64_t max)
{
    return list_next(l) ? cbor_take_uint(l->r, max) : 0;
}

int64_t list_take_int(struct list_reader *l)
{
    return list_next(l) ? cbor_take_int(l->r) : 0;
}

bool list_take_bool(struct list_reader *l)
{
    return list_next(l) && cbor_take_bool(l->r);
}

struct bytes list_take_bytes(struct list_reader *l, size_t size_max)
{
    return list_next(l) ? cbor_take_bytes(l->r, size_max) : (struct bytes){0};
}

struct bytes list_take_text(struct list_reader *l, size_t size_max)
{
    return list_next(l) ? cbor_take_text(l->r, size_max) : (struct bytes){0};
}

static void take_fixed(struct list_reader *l, uint8_t *to, size_t size)
{
    struct bytes bytes = list_take_bytes(l, size);
    if (bytes.size == size) {
        memcpy(to, bytes.at, size);
        return;
    }
    memset(to, 0, size);
    if (bytes.size != 0) {
        cbor_fail(l->r, WIRE_MALFORMED);
    }
}

void list_take_id(struct list_reader *l, uint8_t id[16])
{
    take_fixed(l, id, 16);
}

void list_take_key(struct list_reader *l, uint8_t key[COURIER_KEY_BYTES])
{
    take_fixed(l, key, COURIER_KEY_BYTES);
}

bool code_unpack(struct bytes text, char *code, size_t room)
{
    code[0] = 0;
    if (text.size >= room) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] <= ' ' || text.at[i] > '~') {
            return false;
        }
    }
    if (text.size > 0) {
        memcpy(code, text.at, text.size);
    }
    code[text.size] = 0;
    return true;
}

void list_take_code(struct list_reader *l, char *code, size_t room)
{
    if (!code_unpack(list_take_text(l, room - 1), code, room)) {
        cbor_fail(l->r, WIRE_MALFORMED);
    }
}

void scope_pack(const struct scope_id *scope, uint8_t packed[SCOPE_BYTES])
{
    packed[0] = scope->kind;
    memcpy(packed + 1, scope->id, 16);
}

bool scope_unpack(struct bytes packed, struct scope_id *scope)
{
    *scope = (struct scope_id){0};
    if (packed.size != SCOPE_BYTES || packed.at[0] < SCOPE_COMPANY || packed.at[0] > SCOPE_POOL) {
        return false;
    }
    scope->kind = packed.at[0];
    memcpy(scope->id, packed.at + 1, 16);
    return true;
}

void list_put_own_scope(struct list_writer *l, const struct scope_id *scope)
{
    static const uint8_t left_out[16];
    if (memcmp(scope->id, left_out, sizeof left_out) == 0) {
        list_put_bytes(l, bytes_of(&scope->kind, 1));
    } else {
        list_put_scope(l, scope);
    }
}

/* An id of zeros has one form. */
void list_take_own_scope(struct list_reader *l, struct scope_id *scope)
{
    static const uint8_t left_out[16];
    struct bytes b = list_take_bytes(l, SCOPE_BYTES);
    if (b.size == 1 && b.at[0] >= SCOPE_COMPANY && b.at[0] <= SCOPE_POOL) {
        *scope = (struct scope_id){.kind = b.at[0]};
    } else if (!scope_unpack(b, scope) || memcmp(scope->id, left_out, sizeof left_out) == 0) {
        cbor_fail(l->r, WIRE_MALFORMED);
    }
}

void list_put_scope(struct list_writer *l, const struct scope_id *scope)
{
    uint8_t packed[SCOPE_BYTES];
    scope_pack(scope, packed);
    list_put_bytes(l, bytes_of(packed, SCOPE_BYTES));
}

void list_take_scope(struct list_reader *l, struct scope_id *scope)
{
    if (!scope_unpack(list_take_bytes(l, SCOPE_BYTES), scope)) {
        cbor_fail(l->r, WIRE_MALFORMED);
    }
}
