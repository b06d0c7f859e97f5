/* See outbox.h. Open addressing over (table, id); a slot names the row's first entry, which knows
 * the last one, so that appending needs no walk. Gone entries stay as stepping stones until
 * everything is gone: a sync judges nearly all it sends. */
#include "common/changelog/device/outbox.h"

#include "protocol/codec.h"

struct outbox {
    struct outbox_entry *entries; /* by rising key */
    uint32_t *last;               /* of a row's first entry: place of the row's last one */
    size_t count;
    size_t room;
    size_t live;
    uint32_t *slots;   /* place + 1 of a row's first entry, 0: free */
    size_t slot_count; /* a power of two, at least twice the rows */
    int64_t last_key;
    size_t gone; /* places of entries that are gone here and still in the table: the first one, */
    size_t gone_end; /* and behind the last; equal: none */
};

void outbox_free(struct outbox *o)
{
    if (o != NULL) {
        free(o->entries);
        free(o->last);
        free(o->slots);
        free(o);
    }
}

void outbox_reset(struct replica *r)
{
    outbox_free(r->outbox);
    r->outbox = NULL;
}

static size_t hash_row(uint16_t table, const uint8_t id[16])
{
    uint64_t tail;
    memcpy(&tail, id + 8, sizeof tail); /* an id begins with time and ends with chance */
    tail = (tail ^ table) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(tail >> 32);
}

static uint32_t *find_slot(const struct outbox *o, uint16_t table, const uint8_t id[16])
{
    size_t at = hash_row(table, id) & (o->slot_count - 1);
    while (o->slots[at] != 0) {
        const struct outbox_entry *e = &o->entries[o->slots[at] - 1];
        if (e->table == table && memcmp(e->id, id, sizeof e->id) == 0) {
            break;
        }
        at = (at + 1) & (o->slot_count - 1);
    }
    return &o->slots[at];
}

static bool grow_slots(struct outbox *o)
{
    size_t slot_count = o->slot_count == 0 ? 256 : o->slot_count * 2;
    uint32_t *old = o->slots;
    size_t old_count = o->slot_count;
    uint32_t *slots = calloc(slot_count, sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    o->slots = slots;
    o->slot_count = slot_count;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i] != 0) {
            const struct outbox_entry *e = &o->entries[old[i] - 1];
            *find_slot(o, e->table, e->id) = old[i];
        }
    }
    free(old);
    return true;
}

static bool grow_entries(struct outbox *o)
{
    size_t room = o->room == 0 ? 64 : o->room * 2;
    struct outbox_entry *entries = realloc(o->entries, room * sizeof *entries);
    if (entries == NULL) {
        return false;
    }
    o->entries = entries;
    uint32_t *last = realloc(o->last, room * sizeof *last);
    if (last == NULL) {
        return false;
    }
    o->last = last;
    o->room = room;
    return true;
}

static struct err append(struct outbox *o, const struct outbox_entry *e)
{
    if (o->count >= OUTBOX_ROWS_MAX) {
        return err_make(ERR_LIMIT, 0, "outbox_refresh");
    }
    if ((o->count == o->room && !grow_entries(o)) ||
        (o->count * 2 >= o->slot_count && !grow_slots(o))) {
        return err_make(ERR_NOMEM, 0, "outbox_refresh");
    }
    uint32_t place = (uint32_t)o->count++;
    uint32_t *slot = find_slot(o, e->table, e->id);
    o->entries[place] = *e;
    if (*slot == 0) {
        *slot = place + 1;
    } else {
        o->entries[o->last[*slot - 1]].next = place + 1;
    }
    o->last[*slot - 1] = place;
    o->last_key = e->key;
    o->live++;
    return err_ok();
}

static struct err read_newer(struct replica *r)
{
    static const char sql[] =
        "SELECT key, tx, tbl, row, op, cols, base FROM outbox WHERE key > ?1 ORDER BY key";
    struct stmt st;
    struct err err = db_use(r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, r->outbox->last_key);
    while (err.code == ERR_OK && db_step_row(&st)) {
        struct outbox_entry e = {.key = col_int(&st, 0),
                                 .tx = col_int(&st, 1),
                                 .table = (uint16_t)col_int(&st, 2),
                                 .op = (uint8_t)col_int(&st, 4),
                                 .cols = (uint64_t)col_int(&st, 5),
                                 .base = col_int(&st, 6)};
        if (!col_id(&st, 3, e.id)) {
            err = err_make(ERR_CORRUPT, 0, "outbox_refresh");
        } else {
            err = append(r->outbox, &e);
        }
    }
    if (err.code != ERR_OK) {
        stmt_reset(&st);
        return err;
    }
    return stmt_err(&st, "outbox_refresh");
}

static const struct outbox_entry *live_from(const struct outbox *o, uint32_t place_1)
{
    while (place_1 != 0 && o->entries[place_1 - 1].op == 0) {
        place_1 = o->entries[place_1 - 1].next;
    }
    return place_1 == 0 ? NULL : &o->entries[place_1 - 1];
}

const struct outbox_entry *outbox_of_row(const struct replica *r, uint16_t table,
                                         const uint8_t id[16])
{
    assert(r->outbox != NULL);
    return r->outbox->live == 0 ? NULL : live_from(r->outbox, *find_slot(r->outbox, table, id));
}

const struct outbox_entry *outbox_next(const struct replica *r, const struct outbox_entry *e)
{
    return live_from(r->outbox, e->next);
}

const struct outbox_entry *outbox_from(const struct replica *r, int64_t tx, size_t *count)
{
    const struct outbox *o = r->outbox;
    size_t low = 0;
    size_t high = o->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (o->entries[middle].tx < tx) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *count = o->count - low;
    return *count == 0 ? NULL : &o->entries[low];
}

uint64_t outbox_pending_columns(const struct replica *r, uint16_t table, const uint8_t id[16])
{
    uint64_t columns = 0;
    for (const struct outbox_entry *e = outbox_of_row(r, table, id); e != NULL;
         e = outbox_next(r, e)) {
        columns |= e->op == CHANGE_UPDATE ? e->cols : UINT64_MAX;
    }
    return columns;
}

int64_t outbox_base(const struct replica *r, uint16_t table, const uint8_t id[16], uint8_t column)
{
    const struct outbox_entry *e = outbox_of_row(r, table, id);
    while (e != NULL && e->op == CHANGE_UPDATE && (e->cols >> column & 1) == 0) {
        e = outbox_next(r, e);
    }
    return e == NULL ? 0 : e->base;
}

bool outbox_changed_after(const struct replica *r, uint16_t table, const uint8_t id[16], int64_t tx,
                          uint8_t column)
{
    const struct outbox_entry *e = outbox_of_row(r, table, id);
    while (e != NULL && (e->tx <= tx || (e->op == CHANGE_UPDATE && (e->cols >> column & 1) == 0))) {
        e = outbox_next(r, e);
    }
    return e != NULL;
}

bool outbox_is_rows_first(const struct replica *r, const struct outbox_entry *e)
{
    const struct outbox_entry *of_row = outbox_of_row(r, e->table, e->id);
    while (of_row != NULL && of_row->tx < e->tx) {
        of_row = outbox_next(r, of_row);
    }
    return of_row == e;
}

static bool old_decode(struct bytes in, bool with_scope, struct outbox_old *out)
{
    size_t used = 0;
    if (with_scope) {
        if (value_decode(in, &out->scope, &used) != WIRE_OK) {
            return false;
        }
        in = bytes_of(in.at + used, in.size - used);
    }
    for (unsigned c = 0; c <= COLUMNS_MAX; c++) {
        if ((out->cols >> c & 1) == 0) {
            continue;
        }
        if (value_decode(in, &out->values[c], &used) != WIRE_OK) {
            return false;
        }
        in = bytes_of(in.at + used, in.size - used);
    }
    return in.size == 0;
}

struct err outbox_old(struct replica *r, const struct outbox_entry *e, struct arena *arena,
                      struct outbox_old *out)
{
    static const char sql[] = "SELECT old FROM outbox WHERE key = ?1";
    struct stmt st;
    *out = (struct outbox_old){.cols = e->cols};
    struct err err = db_use(r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, e->key);
    if (!db_step_row(&st)) {
        err = stmt_err(&st, "outbox_old");
        return err.code != ERR_OK ? err : err_make(ERR_CORRUPT, 0, "outbox_old");
    }
    struct bytes old = arena_copy(arena, col_bytes(&st, 0));
    stmt_reset(&st);
    if (old.at == NULL) {
        return err_make(ERR_NOMEM, 0, "outbox_old");
    }
    return old_decode(old, e->op == CHANGE_DELETE, out) ? err_ok()
                                                        : err_make(ERR_CORRUPT, 0, "outbox_old");
}

struct err outbox_start(struct replica *r, const struct outbox_entry *first, struct arena *arena,
                        struct outbox_old *out, const struct outbox_entry **last)
{
    struct err err = err_ok();
    *out = (struct outbox_old){.cols = 0};
    *last = first;
    for (const struct outbox_entry *e = first;
         e != NULL && e->tx == first->tx && err.code == ERR_OK; e = outbox_next(r, e)) {
        struct outbox_old old = {.cols = 0};
        *last = e;
        if (e->op == CHANGE_INSERT) {
            continue;
        }
        err = outbox_old(r, e, arena, &old);
        for (unsigned c = 0; err.code == ERR_OK && c <= COLUMNS_MAX; c++) {
            if ((old.cols & ~out->cols) >> c & 1) {
                out->values[c] = old.values[c];
            }
        }
        if (e->op == CHANGE_DELETE && out->scope.kind == VALUE_NULL) {
            out->scope = old.scope;
        }
        out->cols |= old.cols;
    }
    return err;
}

/* Keys of rows that go must not come again: other readers count on rising ones. */
static struct err raise_floor(struct replica *r, int64_t key)
{
    static const char sql[] = "UPDATE device_state SET outbox_floor = ?1 WHERE outbox_floor < ?1";
    struct stmt st;
    struct err err = db_use(r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, key);
    return db_step_done(&st, "outbox_floor");
}

struct err outbox_remove_rest(struct replica *r)
{
    static const char sql[] = "DELETE FROM outbox WHERE key BETWEEN ?1 AND ?2";
    struct outbox *o = r->outbox;
    struct stmt st;
    if (o == NULL || o->gone == o->gone_end) {
        return err_ok();
    }
    int64_t last = o->entries[o->gone_end - 1].key;
    struct err err = db_use(r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, o->entries[o->gone].key);
    bind_int(&st, 2, last);
    err = db_step_done(&st, "outbox_remove");
    if (err.code == ERR_OK && o->gone_end == o->count) { /* the last ones that are known */
        err = raise_floor(r, last);
    }
    o->gone = o->gone_end;
    return err;
}

struct err outbox_remove_later(struct replica *r, int64_t tx)
{
    struct outbox *o = r->outbox;
    size_t count = 0;
    const struct outbox_entry *first = outbox_from(r, tx, &count);
    size_t mine = 0;
    while (mine < count && first[mine].tx == tx) {
        mine++;
    }
    if (mine == 0) {
        return err_ok();
    }
    size_t place = (size_t)(first - o->entries);
    struct err err = place == o->gone_end ? err_ok() : outbox_remove_rest(r);
    if (err.code != ERR_OK) {
        return err;
    }
    o->gone = o->gone == o->gone_end ? place : o->gone;
    o->gone_end = place + mine;
    for (size_t i = place; i < place + mine; i++) {
        o->live -= o->entries[i].op != 0 ? 1 : 0;
        o->entries[i].op = 0;
    }
    return err;
}

struct err outbox_remove(struct replica *r, int64_t tx)
{
    struct err err = outbox_remove_later(r, tx);
    return err.code == ERR_OK ? outbox_remove_rest(r) : err;
}

struct err outbox_refresh(struct replica *r)
{
    struct err err = outbox_remove_rest(r);
    if (err.code != ERR_OK) {
        return err;
    }
    if (r->outbox != NULL && r->outbox->live == 0) {
        int64_t last_key = r->outbox->last_key;
        outbox_reset(r); /* a long-lived process doesn't carry what was judged */
        if ((r->outbox = calloc(1, sizeof *r->outbox)) != NULL) {
            r->outbox->last_key = last_key;
        }
    } else if (r->outbox == NULL) {
        r->outbox = calloc(1, sizeof *r->outbox);
    }
    if (r->outbox == NULL || (r->outbox->slot_count == 0 && !grow_slots(r->outbox))) {
        return err_make(ERR_NOMEM, 0, "outbox_refresh");
    }
    err = read_newer(r);
    if (err.code != ERR_OK) {
        outbox_reset(r);
    }
    return err;
}

struct err outbox_rebase(struct replica *r, const struct outbox_entry *e, int64_t base)
{
    static const char sql[] = "UPDATE outbox SET base = ?2 WHERE key = ?1";
    struct stmt st;
    struct err err = db_use(r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, e->key);
    bind_int(&st, 2, base);
    r->outbox->entries[e - r->outbox->entries].base = base;
    return db_step_done(&st, "outbox_rebase");
}
