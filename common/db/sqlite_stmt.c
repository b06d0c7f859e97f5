/* Statements: kept ones in a table found by the text's address first (a literal keeps its own)
 * and by content next; bindings, steps, columns.
 *
 *   near[address] ──► kept[index] ◄── buckets[hash of text] ──► kept[].next …
 *
 * Content is compared in both cases, since composed SQL reuses its buffer. When all places are
 * taken, the one unused for longest goes: a statement that was just given out stays valid while
 * STATEMENTS_MAX - 1 other texts are used. */
#include "common/base/base.h"

#include "common/db/sqlite_driver.h"

static uint64_t hash_text(const char *text)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (; *text != 0; text++) {
        hash = (hash ^ (uint8_t)*text) * UINT64_C(1099511628211);
    }
    return hash;
}

static struct near *near_slot(struct sqlite *db, const char *address)
{
    return &db->near[((uintptr_t)address >> 3) % STATEMENT_NEAR];
}

static int *bucket_of(struct sqlite *db, uint64_t hash)
{
    return &db->buckets[hash % STATEMENT_BUCKETS];
}

void statements_init(struct sqlite *db)
{
    for (size_t i = 0; i < STATEMENT_BUCKETS; i++) {
        db->buckets[i] = -1;
    }
}

void statements_release(struct sqlite *db)
{
    for (int i = 0; i < db->kept_count; i++) {
        sqlite3_finalize(db->kept[i].handle);
        free(db->kept[i].text);
    }
    db->kept_count = 0;
    memset(db->near, 0, sizeof db->near);
    statements_init(db);
}

static struct kept *find_kept(struct sqlite *db, const char *sql, uint64_t *hash)
{
    const struct near *near = near_slot(db, sql);
    if (near->address == sql && db->kept[near->index].handle != NULL &&
        strcmp(db->kept[near->index].text, sql) == 0) {
        return &db->kept[near->index];
    }
    *hash = hash_text(sql);
    for (int i = *bucket_of(db, *hash); i >= 0; i = db->kept[i].next) {
        if (db->kept[i].hash == *hash && strcmp(db->kept[i].text, sql) == 0) {
            return &db->kept[i];
        }
    }
    return NULL;
}

static void drop_kept(struct sqlite *db, int index)
{
    struct kept *k = &db->kept[index];
    int *link = bucket_of(db, k->hash);
    while (*link != index) {
        link = &db->kept[*link].next;
    }
    *link = k->next;
    sqlite3_finalize(k->handle);
    free(k->text);
    *k = (struct kept){0};
}

/* A place for one more; -1 where every statement is being stepped just now. */
static int free_place(struct sqlite *db)
{
    if (db->kept_count < STATEMENTS_MAX) {
        return db->kept_count++;
    }
    int oldest = -1;
    for (int i = 0; i < STATEMENTS_MAX; i++) {
        if (db->kept[i].handle == NULL) {
            return i;
        }
        bool older = oldest < 0 || db->kept[i].last_use < db->kept[oldest].last_use;
        if (older && !sqlite3_stmt_busy(db->kept[i].handle)) {
            oldest = i;
        }
    }
    if (oldest >= 0) {
        drop_kept(db, oldest);
    }
    return oldest;
}

static struct err keep(struct sqlite *db, const char *sql, uint64_t hash, struct kept **out)
{
    sqlite3_stmt *handle = NULL;
    int rc = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, NULL);
    if (rc != SQLITE_OK) {
        return sqlite_failed(db, rc, "db_use");
    }
    char *text = strdup(sql);
    int index = text == NULL || handle == NULL ? -1 : free_place(db);
    if (index < 0) {
        sqlite3_finalize(handle);
        free(text);
        return err_make(text == NULL ? ERR_NOMEM : ERR_INTERNAL, 0, "db_use");
    }
    int *bucket = bucket_of(db, hash);
    db->kept[index] = (struct kept){.handle = handle, .text = text, .hash = hash, .next = *bucket};
    *bucket = index;
    *out = &db->kept[index];
    return err_ok();
}

struct err sqlite_use(struct db *base, const char *sql, struct stmt *out)
{
    struct sqlite *db = sqlite_of(base);
    uint64_t hash = 0;
    struct kept *k = find_kept(db, sql, &hash);
    if (k == NULL) {
        struct err err = keep(db, sql, hash, &k);
        if (err.code != ERR_OK) {
            return err;
        }
    } else {
        assert(
            !sqlite3_stmt_busy(k->handle)); /* used within itself, or left open by its last user */
        sqlite3_reset(k->handle);
        sqlite3_clear_bindings(k->handle);
    }
    k->last_use = ++db->uses;
    *near_slot(db, sql) = (struct near){.address = sql, .index = (int)(k - db->kept)};
    out->handle = k->handle;
    return err_ok();
}

struct err sqlite_prepare(struct db *base, const char *sql, struct stmt *out, const char **tail)
{
    struct sqlite *db = sqlite_of(base);
    db->guard.steps = 0;
    db->guard.stopped = NULL;
    db->guard.hid_table = false;
    sqlite3_stmt *handle = NULL;
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, &handle, tail);
    if (rc != SQLITE_OK) {
        return sqlite_failed(db, rc, "db_prepare");
    }
    if (handle == NULL) { /* nothing but spaces and comments */
        snprintf(base->message, sizeof base->message, "no statement");
        return err_make(ERR_INVALID, 0, "db_prepare");
    }
    out->handle = handle;
    return err_ok();
}

void sqlite_finalize(struct stmt *st)
{
    sqlite3_finalize(st->handle);
}

void sqlite_reset(struct stmt *st)
{
    sqlite3_reset(st->handle);
    sqlite_settle(sqlite_of(st->db));
}

/* ---- bindings ---- */

static int bind_any(sqlite3_stmt *handle, int index, const struct value *v)
{
    const char *at = v->b.at == NULL ? "" : (const char *)v->b.at;
    switch (v->kind) {
    case VALUE_NULL:
        break;
    case VALUE_INT:
        return sqlite3_bind_int64(handle, index, v->i);
    case VALUE_REAL:
        return sqlite3_bind_double(handle, index, v->d);
    case VALUE_TEXT:
        return sqlite3_bind_text64(handle, index, at, v->b.size, SQLITE_STATIC, SQLITE_UTF8);
    case VALUE_BLOB:
        return sqlite3_bind_blob64(handle, index, at, v->b.size, SQLITE_STATIC);
    }
    return sqlite3_bind_null(handle, index);
}

struct err sqlite_bind(struct stmt *st, int index, const struct value *value)
{
    int rc = bind_any(st->handle, index, value);
    return rc == SQLITE_OK ? err_ok() : sqlite_failed(sqlite_of(st->db), rc, "bind");
}

/* ---- steps ---- */

bool sqlite_step(struct stmt *st)
{
    int rc = sqlite3_step(st->handle);
    if (rc == SQLITE_ROW) {
        return true;
    }
    if (rc != SQLITE_DONE) {
        st->err = sqlite_failed(sqlite_of(st->db), rc, "db_step_row");
    }
    sqlite_reset(st);
    return false;
}

void sqlite_finish(struct stmt *st)
{
    while (sqlite_step(st)) {
        /* rows of a RETURNING or a PRAGMA that nobody wants */
    }
}

/* ---- columns ---- */

int sqlite_count(const struct stmt *st)
{
    return sqlite3_column_count(st->handle);
}

const char *sqlite_name(const struct stmt *st, int column)
{
    const char *name = sqlite3_column_name(st->handle, column);
    return name == NULL ? "" : name;
}

bool sqlite_is_null(const struct stmt *st, int column)
{
    return sqlite3_column_type(st->handle, column) == SQLITE_NULL;
}

int64_t sqlite_as_int(const struct stmt *st, int column)
{
    return sqlite3_column_int64(st->handle, column);
}

double sqlite_as_real(const struct stmt *st, int column)
{
    return sqlite3_column_double(st->handle, column);
}

struct bytes sqlite_as_bytes(const struct stmt *st, int column)
{
    const void *at = sqlite3_column_type(st->handle, column) == SQLITE_BLOB
                         ? sqlite3_column_blob(st->handle, column)
                         : (const void *)sqlite3_column_text(st->handle, column);
    return bytes_of(at, (size_t)sqlite3_column_bytes(st->handle, column));
}

struct value sqlite_as_value(const struct stmt *st, int column)
{
    return sqlite_value_of(sqlite3_column_value(st->handle, column));
}

struct value sqlite_value_of(sqlite3_value *v)
{
    switch (sqlite3_value_type(v)) {
    case SQLITE_INTEGER:
        return value_int(sqlite3_value_int64(v));
    case SQLITE_FLOAT:
        return value_real(sqlite3_value_double(v));
    case SQLITE_TEXT: {
        const unsigned char *text = sqlite3_value_text(v);
        return value_text(bytes_of(text, (size_t)sqlite3_value_bytes(v)));
    }
    case SQLITE_BLOB: {
        const void *blob = sqlite3_value_blob(v);
        return value_blob(bytes_of(blob, (size_t)sqlite3_value_bytes(v)));
    }
    default: /* SQLite's type codes are no enum; the fifth is NULL */
        return value_null();
    }
}
