/* Founding, opening and closing of the consolidated store, and what its connection remembers. */
#include "common/changelog/server/store_internal.h"

#include "common/base/uuid.h"
#include "common/db/migrate.h"

#define AUTHORS_CACHED_MAX ((size_t)1 << 20)
#define SCHEMA_UNNUMBERED  1 /* what a store holds that was made before schemas had numbers */

extern const char *const migrations_server[];
extern const char *const migrations_server_postgres[];

static const char *const *migrations_of(const struct db *db)
{
    return db_dialect(db)->shared ? migrations_server_postgres : migrations_server;
}

void store_forget(struct store *st)
{
    struct store_cache *cache = st->cache;
    if (cache->scopes != NULL) { /* nothing was remembered yet otherwise */
        memset(cache->scopes, 0, cache->scope_room * sizeof *cache->scopes);
    }
    if (cache->authors != NULL) {
        memset(cache->authors, 0, cache->author_room * sizeof *cache->authors);
    }
    cache->log_no = 0; /* others append too, before any author was asked for */
    sums_clear(&cache->sums);
}

void store_refresh(struct store *st)
{
    int64_t version = db_data_version(st->db);
    if (version < 0 || version != st->cache->data_version) {
        store_forget(st);
        st->cache->data_version = version;
    }
}

/* Numbers given in a transaction that was rolled back must be forgotten with it. */
static void on_transaction_end(void *context, bool committed)
{
    if (!committed) {
        store_forget(context);
    }
}

void store_new_id(struct store *st, int64_t now_ms, uint8_t id[16])
{
    uint8_t random[UUID_RANDOM_SIZE];
    st->host.random(st->host.context, random, sizeof random);
    uuid_v7(now_ms, random, id);
}

void complaint_fill(struct complaint *why, const char *code, const struct table *t,
                    const struct column *c, const char *detail)
{
    (void)snprintf(why->code, sizeof why->code, "%s", code);
    (void)snprintf(why->field, sizeof why->field, "%s%s%s", t != NULL ? t->name : "",
                   c != NULL ? "." : "", c != NULL ? c->name : "");
    (void)snprintf(why->detail, sizeof why->detail, "%s", detail != NULL ? detail : "");
}

static struct err author_read(struct store *st, uint32_t number, struct author *out)
{
    struct stmt q;
    struct err err = db_use(st->db, "SELECT device, person FROM device_key WHERE number = ?1", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, number);
    if (!db_step_row(&q)) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_NOT_FOUND, 0, "author_read");
    }
    out->known = col_id(&q, 0, out->device) && col_id(&q, 1, out->person);
    stmt_reset(&q);
    return out->known ? err_ok() : err_make(ERR_CORRUPT, 0, "author_read");
}

struct err store_author(struct store *st, uint32_t number, const struct author **out)
{
    struct store_cache *cache = st->cache;
    if (number >= cache->author_room) {
        size_t room = ((size_t)number + 64) / 64 * 64;
        struct author *authors =
            room > AUTHORS_CACHED_MAX ? NULL : realloc(cache->authors, room * sizeof *authors);
        if (authors == NULL) {
            return err_make(ERR_NOMEM, 0, "store_author");
        }
        memset(&authors[cache->author_room], 0, (room - cache->author_room) * sizeof *authors);
        cache->authors = authors;
        cache->author_room = room;
    }
    *out = &cache->authors[number];
    return number == 0 || cache->authors[number].known
               ? err_ok()
               : author_read(st, number, &cache->authors[number]);
}

static struct err cache_make(struct store *st)
{
    st->cache = calloc(1, sizeof *st->cache);
    if (st->cache == NULL) {
        return err_make(ERR_NOMEM, 0, "cache_make");
    }
    st->cache->data_version = -1;
    rowsql_init(&st->cache->sql);
    sums_init(&st->cache->sums, st->digest_key);
    buf_init(&st->cache->image, ROW_IMAGE_BYTES_MAX);
    db_on_transaction_end(st->db, on_transaction_end, st);
    return err_ok();
}

static struct err state_read(struct store *st, uint32_t *catalogue)
{
    static const char sql[] = "SELECT timeline, timeline_id, digest_key, catalogue, company,"
                              " house_book, courier_secret, superseded FROM store_state";
    struct stmt q;
    struct err err = db_use(st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    if (!db_step_row(&q)) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_CORRUPT, 0, "state_read");
    }
    st->timeline.counter = (uint32_t)col_int(&q, 0);
    *catalogue = (uint32_t)col_int(&q, 3);
    st->superseded = (uint32_t)col_int(&q, 7);
    bool good = col_id(&q, 1, st->timeline.id) && col_id(&q, 2, st->digest_key) &&
                col_id(&q, 4, st->company) && col_id(&q, 5, st->house_book);
    struct bytes secret = col_bytes(&q, 6); /* NULL: none yet */
    if (secret.size == sizeof st->courier_secret) {
        memcpy(st->courier_secret, secret.at, secret.size);
    }
    stmt_reset(&q);
    return good ? err_ok() : err_make(ERR_CORRUPT, 0, "state_read");
}

/* What the file has is looked at once it is locked: another program may be bringing it up to date
 * in the same moment. */
static struct err catalogue_raise_locked(struct db *db)
{
    struct err err = catalogue_create(db, true);
    struct stmt q;
    if (err.code == ERR_OK) {
        err = db_use(db, "UPDATE store_state SET catalogue = ?1", &q);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, CATALOGUE_VERSION);
    return db_step_done(&q, "catalogue_raise");
}

static struct err catalogue_raise(struct db *db)
{
    struct err err = db_begin(db, DB_LOCK_WRITE);
    return err.code == ERR_OK ? db_end(db, catalogue_raise_locked(db)) : err;
}

/* Two programs that open an old store at once keep the first one's secret. */
static struct err courier_make(struct store *st)
{
    static const char sql[] = "UPDATE store_state SET courier_secret = coalesce(courier_secret, ?1)"
                              " RETURNING courier_secret";
    struct stmt q;
    bool has = false;
    for (size_t i = 0; i < sizeof st->courier_secret && !has; i++) {
        has = st->courier_secret[i] != 0;
    }
    struct err err = has ? err_ok() : db_use(st->db, sql, &q);
    if (err.code != ERR_OK || has) {
        return err;
    }
    st->host.random(st->host.context, st->courier_secret, sizeof st->courier_secret);
    bind_blob(&q, 1, bytes_of(st->courier_secret, sizeof st->courier_secret));
    if (!db_step_row(&q)) {
        return stmt_err(&q, "courier_make");
    }
    struct bytes kept = col_bytes(&q, 0);
    bool good = kept.size == sizeof st->courier_secret;
    if (good) {
        memcpy(st->courier_secret, kept.at, kept.size);
    }
    err = db_step_done(&q, "courier_make");
    return good ? err : err_make(ERR_CORRUPT, 0, "courier_make");
}

/* A reader can't raise what it reads. */
static struct err schema_raise(struct db *db, bool writing)
{
    const char *const *migrations = migrations_of(db);
    int64_t version = 0;
    if (writing) {
        return migrations_raise(db, migrations, SCHEMA_UNNUMBERED);
    }
    struct err err = migrations_version(db, migrations, SCHEMA_UNNUMBERED, &version);
    bool old = err.code == ERR_OK && version < migrations_last(migrations);
    return old ? err_make(ERR_OUTDATED, (int)version, "store_open") : err;
}

/* A store from before sums were kept gets them from its rows. */
static struct err sums_make(struct store *st)
{
    struct err err = sums_scan(&st->cache->sums, st->db);
    if (err.code == ERR_OK) {
        err = sums_save(&st->cache->sums, st->db);
    }
    return err.code == ERR_OK ? db_exec(st->db, "UPDATE store_state SET digested = 1") : err;
}

/* A store from before rows had a check gets the column and, from its rows as they are, the checks.
 */
static struct err checks_make(struct store *st)
{
    struct err err = catalogue_create(st->db, true);
    if (err.code == ERR_OK) {
        err = row_check_fill(st->db, &st->cache->sql, st->digest_key);
    }
    return err.code == ERR_OK ? db_exec(st->db, "UPDATE store_state SET checked = 1") : err;
}

/* What `made` says isn't there yet. */
static struct err made_from_rows(struct store *st, bool writing, const char *made,
                                 struct err (*make)(struct store *st))
{
    int64_t is_made = 0;
    struct err err = db_one_int(st->db, made, &is_made);
    if (err.code != ERR_OK || is_made != 0) {
        return err;
    }
    if (!writing) {
        return err_make(ERR_OUTDATED, 0, "store_open");
    }
    err = db_begin(st->db, DB_LOCK_WRITE);
    return err.code == ERR_OK ? db_end(st->db, make(st)) : err;
}

struct err store_open(struct store *st, struct db *db, const struct host *host, bool writing)
{
    *st = (struct store){.db = db, .host = *host};
    uint32_t catalogue = 0;
    struct err err = schema_raise(db, writing);
    if (err.code == ERR_OK) {
        err = state_read(st, &catalogue);
    }
    if (err.code == ERR_OK && catalogue > CATALOGUE_VERSION) {
        err = err_make(ERR_VERSION, 0, "store_open");
    }
    if (err.code == ERR_OK && !writing && catalogue < CATALOGUE_VERSION) {
        err = err_make(ERR_OUTDATED, (int)catalogue, "store_open");
    }
    if (err.code == ERR_OK && writing && catalogue < CATALOGUE_VERSION) {
        err = catalogue_raise(db);
    }
    if (err.code == ERR_OK && writing) {
        err = courier_make(st);
    }
    if (err.code == ERR_OK) {
        err = cache_make(st);
    }
    if (err.code == ERR_OK) {
        err = made_from_rows(st, writing, "SELECT digested FROM store_state", sums_make);
        if (err.code == ERR_OK) {
            err = made_from_rows(st, writing, "SELECT checked FROM store_state", checks_make);
        }
        if (err.code != ERR_OK) {
            store_close(st);
        }
    }
    return err;
}

void store_close(struct store *st)
{
    if (st->cache == NULL) {
        return;
    }
    db_on_transaction_end(st->db, NULL, NULL);
    rowsql_release(&st->cache->sql);
    sums_release(&st->cache->sums);
    buf_release(&st->cache->image);
    free(st->cache->scopes);
    free(st->cache->authors);
    free(st->cache);
    *st = (struct store){0};
}

void store_use_ledger(struct store *st, const struct store_ledger *ledger)
{
    st->ledger = ledger;
}

struct err store_note(struct store *st, enum ledger_kind kind, struct bytes subject, int64_t number,
                      int64_t now_ms)
{
    struct ledger_entry entry = {.kind = kind, .number = number, .at_ms = now_ms};
    if (st->ledger == NULL) {
        return err_ok();
    }
    assert(subject.size <= sizeof entry.subject);
    memcpy(entry.subject, subject.at, subject.size);
    return st->ledger->append(st->ledger->context, &entry);
}

static struct err state_insert(struct store *st)
{
    static const char sql[] = "INSERT INTO store_state (one, timeline, timeline_id, digest_key,"
                              " catalogue, company, house_book, digested, checked)"
                              " VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, 1, 1)";
    struct stmt q;
    struct err err = db_use(st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, st->timeline.counter);
    bind_id(&q, 2, st->timeline.id);
    bind_id(&q, 3, st->digest_key);
    bind_int(&q, 4, CATALOGUE_VERSION);
    bind_id(&q, 5, st->company);
    bind_id(&q, 6, st->house_book);
    return db_step_done(&q, "state_insert");
}

/* The two rows that every store has. */
static struct err first_rows(struct store *st, const struct store_founding *founding,
                             int64_t now_ms)
{
    const struct cell company[] = {
        {.column = COLUMN_company_name, .value = value_text(founding->company_name)},
        {.column = COLUMN_company_currency, .value = value_text(founding->currency)},
        {.column = COLUMN_company_tz, .value = value_text(founding->tz)},
        {.column = COLUMN_company_locale, .value = value_text(founding->locale)}};
    const struct cell book[] = {
        {.column = COLUMN_book_name, .value = value_text(founding->company_name)},
        {.column = COLUMN_book_kind, .value = value_text(bytes_text("house"))}};
    struct scope_id scope = {.kind = SCOPE_BOOK};
    memcpy(scope.id, st->house_book, sizeof scope.id);
    struct complaint why = {0};
    struct server_write *w = NULL;
    int64_t unused = 0;
    struct err err = server_write_begin(st, NULL, "init", now_ms, &w);
    if (err.code != ERR_OK) {
        return err;
    }
    err = server_write_put(w, catalogue_table(TABLE_company), st->company, company,
                           count_of(company), -1, &unused, NULL, &why);
    if (err.code == ERR_OK) {
        err = server_write_put(w, catalogue_table(TABLE_book), st->house_book, book, count_of(book),
                               -1, &unused, NULL, &why);
    }
    if (err.code == ERR_OK) {
        err = store_scope(st, &scope, true, &unused);
    }
    if (err.code == ERR_OK) {
        return server_write_end(w, &why);
    }
    server_write_cancel(w);
    return err;
}

static struct err found(struct store *st, const struct store_founding *founding)
{
    struct clocks now;
    st->host.now(st->host.context, &now);
    st->timeline.counter = 1;
    st->host.random(st->host.context, st->timeline.id, sizeof st->timeline.id);
    st->host.random(st->host.context, st->digest_key, sizeof st->digest_key);
    store_new_id(st, now.wall_ms, st->company);
    store_new_id(st, now.wall_ms, st->house_book);
    struct err err = catalogue_create(st->db, true);
    if (err.code == ERR_OK) {
        err = migrations_run(st->db, migrations_of(st->db), 0);
    }
    if (err.code == ERR_OK) {
        err = state_insert(st);
    }
    return err.code == ERR_OK ? first_rows(st, founding, now.wall_ms) : err;
}

struct err store_create(struct db *db, const struct host *host,
                        const struct store_founding *founding)
{
    struct store st = {.db = db, .host = *host};
    struct err err = cache_make(&st);
    if (err.code == ERR_OK) {
        err = db_begin(db, DB_LOCK_WRITE);
    }
    if (err.code == ERR_OK) {
        err = db_end(db, found(&st, founding));
    }
    store_close(&st);
    return err;
}
