/* See repair.h. Rows with pending work are looked at by their number alone: what the server has
 * lies below the edits and isn't to be seen in the table. */
#include "common/changelog/device/repair.h"

#include "common/changelog/device/counted.h"
#include "common/changelog/device/outbox.h"
#include "common/changelog/part_list.h"
#include "common/changelog/device/under.h"

#define ASKED_MAX 2048 /* parts of one request; the others are found by the next round */

void repair_init(struct repair *r, struct apply *a)
{
    *r = (struct repair){.a = a};
}

void repair_release(struct repair *r)
{
    free(r->asks);
    free(r->wants);
    repair_init(r, r->a);
}

void repair_begin(struct repair *r, bool contents)
{
    r->contents = contents;
    r->asks_all = true;
    r->ask_count = 0;
    r->want_count = 0;
    r->want_at = 0;
    r->differing = 0;
}

void repair_begin_rows(struct repair *r)
{
    repair_begin(r, true);
    r->asks_all = false;
}

bool repair_is_open(const struct repair *r)
{
    return r->asks_all || r->ask_count > 0 || r->want_at < r->want_count;
}

bool repair_ask(const struct repair *r, struct ask *out)
{
    *out = (struct ask){.contents = r->contents, .count = r->ask_count, .parts = r->asks};
    return r->asks_all || r->ask_count > 0;
}

bool repair_want(const struct repair *r, struct want *out)
{
    size_t left = r->want_count - r->want_at;
    *out = (struct want){.count = left < ROWS_MAX ? left : ROWS_MAX,
                         .rows = left > 0 ? &r->wants[r->want_at] : NULL};
    return left > 0;
}

static bool grow(void **at, size_t *room, size_t count, size_t size)
{
    if (count < *room) {
        return true;
    }
    size_t more = *room == 0 ? 64 : *room * 2;
    void *to = realloc(*at, more * size);
    if (to != NULL) {
        *at = to;
        *room = more;
    }
    return to != NULL;
}

static struct err put_ask(struct repair *r, const struct part_name *name)
{
    void *at = r->asks;
    if (r->ask_count == ASKED_MAX) {
        return err_ok();
    }
    if (!grow(&at, &r->ask_room, r->ask_count, sizeof *r->asks)) {
        return err_make(ERR_NOMEM, 0, "repair");
    }
    r->asks = at;
    r->asks[r->ask_count++] = *name;
    return err_ok();
}

static struct err put_want(struct repair *r, const struct table *t, const uint8_t id[16])
{
    void *at = r->wants;
    if (r->want_count == REPAIR_WANTED_MAX) {
        return err_ok(); /* the next round takes them */
    }
    if (!grow(&at, &r->want_room, r->want_count, sizeof *r->wants)) {
        return err_make(ERR_NOMEM, 0, "repair");
    }
    r->wants = at;
    struct wanted_row *w = &r->wants[r->want_count++];
    w->table = t->number;
    memcpy(w->id, id, sizeof w->id);
    r->wanted++;
    return err_ok();
}

struct err repair_row(struct repair *r, const struct table *t, const uint8_t id[16])
{
    return put_want(r, t, id);
}

/* ---- what is here ---- */

/* Rows under pending deletes, which their tables don't show. */
static struct err add_deleted(struct repair *r, int64_t scope, const struct table *t,
                              struct part_list *list)
{
    struct replica *replica = r->a->r;
    size_t count = 0;
    const struct outbox_entry *e = outbox_from(replica, 0, &count);
    struct err err = err_ok();
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        struct counted is = {.scope = 0};
        struct row_stamp stamp;
        if (e[i].op != CHANGE_DELETE || e[i].table != t->number) {
            continue;
        }
        err = lay_stamp_of(replica->db, t, e[i].id, &stamp);
        if (err.code == ERR_OK && counted_stamp(&stamp).scope == 0) {
            err = counted_of(replica, t, e[i].id, &stamp, &r->a->arena, &is);
        }
        if (err.code == ERR_OK && is.scope == scope) {
            struct contents_row row = {.seq = is.seq};
            memcpy(row.id, e[i].id, sizeof row.id);
            digest_hash(replica->digest_key, row.id, row.seq, row.words);
            err = part_list_add(list, &row);
        }
    }
    part_list_sort(list);
    return err;
}

static struct err read_list(struct repair *r, int64_t scope, const struct table *t,
                            struct part_list *list)
{
    const struct contents c = {
        .db = r->a->r->db, .key = r->a->r->digest_key, .numbers_only = !r->contents};
    struct err err = part_list_read(list, &c, scope, t);
    return err.code == ERR_OK ? add_deleted(r, scope, t, list) : err;
}

/* ---- comparing sums ---- */

static bool is_equal(const struct digest_part *part, const struct digest_sum *mine)
{
    uint8_t sum[16];
    digest_sum_bytes(mine, sum);
    return part->rows == (uint32_t)mine->rows && memcmp(part->sum, sum, sizeof sum) == 0;
}

/* The sums of a table here, read once for all of its parts that stand together. */
struct mine {
    int64_t scope;
    const struct table *table;
    struct digest_sum sums[SUMS_BUCKETS];
};

static struct err read_mine(struct repair *r, int64_t scope, const struct table *t,
                            struct mine *mine)
{
    if (mine->scope == scope && mine->table == t) {
        return err_ok();
    }
    mine->scope = scope;
    mine->table = t;
    if (!r->contents) {
        return sums_part(r->a->r->db, scope, t->number, mine->sums);
    }
    struct part_list list;
    part_list_init(&list);
    struct err err = read_list(r, scope, t, &list);
    memcpy(mine->sums, list.sums, sizeof list.sums);
    part_list_release(&list);
    return err;
}

/* What differs is asked for, one level deeper. */
static struct err compare_sum(struct repair *r, int64_t scope, const struct digest_part *part,
                              struct mine *mine)
{
    const struct table *t = catalogue_table(part->name.table);
    struct digest_sum sum = {0};
    struct err err = err_ok();
    if (part->name.table == 0) {
        err = sums_scope(r->a->r->db, scope, &sum);
    } else if (t == NULL) {
        return err;
    } else {
        err = read_mine(r, scope, t, mine);
        for (size_t i = 0; i < SUMS_BUCKETS && part->name.bucket == 0; i++) {
            digest_join(&sum, &mine->sums[i]);
        }
        sum = part->name.bucket == 0 ? sum : mine->sums[(part->name.bucket - 1) % SUMS_BUCKETS];
    }
    return err.code == ERR_OK && !is_equal(part, &sum) ? put_ask(r, &part->name) : err;
}

/* ---- comparing rows ---- */

static bool is_pending(const struct repair *r, const struct table *t, const uint8_t id[16])
{
    return outbox_of_row(r->a->r, t->number, id) != NULL;
}

/* The server hasn't got it. */
static struct err drop_mine(struct repair *r, const struct table *t, const struct part_row *row)
{
    if ((r->contents && is_pending(r, t, row->id)) || planted(FORGOTTEN_STAYS)) {
        return err_ok();
    }
    r->dropped++;
    r->differing++;
    arena_clear(&r->a->arena);
    return apply_drop(r->a, t, row->id);
}

static struct err compare_row(struct repair *r, const struct table *t, const struct part_row *mine,
                              const struct part_row *theirs)
{
    bool differs = mine == NULL || mine->seq != theirs->seq ||
                   (r->contents && memcmp(mine->sum, theirs->sum, sizeof mine->sum) != 0);
    if (!differs || (r->contents && is_pending(r, t, theirs->id))) {
        return err_ok();
    }
    r->differing++;
    return put_want(r, t, theirs->id);
}

static struct err compare_lists(struct repair *r, const struct table *t,
                                const struct part_list *list, const struct part_row *theirs,
                                size_t count)
{
    struct err err = err_ok();
    for (size_t i = 0, k = 0; (i < list->count || k < count) && err.code == ERR_OK;) {
        int order = i == list->count ? 1
                    : k == count     ? -1
                                     : part_row_compare(&list->rows[i], &theirs[k]);
        if (order < 0) {
            err = drop_mine(r, t, &list->rows[i++]);
        } else {
            err = compare_row(r, t, order == 0 ? &list->rows[i] : NULL, &theirs[k++]);
            i += order == 0 ? 1 : 0;
        }
    }
    return err;
}

/* Listed parts of one table, which stand together; `*at` and `*row` go on behind them. */
static struct err compare_listed(struct repair *r, int64_t scope, const struct parts *parts,
                                 size_t *at, size_t *row)
{
    const struct part_name *first = &parts->parts[*at].name;
    const struct table *t = catalogue_table(first->table);
    struct part_list list;
    size_t count = 0;
    part_list_init(&list);
    for (; *at < parts->count; (*at)++) {
        const struct digest_part *p = &parts->parts[*at];
        if (p->listed == 0 || p->name.table != first->table ||
            memcmp(&p->name.scope, &first->scope, sizeof first->scope) != 0) {
            break;
        }
        list.listed[(p->name.bucket - 1) % SUMS_BUCKETS] = true;
        count += p->rows;
    }
    const struct part_row *theirs = &parts->rows[*row];
    *row += count;
    struct err err = t == NULL || scope == 0 ? err_ok() : read_list(r, scope, t, &list);
    if (err.code == ERR_OK && t != NULL && scope != 0) {
        err = compare_lists(r, t, &list, theirs, count);
    }
    part_list_release(&list);
    return err;
}

struct err repair_parts(struct repair *r, const struct parts *parts)
{
    struct mine mine = {.scope = 0};
    size_t row = 0;
    size_t served = r->want_count - r->want_at;
    r->want_at += served < ROWS_MAX ? served : ROWS_MAX; /* they come behind this message */
    r->asks_all = false;
    r->ask_count = 0;
    struct err err = err_ok();
    for (size_t i = 0; i < parts->count && err.code == ERR_OK;) {
        const struct digest_part *part = &parts->parts[i];
        int64_t scope = 0;
        bool held = false;
        err = apply_scope(r->a, &part->name.scope, &scope, &held);
        if (err.code != ERR_OK) {
            break;
        }
        if (part->listed != 0 && part->name.bucket != 0) {
            err = compare_listed(r, held ? scope : 0, parts, &i, &row);
        } else {
            err = held ? compare_sum(r, scope, part, &mine) : err;
            i++;
        }
    }
    return err;
}

/* ---- what was wanted ---- */

/* A number above the server's is none that it gave. */
static struct err lower(struct repair *r, const struct table *t, const struct row *row)
{
    struct replica *replica = r->a->r;
    struct row_stamp local;
    struct counted was;
    struct counted is;
    struct err err = counted_now(replica, t, row->id, &r->a->arena, &was);
    if (err.code != ERR_OK || was.scope == 0 || was.seq <= row->seq) {
        return err;
    }
    err = lay_stamp_of(replica->db, t, row->id, &local);
    if (err.code == ERR_OK && local.found) {
        local.seq = row->seq;
        err = lay_cells(replica->db, t, row->id, NULL, 0, &local);
    } else if (err.code == ERR_OK) {
        err = under_drop(replica->db, t->number, row->id, UNDER_SEQ);
    }
    if (err.code == ERR_OK) {
        err = counted_now(replica, t, row->id, &r->a->arena, &is);
    }
    if (err.code == ERR_OK) {
        counted_change(replica, t, row->id, &was, &is);
    }
    return err;
}

struct err repair_rows(struct repair *r, const struct rows *rows)
{
    const struct table *t = catalogue_table(rows->table);
    struct err err =
        t == NULL || !rows->whole ? err_make(ERR_PROTOCOL, rows->table, "repair_rows") : err_ok();
    for (size_t i = 0; i < rows->count && err.code == ERR_OK; i++) {
        arena_clear(&r->a->arena);
        err = lower(r, t, &rows->rows[i]);
    }
    return err.code == ERR_OK ? apply_rows(r->a, rows) : err;
}

/* ---- the total ---- */

struct err repair_total(struct replica *r, uint8_t sum[8])
{
    static const char sql[] = "SELECT kind, id, rows, sum FROM scope WHERE held = 1"
                              " ORDER BY kind, id";
    struct digest_total total;
    struct stmt st;
    struct err err = db_use(r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    digest_total_begin(&total);
    while (db_step_row(&st)) {
        struct digest_sum one;
        struct scope_id id = {.kind = (uint8_t)col_int(&st, 0)};
        digest_sum_from(&one, (uint64_t)col_int(&st, 2), col_bytes(&st, 3));
        if (col_id(&st, 1, id.id)) {
            digest_total_add(&total, &id, &one);
        }
    }
    err = stmt_err(&st, "repair_total");
    struct err end = digest_total_end(&total, r->digest_key, sum);
    return err.code == ERR_OK ? end : err;
}
