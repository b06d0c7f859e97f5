/* Fields of a message: an array whose last elements are left out where they hold what their kind
 * calls nothing (0, false, empty, 16 zero bytes). So small messages are small, and reading gives
 * nothing for what isn't there. At most 23 fields: the array's head is one byte. */
#ifndef PROTOCOL_CBOR_LIST_H
#define PROTOCOL_CBOR_LIST_H

#include "protocol/cbor.h"

struct list_writer {
    struct cbor_writer *w;
    size_t head_at;
    size_t kept_at; /* end of the last field that isn't nothing */
    uint8_t count;
    uint8_t kept;
};

void list_begin(struct list_writer *l, struct cbor_writer *w);
void list_end(struct list_writer *l);
/* After a field that the caller wrote itself. */
void list_mark(struct list_writer *l, bool is_something);
void list_put_uint(struct list_writer *l, uint64_t n);
void list_put_int(struct list_writer *l, int64_t i);
void list_put_bool(struct list_writer *l, bool yes);
void list_put_bytes(struct list_writer *l, struct bytes bytes);
void list_put_text(struct list_writer *l, struct bytes text);
void list_put_id(struct list_writer *l, const uint8_t id[16]); /* zero: as empty bytes */
void list_put_key(struct list_writer *l, const uint8_t key[COURIER_KEY_BYTES]); /* the same */

struct list_reader {
    struct cbor_reader *r;
    size_t left;
};

void list_open(struct list_reader *l, struct cbor_reader *r);
/* A field more than the reader knows is an error. */
void list_close(struct list_reader *l);
/* Whether there is a next field; then the caller takes it. */
bool list_next(struct list_reader *l);
uint64_t list_take_uint(struct list_reader *l, uint64_t max);
int64_t list_take_int(struct list_reader *l);
bool list_take_bool(struct list_reader *l);
struct bytes list_take_bytes(struct list_reader *l, size_t size_max);
struct bytes list_take_text(struct list_reader *l, size_t size_max);
void list_take_id(struct list_reader *l, uint8_t id[16]);
void list_take_key(struct list_reader *l, uint8_t key[COURIER_KEY_BYTES]);
/* Printable ASCII into a string of `room` bytes, ended by a zero. */
void list_take_code(struct list_reader *l, char *code, size_t room);

/* Two small things that stand in many messages. */
void list_put_scope(struct list_writer *l, const struct scope_id *scope);
void list_take_scope(struct list_reader *l, struct scope_id *scope);
/* The same where the id may be left out (hello_names.h): then the kind alone. */
void list_put_own_scope(struct list_writer *l, const struct scope_id *scope);
void list_take_own_scope(struct list_reader *l, struct scope_id *scope);
#define SCOPE_BYTES 17
void scope_pack(const struct scope_id *scope, uint8_t packed[SCOPE_BYTES]);
bool scope_unpack(struct bytes packed, struct scope_id *scope);
bool code_unpack(struct bytes text, char *code, size_t room);

#endif
