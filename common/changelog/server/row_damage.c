/* See row_damage.h, and row_verify.h for the idea. Each trial makes the whole image anew: some ten
 * thousand of them take less time than a person needs to read the finding. */
#include "common/changelog/server/row_damage.h"

#include "common/changelog/server/history.h"
#include "common/changelog/server/rowmeta.h"
#include "common/changelog/server/store_internal.h"
#include "protocol/codec.h"

#define TRIED_BYTES_MAX 4096 /* of one text; longer ones are compared with the log alone */

static const char *const own_names[ROW_OWN_COUNT] = {"_scope",   "_seq",  "_deleted_at",
                                                     "_entered", "_made", "_cols"};

struct damage {
    struct store *st;
    struct arena *arena;
    uint8_t id[16];
    struct value values[COLUMNS_MAX + 1];
    struct row_image row; /* as it is stored; trials change it and put it back */
    bool has_check;
    int64_t check; /* stored */
    bool failed;   /* for want of memory */
    struct row_finding *out;
};

static bool copy_value(struct damage *d, struct value *v)
{
    if (v->kind == VALUE_TEXT || v->kind == VALUE_BLOB) {
        v->b = arena_copy(d->arena, v->b);
        return v->b.at != NULL;
    }
    return true;
}

static struct err copy_row(struct damage *d)
{
    bool room = true;
    for (size_t i = 0; i < ROW_OWN_COUNT; i++) {
        room = copy_value(d, &d->row.own[i]) && room;
    }
    for (size_t i = 0; i < d->row.table->column_count; i++) {
        room = copy_value(d, &d->values[d->row.table->columns[i].number]) && room;
    }
    return room ? err_ok() : err_make(ERR_LIMIT, 0, "row_damage");
}

static struct err load(struct damage *d, const struct table *t, const uint8_t id[16])
{
    const char *sql = rowsql_select(&d->st->cache->sql, t);
    struct stmt q;
    struct err err =
        sql == NULL ? err_make(ERR_NOMEM, 0, "row_damage") : db_use(d->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, id);
    if (!db_step_row(&q)) { /* listed a moment ago: its key is out of order */
        return q.err.code != ERR_OK ? q.err : err_make(ERR_NOT_FOUND, 0, "row_damage");
    }
    bool good = row_image_read(&q, t, d->id, d->values, &d->row);
    d->has_check = !col_is_null(&q, rowsql_check_at(t));
    d->check = col_int(&q, rowsql_check_at(t));
    err = good ? copy_row(d) : err_make(ERR_CORRUPT, 0, "row_damage");
    stmt_reset(&q);
    return err;
}

static int64_t computed(struct damage *d)
{
    int64_t check = 0;
    d->failed = !row_check(d->st->digest_key, &d->row, &d->st->cache->image, &check) || d->failed;
    return check;
}

static bool fits(struct damage *d)
{
    return computed(d) == d->check && !d->failed;
}

/* ---- one byte ---- */

/* As a number of so many bytes is stored: its highest bit is its sign. */
static int64_t sign_extend(uint64_t n, unsigned size)
{
    uint64_t sign = UINT64_C(1) << (size * 8 - 1);
    uint64_t kept = size == 8 ? n : n & ((sign << 1) - 1);
    uint64_t wide = (kept ^ sign) - sign;
    int64_t out = 0;
    memcpy(&out, &wide, sizeof out);
    return out;
}

/* A file holds a number in as few of these bytes as it needs. */
static bool try_int(struct damage *d, struct value *v)
{
    static const unsigned sizes[] = {1, 2, 3, 4, 6, 8};
    const int64_t now = v->i;
    for (size_t s = 0; s < count_of(sizes); s++) {
        if (sign_extend((uint64_t)now, sizes[s]) != now) {
            continue;
        }
        for (unsigned byte = 0; byte < sizes[s]; byte++) {
            for (uint64_t x = 1; x < 256; x++) {
                v->i = sign_extend((uint64_t)now ^ x << byte * 8, sizes[s]);
                if (fits(d)) {
                    return true;
                }
            }
        }
    }
    v->i = now;
    return false;
}

static bool try_real(struct damage *d, struct value *v)
{
    const double now = v->d;
    for (size_t byte = 0; byte < sizeof now; byte++) {
        for (unsigned x = 1; x < 256; x++) {
            uint8_t bytes[sizeof now];
            memcpy(bytes, &now, sizeof bytes);
            bytes[byte] ^= (uint8_t)x;
            memcpy(&v->d, bytes, sizeof v->d);
            if (fits(d)) {
                return true;
            }
        }
    }
    v->d = now;
    return false;
}

static bool try_bytes(struct damage *d, struct value *v)
{
    const struct bytes now = v->b;
    uint8_t *at = arena_alloc(d->arena, now.size + 1);
    if (at == NULL || now.size == 0 || now.size > TRIED_BYTES_MAX) {
        return false;
    }
    memcpy(at, now.at, now.size);
    v->b = bytes_of(at, now.size);
    for (size_t i = 0; i < now.size; i++) {
        for (unsigned x = 1; x < 256; x++) {
            at[i] = now.at[i] ^ (uint8_t)x;
            if (fits(d)) {
                return true;
            }
        }
        at[i] = now.at[i];
    }
    v->b = now;
    return false;
}

/* Where it finds something, the finding has it and the row is as it was. */
static bool try_field(struct damage *d, struct value *v, const char *name)
{
    const struct value now = *v;
    bool found = false;
    switch (now.kind) {
    case VALUE_NULL:
        break;
    case VALUE_INT:
        found = try_int(d, v);
        break;
    case VALUE_REAL:
        found = try_real(d, v);
        break;
    case VALUE_TEXT:
    case VALUE_BLOB:
        found = try_bytes(d, v);
        break;
    }
    if (found) {
        d->out->field = name;
        d->out->proven = true;
        d->out->now = now;
        d->out->was = *v;
        *v = now;
    }
    return found;
}

/* The check itself is a number like any other. */
static bool try_check(struct damage *d)
{
    const uint64_t apart = (uint64_t)computed(d) ^ (uint64_t)d->check;
    bool found = false;
    for (unsigned byte = 0; byte < sizeof apart; byte++) {
        found = found || (apart & ~(UINT64_C(0xff) << byte * 8)) == 0;
    }
    if (found && d->has_check && !d->failed) {
        d->out->field = "_check";
        d->out->proven = true;
        d->out->now = value_int(d->check);
        d->out->was = value_int(computed(d));
    }
    return d->out->proven;
}

static bool try_each_byte(struct damage *d)
{
    const struct table *t = d->row.table;
    bool found = false;
    for (size_t i = 0; i < t->column_count && !found; i++) {
        found = try_field(d, &d->values[t->columns[i].number], t->columns[i].name);
    }
    for (size_t i = 0; i < ROW_OWN_COUNT && !found; i++) {
        found = try_field(d, &d->row.own[i], own_names[i]);
    }
    return found;
}

/* ---- the change log ---- */

struct written { /* by a device, in one entry of the change log */
    int64_t entry;
    struct version by;
    struct transaction tx;
};

/* ERR_NOT_FOUND: it holds nothing that could be read. */
static struct err read_entry(struct damage *d, int64_t no, struct written *out)
{
    static const char sql[] =
        "SELECT device, epoch, device_seq, body FROM change_log WHERE no = ?1 AND outcome < 2";
    struct stmt q;
    struct err err = db_use(d->st->db, sql, &q);
    *out = (struct written){.entry = no};
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, no);
    if (!db_step_row(&q)) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_NOT_FOUND, 0, "row_damage");
    }
    out->by.author = (uint32_t)col_int(&q, 0);
    out->by.epoch = (uint32_t)col_int(&q, 1);
    out->by.device_seq = (uint64_t)col_int(&q, 2);
    struct bytes body = arena_copy(d->arena, col_bytes(&q, 3));
    stmt_reset(&q);
    if (body.at == NULL) {
        return err_make(ERR_LIMIT, 0, "row_damage");
    }
    bool good = body.size > 0 && transaction_decode(body, d->arena, &out->tx) == WIRE_OK;
    return good ? err_ok() : err_make(ERR_NOT_FOUND, 0, "row_damage");
}

/* A value that the log has otherwise than the row. Unproven it is still the best word there is. */
static void try_logged(struct damage *d, const struct column *c, const struct written *written,
                       const struct value *was)
{
    struct value *v = &d->values[c->number];
    const struct value now = *v;
    if (value_equal(&now, was)) {
        return;
    }
    *v = *was;
    bool proven = fits(d);
    *v = now;
    if (proven || d->out->field == NULL) {
        d->out->proven = proven;
        d->out->field = c->name;
        d->out->now = now;
        d->out->was = *was;
        d->out->entry = written->entry;
    }
}

/* Only what the entry wrote last, and as it wrote it: sets are merged. */
static void try_change(struct damage *d, const struct row_meta *meta, const struct written *written,
                       const struct change *change)
{
    const struct version *by = &written->by;
    for (size_t i = 0; i < change->cell_count && !d->out->proven; i++) {
        const struct column *c = table_column(d->row.table, change->cells[i].column);
        const struct version *at = c == NULL ? NULL : rowmeta_of(meta, c->number);
        if (at != NULL && c->policy != MERGE_UNION && at->author == by->author &&
            at->epoch == by->epoch && at->device_seq == by->device_seq) {
            try_logged(d, c, written, &change->cells[i].value);
        }
    }
}

static struct err try_entry(struct damage *d, const struct row_meta *meta, int64_t no)
{
    struct written written;
    struct err err = read_entry(d, no, &written);
    for (size_t i = 0; err.code == ERR_OK && i < written.tx.change_count; i++) {
        const struct change *change = &written.tx.changes[i];
        if (change->table == d->row.table->number && memcmp(change->id, d->id, 16) == 0) {
            try_change(d, meta, &written, change);
        }
    }
    return err.code == ERR_NOT_FOUND ? err_ok() : err;
}

static bool read_meta(struct damage *d, struct row_meta *out)
{
    const struct value *made = &d->row.own[ROWSQL_MADE - ROWSQL_SCOPE];
    const struct value *cols = &d->row.own[ROWSQL_COLS - ROWSQL_SCOPE];
    struct bytes none = bytes_of("", 0);
    return made->kind == VALUE_BLOB &&
           rowmeta_read(made->b, cols->kind == VALUE_BLOB ? cols->b : none, d->arena, out);
}

/* The server's own writes aren't in the log with what they wrote. */
static struct err try_log(struct damage *d)
{
    struct row_meta meta;
    struct history history;
    if (!read_meta(d, &meta)) {
        return err_ok();
    }
    struct err err = history_read(d->st, d->row.table, d->id, INT64_MAX, d->arena, &history);
    if (err.code == ERR_CORRUPT || err.code == ERR_NOT_FOUND) {
        return err_ok(); /* the log has findings of its own */
    }
    for (const struct history_item *i = history.first;
         err.code == ERR_OK && i != NULL && !d->out->proven; i = i->next) {
        err = i->device == 0 || i->outcome > OUTCOME_MERGED ? err_ok() : try_entry(d, &meta, i->no);
    }
    return err;
}

struct err row_damage_explain(struct store *st, const struct table *t, const uint8_t id[16],
                              struct arena *arena, struct row_finding *out)
{
    struct damage *d = arena_alloc(arena, sizeof *d);
    *out = (struct row_finding){.table = t};
    memcpy(out->id, id, sizeof out->id);
    if (d == NULL) {
        return err_make(ERR_NOMEM, 0, "row_damage");
    }
    d->st = st;
    d->arena = arena;
    d->out = out;
    struct err err = load(d, t, id);
    if (err.code == ERR_NOT_FOUND || err.code == ERR_CORRUPT) {
        return err_ok(); /* named, and nothing more */
    }
    if (err.code == ERR_OK && d->has_check && !try_check(d) && !try_each_byte(d)) {
        err = try_log(d);
    }
    return err.code == ERR_OK && d->failed ? err_make(ERR_NOMEM, 0, "row_damage") : err;
}

struct err row_damage_check(struct store *st, const struct table *t, const uint8_t id[16],
                            struct arena *arena, int64_t *out)
{
    struct damage *d = arena_alloc(arena, sizeof *d);
    if (d == NULL) {
        return err_make(ERR_NOMEM, 0, "row_damage");
    }
    d->st = st;
    d->arena = arena;
    struct err err = load(d, t, id);
    if (err.code == ERR_OK) {
        *out = computed(d);
        err = d->failed ? err_make(ERR_NOMEM, 0, "row_damage") : err;
    }
    return err;
}
