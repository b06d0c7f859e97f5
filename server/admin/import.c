/* legworkd import: a CSV file into one table, whole or not at all. */
#include "common/base/base.h"

#include "common/base/complaint.h"
#include "server/admin/command.h"
#include "server/admin/import_batch.h"
#include "server/admin/import_fill.h"
#include "server/admin/import_rows.h"
#include "server/admin/say.h"

#define FAULTS_MAX    10000 /* then the file isn't worth reading on */
#define FAULTS_SAID   20    /* on stderr; the error file has all */
#define PLAN_TEXT_MAX (1 << 16)
#define MESSAGE_MAX   1024

enum { MAP, SET, VALUE, KEY, NULL_TEXT, DATE_FORMAT, DRY_RUN, ERRORS, JSON, OPTION_COUNT };

struct run {
    struct import im;
    struct csv csv;
    struct csv_row row;
    const char *path;
    const char *name; /* of the file, without folders */
    FILE *errors;     /* or NULL */
    int64_t faults;
    bool dry;
    bool json;
};

/* ---- what is wrong ---- */

static void put_quoted(FILE *to, const char *text)
{
    (void)fputc('"', to);
    for (; *text != 0; text++) {
        if (*text == '"') {
            (void)fputc('"', to);
        }
        (void)fputc(*text, to);
    }
    (void)fputc('"', to);
}

/* The store names a field with its table, which everybody knows here. */
static struct complaint without_table(const struct run *r, const struct complaint *why)
{
    struct complaint plain = *why;
    size_t size = strlen(r->im.plan.table->name);
    if (strncmp(why->field, r->im.plan.table->name, size) == 0 && why->field[size] == '.') {
        (void)snprintf(plain.field, sizeof plain.field, "%s", why->field + size + 1);
    }
    return plain;
}

static void tell(struct run *r, uint64_t line, const struct complaint *what)
{
    struct buf text;
    struct complaint plain = without_table(r, what);
    const struct complaint *why = &plain;
    buf_init(&text, MESSAGE_MAX);
    complaint_print(why, say_in_chinese(), &text);
    if (r->faults < FAULTS_SAID) {
        complain("%s:%" PRIu64 ": %s", "%s:%" PRIu64 "：%s", r->name, line, buf_text(&text));
    }
    if (r->errors != NULL) {
        (void)fprintf(r->errors, "%" PRIu64 ",%s,%s,", line, why->field, why->code);
        put_quoted(r->errors, buf_text(&text));
        (void)fputc('\n', r->errors);
    }
    r->faults++;
    buf_release(&text);
}

/* A fault of a row is told; anything else ends the import. */
static struct err judge(struct run *r, struct err err, uint64_t line, const struct complaint *why)
{
    if (err.code != ERR_INVALID && err.code != ERR_REFUSED) {
        return err;
    }
    tell(r, line, why);
    return r->faults < FAULTS_MAX ? err_ok() : err_make(ERR_LIMIT, 0, "import");
}

/* ---- the file ---- */

static int64_t read_file(void *context, uint8_t *to, size_t size)
{
    FILE *file = context;
    size_t n = fread(to, 1, size, file);
    return n == 0 && ferror(file) != 0 ? -1 : (int64_t)n;
}

/* The first row; a fault in it ends the import, since nothing can be told without it. */
static bool read_head(struct run *r, const struct plan_typed *typed, int *status)
{
    struct complaint why;
    *status = EXIT_REFUSED;
    switch (csv_next(&r->csv, &r->row, &why)) {
    case CSV_ROW:
        return plan_make(&r->im.plan, typed, &r->row, status);
    case CSV_WRONG:
        tell(r, r->row.line, &why);
        return false;
    case CSV_END:
        complain("%s: is empty", "%s：文件为空", r->name);
        return false;
    case CSV_UNREADABLE:
        complain("%s: can't be read", "%s：无法读取", r->name);
        return false;
    }
    return false;
}

static struct err take_rows(struct run *r)
{
    struct err err = err_ok();
    while (err.code == ERR_OK) {
        struct complaint why;
        switch (csv_next(&r->csv, &r->row, &why)) {
        case CSV_ROW:
            err = import_row(&r->im, &r->row, &why);
            err = judge(r, err, r->row.line, &why);
            break;
        case CSV_WRONG:
            err = judge(r, err_make(ERR_INVALID, 0, "csv"), r->row.line, &why);
            break;
        case CSV_END:
            return err_ok();
        case CSV_UNREADABLE:
            return err_make(ERR_IO, 0, "csv");
        }
    }
    return err;
}

static struct err take_later(struct run *r)
{
    struct err err = err_ok();
    struct err done;
    uint64_t line;
    struct complaint why = {0};
    while (err.code == ERR_OK && import_later(&r->im, &line, &done, &why)) {
        err = judge(r, done, line, &why);
    }
    return err;
}

/* Everything between the head and the end of the transaction. */
static struct err take_all(struct run *r)
{
    struct complaint why = {0};
    struct db *db = r->im.d->db;
    struct err err = batch_begin(db, r->im.plan.table, r->name, r->im.now_ms, &r->im.batch);
    if (err.code == ERR_OK) {
        err = take_rows(r);
    }
    if (err.code == ERR_OK && r->faults == 0) {
        err = take_later(r);
    }
    if (err.code == ERR_OK && r->faults == 0 && r->im.plan.table->number == TABLE_order_line) {
        err = judge(r, import_totals(&r->im, &why), r->row.line, &why);
    }
    return err.code == ERR_OK ? batch_end(db, r->im.batch, r->im.made + r->im.changed) : err;
}

/* ERR_CANCELLED: nothing went wrong with the store, and nothing is kept. */
static struct err take_file(struct run *r, struct complaint *why)
{
    struct db *db = r->im.d->db;
    struct err err = db_begin(db, DB_LOCK_WRITE);
    if (err.code != ERR_OK) {
        return err;
    }
    err = server_write_begin(&r->im.d->store, NULL, "import", r->im.now_ms, &r->im.write);
    if (err.code == ERR_OK) {
        err = take_all(r);
        if (err.code == ERR_OK && (r->faults > 0 || r->dry)) {
            err = err_make(ERR_CANCELLED, 0, "import");
        }
        if (err.code == ERR_OK) {
            err = server_write_end(r->im.write, why);
        } else {
            server_write_cancel(r->im.write);
        }
    }
    return db_end(db, err);
}

/* ---- what came of it ---- */

static void print_plan(const struct run *r)
{
    struct buf text;
    buf_init(&text, PLAN_TEXT_MAX);
    plan_print(&r->im.plan, &text);
    (void)fputs(buf_text(&text), stdout);
    buf_release(&text);
}

static void print_json(const struct run *r, bool kept)
{
    struct buf out;
    buf_init(&out, PLAN_TEXT_MAX);
    buf_printf(&out, "{\"table\":\"%s\",\"file\":", r->im.plan.table->name);
    json_put_text(bytes_text(r->name), &out);
    buf_printf(&out,
               ",\"batch\":%" PRId64 ",\"new\":%" PRId64 ",\"changed\":%" PRId64
               ",\"errors\":%" PRId64 ",\"dry_run\":%s}\n",
               kept ? r->im.batch : 0, r->im.made, r->im.changed, r->faults,
               r->dry ? "true" : "false");
    (void)fputs(buf_text(&out), stdout);
    buf_release(&out);
}

static void print_done(const struct run *r)
{
    const struct import *im = &r->im;
    if (r->dry) {
        print_plan(r);
        say("%s → %s: would make %" PRId64 " rows and change %" PRId64,
            "%s → %s：将新增 %" PRId64 " 行，更新 %" PRId64 " 行", r->name, im->plan.table->name,
            im->made, im->changed);
    } else {
        say("%s → %s: %" PRId64 " new, %" PRId64 " changed, batch %" PRId64,
            "%s → %s：新增 %" PRId64 " 行，更新 %" PRId64 " 行，批次 %" PRId64, r->name,
            im->plan.table->name, im->made, im->changed, im->batch);
    }
}

static int report(struct run *r, struct err err, const struct complaint *why)
{
    bool stored = err.code == ERR_OK;
    bool fine = stored || (err.code == ERR_CANCELLED && r->faults == 0);
    if (r->json && (fine || r->faults > 0)) {
        print_json(r, stored);
    } else if (fine) {
        print_done(r);
    }
    if (fine) {
        return EXIT_DONE;
    }
    if (r->faults > FAULTS_SAID) {
        complain("and %" PRId64 " more", "另有 %" PRId64 " 处", r->faults - FAULTS_SAID);
    }
    if (r->faults > 0) {
        return refuse_with("%s: %" PRId64 " rows are wrong; nothing was imported",
                           "%s：%" PRId64 " 行有误，未导入任何内容", r->name, r->faults);
    }
    return refuse_err(err, why, r->name, db_message(r->im.d->db));
}

static int import_open(struct run *r, const struct plan_typed *typed)
{
    FILE *file = fopen(r->path, "rb");
    if (file == NULL) {
        return refuse_with("%s: %s", "%s：%s", r->path, strerror(errno));
    }
    csv_init(&r->csv, read_file, file);
    int status;
    if (read_head(r, typed, &status)) {
        struct complaint why = {0};
        struct err err = take_file(r, &why);
        status = report(r, err, &why);
    }
    csv_release(&r->csv);
    (void)fclose(file);
    return status;
}

static bool open_errors(struct run *r, const char *path)
{
    if (path == NULL) {
        return true;
    }
    r->errors = fopen(path, "wb");
    if (r->errors == NULL) {
        complain("%s: %s", "%s：%s", path, strerror(errno));
        return false;
    }
    (void)fputs("line,field,code,message\n", r->errors);
    return true;
}

static int run_import(struct run *r, const struct table *t, struct option *options)
{
    struct data d;
    const struct plan_typed typed = {.map = &options[MAP],
                                     .set = &options[SET],
                                     .value = &options[VALUE],
                                     .key = &options[KEY],
                                     .null_text = option_text(&options[NULL_TEXT])};
    if (!data_open(&d, true)) {
        return EXIT_REFUSED;
    }
    int status = EXIT_REFUSED;
    import_init(&r->im, &d, t);
    r->im.rules.date_format = option_text(&options[DATE_FORMAT]);
    if (open_errors(r, option_text(&options[ERRORS]))) {
        status = import_open(r, &typed);
    }
    if (r->errors != NULL && fclose(r->errors) != 0 && status == EXIT_DONE) {
        status = refuse_with("the error file can't be written", "无法写入错误文件");
    }
    import_release(&r->im);
    data_close(&d);
    return status;
}

int cmd_import(int argc, char **argv)
{
    struct option options[OPTION_COUNT] = {
        [MAP] = {"--map", OPTION_LIST, 0, {0}},
        [SET] = {"--set", OPTION_LIST, 0, {0}},
        [VALUE] = {"--value", OPTION_LIST, 0, {0}},
        [KEY] = {"--key", OPTION_TEXT, 0, {0}},
        [NULL_TEXT] = {"--null", OPTION_TEXT, 0, {0}},
        [DATE_FORMAT] = {"--date-format", OPTION_TEXT, 0, {0}},
        [DRY_RUN] = {"--dry-run", OPTION_FLAG, 0, {0}},
        [ERRORS] = {"--errors", OPTION_TEXT, 0, {0}},
        [JSON] = {"--json", OPTION_FLAG, 0, {0}},
    };
    struct arguments rest;
    if (!options_read(options, OPTION_COUNT, argc, argv, 2, 2, &rest)) {
        return EXIT_USAGE;
    }
    const struct table *t = catalogue_table_named(rest.at[0]);
    if (t == NULL || t->scope == SCOPED_SERVER || t->number == TABLE_device) {
        return usage_wrong("%s isn't a table that takes imports", "%s 不是可导入的表", rest.at[0]);
    }
    struct run *r = calloc(1, sizeof *r); /* a row's slots are too many for the stack */
    if (r == NULL) {
        return refuse_with("out of memory", "内存不足");
    }
    r->path = rest.at[1];
    const char *slash = strrchr(r->path, '/');
    r->name = slash == NULL ? r->path : slash + 1;
    r->dry = options[DRY_RUN].count > 0;
    r->json = options[JSON].count > 0;
    int status = run_import(r, t, options);
    free(r);
    return status;
}
