/* See move_preview.h. Each customer is moved in a transaction that is undone, which tells exactly
 * what the move itself will do; the writer is held up by no more than one of them. */
#include "common/base/base.h"

#include <stdarg.h>

#include "server/admin/edit.h"
#include "server/admin/move_preview.h"
#include "server/admin/say.h"

#define BOOKS_MAX     256
#define SAID_BYTES    1024
#define PREVIEW_ARENA ((size_t)16 * 1024 * 1024)

struct source { /* a book that customers would leave */
    uint8_t book[16];
    int64_t customers;
};

struct preview {
    struct data *d;
    struct arena arena;
    uint8_t to[16];
    int64_t rows[TABLE_NUMBER_END]; /* by table */
    int64_t total;
    size_t source_count;
    struct source sources[BOOKS_MAX];
    int64_t customers; /* that aren't there yet */
};

/* A line or part of one, in the language of who asks. */
__attribute__((format(printf, 2, 4), format(printf, 3, 4))) static void
put_said(struct buf *out, const char *english, const char *chinese, ...)
{
    char text[SAID_BYTES];
    va_list args;
    va_start(args, chinese);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is */
    (void)vsnprintf(text, sizeof text, say_in_chinese() ? chinese : english, args);
    va_end(args);
    buf_put_text(out, text);
}

/* ---- what would go ---- */

static struct err book_of(struct preview *p, const uint8_t customer[16], uint8_t book[16])
{
    struct stmt q;
    struct err err = db_use(p->d->db, "SELECT book_id FROM customer WHERE id = ?1", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, customer);
    bool found = db_step_row(&q) && col_id(&q, 0, book);
    err = stmt_err(&q, "book_of");
    stmt_reset(&q);
    return err.code == ERR_OK && !found ? err_make(ERR_NOT_FOUND, 0, "book_of") : err;
}

static struct err note_source(struct preview *p, const uint8_t book[16])
{
    size_t i = 0;
    while (i < p->source_count && memcmp(p->sources[i].book, book, 16) != 0) {
        i++;
    }
    if (i == BOOKS_MAX) {
        return err_make(ERR_LIMIT, 0, "move_preview: books");
    }
    if (i == p->source_count) {
        memcpy(p->sources[p->source_count++].book, book, 16);
    }
    p->sources[i].customers++;
    return err_ok();
}

/* Rows of the change log behind entry `after`: what this very transaction moved. */
static struct err count_rows(struct preview *p, int64_t after)
{
    struct stmt q;
    struct err err = db_use(p->d->db,
                            "SELECT tbl, count(*) FROM change_row WHERE no > ?1"
                            " AND left_scope IS NOT NULL GROUP BY tbl",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, after);
    while (db_step_row(&q)) {
        const struct table *t = catalogue_table((uint16_t)col_int(&q, 0));
        if (t != NULL) {
            p->rows[t->number] += col_int(&q, 1);
            p->total += col_int(&q, 1);
        }
    }
    return stmt_err(&q, "count_rows");
}

static struct err try_move(struct preview *p, const uint8_t customer[16])
{
    struct server_write *w = NULL;
    struct complaint why = {0};
    int64_t before = 0, rows = 0;
    struct err err = db_one_int(p->d->db, "SELECT coalesce(max(no), 0) FROM change_log", &before);
    if (err.code == ERR_OK) {
        err = server_write_begin(&p->d->store, NULL, "move", edit_now_ms(), &w);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    err = server_write_move(w, customer, p->to, &rows);
    if (err.code != ERR_OK) {
        server_write_cancel(w);
        return err;
    }
    err = server_write_end(w, &why);
    return err.code == ERR_OK && rows > 0 ? count_rows(p, before) : err;
}

static struct err preview_one(struct preview *p, const uint8_t customer[16])
{
    uint8_t book[16];
    struct err err = book_of(p, customer, book);
    if (err.code != ERR_OK || memcmp(book, p->to, sizeof book) == 0) {
        return err;
    }
    err = note_source(p, book);
    p->customers++;
    if (err.code == ERR_OK) {
        err = db_begin(p->d->db, DB_LOCK_WRITE);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    err = try_move(p, customer);
    struct err undone = err.code == ERR_OK ? err_make(ERR_CANCELLED, 0, "move_preview") : err;
    undone = db_end(p->d->db, undone);
    return undone.code == ERR_CANCELLED ? err_ok() : undone;
}

/* ---- whom it reaches ---- */

enum effect { LOSES = 1, GAINS = 2 };

static bool has_book(const struct scope_id *scopes, size_t count, const uint8_t book[16])
{
    for (size_t i = 0; i < count; i++) {
        if (scopes[i].kind == SCOPE_BOOK && memcmp(scopes[i].id, book, 16) == 0) {
            return true;
        }
    }
    return false;
}

static struct err effect_on(struct preview *p, uint32_t number, unsigned *out)
{
    struct scope_id *scopes = NULL;
    size_t count = 0;
    *out = 0;
    arena_clear(&p->arena);
    struct err err = store_device_scopes(&p->d->store, number, &p->arena, &scopes, &count);
    if (err.code != ERR_OK) {
        return err;
    }
    bool holds = has_book(scopes, count, p->to);
    for (size_t i = 0; i < p->source_count; i++) {
        bool held = has_book(scopes, count, p->sources[i].book);
        *out |= held && !holds ? LOSES : 0u;
        *out |= !held && holds ? GAINS : 0u;
    }
    return err;
}

struct reached { /* a device that something would happen to */
    unsigned effect;
    const char *no, *login, *seen;
    int64_t seen_ms, parked;
};

static void put_device_json(const struct reached *r, bool first, struct buf *out)
{
    buf_printf(out, "%s{\"device\":\"%s\",\"login\":", first ? "" : ",", r->no);
    json_put_text(bytes_text(r->login), out);
    buf_printf(out, ",\"loses\":%s,\"gains\":%s,\"seen_ms\":%" PRId64 ",\"parked\":%" PRId64 "}",
               (r->effect & LOSES) != 0 ? "true" : "false",
               (r->effect & GAINS) != 0 ? "true" : "false", r->seen_ms, r->parked);
}

static void put_device_text(const struct reached *r, struct buf *out)
{
    const char *what = (r->effect & LOSES) == 0 ? say_choose("gains them", "将获得")
                       : (r->effect & GAINS) == 0
                           ? say_choose("loses them", "将失去")
                           : say_choose("loses some, gains some", "有得有失");
    buf_printf(out, "  %s (%s): %s\n", r->no, r->login, what);
    if ((r->effect & LOSES) != 0) {
        put_said(out,
                 "    work on them made after its last sync (%s) counts if it arrives within 14 "
                 "days, else it becomes a proposal\n",
                 "    上次同步（%s）之后的修改 14 天内到达仍有效，否则成为提议\n",
                 r->seen[0] != 0 ? r->seen : say_choose("never", "从未"));
    }
    if (r->parked > 0) {
        put_said(out, "    %" PRId64 " of its transactions are parked\n",
                 "    有 %" PRId64 " 个事务在等待\n", r->parked);
    }
}

static struct err put_devices(struct preview *p, bool json, struct buf *out)
{
    static const char sql[] =
        "SELECT k.number, 'D' || k.number, p.login, k.hello_ms,"
        " CASE WHEN k.hello_ms > 0 THEN"
        "  strftime('%Y-%m-%d %H:%M', k.hello_ms / 1000, 'unixepoch', 'localtime') ELSE '' END,"
        " (SELECT count(*) FROM parked w WHERE w.device = k.number)"
        " FROM device_key k JOIN person p ON p.id = k.person"
        " WHERE k.revoked_at IS NULL AND p.active = 1 ORDER BY k.number";
    struct stmt q;
    struct err err = db_prepare(p->d->db, sql, &q, NULL);
    if (err.code != ERR_OK) {
        return err;
    }
    bool first = true;
    while (err.code == ERR_OK && db_step_row(&q)) {
        struct reached r = {.no = col_text(&q, 1),
                            .login = col_text(&q, 2),
                            .seen_ms = col_int(&q, 3),
                            .seen = col_text(&q, 4),
                            .parked = col_int(&q, 5)};
        err = effect_on(p, (uint32_t)col_int(&q, 0), &r.effect);
        if (err.code == ERR_OK && r.effect != 0) {
            if (json) {
                put_device_json(&r, first, out);
            } else {
                put_device_text(&r, out);
            }
            first = false;
        }
    }
    err = err.code == ERR_OK ? stmt_err(&q, "put_devices") : err;
    stmt_close(&q);
    return err;
}

/* ---- telling ---- */

static void put_book(struct preview *p, const uint8_t id[16], bool json, struct buf *out)
{
    struct stmt q;
    if (db_use(p->d->db, "SELECT name FROM book WHERE id = ?1", &q).code != ERR_OK) {
        return;
    }
    bind_id(&q, 1, id);
    struct bytes name = db_step_row(&q) ? col_bytes(&q, 0) : bytes_text("?");
    if (json) {
        json_put_text(name, out);
    } else {
        buf_put(out, name);
    }
    stmt_reset(&q);
}

static void put_json(struct preview *p, struct buf *out)
{
    buf_put_text(out, "{\"dry_run\":true,\"to\":");
    put_book(p, p->to, true, out);
    buf_printf(out, ",\"customers\":%" PRId64 ",\"rows\":%" PRId64 ",\"from\":[", p->customers,
               p->total);
    for (size_t i = 0; i < p->source_count; i++) {
        buf_put_text(out, i == 0 ? "{\"book\":" : ",{\"book\":");
        put_book(p, p->sources[i].book, true, out);
        buf_printf(out, ",\"customers\":%" PRId64 "}", p->sources[i].customers);
    }
    buf_put_text(out, "],\"tables\":{");
    bool first = true;
    for (size_t i = 0; i < TABLE_NUMBER_END; i++) {
        if (p->rows[i] > 0) {
            buf_printf(out, "%s\"%s\":%" PRId64, first ? "" : ",",
                       catalogue_table((uint16_t)i)->name, p->rows[i]);
            first = false;
        }
    }
    buf_put_text(out, "},\"devices\":[");
}

static void put_text(struct preview *p, struct buf *out)
{
    for (size_t i = 0; i < p->source_count; i++) {
        put_book(p, p->sources[i].book, false, out);
        buf_put_text(out, " → ");
        put_book(p, p->to, false, out);
        put_said(out, ": %" PRId64 " customers\n", "：%" PRId64 " 个客户\n",
                 p->sources[i].customers);
    }
    for (size_t i = 0; i < TABLE_NUMBER_END; i++) {
        if (p->rows[i] > 0) {
            const struct table *t = catalogue_table((uint16_t)i);
            buf_printf(out, "  %s: %" PRId64 "\n", say_choose(t->label, t->label_zh), p->rows[i]);
        }
    }
    put_said(out, "would move %" PRId64 " customers, %" PRId64 " rows\n",
             "将移交 %" PRId64 " 个客户，共 %" PRId64 " 行\n", p->customers, p->total);
}

static struct err tell(struct preview *p, bool json)
{
    struct buf out;
    buf_init(&out, (size_t)1 << 22);
    if (json) {
        put_json(p, &out);
    } else {
        put_text(p, &out);
    }
    struct err err = put_devices(p, json, &out);
    if (err.code == ERR_OK) {
        buf_put_text(&out, json ? "]}\n" : "");
        (void)fwrite(out.at, 1, out.size, stdout);
    }
    buf_release(&out);
    return err;
}

int move_preview(struct data *d, const uint8_t (*customers)[16], size_t count,
                 const uint8_t to_book[16], bool json)
{
    struct preview *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return refuse_err(err_make(ERR_NOMEM, 0, "move_preview"), NULL, "move", NULL);
    }
    p->d = d;
    memcpy(p->to, to_book, sizeof p->to);
    arena_init(&p->arena, PREVIEW_ARENA);
    struct err err = err_ok();
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        err = preview_one(p, customers[i]);
    }
    if (err.code == ERR_OK) {
        err = tell(p, json);
    }
    arena_release(&p->arena);
    free(p);
    return err.code == ERR_OK ? EXIT_DONE : refuse_err(err, NULL, "move", db_message(d->db));
}
