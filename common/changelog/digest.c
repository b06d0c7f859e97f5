/* See digest.h. Sums are gathered in a matrix of scopes and tables, which stays small: a device
 * holds a handful of scopes, a store some thousands. */
#include "common/changelog/digest.h"

#include <sodium.h>

#include "common/catalogue/catalogue.h"

#define TOTAL_BYTES 41 /* of one scope: kind and id, rows, sum */

static void put_be64(uint8_t *to, uint64_t n)
{
    for (int i = 0; i < 8; i++) {
        to[i] = (uint8_t)(n >> (56 - 8 * i));
    }
}

static uint64_t get_be64(const uint8_t *from)
{
    uint64_t n = 0;
    for (int i = 0; i < 8; i++) {
        n = n << 8 | from[i];
    }
    return n;
}

void digest_hash(const uint8_t key[16], const uint8_t id[16], int64_t seq, uint64_t words[2])
{
    static_assert(crypto_shorthash_siphashx24_KEYBYTES == 16, "the store's digest key");
    static_assert(crypto_shorthash_siphashx24_BYTES == 16, "two words");
    uint8_t in[24];
    uint8_t out[16];
    memcpy(in, id, 16);
    put_be64(in + 16, (uint64_t)seq);
    crypto_shorthash_siphashx24(out, in, sizeof in, key);
    words[0] = get_be64(out);
    words[1] = get_be64(out + 8);
}

void digest_add(struct digest_sum *sum, const uint8_t key[16], const uint8_t id[16], int64_t seq)
{
    uint64_t words[2];
    digest_hash(key, id, seq, words);
    sum->words[0] += words[0];
    sum->words[1] += words[1];
    sum->rows++;
}

void digest_remove(struct digest_sum *sum, const uint8_t key[16], const uint8_t id[16], int64_t seq)
{
    uint64_t words[2];
    digest_hash(key, id, seq, words);
    sum->words[0] -= words[0];
    sum->words[1] -= words[1];
    sum->rows--;
}

void digest_join(struct digest_sum *sum, const struct digest_sum *part)
{
    sum->words[0] += part->words[0];
    sum->words[1] += part->words[1];
    sum->rows += part->rows;
}

void digest_sum_bytes(const struct digest_sum *sum, uint8_t out[16])
{
    put_be64(out, sum->words[0]);
    put_be64(out + 8, sum->words[1]);
}

void digest_sum_from(struct digest_sum *sum, uint64_t rows, struct bytes bytes)
{
    *sum = (struct digest_sum){.rows = rows};
    if (bytes.size == 16) {
        sum->words[0] = get_be64(bytes.at);
        sum->words[1] = get_be64(bytes.at + 8);
    }
}

void digest_total_begin(struct digest_total *t)
{
    buf_init(&t->bytes, (size_t)SCOPES_MAX * TOTAL_BYTES);
}

void digest_total_add(struct digest_total *t, const struct scope_id *scope,
                      const struct digest_sum *sum)
{
    uint8_t numbers[24];
    if (sum->rows == 0) {
        return;
    }
    put_be64(numbers, sum->rows);
    digest_sum_bytes(sum, numbers + 8);
    buf_put_u8(&t->bytes, scope->kind);
    buf_put(&t->bytes, bytes_of(scope->id, sizeof scope->id));
    buf_put(&t->bytes, bytes_of(numbers, sizeof numbers));
}

struct err digest_total_end(struct digest_total *t, const uint8_t key[16], uint8_t out[8])
{
    uint8_t hash[crypto_shorthash_siphashx24_BYTES];
    bool bad = t->bytes.bad;
    crypto_shorthash_siphashx24(hash, t->bytes.at, bad ? 0 : t->bytes.size, key);
    memcpy(out, hash, 8);
    buf_release(&t->bytes);
    return bad ? err_make(ERR_NOMEM, 0, "digest_total") : err_ok();
}

int scope_id_compare(const struct scope_id *a, const struct scope_id *b)
{
    return a->kind != b->kind ? (a->kind < b->kind ? -1 : 1) : memcmp(a->id, b->id, sizeof a->id);
}

struct err digest_begin(struct digest_work *w, const uint8_t key[16],
                        const struct digest_scope *scopes, size_t scope_count, struct arena *arena)
{
    *w = (struct digest_work){.key = key, .scopes = scopes, .scope_count = scope_count};
    w->sums = arena_array(arena, scope_count, catalogue_table_count() * sizeof *w->sums);
    return w->sums == NULL ? err_make(arena->full ? ERR_LIMIT : ERR_NOMEM, 0, "digest_begin")
                           : err_ok();
}

static struct digest_sum *sum_of(const struct digest_work *w, int64_t scope_no, size_t table)
{
    size_t low = 0;
    size_t high = w->scope_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (w->scopes[middle].no < scope_no) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found = low < w->scope_count && w->scopes[low].no == scope_no;
    return found ? &w->sums[low * catalogue_table_count() + table] : NULL;
}

void digest_row(struct digest_work *w, int64_t scope_no, uint16_t table, const uint8_t id[16],
                int64_t seq)
{
    for (size_t i = 0; i < catalogue_table_count(); i++) {
        struct digest_sum *sum =
            catalogue_table_at(i)->number == table ? sum_of(w, scope_no, i) : NULL;
        if (sum != NULL) {
            digest_add(sum, w->key, id, seq);
        }
    }
}

static int compare_scopes(const void *a, const void *b)
{
    const struct digest_scope *const *x = a;
    const struct digest_scope *const *y = b;
    return scope_id_compare(&(*x)->id, &(*y)->id);
}

static void put_entry(struct digest *out, const struct scope_id *scope, uint16_t table,
                      const struct digest_sum *sum)
{
    struct digest_entry *e = &out->entries[out->entry_count++];
    *e = (struct digest_entry){.scope = *scope, .table = table, .rows = sum->rows};
    digest_sum_bytes(sum, e->sum);
}

static void put_scope(const struct digest_work *w, const struct digest_scope *scope,
                      struct digest *out)
{
    const size_t tables = catalogue_table_count();
    const struct digest_sum *sums = &w->sums[(size_t)(scope - w->scopes) * tables];
    struct digest_sum whole = {0};
    for (size_t i = 0; i < tables; i++) {
        digest_join(&whole, &sums[i]);
    }
    put_entry(out, &scope->id, 0, &whole);
    for (size_t i = 0; i < tables; i++) {
        if (sums[i].rows > 0) {
            put_entry(out, &scope->id, catalogue_table_at(i)->number, &sums[i]);
        }
    }
}

struct err digest_finish(struct digest_work *w, struct arena *arena, struct digest *out)
{
    *out = (struct digest){0};
    const struct digest_scope **order = arena_array(arena, w->scope_count, sizeof *order);
    out->entries =
        arena_array(arena, w->scope_count, (catalogue_table_count() + 1) * sizeof *out->entries);
    if (order == NULL || out->entries == NULL) {
        return err_make(arena->full ? ERR_LIMIT : ERR_NOMEM, 0, "digest_finish");
    }
    for (size_t i = 0; i < w->scope_count; i++) {
        order[i] = &w->scopes[i];
    }
    qsort(order, w->scope_count, sizeof *order, compare_scopes);
    for (size_t i = 0; i < w->scope_count; i++) {
        put_scope(w, order[i], out);
    }
    return err_ok();
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    bool equal = a->entry_count == b->entry_count;
    for (size_t i = 0; equal && i < a->entry_count; i++) {
        const struct digest_entry *x = &a->entries[i];
        const struct digest_entry *y = &b->entries[i];
        equal = scope_id_compare(&x->scope, &y->scope) == 0 && x->table == y->table &&
                x->rows == y->rows && memcmp(x->sum, y->sum, sizeof x->sum) == 0;
    }
    return equal;
}
