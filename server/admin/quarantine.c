/* legworkd quarantine: rows that only a device held after a restore, and what else waits for an
 * admin's word. */
#include "common/base/base.h"

#include "common/changelog/server/quarantine.h"
#include "server/admin/command.h"
#include "server/admin/data.h"
#include "server/admin/options.h"
#include "server/admin/output.h"
#include "server/admin/say.h"
#include "server/store/machine.h"

#define ARENA_BYTES_MAX ((size_t)16 * 1024 * 1024)

int cmd_quarantine_list(int argc, char **argv)
{
    static const char sql[] =
        "SELECT q.no, q.kind, p.login, 'D' || k.number AS device,"
        " strftime('%Y-%m-%d %H:%M', q.received_at / 1000, 'unixepoch', 'localtime') AS received,"
        " q.tbl AS \"table\", q.row AS id, q.state FROM quarantine q"
        " LEFT JOIN device_key k ON k.device = q.device LEFT JOIN person p ON p.id = q.person"
        " WHERE q.state = 'waiting' ORDER BY q.no";
    return print_list(argc, argv, sql);
}

static bool take_no(const char *text, int64_t *no)
{
    char *end = NULL;
    errno = 0;
    *no = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == 0;
}

static const char *state_text(enum witness_state state)
{
    switch (state) {
    case WITNESS_ABSENT:
        return say_choose("there is no such row now", "现在没有这一行");
    case WITNESS_DIFFERS:
        return say_choose("the row is there and differs", "该行存在，但内容不同");
    case WITNESS_SAME:
        return say_choose("the row is there, just so", "该行存在，内容相同");
    case WITNESS_DELETED:
        return say_choose("the row was deleted", "该行已删除");
    }
    return "";
}

static struct err load(struct data *d, int64_t no, struct arena *arena, struct rows *out)
{
    struct stmt st;
    struct err err =
        db_use(d->db, "SELECT body FROM quarantine WHERE no = ?1 AND kind = 'witness'", &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, no);
    if (!db_step_row(&st)) {
        err = stmt_err(&st, "quarantine");
        return err.code != ERR_OK ? err : err_make(ERR_NOT_FOUND, 0, "quarantine");
    }
    struct bytes body = arena_copy(arena, col_bytes(&st, 0));
    stmt_reset(&st);
    return body.at == NULL ? err_make(ERR_NOMEM, 0, "quarantine")
                           : quarantine_read(body, arena, out);
}

static void put_row(const struct data *d, const struct rows *rows, bool json, struct buf *out)
{
    const struct table *t = catalogue_table(rows->table);
    bool first = true;
    for (size_t i = 0; i < rows->column_count && t != NULL; i++) {
        const struct column *c = table_column(t, rows->columns[i]);
        const struct value *v = &rows->rows[0].values[i];
        if (c == NULL || v->kind == VALUE_NULL) {
            continue;
        }
        if (json) {
            buf_printf(out, "%s\"%s\":", first ? "" : ",", c->name);
            column_json(c, v, out);
        } else {
            buf_printf(out, "  %s: ", c->name);
            column_print(c, v, &d->rules, out);
            buf_put_u8(out, '\n');
        }
        first = false;
    }
}

static int show(struct data *d, int64_t no, bool json)
{
    struct arena arena;
    struct rows rows = {.count = 0};
    struct buf out;
    enum witness_state state = WITNESS_ABSENT;
    arena_init(&arena, ARENA_BYTES_MAX);
    buf_init(&out, OUTPUT_BYTES_MAX);
    struct err err = load(d, no, &arena, &rows);
    if (err.code == ERR_OK) {
        err = quarantine_state(&d->store, &rows, &state);
    }
    int status = EXIT_DONE;
    if (err.code != ERR_OK) {
        status = refuse_err(err, NULL, "quarantine", db_message(d->db));
    } else {
        const struct table *t = catalogue_table(rows.table);
        static const char *const names[] = {"absent", "differs", "same", "deleted"};
        buf_printf(&out, json ? "{\"table\":\"%s\",\"now\":\"%s\",\"row\":{" : "%s: %s\n",
                   t == NULL ? "?" : t->name, json ? names[state] : state_text(state));
        put_row(d, &rows, json, &out);
        buf_put_text(&out, json ? "}}" : "");
        (void)puts(buf_text(&out));
    }
    buf_release(&out);
    arena_release(&arena);
    return status;
}

int cmd_quarantine_show(int argc, char **argv)
{
    struct option json = {"--json", OPTION_FLAG, 0, {0}};
    struct arguments rest;
    struct data d;
    int64_t no = 0;
    if (!options_read(&json, 1, argc, argv, 1, 1, &rest) || !take_no(rest.at[0], &no)) {
        return EXIT_USAGE;
    }
    if (!data_open(&d, false)) {
        return EXIT_REFUSED;
    }
    int status = show(&d, no, json.count > 0);
    data_close(&d);
    return status;
}

/* Each by itself: what can't be released stays, the others go on. */
static int decide(struct data *d, const struct arguments *rest, bool release)
{
    int status = EXIT_DONE;
    for (size_t i = 0; i < rest->count; i++) {
        struct complaint why = {0};
        int64_t no = 0;
        struct err err = take_no(rest->at[i], &no) ? db_begin(d->db, DB_LOCK_WRITE)
                                                   : err_make(ERR_NOT_FOUND, 0, "quarantine");
        if (err.code == ERR_OK) {
            int64_t now_ms = machine_wall_ms();
            err = db_end(
                d->db,
                release ? quarantine_release(&d->store, no, NULL, "legworkd", now_ms, &why)
                        : quarantine_close(&d->store, no, NULL, "discarded", "legworkd", now_ms));
        }
        if (err.code != ERR_OK) {
            status = refuse_err(err, &why, rest->at[i], db_message(d->db));
        } else if (release) {
            say("%s: released", "%s：已放行", rest->at[i]);
        } else {
            say("%s: discarded", "%s：已丢弃", rest->at[i]);
        }
    }
    return status;
}

static int run(int argc, char **argv, bool release)
{
    struct arguments rest;
    struct data d;
    if (!options_read(NULL, 0, argc, argv, 1, SIZE_MAX, &rest)) {
        return EXIT_USAGE;
    }
    if (!data_open(&d, true)) {
        return EXIT_REFUSED;
    }
    int status = decide(&d, &rest, release);
    data_close(&d);
    return status;
}

int cmd_quarantine_release(int argc, char **argv)
{
    return run(argc, argv, true);
}

int cmd_quarantine_discard(int argc, char **argv)
{
    return run(argc, argv, false);
}
