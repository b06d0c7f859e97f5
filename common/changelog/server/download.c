/* See download.h. A chunk merges the rows of all tables by their number and then groups them by
 * table and set of columns, which is how they compress best. */
#include "common/changelog/server/download.h"

#include "common/changelog/server/chunk.h"
#include "common/changelog/server/parts.h"
#include "common/changelog/server/passes.h"
#include "common/changelog/server/rowmeta.h"
#include "common/changelog/server/store_internal.h"

#define STEP_BYTES             ((size_t)192 * 1024) /* packed bytes after which a step is enough */
#define TABLES_MAX             64
#define PASSES_ARENA_BYTES_MAX ((size_t)1024 * 1024) /* SCOPES_MAX of them */
#define DEPARTURES_SQL                                                                             \
    "SELECT seq, tbl, row FROM departure WHERE scope = ?1 AND seq > ?2 ORDER BY seq"

enum pass_state { PASS_FRESH, PASS_RUNNING };

struct source {                /* rows of one table, or departures, in rising order */
    const struct table *table; /* NULL: departures */
    struct stmt q;
    int64_t seq;
    bool live;
};

struct download {
    struct store *st;
    const struct permit *permit;
    const struct download_params *params;
    struct arena arena; /* lives as long as the download */
    struct chunk chunk;
    size_t leave_at; /* index in hello's cursors */
    struct passes passes;
    size_t pass_at; /* the one under way */
    enum pass_state state;
    bool digest_sent;
    bool parts_sent;
    size_t want_at;
    uint64_t rows; /* packed */
};

struct err download_new(struct store *st, const struct permit *permit,
                        const struct download_params *params, struct download **out)
{
    struct download *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return err_make(ERR_NOMEM, 0, "download_new");
    }
    d->st = st;
    d->permit = permit;
    d->params = params;
    arena_init(&d->arena, PASSES_ARENA_BYTES_MAX);
    chunk_init(&d->chunk);
    struct err err = passes_make(st, permit, params->hello, &d->arena, &d->passes);
    if (err.code != ERR_OK) {
        download_free(d);
        return err;
    }
    *out = d;
    return err_ok();
}

void download_free(struct download *d)
{
    if (d != NULL) {
        chunk_release(&d->chunk);
        arena_release(&d->arena);
        free(d);
    }
}

/* ---- one row ---- */

static bool is_own(const struct download *d, const struct version *v)
{
    return v != NULL && v->author == d->params->device && v->epoch == d->params->epoch;
}

static bool has_quotes(const struct table *t)
{
    return t->number == TABLE_kept_value || t->number == TABLE_proposal;
}

/* What some roles see of a row. A value that lost, or was proposed, may stand in a column that they
 * don't see. */
static uint64_t sight_of(const struct table *t, const struct stmt *q, unsigned role,
                         uint32_t catalogue)
{
    uint64_t sight = table_visible(t, role, catalogue) & ~(UINT64_C(1) << COLUMN_DELETED);
    if (!has_quotes(t)) {
        return sight;
    }
    bool kept = t->number == TABLE_kept_value;
    int64_t about = col_int(
        q, ROWSQL_OWN + (kept ? COLUMN_kept_value_table_no - 1 : COLUMN_proposal_table_no - 1));
    int64_t column = kept ? col_int(q, ROWSQL_OWN + COLUMN_kept_value_column_no - 1) & 63 : 0;
    uint64_t quoted = kept ? UINT64_C(1) << column
                           : (uint64_t)col_int(q, ROWSQL_OWN + COLUMN_proposal_columns - 1);
    return permit_hide_quotes(role, catalogue, t, about, quoted, sight);
}

struct picked { /* what of a row is sent */
    uint64_t columns;
    uint64_t erased; /* of them: no longer seen, sent as NULL */
    uint64_t gained; /* seen now, and not when the cursors were made */
    bool whole;
    bool skipped;
};

/* What changed in what the device sees of this row, which isn't new to it. */
static void pick_sight(const struct download *d, const struct source *s, struct picked *out,
                       uint64_t *now)
{
    const struct hello *hello = d->params->hello;
    uint64_t before = sight_of(s->table, &s->q, hello->mask, hello->cursors_under);
    *now = sight_of(s->table, &s->q, d->permit->role, hello->catalogue);
    out->erased = before & ~*now;
    out->gained = *now & ~before;
}

static struct err pick(struct download *d, const struct pass *p, const struct source *s,
                       struct picked *out)
{
    struct row_meta meta;
    const struct stmt *q = &s->q;
    bool entered = col_int(q, ROWSQL_ENTERED) > p->cursor.done;
    bool deleted = !col_is_null(q, ROWSQL_DELETED);
    *out = (struct picked){.whole = entered && !deleted};
    if (!rowmeta_read(col_bytes(q, ROWSQL_MADE), col_bytes(q, ROWSQL_COLS), &d->chunk.arena,
                      &meta)) {
        return err_make(d->chunk.arena.full ? ERR_LIMIT : ERR_CORRUPT, 0, "download_pick");
    }
    /* Own writes are told by verdicts; a pass from the start (first sync, repair) leaves out none.
     */
    bool moved_in = entered && col_int(q, ROWSQL_ENTERED) > meta.made.seq;
    bool own = p->cursor.done > 0 && !moved_in && is_own(d, rowmeta_at(&meta, s->seq));
    if (deleted) {
        out->columns = UINT64_C(1) << COLUMN_DELETED;
        out->skipped = own || planted(TOMBSTONE_FORGOTTEN);
        return err_ok();
    }
    uint64_t visible = 0;
    pick_sight(d, s, out, &visible);
    int64_t since = planted(CURSOR_BY_POS) ? p->cursor.pos : p->cursor.done;
    out->columns = entered ? visible : rowmeta_newer(&meta, visible, since);
    if (p->is_new) {
        out->erased = 0;
    } else {
        out->columns |= out->erased | out->gained;
    }
    out->skipped = own && out->erased == 0 && out->gained == 0;
    return err_ok();
}

/* Whether the table has come to be known since the cursors were made: its rows aren't there. */
static bool is_new_table(const struct download *d, const struct table *t)
{
    return (sight_before(d->params->hello, t) & ~(UINT64_C(1) << COLUMN_DELETED)) == 0;
}

/* Of a row that is there under another sight: just what came and what went. What came without a
 * value is without one there already. */
static void pick_fill(const struct download *d, const struct source *s, struct picked *out)
{
    uint64_t now = 0;
    *out = (struct picked){.skipped = !col_is_null(&s->q, ROWSQL_DELETED)};
    pick_sight(d, s, out, &now);
    if (is_new_table(d, s->table)) {
        out->whole = true;
        out->columns = now;
        return;
    }
    out->columns = out->erased;
    for (size_t i = 0; i < s->table->column_count; i++) {
        uint64_t bit = UINT64_C(1) << s->table->columns[i].number;
        if ((out->gained & bit) != 0 && !col_is_null(&s->q, (int)(ROWSQL_OWN + i))) {
            out->columns |= bit;
        }
    }
    out->skipped = out->skipped || out->columns == 0;
}

static struct value value_of(const struct source *s, uint8_t column, const struct picked *picked)
{
    if (column == COLUMN_DELETED) {
        return col_value(&s->q, ROWSQL_DELETED);
    }
    if ((picked->erased >> column & 1) != 0) {
        return value_null();
    }
    const struct column *c = table_column(s->table, column);
    return col_value(&s->q, (int)(ROWSQL_OWN + (c - s->table->columns)));
}

static struct err put_picked(struct download *d, const struct pass *p, const struct source *s,
                             const struct picked *what)
{
    const struct picked picked = *what;
    uint8_t id[16];
    if (!col_id(&s->q, ROWSQL_ID, id)) {
        return err_make(ERR_CORRUPT, 0, "download_put_row");
    }
    struct rows *group =
        chunk_group(&d->chunk, &p->id, s->table->number, picked.columns, picked.whole);
    struct row *row = group == NULL ? NULL : chunk_row(&d->chunk, group, id, s->seq);
    bool room = row != NULL;
    for (size_t i = 0; room && i < group->column_count; i++) {
        row->values[i] = value_of(s, group->columns[i], &picked);
        room = chunk_keep(&d->chunk, &row->values[i]);
    }
    return room ? err_ok() : err_make(ERR_LIMIT, 0, "download_put_row");
}

static struct err put_row(struct download *d, const struct pass *p, const struct source *s)
{
    struct picked picked;
    struct err err = err_ok();
    if (p->fill_to > 0) {
        pick_fill(d, s, &picked);
    } else {
        err = pick(d, p, s, &picked);
    }
    return err.code != ERR_OK || picked.skipped ? err : put_picked(d, p, s, &picked);
}

static struct err put_departure(struct download *d, const struct pass *p, const struct source *s)
{
    struct departure departure = {
        .scope = p->id, .seq = s->seq, .table = (uint16_t)col_int(&s->q, 1)};
    if (!col_id(&s->q, 2, departure.id)) {
        return err_make(ERR_CORRUPT, 0, "download_put_departure");
    }
    return chunk_departure(&d->chunk, &departure) ? err_ok()
                                                  : err_make(ERR_LIMIT, 0, "put_departure");
}

/* ---- a chunk: rows of one scope from `pos` on ---- */

static void advance(struct source *s)
{
    s->live = db_step_row(&s->q);
    if (s->live) {
        s->seq = col_int(&s->q, s->table == NULL ? 0 : ROWSQL_SEQ);
    }
}

static struct err open_source(struct download *d, const struct pass *p, const struct table *t,
                              struct source *s)
{
    const char *sql = t == NULL ? DEPARTURES_SQL : rowsql_scan(&d->st->cache->sql, t);
    *s = (struct source){.table = t};
    struct err err =
        sql == NULL ? err_make(ERR_NOMEM, 0, "open_source") : db_use(d->st->db, sql, &s->q);
    if (err.code == ERR_OK) {
        bind_int(&s->q, 1, p->no);
        bind_int(&s->q, 2,
                 (p->fill_to > 0 ? p->fill_pos : p->cursor.pos) + planted(CURSOR_OFF_BY_ONE));
        advance(s);
        err = stmt_err(&s->q, "open_source");
    }
    return err;
}

static struct err open_sources(struct download *d, const struct pass *p, struct source *sources,
                               size_t *count)
{
    struct err err = err_ok();
    *count = 0;
    bool fills = p->fill_to > 0;
    if (!p->is_new && !fills) { /* a scope that the device never held has nothing to leave it */
        err = open_source(d, p, NULL, &sources[(*count)++]);
    }
    for (size_t i = 0; i < catalogue_table_count() && err.code == ERR_OK; i++) {
        const struct table *t = catalogue_table_at(i);
        bool known = t->since <= d->params->hello->catalogue; /* to this device's program */
        bool differs = has_quotes(t) || sight_before(d->params->hello, t) !=
                                            sight_now(d->permit, d->params->hello, t);
        if (known && (differs || !fills) && table_lives_in(t, (enum scope_kind)p->id.kind)) {
            assert(*count < TABLES_MAX);
            err = open_source(d, p, t, &sources[(*count)++]);
        }
    }
    return err;
}

static struct source *lowest(struct source *sources, size_t count)
{
    struct source *low = NULL;
    for (size_t i = 0; i < count; i++) {
        if (sources[i].live && (low == NULL || sources[i].seq < low->seq)) {
            low = &sources[i];
        }
    }
    return low;
}

static struct err fill_chunk(struct download *d, struct pass *p, bool *ended)
{
    struct source sources[TABLES_MAX];
    size_t count = 0;
    struct err err = open_sources(d, p, sources, &count);
    *ended = false;
    while (err.code == ERR_OK && !chunk_is_full(&d->chunk)) {
        struct source *s = lowest(sources, count);
        if (s == NULL || (p->fill_to > 0 && s->seq > p->fill_to)) {
            *ended = true;
            break;
        }
        err = s->table == NULL ? put_departure(d, p, s) : put_row(d, p, s);
        *(p->fill_to > 0 ? &p->fill_pos : &p->cursor.pos) = s->seq;
        if (err.code == ERR_OK) {
            advance(s);
            err = stmt_err(&s->q, "fill_chunk");
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (sources[i].live) {
            stmt_reset(&sources[i].q);
        }
    }
    return err;
}

/* ---- packing ---- */

static struct err pack(struct packer *packer, const struct message *m, struct buf *out)
{
    return packer_put(packer, m, out) == WIRE_OK ? err_ok() : err_make(ERR_LIMIT, 0, "pack");
}

static struct err pack_checkpoint(struct packer *packer, const struct cursor *cursor,
                                  struct buf *out)
{
    const struct message m = {.kind = MESSAGE_CHECKPOINT, .checkpoint = {.cursor = *cursor}};
    return pack(packer, &m, out);
}

uint64_t download_rows(const struct download *d)
{
    return d->rows;
}

static struct err pack_chunk(struct download *d, struct packer *packer, struct buf *out)
{
    struct err err = err_ok();
    for (struct chunk_group *g = d->chunk.groups; g != NULL && err.code == ERR_OK; g = g->next) {
        const struct message m = {.kind = MESSAGE_ROWS, .rows = g->rows};
        err = pack(packer, &m, out);
        d->rows += g->rows.count;
    }
    for (size_t i = 0; i < d->chunk.departure_count && err.code == ERR_OK; i++) {
        const struct message m = {.kind = MESSAGE_DEPARTURE, .departure = d->chunk.departures[i]};
        err = pack(packer, &m, out);
    }
    return err;
}

/* The device learns first that the scope begins, or begins anew: what it had then no longer counts
 * as complete, even if the stream is cut right behind it. */
static struct err begin_pass(struct pass *p, struct packer *packer, struct buf *out)
{
    if (p->cursor.goal == 0) {
        p->cursor.goal = p->head;
    }
    if (p->is_new) {
        const struct message m = {.kind = MESSAGE_SCOPE_ENTER, .scope = p->id};
        return pack(packer, &m, out);
    }
    return p->is_reset ? pack_checkpoint(packer, &p->cursor, out) : err_ok();
}

/* Before the pass itself, whose cursor it doesn't move. */
static struct err step_fill(struct download *d, struct pass *p, struct packer *packer,
                            struct buf *out)
{
    bool ended = false;
    chunk_clear(&d->chunk);
    struct err err = fill_chunk(d, p, &ended);
    if (err.code == ERR_OK) {
        err = pack_chunk(d, packer, out);
    }
    if (ended) {
        p->fill_to = 0;
    }
    return err.code == ERR_OK ? pack_checkpoint(packer, &p->cursor, out) : err;
}

/* Where the change log's chain of the scope stands: the device keeps it, out of reach of whoever
 * would change the log. Not every entry raises the scope's number; the next pass brings it. */
static struct err tell_head(struct download *d, struct pass *p)
{
    struct scope_id id;
    struct chain_head head;
    struct err err = d->params->hello->protocol < 2 ? err_make(ERR_NOT_FOUND, 0, "tell_head")
                                                    : scope_head(d->st, p->no, &id, &head);
    if (err.code == ERR_OK && head.index != 0) {
        p->cursor.head_no = head.no;
        memcpy(p->cursor.head, head.hash, sizeof p->cursor.head);
    }
    return err.code == ERR_NOT_FOUND ? err_ok() : err;
}

static struct err step_pass(struct download *d, struct packer *packer, struct buf *out)
{
    struct pass *p = &d->passes.at[d->pass_at];
    if (p->fill_to > 0) {
        return step_fill(d, p, packer, out);
    }
    struct err err = err_ok();
    bool ended = false;
    if (d->state == PASS_FRESH) {
        d->state = PASS_RUNNING;
        err = begin_pass(p, packer, out);
    }
    chunk_clear(&d->chunk);
    if (err.code == ERR_OK) {
        err = fill_chunk(d, p, &ended);
    }
    if (err.code == ERR_OK) {
        err = pack_chunk(d, packer, out);
    }
    if (ended) {
        p->cursor.done = p->cursor.goal + planted(CURSOR_RUNS_AHEAD);
        p->cursor.pos = p->cursor.goal;
        p->cursor.goal = 0;
        d->pass_at++;
        d->state = PASS_FRESH;
        if (err.code == ERR_OK) {
            err = tell_head(d, p);
        }
    }
    return err.code == ERR_OK ? pack_checkpoint(packer, &p->cursor, out) : err;
}

static struct err step_leave(struct download *d, struct packer *packer, struct buf *out)
{
    const struct cursor *cursor = &d->params->hello->cursors[d->leave_at++];
    if (permit_find(d->permit, &cursor->scope) != NULL) {
        return err_ok();
    }
    const struct message m = {.kind = MESSAGE_SCOPE_LEAVE, .scope = cursor->scope};
    return pack(packer, &m, out);
}

static struct err step_digest(struct download *d, struct packer *packer, struct buf *out)
{
    struct message m = {.kind = MESSAGE_DIGEST};
    struct arena arena;
    arena_init(&arena, (size_t)64 << 20);
    struct err err = store_digest(d->st, d->params->device, &arena, &m.digest);
    if (err.code == ERR_OK) {
        err = pack(packer, &m, out);
    }
    arena_release(&arena);
    d->digest_sent = true;
    return err;
}

static struct parts_params parts_params(const struct download *d)
{
    return (struct parts_params){
        .st = d->st, .permit = d->permit, .catalogue = d->params->hello->catalogue};
}

static struct err step_parts(struct download *d, struct packer *packer, struct buf *out)
{
    const struct parts_params params = parts_params(d);
    struct message m = {.kind = MESSAGE_PARTS};
    struct arena arena;
    arena_init(&arena, (size_t)64 << 20);
    struct err err =
        d->params->ask != NULL ? parts_answer(&params, d->params->ask, &arena, &m.parts) : err_ok();
    if (err.code == ERR_OK) {
        err = pack(packer, &m, out);
    }
    arena_release(&arena);
    d->parts_sent = true;
    return err;
}

/* One row that is wanted, if the device may see it: as the first of a pass from nothing. */
static struct err put_wanted(struct download *d, const struct wanted_row *w)
{
    struct source s = {.table = catalogue_table(w->table)};
    struct scope *scope = NULL;
    bool held = false;
    const char *sql = s.table == NULL ? NULL : rowsql_select(&d->st->cache->sql, s.table);
    struct err err = sql == NULL ? err_ok() : db_use(d->st->db, sql, &s.q);
    if (sql == NULL || err.code != ERR_OK) {
        return err;
    }
    bind_id(&s.q, 1, w->id);
    if (!db_step_row(&s.q)) {
        return stmt_err(&s.q, "put_wanted");
    }
    s.seq = col_int(&s.q, ROWSQL_SEQ);
    err = permit_holds(d->permit, d->st, col_int(&s.q, ROWSQL_SCOPE), &held);
    if (err.code == ERR_OK && held && col_is_null(&s.q, ROWSQL_DELETED)) {
        err = scope_get(d->st, col_int(&s.q, ROWSQL_SCOPE), &scope);
        if (err.code == ERR_OK) {
            const struct pass p = {.id = scope->id, .no = scope->no, .is_new = true};
            err = put_row(d, &p, &s);
        }
    }
    stmt_reset(&s.q);
    return err;
}

static struct err step_wanted(struct download *d, struct packer *packer, struct buf *out)
{
    struct err err = err_ok();
    chunk_clear(&d->chunk);
    while (d->want_at < d->params->want->count && err.code == ERR_OK && !chunk_is_full(&d->chunk)) {
        err = put_wanted(d, &d->params->want->rows[d->want_at++]);
    }
    return err.code == ERR_OK ? pack_chunk(d, packer, out) : err;
}

static struct err step_end(const struct download *d, struct packer *packer, struct buf *out,
                           bool *done)
{
    struct message m = {.kind = MESSAGE_END};
    const struct parts_params params = parts_params(d);
    m.end.told = d->params->hello->protocol >= 2;
    struct err err = m.end.told ? parts_total(&params, m.end.sum) : err_ok();
    if (err.code == ERR_OK) {
        err = pack(packer, &m, out);
    }
    if (err.code == ERR_OK && packer_end(packer, out) != WIRE_OK) {
        err = err_make(ERR_LIMIT, 0, "packer_end");
    }
    *done = true;
    return err;
}

struct err download_step(struct download *d, struct packer *packer, struct buf *out, bool *done)
{
    const struct hello *hello = d->params->hello;
    size_t before = out->size;
    struct err err = err_ok();
    *done = false;
    while (err.code == ERR_OK && !*done && out->size - before < STEP_BYTES) {
        if (d->leave_at < hello->cursor_count) {
            err = step_leave(d, packer, out);
        } else if (d->pass_at < d->passes.count) {
            err = step_pass(d, packer, out);
        } else if ((hello->flags & HELLO_DIGEST) != 0 && !d->digest_sent) {
            err = step_digest(d, packer, out);
        } else if ((d->params->ask != NULL || d->params->want != NULL) && !d->parts_sent) {
            err = step_parts(d, packer, out);
        } else if (d->params->want != NULL && d->want_at < d->params->want->count) {
            err = step_wanted(d, packer, out);
        } else {
            err = step_end(d, packer, out, done);
        }
    }
    if (err.code == ERR_OK && !*done && packer_flush(packer, out) != WIRE_OK) {
        err = err_make(ERR_LIMIT, 0, "packer_flush");
    }
    return err;
}
