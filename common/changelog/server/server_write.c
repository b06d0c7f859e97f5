/* Writes by the server itself, see store.h. Each row is judged, written and logged at once, so that
 * an import of any size needs the memory of one row; the change log's entry is made with the
 * first. */
#include "common/changelog/server/checks.h"
#include "common/changelog/server/erase.h"
#include "common/changelog/server/past_day.h"

#include "common/base/complaint.h"
#include "common/changelog/server/rules.h"

#define PUT_ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define ORDERS_FIRST        64

struct server_write {
    struct store *st;
    struct arena arena; /* of one put */
    bool has_person;
    uint8_t person[16];
    char intent[CODE_BYTES_MAX];
    int64_t at_ms;
    int64_t entry;   /* change_log.no, 0: nothing written yet */
    int64_t index;   /* rows logged so far */
    bool is_history; /* what an import brings was agreed elsewhere: prices and totals stand */
    bool buries;     /* empties rows, deleted ones too */
    size_t order_count;
    size_t order_room;
    uint8_t (*orders)[16]; /* touched, for the rules at the end */
    size_t lost_count;
    struct work_lost *lost; /* books that changed hands, for their days at the end */
    size_t sums;            /* of earlier writes in this database transaction */
};

struct err server_write_begin(struct store *st, const uint8_t person[16], const char *intent,
                              int64_t at_ms, struct server_write **out)
{
    store_refresh(st);
    struct server_write *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return err_make(ERR_NOMEM, 0, "server_write_begin");
    }
    w->st = st;
    w->sums = sums_mark(&st->cache->sums);
    w->at_ms = at_ms > 0 ? at_ms : 0;
    w->has_person = person != NULL;
    if (person != NULL) {
        memcpy(w->person, person, sizeof w->person);
    }
    (void)snprintf(w->intent, sizeof w->intent, "%s", intent);
    w->buries = strcmp(intent, SERVER_WRITE_ERASE) == 0;
    w->is_history = strncmp(intent, "import", 6) == 0;
    arena_init(&w->arena, PUT_ARENA_BYTES_MAX);
    *out = w;
    return err_ok();
}

void server_write_cancel(struct server_write *w)
{
    if (w != NULL) {
        sums_undo(&w->st->cache->sums, w->sums); /* nothing is left of them after its end */
        arena_release(&w->arena);
        free(w->orders);
        free(w->lost);
        free(w);
    }
}

struct store *server_write_store(const struct server_write *w)
{
    return w->st;
}

int64_t server_write_at_ms(const struct server_write *w)
{
    return w->at_ms;
}

struct err server_write_savepoint(struct server_write *w, struct server_write_mark *mark)
{
    struct sums *sums = &w->st->cache->sums;
    struct err err = sums_save_many(sums, w->st->db);
    *mark = (struct server_write_mark){.entry = w->entry,
                                       .index = w->index,
                                       .order_count = w->order_count,
                                       .sums = sums_mark(sums)};
    return err.code == ERR_OK ? db_savepoint(w->st->db) : err;
}

struct err server_write_savepoint_end(struct server_write *w, const struct server_write_mark *mark,
                                      bool keep)
{
    if (!keep) { /* the log's entry may have gone with the rest */
        w->entry = mark->entry;
        w->index = mark->index;
        w->order_count = mark->order_count;
        w->st->cache->log_no = 0;
        sums_undo(&w->st->cache->sums, mark->sums);
    }
    return db_savepoint_end(w->st->db, keep);
}

static void work_begin(struct server_write *w, struct work *work)
{
    const struct version by = {.effective_ms = w->at_ms};
    arena_clear(&w->arena);
    work_init(work, w->st, &w->arena, &by);
    work->received_ms = w->at_ms;
    work->has_person = w->has_person;
    memcpy(work->person, w->person, sizeof work->person);
}

static struct err entry_make(struct server_write *w, struct work *work)
{
    if (w->entry != 0) {
        return err_ok();
    }
    struct work_entry entry = {.outcome = OUTCOME_ACCEPTED,
                               .code = "",
                               .intent = bytes_text(w->intent),
                               .body = bytes_of("", 0)};
    w->st->host.random(w->st->host.context, entry.identity, sizeof entry.identity);
    return work_log_open(work, &entry, &w->entry);
}

struct err server_write_note(struct server_write *w)
{
    struct work work;
    work_begin(w, &work);
    struct err err = entry_make(w, &work);
    work_release(&work);
    return err;
}

static struct err log_touched(struct server_write *w, struct work *work)
{
    if (work->touched == NULL) {
        return err_ok();
    }
    struct err err = entry_make(w, work);
    return err.code == ERR_OK ? work_log_rows(work, w->entry, &w->index) : err;
}

static struct err note_order(struct server_write *w, const uint8_t id[16])
{
    if (w->order_count > 0 && memcmp(w->orders[w->order_count - 1], id, 16) == 0) {
        return err_ok(); /* lines of one order come one after the other */
    }
    if (w->order_count == w->order_room) {
        size_t room = w->order_room == 0 ? ORDERS_FIRST : w->order_room * 2;
        void *orders = realloc(w->orders, room * sizeof *w->orders);
        if (orders == NULL) {
            return err_make(ERR_NOMEM, 0, "note_order");
        }
        w->orders = orders;
        w->order_room = room;
    }
    memcpy(w->orders[w->order_count++], id, 16);
    return err_ok();
}

static struct err note_orders(struct server_write *w, const struct work *work)
{
    struct err err = err_ok();
    for (const struct work_row *row = w->is_history ? NULL : work->touched;
         row != NULL && err.code == ERR_OK; row = row->next_touched) {
        if (row->table->number == TABLE_sales_order) {
            err = note_order(w, row->id);
        } else if (row->table->number == TABLE_order_line) {
            err = note_order(w, row->values[COLUMN_order_line_order_id].b.at);
        }
    }
    return err;
}

static struct err note_lost(struct server_write *w, const struct work *work)
{
    struct err err = err_ok();
    for (const struct work_lost *lost = work->lost; lost != NULL && err.code == ERR_OK;
         lost = lost->next) {
        void *all = realloc(w->lost, (w->lost_count + 1) * sizeof *w->lost);
        if (all == NULL) {
            return err_make(ERR_NOMEM, 0, "note_lost");
        }
        w->lost = all;
        w->lost[w->lost_count++] = *lost;
    }
    return err;
}

/* Sets what differs; gives the columns that did. */
static struct err set_cells(struct work_row *row, const struct cell *cells, size_t count,
                            uint64_t *changed, struct complaint *why)
{
    *changed = 0;
    for (size_t i = 0; i < count; i++) {
        const struct column *c = table_column(row->table, cells[i].column);
        if (c == NULL) {
            return refuse(why, "unknown_column", row->table, NULL, NULL);
        }
        if (!column_check(c, &cells[i].value, why)) {
            return complaint_err(why, "set_cells");
        }
        if (row->fresh || !value_equal(&row->values[c->number], &cells[i].value)) {
            work_set(row, c->number, &cells[i].value);
            *changed |= UINT64_C(1) << c->number;
        }
    }
    const struct column *home = table_scope_column(row->table);
    if (!row->fresh && home != NULL && (*changed >> home->number & 1) != 0) {
        return refuse(why, "not_permitted", row->table, home, "move");
    }
    return err_ok();
}

static struct err complete(struct work *work, struct work_row *row, uint64_t changed,
                           struct complaint *why)
{
    struct err err = check_references(work, NULL, row, changed, why);
    if (err.code == ERR_OK && row->fresh) {
        err = check_home(work, NULL, row, &row->scope, why);
    }
    if (err.code == ERR_OK && row->fresh) {
        err = rules_fill(work, row);
    }
    if (err.code == ERR_OK) {
        err = check_required(row, why);
    }
    return err.code == ERR_OK ? check_unique(work, row, changed, why) : err;
}

static struct err find_at_base(struct work *work, const struct table *t, const uint8_t id[16],
                               int64_t base, struct work_row **row, struct complaint *why)
{
    struct err err = work_find(work, t, id, row);
    if (err.code != ERR_OK) {
        return err;
    }
    if (!planted(PAGE_BASE_IGNORED) && base >= 0 && base != (*row == NULL ? 0 : (*row)->seq)) {
        return refuse(why, "changed_since", t, NULL, NULL);
    }
    if (*row != NULL && (*row)->deleted_at != 0) {
        return refuse(why, "deleted", t, NULL, NULL);
    }
    return err_ok();
}

static struct err put_row(struct server_write *w, struct work *work, const struct table *t,
                          const uint8_t id[16], const struct cell *cells, size_t count,
                          int64_t base, struct work_row **row, struct complaint *why)
{
    struct err err =
        w->buries ? work_find(work, t, id, row) : find_at_base(work, t, id, base, row, why);
    if (err.code == ERR_OK && *row == NULL) {
        err = work_new(work, t, id, row);
    }
    uint64_t changed = 0;
    if (err.code == ERR_OK) {
        err = set_cells(*row, cells, count, &changed, why);
    }
    if (err.code != ERR_OK || (changed == 0 && !(*row)->fresh)) {
        return err;
    }
    err = complete(work, *row, changed, why);
    if (err.code == ERR_OK) {
        err = work_put(work, *row);
    }
    if (err.code == ERR_OK) {
        err = note_orders(w, work);
    }
    if (err.code == ERR_OK) {
        err = note_lost(w, work);
    }
    return err.code == ERR_OK ? log_touched(w, work) : err;
}

struct err server_write_put(struct server_write *w, const struct table *t, const uint8_t id[16],
                            const struct cell *cells, size_t count, int64_t base, int64_t *seq,
                            struct buf *old, struct complaint *why)
{
    struct work work;
    struct work_row *row = NULL;
    work_begin(w, &work);
    struct err err = put_row(w, &work, t, id, cells, count, base, &row, why);
    if (err.code == ERR_OK) {
        *seq = row->seq;
    }
    if (err.code == ERR_OK && old != NULL) {
        err = work_old_values(row, old);
    }
    work_release(&work);
    return err;
}

static struct err delete_row(struct server_write *w, struct work *work, const struct table *t,
                             const uint8_t id[16], int64_t base, struct complaint *why)
{
    struct work_row *row = NULL;
    struct err err = find_at_base(work, t, id, base, &row, why);
    if (err.code == ERR_OK && row == NULL) {
        err = refuse(why, "not_found", t, NULL, NULL);
    }
    if (err.code == ERR_OK) {
        err = check_childless(work, row, why);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    work_delete(row, w->at_ms);
    err = work_put(work, row);
    if (err.code == ERR_OK) {
        err = note_orders(w, work);
    }
    if (err.code == ERR_OK) {
        err = note_lost(w, work);
    }
    return err.code == ERR_OK ? log_touched(w, work) : err;
}

struct err server_write_delete(struct server_write *w, const struct table *t, const uint8_t id[16],
                               int64_t base, struct complaint *why)
{
    struct work work;
    work_begin(w, &work);
    struct err err = delete_row(w, &work, t, id, base, why);
    work_release(&work);
    return err;
}

/* As if it came now: what it points to is there, and what must be its own isn't somebody else's. */
static struct err check_return(struct work *work, const struct work_row *row, struct complaint *why)
{
    const struct column *home = table_scope_column(row->table);
    int64_t scope = 0;
    bool erased = false;
    struct err err = erase_has_emptied(work->st, row->table->number, row->id, &erased);
    if (err.code == ERR_OK && erased) {
        err = refuse(why, "erased", row->table, NULL, NULL);
    }
    if (err.code == ERR_OK) {
        err = check_home(work, NULL, row, &scope, why);
    }
    if (err.code == ERR_OK && scope != row->scope) {
        err = refuse(why, "not_permitted", row->table, home, "move");
    }
    if (err.code == ERR_OK) {
        err = check_references(work, NULL, row, ~UINT64_C(0), why);
    }
    return err.code == ERR_OK ? check_unique(work, row, ~UINT64_C(0), why) : err;
}

static struct err undelete_row(struct server_write *w, struct work *work, const struct table *t,
                               const uint8_t id[16], struct work_row **row, struct complaint *why)
{
    struct err err = work_find(work, t, id, row);
    if (err.code == ERR_OK && *row == NULL) {
        err = refuse(why, "not_found", NULL, NULL, NULL);
    }
    if (err.code == ERR_OK && (*row)->deleted_at == 0) {
        err = refuse(why, "state", t, NULL, "not deleted");
    }
    if (err.code == ERR_OK) {
        err = check_return(work, *row, why);
    }
    if (err.code == ERR_OK) {
        err = work_undelete(work, *row);
    }
    if (err.code == ERR_OK) {
        err = note_orders(w, work);
    }
    if (err.code == ERR_OK) {
        err = note_lost(w, work);
    }
    return err.code == ERR_OK ? log_touched(w, work) : err;
}

struct err server_write_undelete(struct server_write *w, const struct table *t,
                                 const uint8_t id[16], int64_t *seq, struct complaint *why)
{
    struct work work;
    struct work_row *row = NULL;
    work_begin(w, &work);
    struct err err = undelete_row(w, &work, t, id, &row, why);
    if (err.code == ERR_OK) {
        *seq = row->seq;
    }
    work_release(&work);
    return err;
}

static struct err move_customer(struct server_write *w, struct work *work,
                                const uint8_t customer[16], const uint8_t to_book[16],
                                int64_t *rows)
{
    struct work_row *row = NULL;
    struct work_row *book = NULL;
    struct err err = work_find(work, catalogue_table(TABLE_customer), customer, &row);
    if (err.code == ERR_OK) {
        err = work_find(work, catalogue_table(TABLE_book), to_book, &book);
    }
    if (err.code == ERR_OK && (row == NULL || book == NULL || book->deleted_at != 0)) {
        err = err_make(ERR_NOT_FOUND, 0, "move_customer");
    }
    if (err.code == ERR_OK) {
        err = work_move_customer(work, row, to_book, rows);
    }
    return err.code == ERR_OK ? log_touched(w, work) : err;
}

struct err server_write_move(struct server_write *w, const uint8_t customer[16],
                             const uint8_t to_book[16], int64_t *rows)
{
    struct work work;
    work_begin(w, &work);
    struct err err = move_customer(w, &work, customer, to_book, rows);
    work_release(&work);
    return err.code == ERR_OK && *rows > 0 ? past_days_keep(w, customer) : err;
}

static struct err check_orders(struct server_write *w, struct complaint *why)
{
    struct err err = err_ok();
    for (size_t i = 0; i < w->order_count && err.code == ERR_OK; i++) {
        struct work work;
        work_begin(w, &work);
        err = rules_order(&work, w->orders[i], why);
        work_release(&work);
    }
    return err;
}

/* Whoever lost a book, by whatever command, keeps the days that they spent there. */
static struct err keep_days(struct server_write *w)
{
    struct err err = err_ok();
    for (size_t i = 0; i < w->lost_count && err.code == ERR_OK; i++) {
        err = past_days_of_book(w, w->lost[i].book, w->lost[i].person);
    }
    return err;
}

struct err server_write_end(struct server_write *w, struct complaint *why)
{
    struct err err = keep_days(w);
    if (err.code == ERR_OK) {
        err = check_orders(w, why);
    }
    if (err.code == ERR_OK && w->entry != 0) {
        err = work_log_close(w->st, w->entry);
    }
    if (err.code == ERR_OK) {
        err = scopes_save(w->st);
    }
    server_write_cancel(w);
    return err;
}
