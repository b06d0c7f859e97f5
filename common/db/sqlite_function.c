/* Our functions inside SQL. SQLITE_INNOCUOUS: triggers may call them under trusted_schema=OFF.
 * Never deterministic: SQLite would call a capture function once and reuse its answer. */
#include "common/base/base.h"

#include "common/db/sqlite_driver.h"

#define ARGS_MAX         127 /* SQLite's own limit */
#define ANSWER_BYTES_MAX ((size_t)16 * 1024 * 1024)

void sqlite_answer(sqlite3_context *to, const struct value *answer)
{
    switch (answer->kind) {
    case VALUE_NULL:
        sqlite3_result_null(to);
        break;
    case VALUE_INT:
        sqlite3_result_int64(to, answer->i);
        break;
    case VALUE_REAL:
        sqlite3_result_double(to, answer->d);
        break;
    case VALUE_TEXT:
        sqlite3_result_text64(to, answer->b.size ? (const char *)answer->b.at : "", answer->b.size,
                              SQLITE_TRANSIENT, SQLITE_UTF8);
        break;
    case VALUE_BLOB:
        sqlite3_result_blob64(to, answer->b.size ? (const void *)answer->b.at : "", answer->b.size,
                              SQLITE_TRANSIENT);
        break;
    }
}

static void on_call(sqlite3_context *to, int count, sqlite3_value **args)
{
    struct defined *d = sqlite3_user_data(to);
    struct value values[ARGS_MAX];
    assert(count <= ARGS_MAX);
    for (int i = 0; i < count; i++) {
        values[i] = sqlite_value_of(args[i]);
    }
    buf_clear(&d->scratch);
    struct db_call call = {
        .context = d->context, .count = count, .args = values, .scratch = &d->scratch};
    d->function(&call);
    if (call.error != NULL) {
        sqlite3_result_error(to, call.error, -1);
    } else if (d->scratch.bad) {
        sqlite3_result_error_nomem(to);
    } else {
        sqlite_answer(to, &call.answer);
    }
}

struct defined *sqlite_defined_new(struct sqlite *db, const char *name, void *context)
{
    struct defined *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return NULL;
    }
    d->db = db;
    d->context = context;
    buf_init(&d->scratch, ANSWER_BYTES_MAX);
    snprintf(d->name, sizeof d->name, "%s", name);
    d->next = db->defined;
    db->defined = d; /* an earlier one of the name stays in the list, unused, until db_close */
    return d;
}

struct err db_define(struct db *base, const char *name, int arg_count, db_function function,
                     void *context)
{
    struct sqlite *db = sqlite_of(base);
    struct defined *d = sqlite_defined_new(db, name, context);
    if (d == NULL) {
        return err_make(ERR_NOMEM, 0, "db_define");
    }
    d->function = function;
    int rc = sqlite3_create_function_v2(db->handle, name, arg_count, SQLITE_UTF8 | SQLITE_INNOCUOUS,
                                        d, on_call, NULL, NULL, NULL);
    return rc == SQLITE_OK ? err_ok() : sqlite_failed(db, rc, "db_define");
}
