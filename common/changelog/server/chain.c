/* See chain.h. */
#include "common/changelog/server/chain.h"

#include "protocol/codec.h"
#include "protocol/sha256.h"

#define PARTS_FIRST 4

struct chain_part {
    int64_t scope;
    struct chain_head head; /* `index` of now, `hash` still the one before */
    struct sha256 sha;
};

static void sha_int(struct sha256 *sha, int64_t n)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)((uint64_t)n >> (56 - 8 * i));
    }
    sha256_update(sha, bytes, sizeof bytes);
}

static void sha_bytes(struct sha256 *sha, struct bytes b)
{
    sha_int(sha, (int64_t)b.size);
    sha256_update(sha, b.at, b.size);
}

void chain_seal(struct bytes salt, struct bytes first, struct bytes second,
                uint8_t out[CHAIN_HASH_SIZE])
{
    struct sha256 sha;
    sha256_init(&sha);
    sha256_update(&sha, salt.at, salt.size);
    sha_bytes(&sha, first);
    sha_bytes(&sha, second);
    sha256_final(&sha, out);
}

bool chain_sealed(struct bytes seal, struct bytes first, struct bytes second,
                  uint8_t out[CHAIN_HASH_SIZE])
{
    if (seal.size == CHAIN_HASH_SIZE) {
        memcpy(out, seal.at, CHAIN_HASH_SIZE);
        return true;
    }
    chain_seal(seal, first, second, out);
    return seal.size == CHAIN_SALT_SIZE;
}

void chain_begin(struct chain_sum *sum, const struct chain_entry *entry, chain_before before,
                 void *context)
{
    *sum = (struct chain_sum){.entry = entry, .before = before, .context = context};
}

void chain_release(struct chain_sum *sum)
{
    free(sum->parts);
    sum->parts = NULL;
    sum->count = sum->room = 0;
}

static void part_begin(struct chain_part *part, const struct chain_entry *e,
                       const struct scope_id *id)
{
    static const char name[] = "legwork chain 1";
    static const uint8_t nobody[16];
    struct sha256 *sha = &part->sha;
    sha256_init(sha);
    sha256_update(sha, name, sizeof name - 1);
    sha256_update(sha, part->head.hash, sizeof part->head.hash);
    sha256_update(sha, &id->kind, 1);
    sha256_update(sha, id->id, sizeof id->id);
    const int64_t numbers[] = {part->head.index, e->no,          e->device,       e->epoch,
                               e->device_seq,    e->received_ms, e->effective_ms, e->outcome};
    for (size_t i = 0; i < count_of(numbers); i++) {
        sha_int(sha, numbers[i]);
    }
    sha256_update(sha, e->has_person ? e->person : nobody, sizeof nobody);
    sha_bytes(sha, e->code);
    sha_bytes(sha, e->intent);
    sha256_update(sha, e->content, sizeof e->content);
}

/* Rows of one scope mostly come one after the other. */
static struct chain_part *part_known(struct chain_sum *sum, int64_t scope)
{
    for (size_t i = sum->count; i > 0; i--) {
        if (sum->parts[i - 1].scope == scope) {
            return &sum->parts[i - 1];
        }
    }
    return NULL;
}

static struct err part_of(struct chain_sum *sum, int64_t scope, struct chain_part **out)
{
    *out = part_known(sum, scope);
    if (*out != NULL) {
        return err_ok();
    }
    if (sum->count == sum->room) {
        size_t room = sum->room == 0 ? PARTS_FIRST : sum->room * 2;
        struct chain_part *parts = realloc(sum->parts, room * sizeof *parts);
        if (parts == NULL) {
            return err_make(ERR_NOMEM, 0, "part_of");
        }
        sum->parts = parts;
        sum->room = room;
    }
    struct scope_id id;
    struct chain_part *part = &sum->parts[sum->count];
    *part = (struct chain_part){.scope = scope};
    struct err err = sum->before(sum->context, scope, &id, &part->head);
    if (err.code == ERR_OK) {
        part->head.index++;
        part_begin(part, sum->entry, &id);
        sum->count++;
        *out = part;
    }
    return err;
}

struct err chain_add_scope(struct chain_sum *sum, int64_t scope)
{
    struct chain_part *part = NULL;
    return part_of(sum, scope, &part);
}

enum part_kind { PART_HERE = 1, PART_LEFT = 2 };

static struct err add(struct chain_sum *sum, const struct chain_row *row, int64_t scope,
                      enum part_kind kind, int64_t seq)
{
    struct chain_part *part = NULL;
    struct err err = part_of(sum, scope, &part);
    if (err.code != ERR_OK) {
        return err;
    }
    sha_int(&part->sha, row->index);
    sha_int(&part->sha, kind);
    sha_int(&part->sha, row->table);
    sha256_update(&part->sha, row->id, sizeof row->id);
    sha_int(&part->sha, seq);
    sha_int(&part->sha, row->made ? 0 : 1);
    if (!row->made) {
        sha256_update(&part->sha, row->old, sizeof row->old);
    }
    return err;
}

struct err chain_add(struct chain_sum *sum, const struct chain_row *row)
{
    struct err err = add(sum, row, row->scope, PART_HERE, row->seq);
    if (err.code == ERR_OK && row->left_scope != 0) {
        err = add(sum, row, row->left_scope, PART_LEFT, row->left_seq);
    }
    return err;
}

struct err chain_end(struct chain_sum *sum,
                     struct err (*each)(void *context, int64_t scope,
                                        const struct chain_head *head),
                     void *context)
{
    struct err err = err_ok();
    for (size_t i = 0; i < sum->count && err.code == ERR_OK; i++) {
        struct chain_part *part = &sum->parts[i];
        part->head.no = sum->entry->no;
        sha256_final(&part->sha, part->head.hash);
        err = each(context, part->scope, &part->head);
    }
    return err;
}

/* ---- as stored ---- */

struct err chain_put_part(struct buf *out, int64_t scope, const struct chain_head *head)
{
    const struct value values[] = {value_int(scope), value_int(head->index),
                                   value_blob(bytes_of(head->hash, sizeof head->hash))};
    for (size_t i = 0; i < count_of(values); i++) {
        if (value_encode(&values[i], out) != WIRE_OK) {
            return err_make(ERR_NOMEM, 0, "chain_put_part");
        }
    }
    return err_ok();
}

static bool take(struct bytes *in, enum value_kind kind, struct value *out)
{
    size_t used = 0;
    if (value_decode(*in, out, &used) != WIRE_OK || out->kind != kind) {
        return false;
    }
    *in = bytes_of(in->at + used, in->size - used);
    return true;
}

bool chain_take_part(struct bytes *in, int64_t *scope, struct chain_head *head)
{
    struct value no;
    struct value index;
    struct value hash;
    if (!take(in, VALUE_INT, &no) || !take(in, VALUE_INT, &index) || !take(in, VALUE_BLOB, &hash) ||
        hash.b.size != sizeof head->hash) {
        return false;
    }
    *scope = no.i;
    *head = (struct chain_head){.index = index.i};
    memcpy(head->hash, hash.b.at, sizeof head->hash);
    return true;
}

/* `scope.head` is a part with the entry's number in the place of the scope's. */
bool chain_take_head(struct bytes in, struct chain_head *head)
{
    int64_t no = 0;
    if (in.size == 0) {
        *head = (struct chain_head){0};
        return true;
    }
    bool whole = chain_take_part(&in, &no, head) && in.size == 0;
    head->no = no;
    return whole;
}
