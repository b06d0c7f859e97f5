/* See patrol.h. */
#include "common/changelog/device/patrol.h"

#include "common/changelog/contents.h"
#include "common/changelog/device/outbox.h"

#define RUN_ROWS_MAX   256 /* one in millions is that long */
#define TEXT_BYTES_MAX ((size_t)8 * 1024)

struct run {
    size_t count;
    uint8_t ids[RUN_ROWS_MAX][16];
    uint64_t numbers;
    uint64_t contents;
};

struct look {
    struct replica *r;
    struct err (*wrong)(void *context, const struct table *t, const uint8_t id[16]);
    void *context;
    const struct table *table;
    int64_t left; /* rows that may still be looked at */
    uint8_t at[16];
    size_t at_size; /* 0: before the table's first row */
    struct run run;
};

struct err patrol_due(struct replica *r, int64_t server_ms, struct patrol_due *out)
{
    struct stmt st;
    struct err err = db_use(r->db, "SELECT at, tbl FROM patrol", &st);
    *out = (struct patrol_due){.now = false};
    if (err.code != ERR_OK) {
        return err;
    }
    if (db_step_row(&st)) { /* a clock that was set back doesn't end it for long */
        int64_t since_ms = server_ms - col_int(&st, 0);
        out->now = since_ms >= PATROL_EVERY_MS || since_ms < 0;
        out->begins = col_int(&st, 1) == 0;
        stmt_reset(&st);
    }
    return stmt_err(&st, "patrol_due");
}

/* ---- runs ---- */

static struct err run_known(struct look *l, bool *same_numbers, bool *same_contents)
{
    static const char sql[] =
        "SELECT numbers, contents FROM patrol_run WHERE tbl = ?1 AND row = ?2";
    struct stmt st;
    struct err err = db_use(l->r->db, sql, &st);
    *same_numbers = *same_contents = false;
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, l->table->number);
    bind_blob(&st, 2, bytes_of(l->at, l->at_size));
    if (db_step_row(&st)) {
        *same_numbers = (uint64_t)col_int(&st, 0) == l->run.numbers;
        *same_contents = (uint64_t)col_int(&st, 1) == l->run.contents;
        stmt_reset(&st);
    }
    return stmt_err(&st, "patrol_look");
}

static struct err run_put(struct look *l)
{
    static const char sql[] =
        "INSERT INTO patrol_run (tbl, row, numbers, contents) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT (tbl, row) DO UPDATE SET numbers = excluded.numbers,"
        " contents = excluded.contents";
    struct stmt st;
    struct err err = db_use(l->r->db, sql, &st);
    if (err.code == ERR_OK) {
        bind_int(&st, 1, l->table->number);
        bind_blob(&st, 2, bytes_of(l->at, l->at_size));
        bind_int(&st, 3, (int64_t)l->run.numbers);
        bind_int(&st, 4, (int64_t)l->run.contents);
        err = db_step_done(&st, "patrol_look");
    }
    return err;
}

/* Ended runs behind `from` and up to here that nobody met any more. */
static struct err run_drop(struct look *l, struct bytes from, bool here_too)
{
    struct stmt st;
    struct err err = db_use(l->r->db,
                            "DELETE FROM patrol_run WHERE tbl = ?1 AND row > ?2 AND"
                            " (row < ?3 OR (?4 AND row = ?3))",
                            &st);
    if (err.code == ERR_OK) {
        bind_int(&st, 1, l->table->number);
        bind_blob(&st, 2, from);
        bind_blob(&st, 3, bytes_of(l->at, l->at_size));
        bind_int(&st, 4, here_too);
        err = db_step_done(&st, "patrol_look");
    }
    return err;
}

/* One that is wrong is met anew when its rows have come. */
static struct err run_end(struct look *l, struct bytes from)
{
    bool same_numbers = false;
    bool same_contents = false;
    struct err err = run_known(l, &same_numbers, &same_contents);
    bool wrong = same_numbers && !same_contents;
    if (err.code == ERR_OK) {
        err = run_drop(l, from, wrong);
    }
    for (size_t i = 0; wrong && i < l->run.count && err.code == ERR_OK; i++) {
        err = l->wrong(l->context, l->table, l->run.ids[i]);
    }
    if (err.code == ERR_OK && !same_numbers) {
        err = run_put(l);
    }
    l->run.count = 0;
    l->run.numbers = 0;
    l->run.contents = 0;
    return err;
}

/* ---- tables ---- */

static void run_add(struct look *l, const struct contents_row *row, uint64_t numbers)
{
    memcpy(l->run.ids[l->run.count++], row->id, 16);
    l->run.numbers += numbers;
    l->run.contents += row->words[0];
}

static struct err look_row(struct look *l, const struct stmt *st, struct buf *bytes)
{
    const struct contents c = {.db = l->r->db, .key = l->r->digest_key};
    struct contents_row row = {.seq = col_int(st, 1)};
    uint64_t words[2];
    if (!col_id(st, 0, row.id)) {
        return err_ok(); /* none that the server gave: the next round's sums lack one */
    }
    memcpy(l->at, row.id, sizeof l->at);
    l->at_size = sizeof l->at;
    l->left--;
    if (row.seq == 0 || outbox_of_row(l->r, l->table->number, row.id) != NULL) {
        return err_ok();
    }
    if (!contents_hash(&c, l->table, st, bytes, &row)) {
        return err_make(ERR_NOMEM, 0, "patrol_look");
    }
    digest_hash(l->r->digest_key, row.id, row.seq, words);
    run_add(l, &row, words[0]);
    return err_ok();
}

static bool ends_run(const struct look *l)
{
    return (l->at[15] & 15) == 15 || l->run.count == RUN_ROWS_MAX;
}

/* To the end of the table, or of the run in which the look ends. */
static struct err walk(struct look *l, struct stmt *st, bool *ended)
{
    struct err err = err_ok();
    struct buf bytes;
    uint8_t from[16];
    size_t from_size = l->at_size;
    memcpy(from, l->at, sizeof from);
    buf_init(&bytes, CONTENTS_BYTES_MAX);
    *ended = true;
    while (err.code == ERR_OK && db_step_row(st)) {
        err = look_row(l, st, &bytes);
        if (err.code == ERR_OK && ends_run(l)) {
            err = run_end(l, bytes_of(from, from_size));
            memcpy(from, l->at, sizeof from);
            from_size = l->at_size;
            *ended = l->left > 0;
        }
        if (!*ended) {
            break;
        }
    }
    if (err.code == ERR_OK && *ended) {
        err = stmt_err(st, "patrol_look");
        memset(l->at, 0xff,
               sizeof l->at); /* the last run, which may grow, under a name of its own */
        l->at_size = sizeof l->at;
        err = err.code == ERR_OK ? run_end(l, bytes_of(from, from_size)) : err;
    }
    buf_release(&bytes);
    return err;
}

static struct err look_table(struct look *l, bool *ended)
{
    struct buf sql;
    struct stmt st;
    buf_init(&sql, TEXT_BYTES_MAX);
    buf_put_text(&sql, "SELECT id, _seq");
    for (size_t i = 0; i < l->table->column_count; i++) {
        buf_printf(&sql, ", %s", l->table->columns[i].name);
    }
    buf_printf(&sql, " FROM %s WHERE id > ?1 ORDER BY id", l->table->name);
    const char *text = buf_text(&sql);
    struct err err =
        sql.bad ? err_make(ERR_NOMEM, 0, "patrol_look") : db_prepare(l->r->db, text, &st, NULL);
    if (err.code == ERR_OK) {
        bind_blob(&st, 1, bytes_of(l->at, l->at_size));
        err = walk(l, &st, ended);
        stmt_close(&st);
    }
    buf_release(&sql);
    return err;
}

/* ---- rounds ---- */

/* Other columns are seen than the sums were made of. */
static struct err begin_anew(struct replica *r)
{
    return db_exec(r->db, "DELETE FROM patrol_run; UPDATE patrol SET tbl = 0, row = x'',"
                          " mask = (SELECT mask FROM device_state),"
                          " catalogue = (SELECT cursors_under FROM device_state)");
}

static struct err place_read(struct look *l)
{
    static const char sql[] =
        "SELECT p.tbl, p.row, p.mask <> d.mask OR p.catalogue <> d.cursors_under"
        " FROM patrol p, device_state d";
    bool anew = false;
    struct stmt st;
    struct err err = db_use(l->r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    l->table = NULL;
    if (db_step_row(&st)) {
        l->table = catalogue_table((uint16_t)col_int(&st, 0));
        l->at_size = col_id(&st, 1, l->at) ? sizeof l->at : 0;
        anew = col_int(&st, 2) != 0;
        stmt_reset(&st);
    }
    err = stmt_err(&st, "patrol_look");
    if (err.code == ERR_OK && anew) {
        err = begin_anew(l->r);
    }
    if (anew || l->table == NULL) {
        l->table = catalogue_table_at(0);
        l->at_size = 0;
    }
    return err;
}

static struct err place_put(struct look *l, int64_t server_ms)
{
    struct stmt st;
    struct err err = db_use(l->r->db, "UPDATE patrol SET at = ?1, tbl = ?2, row = ?3", &st);
    if (err.code == ERR_OK) {
        bind_int(&st, 1, server_ms);
        bind_int(&st, 2, l->table == NULL ? 0 : l->table->number);
        bind_blob(&st, 3, bytes_of(l->at, l->at_size));
        err = db_step_done(&st, "patrol_look");
    }
    return err;
}

/* NULL behind the last one: the next round begins with the next look. */
static const struct table *table_behind(const struct table *t)
{
    for (size_t i = 0; i + 1 < catalogue_table_count(); i++) {
        if (catalogue_table_at(i) == t) {
            return catalogue_table_at(i + 1);
        }
    }
    return NULL;
}

struct err patrol_look(struct replica *r, int64_t server_ms,
                       struct err (*wrong)(void *context, const struct table *t,
                                           const uint8_t id[16]),
                       void *context)
{
    struct look *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return err_make(ERR_NOMEM, 0, "patrol_look");
    }
    *l = (struct look){.r = r, .wrong = wrong, .context = context, .left = PATROL_ROWS};
    struct err err = place_read(l);
    while (err.code == ERR_OK && l->table != NULL && l->left > 0) {
        bool ended = false;
        err = look_table(l, &ended);
        if (ended) {
            l->table = table_behind(l->table);
            l->at_size = 0;
        }
    }
    if (err.code == ERR_OK) {
        err = place_put(l, server_ms);
    }
    free(l);
    return err;
}
