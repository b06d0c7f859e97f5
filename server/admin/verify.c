/* legworkd verify: whether the store is whole, and its digests, to be held against a device's; and
 * what becomes of rows that aren't what was written. */
#include "common/base/base.h"

#include "common/catalogue/text.h"
#include "common/changelog/server/chain_heads.h"
#include "common/changelog/server/chain_noted.h"
#include "common/changelog/server/row_verify.h"
#include "server/admin/command.h"
#include "server/admin/data.h"
#include "server/admin/options.h"
#include "server/admin/photos.h"
#include "server/admin/say.h"
#include "server/store/machine.h"

#define REPORT_BYTES_MAX (16 * 1024 * 1024)
#define DIGEST_BYTES_MAX (256 * 1024 * 1024)

static void hex(const uint8_t *at, size_t size, struct buf *out)
{
    for (size_t i = 0; i < size; i++) {
        buf_printf(out, "%02x", at[i]);
    }
}

/* "book:0192…  14 rows  6f2a…" for each scope; parts by table are left out. */
static void print_plain(const struct digest *digest, struct buf *out)
{
    for (size_t i = 0; i < digest->entry_count; i++) {
        const struct digest_entry *e = &digest->entries[i];
        char scope[SCOPE_TEXT_SIZE];
        if (e->table != 0) {
            continue;
        }
        scope_text(&e->scope, scope);
        buf_printf(out, "%s  %" PRIu64 "  ", scope, e->rows);
        hex(e->sum, sizeof e->sum, out);
        buf_put_u8(out, '\n');
    }
}

static void print_json(const struct digest *digest, bool good, const char *findings,
                       struct buf *out)
{
    buf_printf(out, "{\"ok\":%s,\"findings\":", good ? "true" : "false");
    json_put_text(bytes_text(findings), out);
    buf_put_text(out, ",\"digests\":[");
    for (size_t i = 0; i < digest->entry_count; i++) {
        const struct digest_entry *e = &digest->entries[i];
        const struct table *t = e->table == 0 ? NULL : catalogue_table(e->table);
        char scope[SCOPE_TEXT_SIZE];
        scope_text(&e->scope, scope);
        buf_printf(out, "%s{\"scope\":\"%s\",\"table\":", i == 0 ? "" : ",\n ", scope);
        buf_printf(out, t == NULL ? "null%s" : "\"%s\"", t == NULL ? "" : t->name);
        buf_printf(out, ",\"rows\":%" PRIu64 ",\"digest\":\"", e->rows);
        hex(e->sum, sizeof e->sum, out);
        buf_put_text(out, "\"}");
    }
    buf_put_text(out, "]}\n");
}

struct ledger_check {
    struct buf *findings;
    bool differs;
};

static void on_noted(void *context, const char *what, const char *where)
{
    struct ledger_check *c = context;
    c->differs = true;
    buf_printf(c->findings, "%s: %s\n", what, where);
}

/* Against what was noted beside the store. */
static struct err check_ledger(struct data *d, struct buf *findings)
{
    struct ledger_check check = {.findings = findings};
    struct buf text;
    if (d->store.ledger == NULL) {
        return err_ok();
    }
    buf_init(&text, LEDGER_BYTES_MAX);
    struct err err = ledger_file_read(&d->ledger, &text);
    if (err.code == ERR_OK) {
        err = chain_check_noted(&d->store, buf_bytes(&text), on_noted, &check);
    }
    buf_release(&text);
    return err.code == ERR_OK && check.differs ? err_make(ERR_CORRUPT, 0, "ledger") : err;
}

/* What to do about rows that are named. */
static void hint(struct buf *findings)
{
    if (strstr(buf_text(findings), ROW_FINDING) != NULL) {
        complain("where a row's old value is named, 'legworkd verify --repair-rows' puts it back; "
                 "else look at 'legworkd history' and a backup, then 'legworkd verify "
                 "--accept-rows'",
                 "已指明原值的行可用 legworkd verify --repair-rows 还原；其余请先查看 legworkd "
                 "history 和备份，再运行 legworkd verify --accept-rows");
    }
}

static int verify(struct data *d, bool json)
{
    struct buf findings;
    struct buf out;
    struct arena arena;
    struct digest digest = {0};
    buf_init(&findings, REPORT_BYTES_MAX);
    buf_init(&out, REPORT_BYTES_MAX);
    arena_init(&arena, DIGEST_BYTES_MAX);
    struct photos_found photos;
    struct err found = store_verify(&d->store, &findings);
    struct err noted = check_ledger(d, &findings);
    found = found.code == ERR_OK ? noted : found;
    if (found.code == ERR_OK) {
        found = photos_check(d, false, &findings, &photos);
    }
    if (found.code == ERR_OK && photos.missing + photos.wrong > 0) {
        found = err_make(ERR_CORRUPT, 0, "photos");
    }
    struct err err = store_digest(&d->store, 0, &arena, &digest);
    if (err.code == ERR_OK && json) {
        print_json(&digest, found.code == ERR_OK, buf_text(&findings), &out);
    } else if (err.code == ERR_OK) {
        print_plain(&digest, &out);
    }
    if (out.size > 0) {
        (void)fwrite(out.at, 1, out.size, stdout);
    }
    int status = EXIT_DONE;
    if (found.code != ERR_OK) {
        if (!json) {
            (void)fputs(buf_text(&findings), stderr);
            hint(&findings);
        }
        status = refuse_err(found, NULL, "verify", NULL);
    } else if (err.code != ERR_OK) {
        status = refuse_err(err, NULL, "verify", db_message(d->db));
    } else if (!json) {
        say("the store is whole", "数据库完好");
    }
    arena_release(&arena);
    buf_release(&out);
    buf_release(&findings);
    return status;
}

static void on_mended(void *context, const struct row_finding *finding)
{
    struct buf *out = context;
    buf_put_text(out, finding->proven ? say_choose("put back: ", "已还原：")
                                      : say_choose("accepted as it is: ", "按现状接受："));
    row_finding_print(finding, out);
    buf_put_u8(out, '\n');
}

/* Said on stderr, so that --json stays what it is. */
static struct err mend(struct data *d, enum row_mending how)
{
    struct buf mended;
    size_t left = 0;
    buf_init(&mended, REPORT_BYTES_MAX);
    struct err err = db_begin(d->db, DB_LOCK_WRITE);
    if (err.code == ERR_OK) {
        err = rows_mend(&d->store, how, machine_wall_ms(), on_mended, &mended, &left);
        err = db_end(d->db, err);
    }
    if (err.code == ERR_OK) {
        (void)fputs(buf_text(&mended), stderr);
    }
    buf_release(&mended);
    return err;
}

enum { JSON, REPAIR_ROWS, ACCEPT_ROWS, OPTION_COUNT };

int cmd_verify(int argc, char **argv)
{
    struct option options[OPTION_COUNT] = {[JSON] = {"--json", OPTION_FLAG, 0, {0}},
                                           [REPAIR_ROWS] = {"--repair-rows", OPTION_FLAG, 0, {0}},
                                           [ACCEPT_ROWS] = {"--accept-rows", OPTION_FLAG, 0, {0}}};
    struct arguments rest;
    struct data d;
    if (!options_read(options, OPTION_COUNT, argc, argv, 0, 0, &rest)) {
        return EXIT_USAGE;
    }
    bool accepts = options[ACCEPT_ROWS].count > 0;
    bool writes = accepts || options[REPAIR_ROWS].count > 0;
    if (!data_open(&d, writes)) {
        return EXIT_REFUSED;
    }
    struct err err = writes ? mend(&d, accepts ? MEND_ACCEPT : MEND_PROVEN) : err_ok();
    int status = err.code == ERR_OK ? verify(&d, options[JSON].count > 0)
                                    : refuse_err(err, NULL, "verify", db_message(d.db));
    data_close(&d);
    return status;
}
