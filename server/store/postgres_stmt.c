/* Statements over libpq's pipeline: each is prepared once per connection; what gives no rows is
 * sent and not waited for, what gives rows waits for all that was sent before it.
 *
 *   finish ─► [send] [send] [send] …             no answer looked at; at most POSTGRES_PENDING_MAX
 *   step   ─► [send] [flush] ─► settle ─► rows   in the order in which they were sent
 *
 * Outside a transaction each statement is followed by a sync, which ends PostgreSQL's own implicit
 * one; inside, a sync comes only behind COMMIT, ROLLBACK and a failure. */
#include "common/base/base.h"

#include "server/store/postgres_driver.h"

/* ---- answers ---- */

static void note_failure(struct postgres *pg, const PGresult *result)
{
    if (pg->failed.code == ERR_OK) {
        pg->failed = postgres_failed(pg, result, "postgres");
    }
}

static bool is_lost(const struct postgres *pg)
{
    return PQstatus(pg->conn) != CONNECTION_OK;
}

/* The answer of one statement; NULL where it failed. */
static PGresult *take_answer(struct postgres *pg)
{
    PGresult *kept = NULL;
    PGresult *next = NULL;
    while ((next = PQgetResult(pg->conn)) != NULL) {
        ExecStatusType status = PQresultStatus(next);
        bool good = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
        if (!good && status != PGRES_PIPELINE_ABORTED) {
            note_failure(pg, next);
        } else if (status == PGRES_PIPELINE_ABORTED && pg->failed.code == ERR_OK) {
            pg->failed = err_make(ERR_INTERNAL, 0, "postgres"); /* the failure before it was told */
        }
        if (good && kept == NULL) {
            kept = next;
        } else {
            PQclear(next);
        }
        if (is_lost(pg)) {
            break;
        }
    }
    if (kept == NULL && is_lost(pg)) {
        note_failure(pg, NULL);
    }
    return kept;
}

static void take_sync(struct postgres *pg)
{
    PGresult *result = NULL;
    while (!is_lost(pg) && (result = PQgetResult(pg->conn)) == NULL) {
        /* the NULL behind the last statement */
    }
    PQclear(result);
}

static void settle_pending(struct postgres *pg)
{
    while (pg->pending > 0) {
        pg->pending--;
        PGresult *result = take_answer(pg);
        if (result != NULL) {
            pg->changes = strtoll(PQcmdTuples(result), NULL, 10);
        }
        PQclear(result);
        if (is_lost(pg)) {
            pg->pending = 0;
        }
    }
}

static void tell_end(struct postgres *pg, bool committed)
{
    pg->open = false;
    if (pg->base.ended != NULL) {
        pg->base.ended(pg->base.ended_context, committed);
    }
}

/* After a failure PostgreSQL passes over everything up to the next sync. */
static void restart_pipeline(struct postgres *pg)
{
    if (!is_lost(pg) && PQpipelineStatus(pg->conn) == PQ_PIPELINE_ABORTED &&
        PQpipelineSync(pg->conn) == 1) {
        take_sync(pg);
    }
    if (is_lost(pg) && pg->open) {
        pg->base.undone = pg->failed;
        tell_end(pg, false);
    }
}

static struct err give_failure(struct postgres *pg)
{
    struct err err = pg->failed;
    pg->failed = err_ok();
    return err;
}

struct err postgres_settle(struct postgres *pg)
{
    if (pg->pending > 0 && PQsendFlushRequest(pg->conn) == 0) {
        note_failure(pg, NULL);
    }
    settle_pending(pg);
    if (pg->failed.code != ERR_OK) {
        restart_pipeline(pg);
    }
    return give_failure(pg);
}

/* ---- preparing ---- */

static void drop(void *handle)
{
    struct postgres_stmt *s = handle;
    PQclear(s->result);
    PQclear(s->shape);
    free(s->types);
    free(s->params);
    free(s->texts);
    free(s);
}

/* A connection that is lost has forgotten it already. */
static void drop_name(struct postgres_stmt *s)
{
    struct postgres *pg = s->pg;
    char sql[48];
    (void)snprintf(sql, sizeof sql, "DEALLOCATE %s", s->name);
    if (is_lost(pg) || s->shape == NULL ||
        PQsendQueryParams(pg->conn, sql, 0, NULL, NULL, NULL, NULL, 1) != 1) {
        return;
    }
    pg->pending++;
    if (!pg->open && PQpipelineSync(pg->conn) == 1) { /* else a BEGIN would come too late */
        settle_pending(pg);
        take_sync(pg);
    }
}

static void drop_prepared(void *handle)
{
    drop_name(handle);
    drop(handle);
}

static bool is_busy(const void *handle)
{
    return ((const struct postgres_stmt *)handle)->result != NULL;
}

void postgres_statements_init(struct postgres *pg)
{
    statements_init(&pg->statements, is_busy, drop_prepared);
}

static enum statement_kind kind_of(const char *sql)
{
    if (strncmp(sql, "BEGIN", 5) == 0) {
        return BEGINS;
    }
    if (strcmp(sql, "COMMIT") == 0) {
        return COMMITS;
    }
    return strcmp(sql, "ROLLBACK") == 0 ? ROLLS_BACK : PLAIN;
}

/* All our numbers are bigint; where PostgreSQL takes a parameter for less ("?1 + 1"), it is asked
 * again. Whether there is such a one. */
static bool widen(struct postgres_stmt *s)
{
    enum { INT8 = 20, INT2 = 21, INT4 = 23 };
    bool narrow = false;
    for (int i = 0; i < s->param_count; i++) {
        Oid type = s->types[i];
        narrow = narrow || type == INT4 || type == INT2;
        s->types[i] = type == INT4 || type == INT2 ? INT8 : type;
    }
    return narrow;
}

static struct err read_shape(struct postgres_stmt *s)
{
    s->param_count = PQnparams(s->shape);
    s->gives_rows = PQnfields(s->shape) > 0;
    size_t count = (size_t)s->param_count + 1; /* calloc of nothing may give NULL */
    s->types = calloc(count, sizeof *s->types);
    s->params = calloc(count, sizeof *s->params);
    s->texts = calloc((size_t)PQnfields(s->shape) + 1, sizeof *s->texts);
    if (s->types == NULL || s->params == NULL || s->texts == NULL) {
        return err_make(ERR_NOMEM, 0, "db_use");
    }
    for (int i = 0; i < s->param_count; i++) {
        s->types[i] = PQparamtype(s->shape, i);
    }
    return err_ok();
}

/* Sent behind what is pending; both answers are waited for. */
static struct err describe(struct postgres_stmt *s, const char *text)
{
    struct postgres *pg = s->pg;
    struct err err = postgres_settle(pg);
    if (err.code != ERR_OK) {
        return err;
    }
    bool ends = !pg->open;
    (void)snprintf(s->name, sizeof s->name, "s%u", ++pg->names);
    int sent = PQsendPrepare(pg->conn, s->name, text, s->param_count, s->types) == 1 &&
               PQsendDescribePrepared(pg->conn, s->name) == 1 &&
               (ends ? PQpipelineSync(pg->conn) : PQsendFlushRequest(pg->conn)) == 1;
    if (!sent) {
        note_failure(pg, NULL);
        return postgres_settle(pg);
    }
    PQclear(take_answer(pg));
    s->shape = take_answer(pg);
    if (ends) {
        take_sync(pg);
    }
    return postgres_settle(pg);
}

static struct err prepare_named(struct postgres_stmt *s, const char *text)
{
    struct err err = describe(s, text);
    if (err.code == ERR_OK) {
        err = read_shape(s);
    }
    if (err.code == ERR_OK && widen(s)) {
        drop_name(s);
        PQclear(s->shape);
        s->shape = NULL;
        err = describe(s, text);
    }
    return err;
}

static struct err prepare(struct postgres *pg, const char *sql, struct postgres_stmt **out)
{
    struct postgres_stmt *s = calloc(1, sizeof *s);
    struct buf text;
    if (s == NULL) {
        return err_make(ERR_NOMEM, 0, "db_use");
    }
    s->pg = pg;
    s->kind = kind_of(sql);
    buf_init(&text, (size_t)1024 * 1024);
    postgres_text(&text, sql);
    struct err err =
        text.bad ? err_make(ERR_NOMEM, 0, "db_use") : prepare_named(s, buf_text(&text));
    buf_release(&text);
    if (err.code != ERR_OK) {
        drop(s);
        return err;
    }
    *out = s;
    return err_ok();
}

struct err postgres_use(struct db *db, const char *sql, struct stmt *out)
{
    struct postgres *pg = postgres_of(db);
    if (kind_of(sql) == BEGINS) {
        struct err err = postgres_again(pg);
        if (err.code != ERR_OK) {
            return err;
        }
    }
    uint64_t hash = 0;
    struct postgres_stmt *s = statements_find(&pg->statements, sql, &hash);
    if (s == NULL) {
        struct err err = prepare(pg, sql, &s);
        if (err.code != ERR_OK || s == NULL) {
            return err;
        }
        if (!statements_put(&pg->statements, sql, hash, s)) {
            return err_make(ERR_NOMEM, 0, "db_use");
        }
    }
    assert(s->result == NULL); /* used within itself, or left open by its last user */
    for (int i = 0; i < s->param_count; i++) {
        s->params[i] = (struct postgres_param){0};
    }
    out->handle = s;
    return err_ok();
}

struct err postgres_prepare(struct db *db, const char *sql, struct stmt *out, const char **tail)
{
    struct postgres_stmt *s = NULL;
    struct err err = prepare(postgres_of(db), sql, &s);
    out->handle = s;
    if (tail != NULL) {
        *tail = sql + strlen(sql); /* PostgreSQL refuses more than one */
    }
    return err;
}

void postgres_finalize(struct stmt *st)
{
    drop_prepared(st->handle);
}

void postgres_reset(struct stmt *st)
{
    struct postgres_stmt *s = st->handle;
    PQclear(s->result);
    s->result = NULL;
}

struct err postgres_bind(struct stmt *st, int index, const struct value *value)
{
    struct postgres_stmt *s = st->handle;
    if (index < 1 || index > s->param_count) {
        return err_make(ERR_INTERNAL, index, "bind");
    }
    return postgres_encode(s->types[index - 1], value, &s->params[index - 1]);
}

/* ---- running ---- */

static bool send(struct postgres_stmt *s)
{
    enum { PARAMS_MAX = 256 };
    const char *at[PARAMS_MAX];
    int sizes[PARAMS_MAX];
    int binary[PARAMS_MAX];
    if (s->param_count > PARAMS_MAX) {
        return false;
    }
    for (int i = 0; i < s->param_count; i++) {
        at[i] = s->params[i].at;
        sizes[i] = s->params[i].size;
        binary[i] = 1;
    }
    return PQsendQueryPrepared(s->pg->conn, s->name, s->param_count, at, sizes, binary, 1) == 1;
}

static void note_end(struct postgres *pg, enum statement_kind kind, PGresult *result)
{
    bool committed = kind == COMMITS && strcmp(PQcmdStatus(result), "COMMIT") == 0;
    if (kind == COMMITS && !committed) { /* it says ROLLBACK of a failed one */
        pg->failed = err_make(ERR_INTERNAL, 0, "COMMIT of a failed transaction");
    }
    tell_end(pg, committed);
}

/* Sends it, and waits for it and for all before it. */
static struct err run(struct postgres_stmt *s, PGresult **out)
{
    struct postgres *pg = s->pg;
    bool ends = !pg->open || s->kind == COMMITS || s->kind == ROLLS_BACK;
    if (!send(s) || (ends ? PQpipelineSync(pg->conn) : PQsendFlushRequest(pg->conn)) != 1) {
        note_failure(pg, NULL);
    } else {
        settle_pending(pg);
        *out = take_answer(pg);
        pg->changes = *out == NULL ? 0 : strtoll(PQcmdTuples(*out), NULL, 10);
        if (ends) {
            take_sync(pg);
        }
    }
    if ((s->kind == COMMITS || s->kind == ROLLS_BACK) && *out != NULL) {
        note_end(pg, s->kind, *out);
    }
    return postgres_settle(pg);
}

bool postgres_step(struct stmt *st)
{
    struct postgres_stmt *s = st->handle;
    if (s->result == NULL) {
        st->err = run(s, &s->result);
        s->row = -1;
    }
    if (st->err.code == ERR_OK && s->result != NULL && ++s->row < PQntuples(s->result)) {
        return true;
    }
    postgres_reset(st);
    return false;
}

void postgres_finish(struct stmt *st)
{
    struct postgres_stmt *s = st->handle;
    struct postgres *pg = s->pg;
    bool waits = s->gives_rows || s->kind == COMMITS || s->kind == ROLLS_BACK ||
                 (!pg->open && s->kind != BEGINS);
    if (waits) {
        while (postgres_step(st)) {
            /* rows of a RETURNING that nobody wants */
        }
        return;
    }
    if (!send(s)) {
        note_failure(pg, NULL);
        st->err = postgres_settle(pg);
        return;
    }
    pg->pending++;
    pg->version += s->kind == BEGINS ? 1 : 0;
    pg->open = true;
    if (pg->pending >= POSTGRES_PENDING_MAX) {
        st->err = postgres_settle(pg);
    }
}

/* ---- columns ---- */

int postgres_count(const struct stmt *st)
{
    return PQnfields(((const struct postgres_stmt *)st->handle)->shape);
}

const char *postgres_name(const struct stmt *st, int column)
{
    const char *name = PQfname(((const struct postgres_stmt *)st->handle)->shape, column);
    return name == NULL ? "" : name;
}

struct value postgres_as_value(const struct stmt *st, int column)
{
    const struct postgres_stmt *s = st->handle;
    return postgres_decode(s->result, s->row, column);
}

bool postgres_is_null(const struct stmt *st, int column)
{
    const struct postgres_stmt *s = st->handle;
    return PQgetisnull(s->result, s->row, column) != 0;
}

int64_t postgres_as_int(const struct stmt *st, int column)
{
    struct value v = postgres_as_value(st, column);
    return v.kind == VALUE_INT ? v.i : v.kind == VALUE_REAL ? (int64_t)v.d : 0;
}

double postgres_as_real(const struct stmt *st, int column)
{
    struct value v = postgres_as_value(st, column);
    return v.kind == VALUE_INT ? (double)v.i : v.kind == VALUE_REAL ? v.d : 0;
}

struct bytes postgres_as_bytes(const struct stmt *st, int column)
{
    struct postgres_stmt *s = st->handle;
    struct value v = postgres_as_value(st, column);
    if (v.kind == VALUE_TEXT || v.kind == VALUE_BLOB) {
        return v.b;
    }
    if (v.kind == VALUE_NULL || s->texts == NULL) {
        return bytes_of(NULL, 0);
    }
    postgres_show(&v, s->texts[column]);
    return bytes_text(s->texts[column]);
}
