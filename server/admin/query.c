/* legworkd query: SQL that a manager types, on a read-only connection under guard, or a report. */
#include "common/base/base.h"

#include "common/base/day.h"
#include "server/admin/command.h"
#include "server/admin/data.h"
#include "server/admin/options.h"
#include "server/admin/output.h"
#include "server/admin/report.h"
#include "server/admin/say.h"
#include "server/store/machine.h"

#define QUERY_MS_MAX    2000
#define QUERY_STEPS_MAX 500000000 /* of SQLite's machine; time usually ends it first */
#define RANGE_DAYS_MAX  366

/* Keys, secrets, and what belongs to one person alone: the answer is that there is no such table,
 * as for one that never was. The change log holds the text of memos too. */
static const char *const denied[] = {"device_key",
                                     "invitation",
                                     "password",
                                     "store_state",
                                     "epoch_closed",
                                     "verdict",
                                     "device_scope",
                                     "parked",
                                     "change_log",
                                     "change_row",
                                     "refused_row",
                                     "chain_alarm",
                                     "import_row",
                                     "memo",
                                     "quarantine",
                                     "lost",
                                     "backup",
                                     "revoked_device",
                                     "sqlite_master",
                                     "sqlite_schema",
                                     "sqlite_temp_master",
                                     "sqlite_stat1",
                                     "sqlite_stat4",
                                     "sqlite_temp_schema",
                                     "sqlite_sequence",
                                     NULL};

enum { REPORT, FROM, TO, USER, TEAM, FORMAT, JSON, OPTION_COUNT };

/* What went wrong, in words that name the limit. */
static int say_failed(struct data *d, struct err err)
{
    if (err.code == ERR_LIMIT && err.cause == 0) {
        return refuse_with("the answer is too large: at most %d rows and %d MiB",
                           "结果过大：最多 %d 行、%d MiB", OUTPUT_ROWS_MAX,
                           OUTPUT_BYTES_MAX / (1024 * 1024));
    }
    return refuse_with("%s: %s", "%s：%s", err_text(err.code, say_in_chinese()), db_message(d->db));
}

/* Nothing but blanks and comments may stand behind the first statement. */
static bool is_rest_empty(const char *tail)
{
    for (;;) {
        tail += strspn(tail, " \t\r\n;");
        if (tail[0] != '-' || tail[1] != '-') {
            return *tail == 0;
        }
        tail += strcspn(tail, "\n");
    }
}

static int run_guarded(struct data *d, const char *sql, enum output_format format, struct buf *out)
{
    struct stmt st;
    const char *tail = "";
    struct err err = db_prepare(d->db, sql, &st, &tail);
    if (err.code != ERR_OK) {
        return say_failed(d, err);
    }
    int status = EXIT_DONE;
    if (!is_rest_empty(tail)) {
        status = refuse_with("one statement at a time", "一次只能执行一条语句");
    } else {
        size_t rows;
        struct output how = {.format = format};
        err = output_rows(&st, &how, out, &rows);
        if (err.code != ERR_OK) {
            status = say_failed(d, err);
        }
    }
    stmt_close(&st);
    return status;
}

static int query_sql(struct data *d, const char *sql, enum output_format format, struct buf *out)
{
    const struct db_guard guard = {.denied = denied,
                                   .steps_max = QUERY_STEPS_MAX,
                                   .deadline_ms = machine_mono_ms() + QUERY_MS_MAX,
                                   .now_ms = machine_mono_ms};
    struct err err = db_guard_on(d->db, &guard);
    if (err.code != ERR_OK) {
        return refuse_err(err, NULL, "query", db_message(d->db));
    }
    int status = run_guarded(d, sql, format, out);
    db_guard_off(d->db);
    return status;
}

static bool take_day(const struct option *o, char day[DAY_TEXT_SIZE], int64_t *ms)
{
    if (o->count == 0) {
        return day_parse(bytes_text(day), ms);
    }
    if (!day_parse(bytes_text(o->values[0]), ms)) {
        complain("%s %s: a day as 2026-11-23 is needed", "%s %s：需要 2026-11-23 这样的日期",
                 o->name, o->values[0]);
        return false;
    }
    day_print(*ms, day);
    return true;
}

static void today(const struct data *d, char day[DAY_TEXT_SIZE])
{
    int64_t now = machine_wall_ms();
    day_print(now + (int64_t)d->rules.offset_min(d->rules.context, now) * 60000, day);
}

static int query_report(struct data *d, const struct option *options, enum output_format format,
                        struct buf *out)
{
    char from[DAY_TEXT_SIZE];
    char to[DAY_TEXT_SIZE];
    int64_t first;
    int64_t last;
    today(d, from);
    if (!take_day(&options[FROM], from, &first)) {
        return EXIT_USAGE;
    }
    day_print(first, to); /* one day, unless --to says more */
    if (!take_day(&options[TO], to, &last)) {
        return EXIT_USAGE;
    }
    if (last < first || last - first > (int64_t)RANGE_DAYS_MAX * DAY_MS) {
        return usage_wrong("--from to --to: one to %d days", "--from 到 --to：一到 %d 天",
                           RANGE_DAYS_MAX);
    }
    const struct report_range range = {.from = from,
                                       .to = to,
                                       .login = option_text(&options[USER]),
                                       .team = option_text(&options[TEAM])};
    size_t rows;
    struct err err = report_team_day(d, &range, format, out, &rows);
    return err.code == ERR_OK ? EXIT_DONE : say_failed(d, err);
}

static int query(const struct option *options, const struct arguments *rest,
                 enum output_format format)
{
    struct data d;
    struct buf out;
    if (!data_open(&d, false)) {
        return EXIT_REFUSED;
    }
    buf_init(&out, OUTPUT_BYTES_MAX);
    int status = rest->count == 1 ? query_sql(&d, rest->at[0], format, &out)
                                  : query_report(&d, options, format, &out);
    if (status == EXIT_DONE && out.size > 0) {
        (void)fwrite(out.at, 1, out.size, stdout);
    }
    buf_release(&out);
    data_close(&d);
    return status;
}

int cmd_query(int argc, char **argv)
{
    struct option options[OPTION_COUNT] = {
        [REPORT] = {"--report", OPTION_TEXT, 0, {0}}, [FROM] = {"--from", OPTION_TEXT, 0, {0}},
        [TO] = {"--to", OPTION_TEXT, 0, {0}},         [USER] = {"--user", OPTION_TEXT, 0, {0}},
        [TEAM] = {"--team", OPTION_TEXT, 0, {0}},     [FORMAT] = {"--format", OPTION_TEXT, 0, {0}},
        [JSON] = {"--json", OPTION_FLAG, 0, {0}},
    };
    struct arguments rest;
    enum output_format format;
    if (!options_read(options, OPTION_COUNT, argc, argv, 0, 1, &rest)) {
        return EXIT_USAGE;
    }
    const char *report = option_text(&options[REPORT]);
    if ((report != NULL) == (rest.count == 1)) {
        return usage_wrong("either a SELECT or --report NAME",
                           "请给出 SELECT 语句或 --report 名称");
    }
    if (report != NULL && !report_exists(report)) {
        return usage_wrong("--report %s: there is team_day", "--report %s：现有 team_day", report);
    }
    if (!output_format_named(option_text(&options[FORMAT]), &format)) {
        return usage_wrong("--format %s: there are table, json, csv",
                           "--format %s：现有 table、json、csv", option_text(&options[FORMAT]));
    }
    return query(options, &rest, options[JSON].count > 0 ? OUTPUT_JSON : format);
}
