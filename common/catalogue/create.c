/* The catalogue's tables in a file: made where missing, widened where an older program made them.
 * What is there is read first, so that opening an up-to-date file writes nothing.
 *
 * No column is NOT NULL and no reference is enforced: a device may not see a column, and a child
 * may arrive before its parent. What must hold is checked before a row is written. */
#include "common/catalogue/catalogue.h"

#include "common/db/db.h"

#define DDL_BYTES_MAX ((size_t)256 * 1024)

struct own_column { /* the columns that sync adds to each table */
    const char *name;
    bool bytes; /* else an integer */
    bool server_only;
};
static const struct own_column own_columns[] = {
    {"_scope", false, false},  {"_seq", false, false}, {"_deleted_at", false, false},
    {"_entered", false, true}, {"_made", true, true},  {"_cols", true, true},
    {"_check", false, true},
};

struct creation {
    struct db *db;
    const struct db_dialect *dialect;
    bool server;
    struct buf ddl; /* what the file lacks */
};

static const char *own_type(const struct creation *w, size_t index)
{
    return own_columns[index].bytes ? w->dialect->bytes : w->dialect->integer;
}

static const char *type_of(const struct creation *w, const struct column *c)
{
    if (c->type == TYPE_UUID) {
        return w->dialect->uuid;
    }
    const char *type = column_sql_type(c);
    return strcmp(type, "INTEGER") == 0 ? w->dialect->integer
           : strcmp(type, "REAL") == 0  ? w->dialect->real
           : strcmp(type, "BLOB") == 0  ? w->dialect->bytes
                                        : w->dialect->text;
}

static void put_quoted(struct buf *out, const char *text)
{
    for (const char *at = text; *at != 0; at++) {
        buf_put(out, bytes_of(at, 1));
        if (*at == '\'') {
            buf_put_u8(out, '\'');
        }
    }
}

static void put_labels(struct buf *out, const char *english, const char *chinese)
{
    buf_put_text(out, " IS '");
    put_quoted(out, english);
    if (chinese != NULL) {
        buf_put_text(out, " / ");
        put_quoted(out, chinese);
    }
    buf_put_text(out, "';\n");
}

/* Where other programs read the tables, the catalogue's words for them stand beside them. */
static void put_comments(struct creation *w, const struct table *t)
{
    buf_printf(&w->ddl, "COMMENT ON TABLE %s", t->name);
    put_labels(&w->ddl, t->label, t->label_zh);
    for (size_t i = 0; i < t->column_count; i++) {
        buf_printf(&w->ddl, "COMMENT ON COLUMN %s.%s", t->name, t->columns[i].name);
        put_labels(&w->ddl, t->columns[i].label, t->columns[i].label_zh);
    }
}

/* Led by the scope, so that tables can be distributed by it. An id is unique because it is looked
 * for before a row is made. */
static void create_shared(struct creation *w, const struct table *t)
{
    buf_printf(&w->ddl, "CREATE TABLE %s (\n  id %s NOT NULL", t->name, w->dialect->uuid);
    for (size_t i = 0; i < t->column_count; i++) {
        buf_printf(&w->ddl, ",\n  %s %s", t->columns[i].name, type_of(w, &t->columns[i]));
    }
    for (size_t i = 0; i < count_of(own_columns); i++) {
        buf_printf(&w->ddl, ",\n  %s %s", own_columns[i].name, own_type(w, i));
    }
    buf_printf(&w->ddl, ",\n  PRIMARY KEY (_scope, id)\n)%s;\nCREATE INDEX %s_id ON %s (id);\n",
               w->dialect->table_end, t->name, t->name);
    put_comments(w, t);
}

static void create_table(struct creation *w, const struct table *t)
{
    if (w->dialect->shared) {
        create_shared(w, t);
        return;
    }
    /* The device does without the CHECK: it is a function call, for which SQLite copies all pages
     * that an insert and its trigger are about to change. The outbox refuses another length there.
     */
    buf_printf(&w->ddl, "CREATE TABLE %s (\n  id BLOB PRIMARY KEY%s", t->name,
               w->server ? " CHECK (length(id) = 16)" : "");
    for (size_t i = 0; i < t->column_count; i++) {
        buf_printf(&w->ddl, ",\n  %s %s", t->columns[i].name, type_of(w, &t->columns[i]));
    }
    for (size_t i = 0; i < count_of(own_columns); i++) {
        if (w->server || !own_columns[i].server_only) {
            buf_printf(&w->ddl, ",\n  %s %s", own_columns[i].name, own_type(w, i));
        }
    }
    buf_printf(&w->ddl, "\n)%s;\n", w->dialect->table_end);
}

/* Place of a name among the own columns (own_columns first, then the table's); -1: not known. */
static int place_of(const struct creation *w, const struct table *t, const char *name,
                    const char **type)
{
    for (size_t i = 0; i < count_of(own_columns); i++) {
        if (strcmp(own_columns[i].name, name) == 0 && (w->server || !own_columns[i].server_only)) {
            *type = own_type(w, i);
            return (int)i;
        }
    }
    const struct column *c = table_column_named(t, name);
    if (c == NULL) {
        return -1;
    }
    *type = type_of(w, c);
    return (int)count_of(own_columns) + (int)(c - t->columns);
}

/* Which columns the file has. ERR_VERSION: one that only a newer program can have made. */
static struct err read_columns(const struct creation *w, const struct table *t, bool *exists,
                               bool has[])
{
    struct stmt st;
    struct err err = db_use(w->db, w->dialect->columns_of, &st);
    bind_text(&st, 1, t->name);
    *exists = false;
    while (err.code == ERR_OK && db_step_row(&st)) {
        *exists = true;
        const char *type = w->dialect->uuid;
        bool is_id = strcmp(col_text(&st, 0), "id") == 0;
        int place = is_id ? 0 : place_of(w, t, col_text(&st, 0), &type);
        if (place < 0) {
            err = err_make(ERR_VERSION, t->number, "catalogue_create");
        } else if (strcmp(type, col_text(&st, 1)) != 0) {
            err = err_make(ERR_CORRUPT, t->number, "catalogue_create");
        } else if (!is_id) {
            has[place] = true;
        }
    }
    if (err.code != ERR_OK) {
        stmt_reset(&st);
        return err;
    }
    return stmt_err(&st, "catalogue_create");
}

static void add_columns(struct creation *w, const struct table *t, const bool has[])
{
    for (size_t i = 0; i < count_of(own_columns); i++) {
        if (!has[i] && (w->server || !own_columns[i].server_only)) {
            buf_printf(&w->ddl, "ALTER TABLE %s ADD COLUMN %s %s;\n", t->name, own_columns[i].name,
                       own_type(w, i));
        }
    }
    for (size_t i = 0; i < t->column_count; i++) {
        if (!has[count_of(own_columns) + i]) {
            buf_printf(&w->ddl, "ALTER TABLE %s ADD COLUMN %s %s;\n", t->name, t->columns[i].name,
                       type_of(w, &t->columns[i]));
        }
    }
}

static struct err need_index(struct creation *w, const struct table *t, const char *suffix,
                             const char *columns, const char *where)
{
    char name[96];
    struct stmt st;
    snprintf(name, sizeof name, "%s_%s", t->name, suffix);
    struct err err = db_use(w->db, w->dialect->index_named, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_text(&st, 1, name);
    bool exists = db_step_row(&st);
    err = stmt_err(&st, "catalogue_create");
    stmt_reset(&st);
    if (err.code == ERR_OK && !exists) {
        buf_printf(&w->ddl, "CREATE INDEX %s ON %s (%s)%s;\n", name, t->name, columns, where);
    }
    return err;
}

static struct err need_table(struct creation *w, const struct table *t)
{
    bool has[count_of(own_columns) + COLUMNS_MAX] = {false};
    bool exists;
    assert(t->column_count < COLUMNS_MAX);
    struct err err = read_columns(w, t, &exists, has);
    if (err.code == ERR_OK && exists) {
        add_columns(w, t, has);
    } else if (err.code == ERR_OK) {
        create_table(w, t);
    }
    if (err.code == ERR_OK && w->server) { /* downloads walk a scope by number */
        err = need_index(w, t, "scope_seq", "_scope, _seq", "");
    }
    if (err.code == ERR_OK && w->server) { /* the purge looks at nothing else */
        err = need_index(w, t, "deleted", "_scope, _seq", " WHERE _deleted_at IS NOT NULL");
    }
    for (size_t i = 0; i < t->column_count && err.code == ERR_OK; i++) {
        if ((t->columns[i].flags & COLUMN_INDEXED) != 0) {
            err = need_index(w, t, t->columns[i].name, t->columns[i].name, "");
        }
    }
    return err;
}

/* All that is missing, or nothing of it. */
static struct err run_ddl(struct creation *w)
{
    const char *sql = buf_text(&w->ddl);
    if (w->ddl.bad) {
        return err_make(ERR_NOMEM, 0, "catalogue_create");
    }
    if (w->ddl.size == 0) {
        return err_ok();
    }
    if (db_in_transaction(w->db)) {
        return db_exec(w->db, sql);
    }
    struct err err = db_begin(w->db, DB_LOCK_WRITE);
    return err.code == ERR_OK ? db_end(w->db, db_exec(w->db, sql)) : err;
}

struct err catalogue_create(struct db *db, bool server)
{
    struct creation w = {.db = db, .dialect = db_dialect(db), .server = server};
    struct err err = err_ok();
    buf_init(&w.ddl, DDL_BYTES_MAX);
    for (size_t i = 0; i < catalogue_table_count() && err.code == ERR_OK; i++) {
        err = need_table(&w, catalogue_table_at(i));
    }
    if (err.code == ERR_OK) {
        err = run_ddl(&w);
    }
    buf_release(&w.ddl);
    return err;
}
