/* legworkd verify: whether the store is whole, and its digests, to be held against a device's. */
#include "common/base/base.h"

#include "common/catalogue/text.h"
#include "common/changelog/server/chain_heads.h"
#include "common/changelog/server/chain_noted.h"
#include "server/admin/command.h"
#include "server/admin/data.h"
#include "server/admin/options.h"
#include "server/admin/photos.h"
#include "server/admin/say.h"

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

int cmd_verify(int argc, char **argv)
{
    struct option json = {"--json", OPTION_FLAG, 0, {0}};
    struct arguments rest;
    struct data d;
    if (!options_read(&json, 1, argc, argv, 0, 0, &rest)) {
        return EXIT_USAGE;
    }
    if (!data_open(&d, false)) {
        return EXIT_REFUSED;
    }
    int status = verify(&d, json.count > 0);
    data_close(&d);
    return status;
}
