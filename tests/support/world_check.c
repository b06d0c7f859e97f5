/* What must be true once everybody has synced and nothing is on its way. */
#include "tests/support/world.h"

#include "common/changelog/digest.h"

const char *db_sees(const struct world *w, struct db *db, const char *table, const uint8_t id[16],
                    const char *column, struct seen *to)
{
    char sql[256];
    struct stmt st;
    snprintf(sql, sizeof sql, "SELECT %s FROM %s WHERE id = ?1 AND _deleted_at IS NULL", column,
             table);
    world_must(w, db, db_use(db, sql, &st));
    bind_id(&st, 1, id);
    if (!db_step_row(&st)) {
        snprintf(to->text, sizeof to->text, "(none)");
        return to->text;
    }
    snprintf(to->text, sizeof to->text, "%s", col_is_null(&st, 0) ? "(null)" : col_text(&st, 0));
    stmt_reset(&st);
    return to->text;
}

int64_t db_count(const struct world *w, struct db *db, const char *sql, const uint8_t id[16])
{
    struct stmt st;
    int64_t count = 0;
    world_must(w, db, db_use(db, sql, &st));
    if (id != NULL) {
        bind_id(&st, 1, id);
    }
    if (db_step_row(&st)) {
        count = col_int(&st, 0);
    }
    world_must(w, db, stmt_err(&st, "db_count"));
    stmt_reset(&st);
    return count;
}

/* ---- contents ---- */

static unsigned role_of(const struct world_device *d)
{
    struct seen seen;
    const struct world *w = d->world;
    const char *role = db_sees(w, w->reader_db, "person", w->people[d->who], "role", &seen);
    return strcmp(role, "rep") == 0 ? ROLE_REP : ROLE_MANAGER;
}

/* id, every column that the role sees, _seq; by id. `where` filters. */
static void compose(struct buf *sql, const struct table *t, unsigned role, const char *where)
{
    uint64_t visible = table_visible(t, role, CATALOGUE_VERSION);
    buf_put_text(sql, "SELECT id, _seq");
    for (size_t i = 0; i < t->column_count; i++) {
        bool seen = (visible & UINT64_C(1) << t->columns[i].number) != 0;
        buf_printf(sql, ", %s%s", seen ? "" : "NULL AS ", t->columns[i].name);
    }
    buf_printf(sql, " FROM %s%s ORDER BY id", t->name, where);
}

/* The server's scopes that the device holds, as a table of the reader's connection. */
static void load_scopes(struct world_device *d, struct buf *list)
{
    struct world *w = d->world;
    struct arena arena;
    struct scope_id *scopes = NULL;
    size_t count = 0;
    arena_init(&arena, 1u << 20);
    world_must(w, w->writer_db, db_begin(w->writer_db, DB_LOCK_WRITE));
    world_must(w, w->writer_db,
               store_device_scopes(&w->writer, d->replica.number, &arena, &scopes, &count));
    for (size_t i = 0; i < count; i++) {
        int64_t no = 0;
        world_must(w, w->writer_db, store_scope(&w->writer, &scopes[i], true, &no));
        buf_printf(list, "%s%" PRId64, i == 0 ? "" : ",", no);
    }
    world_must(w, w->writer_db, db_end(w->writer_db, err_ok()));
    arena_release(&arena);
}

static void print_row(const struct stmt *st, char *to, size_t size)
{
    size_t at = 0;
    for (int i = 0; i < col_count(st) && at < size; i++) {
        struct bytes b = col_bytes(st, i);
        bool blob = col_value(st, i).kind == VALUE_BLOB;
        int n = blob ? snprintf(to + at, size - at, "%s=%02x%02x…%02x ", col_name(st, i), b.at[0],
                                b.at[1], b.at[b.size - 1])
                     : snprintf(to + at, size - at, "%s=%s ", col_name(st, i), col_text(st, i));
        at += n > 0 ? (size_t)n : 0;
    }
}

static bool rows_equal(const struct stmt *a, const struct stmt *b)
{
    for (int i = 0; i < col_count(a); i++) {
        struct value x = col_value(a, i), y = col_value(b, i);
        if (!value_equal(&x, &y)) {
            return false;
        }
    }
    return true;
}

static void compare_table(struct world_device *d, const struct table *t, const char *scopes)
{
    struct world *w = d->world;
    struct buf ours, theirs;
    struct stmt have, want;
    char where[4096];
    buf_init(&ours, 1u << 16);
    buf_init(&theirs, 1u << 16);
    snprintf(where, sizeof where, " WHERE _deleted_at IS NULL AND _scope IN (%s)", scopes);
    compose(&ours, t, SEEN_ALL, "");
    compose(&theirs, t, role_of(d), where);
    world_must(w, d->db, db_prepare(d->db, buf_text(&ours), &have, NULL));
    world_must(w, w->reader_db, db_prepare(w->reader_db, buf_text(&theirs), &want, NULL));
    for (;;) {
        bool a = db_step_row(&have), b = db_step_row(&want);
        if (!a && !b) {
            break;
        }
        if (!a || !b || !rows_equal(&have, &want)) {
            char left[700] = "nothing", right[700] = "nothing";
            if (a) {
                print_row(&have, left, sizeof left);
            }
            if (b) {
                print_row(&want, right, sizeof right);
            }
            fprintf(stderr, "device: %s\nserver: %s\n", left, right);
            world_fail(w, "%s differs on device %zu", t->name, (size_t)(d - w->devices));
        }
    }
    stmt_close(&have);
    stmt_close(&want);
    buf_release(&ours);
    buf_release(&theirs);
}

static void check_contents(struct world_device *d)
{
    struct buf scopes;
    buf_init(&scopes, 4000);
    load_scopes(d, &scopes);
    for (size_t i = 0; i < catalogue_table_count(); i++) {
        compare_table(d, catalogue_table_at(i), buf_text(&scopes));
    }
    buf_release(&scopes);
}

/* ---- the rest ---- */

static void on_sum(void *context, int64_t scope, uint16_t table)
{
    const struct world_device *d = context;
    world_fail(d->world, "device %zu: sums of scope %" PRId64 ", table %u aren't those of its rows",
               (size_t)(d - d->world->devices), scope, (unsigned)table);
}

static void check_digest(struct world_device *d)
{
    struct world *w = d->world;
    struct arena arena;
    struct digest have, want;
    arena_init(&arena, 64u << 20);
    world_must(w, d->db, replica_digest(&d->replica, &arena, &have));
    world_must(w, w->reader_db, store_digest(&w->reader, d->replica.number, &arena, &want));
    if (!digest_equal(&have, &want)) {
        world_fail(w, "digests differ on device %zu", (size_t)(d - w->devices));
    }
    arena_release(&arena);
}

static void check_device(struct world_device *d)
{
    struct world *w = d->world;
    struct replica_counts counts;
    struct buf report;
    world_must(w, d->db, replica_counts(&d->replica, &counts));
    if (counts.pending != 0 || db_count(w, d->db, "SELECT count(*) FROM under", NULL) != 0) {
        world_fail(w, "device %zu still has %" PRId64 " waiting", (size_t)(d - w->devices),
                   counts.pending);
    }
    check_contents(d);
    world_must(w, d->db, sums_check(d->db, d->replica.digest_key, on_sum, d));
    check_digest(d);
    buf_init(&report, 1u << 16);
    world_must(w, d->db, db_integrity(d->db, &report));
    buf_release(&report);
}

void world_check(struct world *w)
{
    struct buf report;
    buf_init(&report, 1u << 20);
    struct err err = store_verify(&w->writer, &report);
    if (err.code != ERR_OK) {
        world_fail(w, "store: %s", buf_text(&report));
    }
    buf_release(&report);
    int64_t twice = db_count(
        w, w->reader_db,
        "SELECT count(*) - count(DISTINCT identity)"
        " FROM change_log WHERE device > 0 AND outcome <> 2", /* 2: parked, decided later */
        NULL);
    if (twice != 0) {
        world_fail(w, "%" PRId64 " transactions are logged twice", twice);
    }
    for (size_t i = 0; i < WORLD_DEVICES; i++) {
        check_device(&w->devices[i]);
    }
}
