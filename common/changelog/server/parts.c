/* See parts.h. Sums over numbers are kept beside the rows; only contents, and the rows of a bucket,
 * are read anew. */
#include "common/changelog/server/parts.h"

#include "common/changelog/part_list.h"
#include "common/changelog/server/store_internal.h"

#define SCANS_MAX 4096 /* of one answer; who asks for more gets the rest by asking again */

struct answering {
    const struct parts_params *p;
    const struct ask *ask;
    struct arena *arena;
    struct parts *out;
    size_t part_room;
    size_t row_room;
    size_t scans;
};

static struct err put_part(struct answering *a, const struct part_name *name,
                           const struct digest_sum *sum, bool listed)
{
    struct digest_part *parts =
        a->out->count == PARTS_MAX
            ? NULL
            : arena_more(a->arena, a->out->parts, a->out->count, &a->part_room, sizeof *parts);
    if (parts == NULL) {
        return err_make(ERR_LIMIT, 0, "parts_answer");
    }
    a->out->parts = parts;
    struct digest_part *part = &a->out->parts[a->out->count++];
    *part = (struct digest_part){.name = *name, .listed = listed, .rows = (uint32_t)sum->rows};
    digest_sum_bytes(sum, part->sum);
    return err_ok();
}

static struct err put_rows(struct answering *a, const struct part_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        void *at = arena_more(a->arena, a->out->rows, a->out->row_count, &a->row_room,
                              sizeof *a->out->rows);
        if (at == NULL) {
            return err_make(ERR_LIMIT, 0, "parts_answer");
        }
        a->out->rows = at;
        a->out->rows[a->out->row_count] = list->rows[i];
        if (!a->ask->contents) { /* the number says it already */
            memset(a->out->rows[a->out->row_count].sum, 0, 16);
        }
        a->out->row_count++;
    }
    return err_ok();
}

/* Just what a download would send of the row. */
static uint64_t sees(void *context, const struct table *t, const struct stmt *st, int first)
{
    const struct parts_params *p = context;
    uint64_t mask = table_visible(t, p->permit->role, p->catalogue);
    if (t->number != TABLE_kept_value && t->number != TABLE_proposal) {
        return mask;
    }
    bool kept = t->number == TABLE_kept_value;
    int64_t about =
        col_int(st, first + (kept ? COLUMN_kept_value_table_no : COLUMN_proposal_table_no) - 1);
    uint64_t quoted = kept ? UINT64_C(1)
                                 << (col_int(st, first + COLUMN_kept_value_column_no - 1) & 63)
                           : (uint64_t)col_int(st, first + COLUMN_proposal_columns - 1);
    return permit_hide_quotes(p->permit->role, p->catalogue, t, about, quoted, mask);
}

static struct err read_list(struct answering *a, int64_t scope, const struct table *t,
                            struct part_list *list)
{
    const struct contents c = {.db = a->p->st->db,
                               .key = a->p->st->digest_key,
                               .numbers_only = !a->ask->contents,
                               .sees = sees,
                               .context = (void *)(uintptr_t)a->p};
    a->scans++;
    return a->scans > SCANS_MAX ? err_make(ERR_LIMIT, 0, "parts_answer")
                                : part_list_read(list, &c, scope, t);
}

/* The sums of a table's buckets. */
static struct err read_sums(struct answering *a, int64_t scope, const struct table *t,
                            struct digest_sum sums[SUMS_BUCKETS])
{
    if (!a->ask->contents) {
        return sums_part(a->p->st->db, scope, t->number, sums);
    }
    struct part_list list;
    part_list_init(&list);
    struct err err = read_list(a, scope, t, &list);
    memcpy(sums, list.sums, sizeof list.sums);
    part_list_release(&list);
    return err;
}

static struct err answer_table(struct answering *a, const struct permit_scope *scope,
                               const struct table *t, bool empty_too)
{
    const struct part_name name = {.scope = scope->id, .table = t->number};
    struct digest_sum sums[SUMS_BUCKETS];
    struct digest_sum whole = {0};
    struct err err = read_sums(a, scope->no, t, sums);
    for (size_t i = 0; i < SUMS_BUCKETS; i++) {
        digest_join(&whole, &sums[i]);
    }
    return err.code == ERR_OK && (empty_too || whole.rows > 0) ? put_part(a, &name, &whole, false)
                                                               : err;
}

static struct err answer_tables(struct answering *a, const struct permit_scope *scope,
                                bool empty_too)
{
    struct err err = err_ok();
    for (size_t i = 0; i < catalogue_table_count() && err.code == ERR_OK; i++) {
        const struct table *t = catalogue_table_at(i);
        if (t->since <= a->p->catalogue && table_lives_in(t, (enum scope_kind)scope->id.kind)) {
            err = answer_table(a, scope, t, empty_too);
        }
    }
    return err;
}

static struct err answer_buckets(struct answering *a, const struct permit_scope *scope,
                                 const struct table *t)
{
    struct digest_sum sums[SUMS_BUCKETS];
    struct err err = read_sums(a, scope->no, t, sums);
    for (uint16_t i = 0; i < SUMS_BUCKETS && err.code == ERR_OK; i++) {
        const struct part_name name = {.scope = scope->id, .table = t->number, .bucket = i + 1};
        err = put_part(a, &name, &sums[i], false);
    }
    return err;
}

/* Buckets of one table from `*at` on, which one scan lists. */
static struct err answer_rows(struct answering *a, const struct permit_scope *scope,
                              const struct table *t, size_t *at)
{
    const struct part_name *asked = a->ask->parts;
    const struct part_name *first = &asked[*at];
    struct part_list list;
    part_list_init(&list);
    while (*at < a->ask->count && asked[*at].table == first->table && asked[*at].bucket > 0 &&
           memcmp(&asked[*at].scope, &first->scope, sizeof first->scope) == 0) {
        list.listed[(asked[*at].bucket - 1) % SUMS_BUCKETS] = true;
        (*at)++;
    }
    struct err err = read_list(a, scope->no, t, &list);
    bool fits = err.code == ERR_OK && list.count <= PART_ROWS_MAX - a->out->row_count;
    for (uint16_t i = 0; i < SUMS_BUCKETS && err.code == ERR_OK; i++) {
        const struct part_name name = {.scope = scope->id, .table = t->number, .bucket = i + 1};
        err = list.listed[i] ? put_part(a, &name, &list.sums[i], fits) : err;
    }
    if (fits && err.code == ERR_OK) {
        err = put_rows(a, &list);
    }
    part_list_release(&list);
    return err;
}

static struct err answer_asked(struct answering *a)
{
    struct err err = err_ok();
    for (size_t i = 0; i < a->ask->count && err.code == ERR_OK;) {
        const struct part_name *name = &a->ask->parts[i];
        const struct permit_scope *scope = permit_find(a->p->permit, &name->scope);
        const struct table *t = catalogue_table(name->table);
        if (scope == NULL || scope->no == 0 || (t == NULL && name->table != 0)) {
            i++;
        } else if (name->bucket != 0 && t != NULL) {
            err = answer_rows(a, scope, t, &i);
        } else {
            err = t == NULL ? answer_tables(a, scope, true) : answer_buckets(a, scope, t);
            i++;
        }
    }
    return err;
}

static struct err answer_all(struct answering *a)
{
    struct err err = err_ok();
    for (size_t i = 0; i < a->p->permit->scope_count && err.code == ERR_OK; i++) {
        const struct permit_scope *scope = &a->p->permit->scopes[i];
        const struct part_name name = {.scope = scope->id};
        struct digest_sum sum;
        if (scope->no == 0) {
            continue;
        }
        if (a->ask->contents) {
            err = answer_tables(a, scope, false);
            continue;
        }
        err = sums_scope(a->p->st->db, scope->no, &sum);
        if (err.code == ERR_OK) {
            err = put_part(a, &name, &sum, false);
        }
    }
    return err;
}

struct err parts_answer(const struct parts_params *p, const struct ask *ask, struct arena *arena,
                        struct parts *out)
{
    struct answering a = {.p = p, .ask = ask, .arena = arena, .out = out};
    *out = (struct parts){.count = 0};
    struct err err = ask->count > 0 ? answer_asked(&a) : answer_all(&a);
    return err.code == ERR_LIMIT ? err_ok() : err; /* what fits; the device asks for the rest */
}

struct err parts_total(const struct parts_params *p, uint8_t sum[8])
{
    struct digest_total total;
    digest_total_begin(&total);
    struct err err = err_ok();
    for (size_t i = 0; i < p->permit->scope_count && err.code == ERR_OK; i++) {
        const struct permit_scope *scope = &p->permit->scopes[i];
        struct digest_sum one;
        if (scope->no != 0) {
            err = sums_scope(p->st->db, scope->no, &one);
            digest_total_add(&total, &scope->id, &one);
        }
    }
    struct err end = digest_total_end(&total, p->st->digest_key, sum);
    return err.code == ERR_OK ? end : err;
}
