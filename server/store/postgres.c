/* The PostgreSQL driver: connecting, errors, versions. Every connection is set up alike: UTF-8, one
 * schema first on the path and nobody else's, limits on waiting. */
#include "common/base/base.h"

#include "server/store/postgres_driver.h"

/* ---- errors ---- */

/* PostgreSQL's five characters as a number, six bits each, as its own headers do it. */
static int number_of(const char *state)
{
    int number = 0;
    for (int i = 4; i >= 0; i--) {
        number = number << 6 | ((state[i] - '0') & 0x3f);
    }
    return number;
}

/* By the longest beginning that fits: a whole state or its class (errcodes.txt). */
static enum err_code code_of(const char *state)
{
    static const struct {
        const char *state;
        enum err_code code;
    } known[] = {
        {"23505", ERR_EXISTS},  {"40001", ERR_BUSY},     {"40P01", ERR_BUSY},
        {"55P03", ERR_BUSY},    {"53100", ERR_FULL},     {"53200", ERR_NOMEM},
        {"53300", ERR_BUSY},    {"57014", ERR_LIMIT},    {"25006", ERR_READONLY},
        {"42501", ERR_REFUSED}, {"25P02", ERR_INTERNAL}, {"25P03", ERR_NETWORK},
        {"57P0", ERR_NETWORK},  {"08", ERR_NETWORK},     {"28", ERR_REFUSED},
        {"3D", ERR_NOT_FOUND},  {"22", ERR_INVALID},     {"23", ERR_INVALID},
        {"42", ERR_INVALID},    {"0A", ERR_INVALID},     {"54", ERR_LIMIT},
        {"58", ERR_IO},         {"XX001", ERR_CORRUPT},  {"XX002", ERR_CORRUPT},
    };
    for (size_t i = 0; i < count_of(known); i++) {
        if (strncmp(state, known[i].state, strlen(known[i].state)) == 0) {
            return known[i].code;
        }
    }
    return ERR_INTERNAL;
}

struct err postgres_failed(struct postgres *pg, const PGresult *result, const char *where)
{
    const char *state = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (text == NULL) {
        text = PQerrorMessage(pg->conn);
    }
    size_t size = strcspn(text, "\n");
    snprintf(pg->base.message, sizeof pg->base.message, "%.*s", (int)size, text);
    enum err_code code = state == NULL ? ERR_NETWORK : code_of(state);
    return err_make(code, state == NULL ? 0 : number_of(state), where);
}

/* ---- connecting ---- */

static void no_notice(void *context, const char *message)
{
    (void)context, (void)message; /* "exists already, skipping": nothing that anybody waits for */
}

static struct err simple(struct postgres *pg, const char *sql)
{
    PGresult *result = PQexec(pg->conn, sql);
    ExecStatusType status = PQresultStatus(result);
    struct err err = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK
                         ? err_ok()
                         : postgres_failed(pg, result, "postgres");
    PQclear(result);
    return err;
}

static struct err configure(struct postgres *pg, bool creates)
{
    char sql[512];
    char *name = PQescapeIdentifier(pg->conn, pg->schema, strlen(pg->schema));
    if (name == NULL) {
        return err_make(ERR_NOMEM, 0, "postgres_open");
    }
    (void)PQsetNoticeProcessor(pg->conn, no_notice, NULL);
    struct err err = err_ok();
    if (creates) {
        (void)snprintf(sql, sizeof sql, "CREATE SCHEMA IF NOT EXISTS %s", name);
        err = simple(pg, sql);
    }
    (void)snprintf(sql, sizeof sql,
                   "SET search_path TO %s; SET client_encoding TO 'UTF8'; SET timezone TO 'UTC';"
                   "SET standard_conforming_strings TO on; SET synchronous_commit TO on;"
                   "SET default_transaction_isolation TO 'read committed';"
                   "SET lock_timeout TO %d; SET statement_timeout TO %d",
                   name, pg->lock_timeout_ms, pg->statement_timeout_ms);
    PQfreemem(name);
    err = err.code == ERR_OK ? simple(pg, sql) : err;
    if (err.code == ERR_OK && PQenterPipelineMode(pg->conn) != 1) {
        err = err_make(ERR_INTERNAL, 0, "postgres_open");
    }
    return err;
}

static void forget(struct postgres *pg)
{
    statements_release(&pg->statements);
    pg->pending = 0;
    pg->failed = err_ok();
    pg->open = false;
}

struct err postgres_again(struct postgres *pg)
{
    if (PQstatus(pg->conn) == CONNECTION_OK) {
        return err_ok();
    }
    forget(pg);
    PQreset(pg->conn);
    return PQstatus(pg->conn) == CONNECTION_OK ? configure(pg, false)
                                               : postgres_failed(pg, NULL, "db_begin");
}

static void close_connection(struct db *db)
{
    struct postgres *pg = postgres_of(db);
    if (pg->conn != NULL) {
        statements_release(&pg->statements);
    }
    PQfinish(pg->conn);
    free(pg);
}

/* ---- the driver ---- */

/* Several statements in one text are what only the simple protocol takes. */
static struct err execute(struct db *db, const char *sql)
{
    struct postgres *pg = postgres_of(db);
    struct err err = pg->open ? err_ok() : postgres_again(pg);
    err = err.code == ERR_OK ? postgres_settle(pg) : err;
    if (err.code != ERR_OK) {
        return err;
    }
    struct buf text;
    buf_init(&text, (size_t)4 * 1024 * 1024);
    postgres_text(&text, sql);
    if (text.bad) {
        err = err_make(ERR_NOMEM, 0, "db_exec");
    } else if (PQexitPipelineMode(pg->conn) != 1) {
        err = err_make(ERR_INTERNAL, 0, "db_exec");
    } else {
        err = simple(pg, buf_text(&text));
        if (PQstatus(pg->conn) == CONNECTION_OK && PQenterPipelineMode(pg->conn) != 1) {
            err = err_make(ERR_INTERNAL, 0, "db_exec");
        }
    }
    buf_release(&text);
    return err;
}

static bool in_transaction(const struct db *db)
{
    return ((const struct postgres *)db)->open;
}

static int64_t changes(struct db *db)
{
    struct postgres *pg = postgres_of(db);
    if (pg->pending > 0 && pg->failed.code == ERR_OK) {
        pg->failed = postgres_settle(pg); /* for the next call: this one only counts */
    }
    return pg->failed.code == ERR_OK ? pg->changes : 0;
}

static int64_t data_version(struct db *db)
{
    struct postgres *pg = postgres_of(db);
    pg->version +=
        pg->open ? 0 : 1; /* others may have written since; within a transaction, nobody */
    return pg->version;
}

/* Pages and indexes are the database's own business (data checksums, pg_amcheck). */
static struct err integrity(struct db *db, struct buf *report)
{
    (void)report;
    int64_t one = 0;
    return db_one_int(db, "SELECT 1", &one);
}

static struct err checkpoint(struct db *db)
{
    (void)db; /* its log is archived and recycled by its own rules */
    return err_ok();
}

static struct err schema_version(struct db *db, int64_t *out)
{
    int64_t there = 0;
    *out = 0;
    struct err err = db_one_int(
        db, "SELECT count(*) FROM pg_class WHERE oid = to_regclass('schema_version')", &there);
    return err.code == ERR_OK && there > 0
               ? db_one_int(db, "SELECT version FROM schema_version", out)
               : err;
}

static struct err schema_version_set(struct db *db, int64_t version)
{
    char sql[256];
    (void)snprintf(
        sql, sizeof sql,
        "CREATE TABLE IF NOT EXISTS schema_version (one bigint PRIMARY KEY CHECK (one = 1),"
        " version bigint NOT NULL); INSERT INTO schema_version VALUES (1, %" PRId64
        ") ON CONFLICT (one) DO UPDATE SET version = excluded.version",
        version);
    return db_exec(db, sql);
}

static const struct db_driver driver = {
    .dialect = {.name = "postgres",
                .shared = true,
                .uuid = "uuid",
                .bytes = "bytea",
                .integer = "bigint",
                .real = "double precision",
                .text = "text",
                .table_end = "",
                .columns_of = "SELECT column_name::text, data_type::text"
                              " FROM information_schema.columns"
                              " WHERE table_schema = current_schema() AND table_name = ?1",
                .index_named = "SELECT 1 FROM pg_indexes WHERE schemaname = current_schema()"
                               " AND indexname = ?1"},
    .begin_read = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    .begin_write = "BEGIN",
    .close = close_connection,
    .exec = execute,
    .use = postgres_use,
    .prepare = postgres_prepare,
    .finalize = postgres_finalize,
    .reset = postgres_reset,
    .bind = postgres_bind,
    .step = postgres_step,
    .finish = postgres_finish,
    .count = postgres_count,
    .name = postgres_name,
    .is_null = postgres_is_null,
    .as_int = postgres_as_int,
    .as_real = postgres_as_real,
    .as_bytes = postgres_as_bytes,
    .as_value = postgres_as_value,
    .in_transaction = in_transaction,
    .changes = changes,
    .data_version = data_version,
    .integrity = integrity,
    .checkpoint = checkpoint,
    .schema_version = schema_version,
    .schema_version_set = schema_version_set,
};

static struct err connect_to(struct postgres *pg, const struct postgres_options *o)
{
    char timeout[16];
    (void)snprintf(timeout, sizeof timeout, "%d", o->connect_timeout_s);
    const char *const keys[] = {"dbname", "connect_timeout", "fallback_application_name", NULL};
    const char *const values[] = {o->conninfo, timeout, "legworkd", NULL};
    pg->conn = PQconnectdbParams(keys, values, 1); /* 1: dbname may hold a whole conninfo */
    if (pg->conn == NULL) {
        return err_make(ERR_NOMEM, 0, "postgres_open");
    }
    return PQstatus(pg->conn) == CONNECTION_OK ? configure(pg, o->creates)
                                               : postgres_failed(pg, NULL, "postgres_open");
}

struct err postgres_open(struct db **out, const struct postgres_options *options, struct buf *why)
{
    *out = NULL;
    struct postgres *pg = calloc(1, sizeof *pg);
    if (pg == NULL) {
        return err_make(ERR_NOMEM, 0, "postgres_open");
    }
    pg->base.driver = &driver;
    pg->lock_timeout_ms = options->lock_timeout_ms;
    pg->statement_timeout_ms = options->statement_timeout_ms;
    (void)snprintf(pg->schema, sizeof pg->schema, "%s", options->schema);
    postgres_statements_init(pg);
    struct err err = connect_to(pg, options);
    if (err.code != ERR_OK) {
        buf_put_text(why, pg->base.message);
        close_connection(&pg->base);
        return err;
    }
    *out = &pg->base;
    return err_ok();
}
