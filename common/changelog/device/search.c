/* The search index's tables, its refresh and its queries; see search.h. */
#include "common/changelog/device/search.h"

#define WORDS_BYTES_MAX ((size_t)16 * 1024) /* of one row */
#define CANDIDATES      400                 /* looked at before the best are chosen */

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS search_dirty ("
    " tbl INTEGER NOT NULL, row BLOB NOT NULL, PRIMARY KEY (tbl, row)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS search_doc ("
    " doc INTEGER PRIMARY KEY, tbl INTEGER NOT NULL, row BLOB NOT NULL, words TEXT NOT NULL,"
    " UNIQUE (tbl, row)) STRICT;"
    "CREATE VIRTUAL TABLE IF NOT EXISTS search_index USING fts5(words, content='search_doc',"
    " content_rowid='doc', tokenize='unicode61 remove_diacritics 2', prefix='1 2 4');";

/* What is searched of a table. Columns by name: the catalogue keeps their order open. */
static const struct searched {
    uint16_t table;
    const char *name;   /* also by initials */
    const char *words;  /* SQL expression over the row: further text */
    const char *phones; /* SQL expression: numbers to find by their tail */
    const char *watch;  /* columns whose change makes the row dirty */
} searched[] = {
    {TABLE_customer, "name",
     "coalesce(no, '') || ' ' || coalesce(city, '') || ' ' || coalesce(address, '')"
     " || ' ' || coalesce(tags, '')",
     "phones", "name, no, city, address, tags, phones"},
    {TABLE_contact, "name", "coalesce(title, '') || ' ' || coalesce(email, '')", "phones",
     "name, title, email, phones"},
    {TABLE_product, "name", "coalesce(sku, '') || ' ' || coalesce(category, '')", "NULL",
     "name, sku, category"},
};

static struct err make_triggers(struct db *db, const struct searched *s)
{
    const struct table *t = catalogue_table(s->table);
    struct buf sql;
    buf_init(&sql, 4096);
    const char *const events[][3] = {
        {"i", "INSERT", "NEW"}, {"u", "UPDATE OF", "NEW"}, {"d", "DELETE", "OLD"}};
    for (size_t i = 0; i < count_of(events); i++) {
        bool update = i == 1;
        buf_printf(&sql,
                   "CREATE TRIGGER IF NOT EXISTS search_%s_%s AFTER %s%s%s ON %s BEGIN"
                   " INSERT INTO search_dirty VALUES (%d, %s.id) ON CONFLICT DO NOTHING; END;",
                   t->name, events[i][0], events[i][1], update ? " " : "", update ? s->watch : "",
                   t->name, (int)s->table, events[i][2]);
    }
    struct err err =
        sql.bad ? err_make(ERR_NOMEM, 0, "make_triggers") : db_exec(db, buf_text(&sql));
    buf_release(&sql);
    return err;
}

/* Rows that were there before the index was: once, when the index is made. */
static struct err mark_all(struct db *db, const struct searched *s)
{
    char sql[200];
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO search_dirty SELECT %d, id FROM %s WHERE true"
                   " ON CONFLICT DO NOTHING",
                   (int)s->table, catalogue_table(s->table)->name);
    return db_exec(db, sql);
}

struct err search_setup(struct db *db)
{
    int64_t there = 0;
    struct err err =
        db_one_int(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'search_index'", &there);
    if (err.code == ERR_OK && there == 0) {
        err = db_exec(db, schema);
        for (size_t i = 0; i < count_of(searched) && err.code == ERR_OK; i++) {
            err = make_triggers(db, &searched[i]);
            if (err.code == ERR_OK) {
                err = mark_all(db, &searched[i]);
            }
        }
    }
    return err;
}

/* ---- refresh ---- */

static struct err forget_doc(struct db *db, uint16_t table, struct bytes row)
{
    static const char unindex[] =
        "INSERT INTO search_index (search_index, rowid, words)"
        " SELECT 'delete', doc, words FROM search_doc WHERE tbl = ?1 AND row = ?2";
    static const char drop[] = "DELETE FROM search_doc WHERE tbl = ?1 AND row = ?2";
    static const char clean[] = "DELETE FROM search_dirty WHERE tbl = ?1 AND row = ?2";
    const char *const steps[] = {unindex, drop, clean};
    struct err err = err_ok();
    for (size_t i = 0; i < count_of(steps) && err.code == ERR_OK; i++) {
        struct stmt st;
        err = db_use(db, steps[i], &st);
        if (err.code == ERR_OK) {
            bind_int(&st, 1, table);
            bind_blob(&st, 2, row);
            err = db_step_done(&st, "forget_doc");
        }
    }
    return err;
}

static struct err add_doc(struct db *db, uint16_t table, struct bytes row, struct bytes words)
{
    static const char put[] = "INSERT INTO search_doc (tbl, row, words) VALUES (?1, ?2, ?3)";
    static const char index[] = "INSERT INTO search_index (rowid, words)"
                                " SELECT doc, words FROM search_doc WHERE tbl = ?1 AND row = ?2";
    struct stmt st;
    struct err err = db_use(db, put, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, table);
    bind_blob(&st, 2, row);
    bind_text_bytes(&st, 3, words);
    err = db_step_done(&st, "search_doc_put");
    if (err.code == ERR_OK) {
        err = db_use(db, index, &st);
    }
    if (err.code == ERR_OK) {
        bind_int(&st, 1, table);
        bind_blob(&st, 2, row);
        err = db_step_done(&st, "search_index_put");
    }
    return err;
}

/* The row's words in `words`; empty where the row is gone. */
static struct err read_words(struct db *db, const struct searched *s, struct bytes row,
                             struct buf *words)
{
    char sql[600];
    (void)snprintf(sql, sizeof sql, "SELECT %s, %s, %s FROM %s WHERE id = ?1", s->name, s->words,
                   s->phones, catalogue_table(s->table)->name);
    struct stmt st;
    struct err err = db_use(db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    buf_clear(words);
    bind_blob(&st, 1, row);
    if (db_step_row(&st)) {
        search_words(col_bytes(&st, 0), words);
        search_words(col_bytes(&st, 1), words);
        search_initials(col_bytes(&st, 0), words);
        search_phone_tails(col_bytes(&st, 2), words);
        stmt_reset(&st);
    }
    return stmt_err(&st, "read_words");
}

static struct err refresh_row(struct db *db, uint16_t table, const uint8_t id[16],
                              struct buf *words)
{
    const struct searched *s = NULL;
    for (size_t i = 0; i < count_of(searched); i++) {
        s = searched[i].table == table ? &searched[i] : s;
    }
    struct bytes row = bytes_of(id, 16);
    struct err err = forget_doc(db, table, row);
    if (err.code == ERR_OK && s != NULL) {
        err = read_words(db, s, row, words);
        if (err.code == ERR_OK && words->size > 0) {
            err = add_doc(db, table, row, buf_bytes(words));
        }
    }
    return err;
}

/* One changed row; `*found` false when none is left. */
static struct err refresh_next(struct db *db, struct buf *words, bool *found)
{
    struct stmt st;
    struct err err = db_use(db, "SELECT tbl, row FROM search_dirty LIMIT 1", &st);
    if (err.code != ERR_OK) {
        return err;
    }
    uint8_t id[16];
    uint16_t table = 0;
    *found = db_step_row(&st);
    if (*found) {
        table = (uint16_t)col_int(&st, 0);
        *found = col_id(&st, 1, id);
        stmt_reset(&st);
    }
    err = stmt_err(&st, "refresh_next");
    return err.code == ERR_OK && *found ? refresh_row(db, table, id, words) : err;
}

struct err search_refresh(struct db *db, int rows_max, bool *left)
{
    *left = false;
    int64_t waits = 0;
    struct err err = db_one_int(db, "SELECT EXISTS (SELECT 1 FROM search_dirty)", &waits);
    if (err.code != ERR_OK || waits == 0) {
        return err;
    }
    err = db_begin(db, DB_LOCK_WRITE);
    if (err.code != ERR_OK) {
        return err;
    }
    struct buf words;
    buf_init(&words, WORDS_BYTES_MAX);
    bool found = true;
    for (int i = 0; i < rows_max && found && err.code == ERR_OK; i++) {
        err = refresh_next(db, &words, &found);
    }
    buf_release(&words);
    *left = found;
    return db_end(db, err);
}

static struct err has_doc(struct db *db, uint16_t table, const uint8_t id[16], bool *has)
{
    struct stmt st;
    int64_t made = 0; /* by the first `find` */
    *has = false;
    struct err err =
        db_one_int(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'search_doc'", &made);
    if (err.code != ERR_OK || made == 0) {
        return err;
    }
    err = db_use(db, "SELECT 1 FROM search_doc WHERE tbl = ?1 AND row = ?2", &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, table);
    bind_id(&st, 2, id);
    *has = db_step_row(&st);
    err = stmt_err(&st, "has_doc");
    stmt_reset(&st);
    return err;
}

/* FTS5 only notes that a word has gone and keeps it until segments are merged. */
struct err search_forget(struct db *db, uint16_t table, const uint8_t id[16])
{
    bool has = false;
    struct err err = has_doc(db, table, id, &has);
    if (err.code != ERR_OK || !has) {
        return err;
    }
    struct buf words;
    buf_init(&words, WORDS_BYTES_MAX);
    err = refresh_row(db, table, id, &words);
    buf_release(&words);
    return err.code == ERR_OK
               ? db_exec(db, "INSERT INTO search_index (search_index) VALUES ('optimize')")
               : err;
}

/* ---- query ---- */

/* How well a row's words begin like the query's: 0 best. */
static int hit_rank(struct bytes words, const struct buf *wanted)
{
    return words.size >= wanted->size && memcmp(words.at, wanted->at, wanted->size) == 0 ? 0 : 1;
}

static void fold_ascii(struct buf *b)
{
    for (size_t i = 0; i < b->size; i++) {
        if (b->at[i] >= 'A' && b->at[i] <= 'Z') {
            b->at[i] = (uint8_t)(b->at[i] + ('a' - 'A'));
        }
    }
}

static struct err collect(struct db *db, const char *expression, const struct buf *wanted,
                          size_t max, struct search_hit *hits, size_t *count)
{
    static const char sql[] = "SELECT d.tbl, d.row, lower(d.words) FROM search_index i JOIN "
                              "search_doc d ON d.doc = i.rowid"
                              " WHERE search_index MATCH ?1 LIMIT ?2";
    struct stmt st;
    struct err err = db_use(db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&st, 1, expression);
    bind_int(&st, 2, CANDIDATES);
    size_t best = 0; /* hits before it begin like the query */
    *count = 0;
    while (db_step_row(&st)) {
        struct search_hit hit = {.table = (uint16_t)col_int(&st, 0)};
        bool good = col_id(&st, 1, hit.id) && hit_rank(col_bytes(&st, 2), wanted) == 0;
        if (good && best < max) {
            *count += *count < max;
            memmove(&hits[best + 1], &hits[best], (*count - best - 1) * sizeof *hits);
            hits[best++] = hit;
        } else if (!good && *count < max) {
            hits[(*count)++] = hit;
        }
    }
    return stmt_err(&st, "search_find");
}

struct err search_find(struct db *db, struct bytes query, size_t max, struct search_hit *hits,
                       size_t *count)
{
    *count = 0;
    if (query.size > SEARCH_QUERY_BYTES_MAX || max == 0) {
        return err_make(ERR_INVALID, 0, "search_find");
    }
    struct buf expression;
    struct buf wanted;
    buf_init(&expression, 8 * SEARCH_QUERY_BYTES_MAX);
    buf_init(&wanted, 8 * SEARCH_QUERY_BYTES_MAX);
    search_expression(query, &expression);
    search_words(query, &wanted);
    fold_ascii(&wanted);
    struct err err = err_make(ERR_INVALID, 0, "search_find");
    if (expression.size > 0 && !expression.bad && !wanted.bad) {
        err = collect(db, buf_text(&expression), &wanted, max, hits, count);
    }
    buf_release(&expression);
    buf_release(&wanted);
    return err;
}
