/* See sums.h. */
#include "common/changelog/sums.h"

#include "common/catalogue/catalogue.h"

#define BUCKET_BYTES    21
#define CHANGES_FIRST   64
#define CHANGES_MANY    ((size_t)64 * 1024)
#define CHANGES_MAX     ((size_t)64 * 1024 * 1024)
#define TABLE_NUMBERS   INT64_C(65536)
#define SCAN_TEXT_BYTES 192

void sums_init(struct sums *s, const uint8_t key[16])
{
    *s = (struct sums){.key = key};
}

void sums_release(struct sums *s)
{
    free(s->at);
    s->at = NULL;
    s->count = 0;
    s->room = 0;
}

void sums_clear(struct sums *s)
{
    s->count = 0;
    s->bad = false;
}

static bool make_room(struct sums *s)
{
    if (s->count < s->room) {
        return true;
    }
    size_t room = s->room == 0 ? CHANGES_FIRST : s->room * 2;
    struct sums_change *at = room > CHANGES_MAX ? NULL : realloc(s->at, room * sizeof *at);
    if (at == NULL) {
        s->bad = true;
        return false;
    }
    s->at = at;
    s->room = room;
    return true;
}

static void put(struct sums *s, int64_t scope, uint16_t table, const uint8_t id[16], int64_t seq,
                bool added)
{
    if (s->bad || !make_room(s)) {
        return;
    }
    struct sums_change *c = &s->at[s->count++];
    c->part = scope * TABLE_NUMBERS + table;
    c->bucket = id[15];
    c->added = added;
    digest_hash(s->key, id, seq, c->words);
}

void sums_add(struct sums *s, int64_t scope, uint16_t table, const uint8_t id[16], int64_t seq)
{
    put(s, scope, table, id, seq, true);
}

void sums_remove(struct sums *s, int64_t scope, uint16_t table, const uint8_t id[16], int64_t seq)
{
    put(s, scope, table, id, seq, false);
}

size_t sums_mark(const struct sums *s)
{
    return s->count;
}

void sums_undo(struct sums *s, size_t mark)
{
    s->count = mark < s->count ? mark : s->count;
}

/* ---- blobs ---- */

static uint64_t get_be(const uint8_t *from, size_t size)
{
    uint64_t n = 0;
    for (size_t i = 0; i < size; i++) {
        n = n << 8 | from[i];
    }
    return n;
}

static void put_be(uint8_t *to, size_t size, uint64_t n)
{
    for (size_t i = size; i > 0; i--) {
        to[i - 1] = (uint8_t)n;
        n >>= 8;
    }
}

static bool part_unpack(struct bytes packed, struct digest_sum out[SUMS_BUCKETS])
{
    memset(out, 0, SUMS_BUCKETS * sizeof *out);
    bool good = packed.size % BUCKET_BYTES == 0;
    for (size_t i = 0; good && i < packed.size; i += BUCKET_BYTES) {
        const uint8_t *at = packed.at + i;
        struct digest_sum *sum = &out[at[0]];
        good = i == 0 || at[0] > at[-BUCKET_BYTES];
        sum->rows = get_be(at + 1, 4);
        sum->words[0] = get_be(at + 5, 8);
        sum->words[1] = get_be(at + 13, 8);
    }
    return good;
}

static bool is_empty(const struct digest_sum *sum)
{
    return sum->rows == 0 && sum->words[0] == 0 && sum->words[1] == 0;
}

static struct bytes part_pack(const struct digest_sum sums[SUMS_BUCKETS],
                              uint8_t room[SUMS_BUCKETS * BUCKET_BYTES])
{
    size_t size = 0;
    for (size_t i = 0; i < SUMS_BUCKETS; i++) {
        if (!is_empty(&sums[i])) {
            uint8_t *at = room + size;
            at[0] = (uint8_t)i;
            put_be(at + 1, 4, sums[i].rows);
            put_be(at + 5, 8, sums[i].words[0]);
            put_be(at + 13, 8, sums[i].words[1]);
            size += BUCKET_BYTES;
        }
    }
    return bytes_of(room, size);
}

static struct err part_read(struct db *db, int64_t part, struct digest_sum out[SUMS_BUCKETS])
{
    struct stmt st;
    struct err err = db_use(db, "SELECT sums FROM digest_part WHERE part = ?1", &st);
    memset(out, 0, SUMS_BUCKETS * sizeof *out);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, part);
    bool good = true;
    if (db_step_row(&st)) {
        good = part_unpack(col_bytes(&st, 0), out);
        stmt_reset(&st);
    }
    err = stmt_err(&st, "sums_part");
    return err.code == ERR_OK && !good ? err_make(ERR_CORRUPT, 0, "sums_part") : err;
}

static struct err part_write(struct db *db, int64_t part,
                             const struct digest_sum sums[SUMS_BUCKETS])
{
    static const char sql[] = "INSERT INTO digest_part (part, sums) VALUES (?1, ?2)"
                              " ON CONFLICT (part) DO UPDATE SET sums = excluded.sums";
    uint8_t room[SUMS_BUCKETS * BUCKET_BYTES];
    struct stmt st;
    struct err err = db_use(db, sql, &st);
    if (err.code == ERR_OK) {
        bind_int(&st, 1, part);
        bind_blob(&st, 2, part_pack(sums, room));
        err = db_step_done(&st, "sums_save");
    }
    return err;
}

/* ---- scopes ---- */

struct err sums_scope(struct db *db, int64_t scope, struct digest_sum *out)
{
    struct stmt st;
    struct err err = db_use(db, "SELECT rows, sum FROM scope WHERE no = ?1", &st);
    *out = (struct digest_sum){0};
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, scope);
    if (db_step_row(&st)) {
        digest_sum_from(out, (uint64_t)col_int(&st, 0), col_bytes(&st, 1));
        stmt_reset(&st);
    }
    return stmt_err(&st, "sums_scope");
}

static struct err scope_join(struct db *db, int64_t scope, const struct digest_sum *change)
{
    struct digest_sum sum;
    struct stmt st;
    uint8_t bytes[16];
    struct err err = sums_scope(db, scope, &sum);
    if (err.code == ERR_OK) {
        digest_join(&sum, change);
        digest_sum_bytes(&sum, bytes);
        err = db_use(db, "UPDATE scope SET rows = ?2, sum = ?3 WHERE no = ?1", &st);
    }
    if (err.code == ERR_OK) {
        bind_int(&st, 1, scope);
        bind_int(&st, 2, (int64_t)sum.rows);
        bind_id(&st, 3, bytes);
        err = db_step_done(&st, "sums_save");
    }
    return err;
}

/* ---- saving ---- */

static int by_part(const void *a, const void *b)
{
    const struct sums_change *x = a;
    const struct sums_change *y = b;
    return (x->part > y->part) - (x->part < y->part);
}

static void change_sum(struct digest_sum *sum, const struct sums_change *c)
{
    uint64_t sign = c->added ? 1 : UINT64_MAX; /* modulo 2^64 */
    sum->words[0] += sign * c->words[0];
    sum->words[1] += sign * c->words[1];
    sum->rows += sign;
}

/* The changes from `*at` on that are of one part. */
static struct err save_part(struct sums *s, struct db *db, size_t *at, struct digest_sum *total)
{
    struct digest_sum sums[SUMS_BUCKETS];
    int64_t part = s->at[*at].part;
    struct err err = part_read(db, part, sums);
    while (*at < s->count && s->at[*at].part == part) {
        change_sum(&sums[s->at[*at].bucket], &s->at[*at]);
        change_sum(total, &s->at[*at]);
        (*at)++;
    }
    return err.code == ERR_OK ? part_write(db, part, sums) : err;
}

struct err sums_save(struct sums *s, struct db *db)
{
    struct err err = s->bad ? err_make(ERR_NOMEM, 0, "sums_save") : err_ok();
    if (s->count > 1) {
        qsort(s->at, s->count, sizeof *s->at, by_part);
    }
    for (size_t at = 0; at < s->count && err.code == ERR_OK;) {
        int64_t scope = s->at[at].part / TABLE_NUMBERS;
        struct digest_sum total = {0};
        while (at < s->count && s->at[at].part / TABLE_NUMBERS == scope && err.code == ERR_OK) {
            err = save_part(s, db, &at, &total);
        }
        if (err.code == ERR_OK) {
            err = scope_join(db, scope, &total);
        }
    }
    s->count = 0;
    return err;
}

struct err sums_save_many(struct sums *s, struct db *db)
{
    return s->count >= CHANGES_MANY || s->bad ? sums_save(s, db) : err_ok();
}

/* ---- reading ---- */

struct err sums_part(struct db *db, int64_t scope, uint16_t table,
                     struct digest_sum out[SUMS_BUCKETS])
{
    return part_read(db, scope * TABLE_NUMBERS + table, out);
}

/* All buckets of a part together, without laying them out. */
static bool part_total(struct bytes packed, struct digest_sum *out)
{
    bool good = packed.size % BUCKET_BYTES == 0;
    *out = (struct digest_sum){0};
    for (size_t i = 0; good && i < packed.size; i += BUCKET_BYTES) {
        const uint8_t *at = packed.at + i;
        good = i == 0 || at[0] > at[-BUCKET_BYTES];
        out->rows += get_be(at + 1, 4);
        out->words[0] += get_be(at + 5, 8);
        out->words[1] += get_be(at + 13, 8);
    }
    return good;
}

struct err sums_table(struct db *db, int64_t scope, uint16_t table, struct digest_sum *out)
{
    struct stmt st;
    bool good = true;
    struct err err = db_use(db, "SELECT sums FROM digest_part WHERE part = ?1", &st);
    *out = (struct digest_sum){0};
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, scope * TABLE_NUMBERS + table);
    if (db_step_row(&st)) {
        good = part_total(col_bytes(&st, 0), out);
        stmt_reset(&st);
    }
    err = stmt_err(&st, "sums_table");
    return err.code == ERR_OK && !good ? err_make(ERR_CORRUPT, 0, "sums_table") : err;
}

/* The sums of a scope's tables, in the catalogue's order: most have no rows, and no part. */
static struct err sums_tables(struct db *db, int64_t scope, uint32_t catalogue,
                              struct digest_sum *out)
{
    static const char sql[] = "SELECT part, sums FROM digest_part WHERE part BETWEEN ?1 AND ?2";
    struct stmt st;
    bool good = true;
    struct err err = db_use(db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, scope * TABLE_NUMBERS);
    bind_int(&st, 2, scope * TABLE_NUMBERS + TABLE_NUMBERS - 1);
    while (good && db_step_row(&st)) {
        int64_t table = col_int(&st, 0) % TABLE_NUMBERS;
        for (size_t k = 0; k < catalogue_table_count() && good; k++) {
            const struct table *t = catalogue_table_at(k);
            if (t->number == table && t->since <= catalogue) {
                good = part_total(col_bytes(&st, 1), &out[k]);
            }
        }
    }
    stmt_reset(&st);
    err = stmt_err(&st, "sums_digest");
    return err.code == ERR_OK && !good ? err_make(ERR_CORRUPT, 0, "sums_digest") : err;
}

struct err sums_digest(struct db *db, const struct digest_scope *scopes, size_t count,
                       uint32_t catalogue, struct arena *arena, struct digest *out)
{
    struct digest_work w;
    struct err err = digest_begin(&w, NULL, scopes, count, arena);
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        err = sums_tables(db, scopes[i].no, catalogue, &w.sums[i * catalogue_table_count()]);
    }
    return err.code == ERR_OK ? digest_finish(&w, arena, out) : err;
}

/* ---- making them ---- */

static struct err scan_table(struct sums *s, struct db *db, const struct table *t)
{
    char sql[SCAN_TEXT_BYTES];
    struct stmt st;
    (void)snprintf(sql, sizeof sql,
                   "SELECT _scope, _seq, id FROM %s WHERE _seq IS NOT NULL AND _deleted_at IS NULL",
                   t->name);
    struct err err = db_use(db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    while (err.code == ERR_OK && db_step_row(&st)) {
        uint8_t id[16];
        if (col_id(&st, 2, id)) {
            sums_add(s, col_int(&st, 0), t->number, id, col_int(&st, 1));
            err = sums_save_many(s, db);
        }
    }
    if (err.code == ERR_OK) {
        err = stmt_err(&st, "sums_scan");
    }
    stmt_reset(&st);
    return err;
}

struct err sums_forget(struct db *db, int64_t scope)
{
    static const char parts[] = "DELETE FROM digest_part WHERE part BETWEEN ?1 AND ?2";
    struct stmt st;
    struct err err = db_use(db, parts, &st);
    if (err.code == ERR_OK) {
        bind_int(&st, 1, scope * TABLE_NUMBERS);
        bind_int(&st, 2, scope * TABLE_NUMBERS + TABLE_NUMBERS - 1);
        err = db_step_done(&st, "sums_forget");
    }
    if (err.code == ERR_OK) {
        err = db_use(db, "UPDATE scope SET rows = 0, sum = NULL WHERE no = ?1", &st);
    }
    if (err.code == ERR_OK) {
        bind_int(&st, 1, scope);
        err = db_step_done(&st, "sums_forget");
    }
    return err;
}

struct err sums_scan(struct sums *s, struct db *db)
{
    sums_clear(s);
    struct err err = db_exec(db, "DELETE FROM digest_part; UPDATE scope SET rows = 0, sum = NULL");
    for (size_t i = 0; i < catalogue_table_count() && err.code == ERR_OK; i++) {
        err = scan_table(s, db, catalogue_table_at(i));
    }
    return err;
}

/* ---- checking them ---- */

struct check {
    struct db *db;
    const uint8_t *key;
    void (*differs)(void *context, int64_t scope, uint16_t table);
    void *context;
};

static bool sum_equal(const struct digest_sum *a, const struct digest_sum *b)
{
    return a->rows == b->rows && a->words[0] == b->words[0] && a->words[1] == b->words[1];
}

static struct err check_part(const struct check *c, int64_t scope, uint16_t table,
                             const struct digest_sum rows[SUMS_BUCKETS])
{
    struct digest_sum stored[SUMS_BUCKETS];
    struct err err = sums_part(c->db, scope, table, stored);
    bool equal = err.code == ERR_OK;
    for (size_t i = 0; equal && i < SUMS_BUCKETS; i++) {
        equal = sum_equal(&stored[i], &rows[i]);
    }
    if (!equal && (err.code == ERR_OK || err.code == ERR_CORRUPT)) {
        c->differs(c->context, scope, table);
        err = err_ok();
    }
    return err;
}

/* The rows of a table, scope by scope. */
static struct err check_rows(const struct check *c, const struct table *t)
{
    char sql[SCAN_TEXT_BYTES];
    struct stmt st;
    struct digest_sum rows[SUMS_BUCKETS] = {{{0}, 0}};
    int64_t scope = 0;
    (void)snprintf(sql, sizeof sql,
                   "SELECT _scope, _seq, id FROM %s WHERE _seq IS NOT NULL AND _deleted_at IS NULL"
                   " ORDER BY _scope",
                   t->name);
    struct err err = db_use(c->db, sql, &st);
    while (err.code == ERR_OK && db_step_row(&st)) {
        uint8_t id[16];
        if (col_int(&st, 0) != scope) {
            err = scope != 0 ? check_part(c, scope, t->number, rows) : err;
            memset(rows, 0, sizeof rows);
            scope = col_int(&st, 0);
        }
        if (col_id(&st, 2, id)) {
            digest_add(&rows[id[15]], c->key, id, col_int(&st, 1));
        }
    }
    if (err.code == ERR_OK) {
        err = stmt_err(&st, "sums_check");
    }
    stmt_reset(&st);
    return err.code == ERR_OK && scope != 0 ? check_part(c, scope, t->number, rows) : err;
}

/* A scope's own sum is that of its parts; with their rows equal, that of the rows. */
static struct err check_scope(const struct check *c, int64_t scope)
{
    struct digest_sum stored;
    struct digest_sum parts = {0};
    struct err err = sums_scope(c->db, scope, &stored);
    for (size_t i = 0; i < catalogue_table_count() && err.code == ERR_OK; i++) {
        struct digest_sum part;
        err = sums_table(c->db, scope, catalogue_table_at(i)->number, &part);
        digest_join(&parts, &part);
    }
    bool equal = err.code == ERR_OK && sum_equal(&stored, &parts);
    if (!equal && (err.code == ERR_OK || err.code == ERR_CORRUPT)) {
        c->differs(c->context, scope, 0);
        err = err_ok();
    }
    return err;
}

static struct err check_scopes(const struct check *c)
{
    struct stmt st;
    struct err err = db_use(c->db, "SELECT no FROM scope ORDER BY no", &st);
    while (err.code == ERR_OK && db_step_row(&st)) {
        err = check_scope(c, col_int(&st, 0));
    }
    if (err.code == ERR_OK) {
        err = stmt_err(&st, "sums_check");
    }
    stmt_reset(&st);
    return err;
}

struct err sums_check(struct db *db, const uint8_t key[16],
                      void (*differs)(void *context, int64_t scope, uint16_t table), void *context)
{
    const struct check c = {.db = db, .key = key, .differs = differs, .context = context};
    struct err err = err_ok();
    for (size_t i = 0; i < catalogue_table_count() && err.code == ERR_OK; i++) {
        err = check_rows(&c, catalogue_table_at(i));
    }
    return err.code == ERR_OK ? check_scopes(&c) : err;
}
