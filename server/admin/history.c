/* legworkd history: what became of one row, and the row as it stood at any time. */
#include "common/base/base.h"

#include "common/base/day.h"
#include "common/catalogue/text.h"
#include "common/changelog/clockwatch.h"
#include "common/changelog/server/chain_heads.h"
#include "common/changelog/server/history.h"
#include "server/admin/command.h"
#include "server/admin/data.h"
#include "server/admin/find.h"
#include "server/admin/options.h"
#include "server/admin/output.h"
#include "server/admin/say.h"

#define HISTORY_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define MINUTE_MS         60000

enum { AS_OF, JSON, OPTION_COUNT };

struct page {
    struct data *d;
    const struct table *table;
    struct buf *out;
};

/* ---- which row ---- */

/* A day means its end; without a zone the firm's is meant. */
static bool take_time(struct data *d, const char *text, int64_t *ms)
{
    struct civil civil;
    struct civil_zone zone;
    if (!civil_parse(bytes_text(text), &civil, &zone)) {
        complain("--as-of %s: a time as 2026-11-23T18:00 is needed, or a day",
                 "--as-of %s：需要 2026-11-23T18:00 这样的时间，或日期", text);
        return false;
    }
    int64_t local = civil_to_ms(&civil) + (strlen(text) < DAY_TEXT_SIZE ? DAY_MS - 1 : 0);
    int offset = zone.given ? zone.offset_min : d->rules.offset_min(d->rules.context, local);
    *ms = local - (int64_t)offset * MINUTE_MS;
    return true;
}

/* ---- in words ---- */

static void put_time(const struct page *p, int64_t ms, struct buf *out)
{
    struct civil c;
    int offset = p->d->rules.offset_min(p->d->rules.context, ms);
    civil_of_ms(ms + (int64_t)offset * MINUTE_MS, &c);
    buf_printf(out, "%04d-%02d-%02d %02d:%02d:%02d", c.year, c.month, c.day, c.hour, c.minute,
               c.second);
}

/* Control characters in what people wrote don't reach a terminal. */
static void put_plain(struct bytes text, struct buf *out)
{
    for (size_t i = 0; i < text.size; i++) {
        buf_put_u8(out, text.at[i] < 0x20 || text.at[i] == 0x7f ? ' ' : text.at[i]);
    }
}

static void put_value(const struct page *p, uint8_t column, const struct value *v, struct buf *out)
{
    struct buf text;
    if (v->kind == VALUE_NULL) {
        buf_put_text(out, "-");
    } else if (v->kind == VALUE_BLOB && v->b.size == 0) {
        buf_put_text(out, say_choose("(erased)", "（已抹除）"));
    } else if (column == COLUMN_DELETED) {
        put_time(p, v->i, out);
    } else {
        buf_init(&text, HISTORY_BYTES_MAX);
        column_print(table_column(p->table, column), v, &p->d->rules, &text);
        put_plain(buf_bytes(&text), out);
        buf_release(&text);
    }
}

static const char *column_label(const struct table *t, uint8_t column)
{
    return column == COLUMN_DELETED ? "_deleted_at" : table_column(t, column)->name;
}

static const char *outcome_text(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_ACCEPTED:
        return say_choose("accepted", "已接受");
    case OUTCOME_MERGED:
        return say_choose("merged", "已合并");
    case OUTCOME_PARKED:
        return say_choose("parked", "等待中");
    case OUTCOME_REFUSED:
        return say_choose("refused", "被拒绝");
    }
    return "?"; /* only a damaged file says so */
}

static const char *act_text(enum history_act act)
{
    switch (act) {
    case HISTORY_MADE:
        return say_choose("made", "新建");
    case HISTORY_CHANGED:
        return say_choose("changed", "修改");
    case HISTORY_DELETED:
        return say_choose("deleted", "删除");
    case HISTORY_RESTORED:
        return say_choose("restored", "恢复");
    case HISTORY_MOVED:
        return say_choose("moved", "移交");
    case HISTORY_WANTED:
        return say_choose("wanted", "拟写入");
    case HISTORY_WANTED_DELETE:
        return say_choose("wanted to delete", "拟删除");
    }
    abort(); /* our own bug */
}

/* "Ann (D1)", or who else it was. */
static void put_author(const struct page *p, const struct history_item *item, struct buf *out)
{
    struct stmt q;
    bool named = false;
    if (item->has_person &&
        db_use(p->d->db, "SELECT name FROM person WHERE id = ?1", &q).code == ERR_OK) {
        bind_id(&q, 1, item->person);
        named = db_step_row(&q);
        if (named) {
            put_plain(col_bytes(&q, 0), out);
            stmt_reset(&q);
        }
    }
    if (!named) {
        buf_put_text(out, say_choose("the server", "服务器"));
    }
    if (item->device != 0) {
        buf_printf(out, " (D%" PRId64 ")", item->device);
    }
}

/* Calls `each` with column number and JSON of what lost in this entry. */
static struct err losers_each(const struct page *p, const struct history_item *item,
                              const uint8_t id[16],
                              void (*each)(const struct page *p, const struct column *c,
                                           const char *kept, bool first))
{
    static const char sql[] = "SELECT k.column_no, k.kept FROM change_row r JOIN kept_value k"
                              " ON k.id = r.row WHERE r.no = ?1 AND r.tbl = ?2 AND k.row_id = ?3"
                              " ORDER BY r.idx";
    struct stmt q;
    bool first = true;
    struct err err = db_use(p->d->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, item->no);
    bind_int(&q, 2, TABLE_kept_value);
    bind_id(&q, 3, id);
    while (db_step_row(&q)) {
        const struct column *c = table_column(p->table, (uint8_t)col_int(&q, 0));
        if (c != NULL) {
            each(p, c, col_text(&q, 1), first);
            first = false;
        }
    }
    return stmt_err(&q, "losers_each");
}

static void put_loser(const struct page *p, const struct column *c, const char *kept, bool first)
{
    (void)first;
    buf_printf(p->out, "    %s: %s ", c->name, say_choose("kept", "保留"));
    put_plain(bytes_text(kept), p->out);
    buf_put_u8(p->out, '\n');
}

static void put_cells(const struct page *p, const struct history_item *item)
{
    bool wanted = item->act == HISTORY_WANTED || item->act == HISTORY_WANTED_DELETE;
    if (item->erased) {
        buf_printf(p->out, "    %s\n", say_choose("(erased)", "（已抹除）"));
    }
    for (size_t i = 0; i < item->cell_count; i++) {
        const struct history_cell *cell = &item->cells[i];
        buf_printf(p->out, "    %s: ", column_label(p->table, cell->column));
        if (!wanted) {
            put_value(p, cell->column, &cell->old, p->out);
            buf_put_text(p->out, " -> ");
        }
        put_value(p, cell->column, &cell->now, p->out);
        buf_put_u8(p->out, '\n');
    }
}

static bool is_suspicious(const struct history_item *item)
{
    return item->has_clock && clock_is_suspicious(item->clock_ms);
}

/* It changes nothing of what stands; but times of day that its user took from it are off as much.
 */
static void put_clock(const struct page *p, const struct history_item *item)
{
    if (is_suspicious(item)) {
        buf_printf(p->out, "  %s: %+" PRId64 " %s", say_choose("clock suspicious", "时钟可疑"),
                   item->clock_ms / MINUTE_MS, say_choose("min", "分钟"));
    }
}

static struct err put_item(const struct page *p, const struct history_item *item,
                           const uint8_t id[16])
{
    put_time(p, item->received_ms, p->out);
    buf_printf(p->out, "  #%" PRId64 "  %s, %s", item->no, act_text(item->act),
               outcome_text(item->outcome));
    if (item->code.size > 0) {
        buf_put_text(p->out, " (");
        put_plain(item->code, p->out);
        buf_put_u8(p->out, ')');
    }
    buf_put_text(p->out, "  ");
    put_author(p, item, p->out);
    buf_put_text(p->out, "  ");
    put_plain(item->intent, p->out);
    buf_printf(p->out, "  %s ", say_choose("effective", "生效"));
    put_time(p, item->effective_ms, p->out);
    put_clock(p, item);
    buf_put_u8(p->out, '\n');
    if (item->act == HISTORY_MOVED) {
        char from[SCOPE_TEXT_SIZE];
        char to[SCOPE_TEXT_SIZE];
        scope_text(&item->from, from);
        scope_text(&item->to, to);
        buf_printf(p->out, "    %s -> %s\n", from, to);
    }
    put_cells(p, item);
    return losers_each(p, item, id, put_loser);
}

static void put_row(const struct page *p, const struct history *h)
{
    if (!h->existed) {
        buf_printf(p->out, "%s\n", say_choose("there was no such row", "当时没有该记录"));
        return;
    }
    if (h->deleted_at != 0) {
        const struct value at = value_int(h->deleted_at);
        buf_put_text(p->out, "_deleted_at: ");
        put_value(p, COLUMN_DELETED, &at, p->out);
        buf_put_u8(p->out, '\n');
    }
    for (size_t i = 0; i < p->table->column_count; i++) {
        const struct column *c = &p->table->columns[i];
        if (h->values[c->number].kind != VALUE_NULL) {
            buf_printf(p->out, "%s: ", c->name);
            put_value(p, c->number, &h->values[c->number], p->out);
            buf_put_u8(p->out, '\n');
        }
    }
}

/* ---- as JSON ---- */

static void json_value(const struct page *p, uint8_t column, const struct value *v)
{
    if (column == COLUMN_DELETED || v->kind == VALUE_NULL) {
        value_json(v, p->out);
    } else if (v->kind == VALUE_BLOB && v->b.size == 0) {
        buf_put_text(p->out, "{\"erased\":true}");
    } else {
        column_json(table_column(p->table, column), v, p->out);
    }
}

static void json_row(const struct page *p, const struct history *h)
{
    if (!h->existed) {
        buf_put_text(p->out, "null");
        return;
    }
    const struct value deleted = h->deleted_at == 0 ? value_null() : value_int(h->deleted_at);
    buf_put_text(p->out, "{\"_deleted_at\":");
    value_json(&deleted, p->out);
    for (size_t i = 0; i < p->table->column_count; i++) {
        const struct column *c = &p->table->columns[i];
        buf_printf(p->out, ",\"%s\":", c->name);
        json_value(p, c->number, &h->values[c->number]);
    }
    buf_put_u8(p->out, '}');
}

static void json_loser(const struct page *p, const struct column *c, const char *kept, bool first)
{
    buf_printf(p->out, "%s{\"column\":\"%s\",\"kept\":", first ? "" : ",", c->name);
    buf_put_text(p->out, kept[0] != 0 ? kept : "null"); /* JSON as it was stored */
    buf_put_u8(p->out, '}');
}

static void json_head(const struct page *p, const struct history_item *item)
{
    static const char *const outcomes[] = {"accepted", "merged", "parked", "refused"};
    static const char *const acts[] = {"made",  "changed", "deleted",      "restored",
                                       "moved", "wanted",  "wanted_delete"};
    char id[37] = "";
    buf_printf(p->out,
               "{\"no\":%" PRId64 ",\"received_at\":%" PRId64 ",\"effective_at\":%" PRId64
               ",\"device\":%" PRId64 ",\"person\":",
               item->no, item->received_ms, item->effective_ms, item->device);
    if (item->has_person) {
        id_text(item->person, id);
        buf_printf(p->out, "\"%s\"", id);
    } else {
        buf_put_text(p->out, "null");
    }
    buf_printf(p->out, ",\"outcome\":\"%s\",\"act\":\"%s\",\"code\":",
               (size_t)item->outcome < count_of(outcomes) ? outcomes[item->outcome] : "?",
               acts[item->act]);
    json_put_text(item->code, p->out);
    buf_put_text(p->out, ",\"intent\":");
    json_put_text(item->intent, p->out);
    buf_printf(p->out, ",\"erased\":%s,\"clock_ms\":", item->erased ? "true" : "false");
    if (item->has_clock) {
        buf_printf(p->out, "%" PRId64, item->clock_ms);
    } else {
        buf_put_text(p->out, "null");
    }
    buf_printf(p->out, ",\"clock_suspicious\":%s", is_suspicious(item) ? "true" : "false");
}

static struct err json_item(const struct page *p, const struct history_item *item,
                            const uint8_t id[16])
{
    json_head(p, item);
    if (item->act == HISTORY_MOVED) {
        char from[SCOPE_TEXT_SIZE];
        char to[SCOPE_TEXT_SIZE];
        scope_text(&item->from, from);
        scope_text(&item->to, to);
        buf_printf(p->out, ",\"from\":\"%s\",\"to\":\"%s\"", from, to);
    }
    buf_put_text(p->out, ",\"columns\":[");
    for (size_t i = 0; i < item->cell_count; i++) {
        const struct history_cell *cell = &item->cells[i];
        buf_printf(p->out, "%s{\"column\":\"%s\",\"old\":", i == 0 ? "" : ",",
                   column_label(p->table, cell->column));
        json_value(p, cell->column, &cell->old);
        buf_put_text(p->out, ",\"new\":");
        json_value(p, cell->column, &cell->now);
        buf_put_u8(p->out, '}');
    }
    buf_put_text(p->out, "],\"losers\":[");
    struct err err = losers_each(p, item, id, json_loser);
    buf_put_text(p->out, "]}");
    return err;
}

/* ---- the command ---- */

static struct err print(const struct page *p, const struct history *h, const uint8_t id[16],
                        bool as_of, bool json)
{
    struct err err = err_ok();
    buf_put_text(p->out, json ? "{\"changes\":[" : "");
    for (const struct history_item *item = h->first; item != NULL && err.code == ERR_OK;
         item = item->next) {
        if (json) {
            buf_put_text(p->out, item == h->first ? "" : ",\n ");
            err = json_item(p, item, id);
        } else if (!as_of) {
            err = put_item(p, item, id);
        }
    }
    if (json) {
        buf_put_text(p->out, "],\n \"row\":");
        json_row(p, h);
        buf_put_text(p->out, "}\n");
    } else if (as_of) {
        put_row(p, h);
    }
    return err.code == ERR_OK && p->out->bad ? err_make(ERR_LIMIT, 0, "history") : err;
}

static int history(struct data *d, const struct table *t, const char *name,
                   const struct option *options)
{
    uint8_t id[16];
    int64_t as_of_ms = INT64_MAX;
    bool as_of = options[AS_OF].count > 0;
    if (as_of && !take_time(d, option_text(&options[AS_OF]), &as_of_ms)) {
        return EXIT_USAGE;
    }
    if (!find_row(d, t, name, false, id)) {
        return EXIT_REFUSED;
    }
    struct arena arena;
    struct buf out;
    struct history h;
    struct page page = {.d = d, .table = t, .out = &out};
    arena_init(&arena, HISTORY_BYTES_MAX);
    buf_init(&out, HISTORY_BYTES_MAX);
    struct err err = history_read(&d->store, t, id, as_of_ms, &arena, &h);
    if (err.code == ERR_OK) {
        err = print(&page, &h, id, as_of, options[JSON].count > 0);
    }
    int status = EXIT_DONE;
    if (err.code == ERR_OK) {
        (void)fwrite(out.at, 1, out.size, stdout);
    } else {
        status = refuse_err(err, NULL, name, db_message(d->db));
    }
    buf_release(&out);
    arena_release(&arena);
    return status;
}

int cmd_history(int argc, char **argv)
{
    struct option options[OPTION_COUNT] = {
        [AS_OF] = {"--as-of", OPTION_TEXT, 0, {0}},
        [JSON] = {"--json", OPTION_FLAG, 0, {0}},
    };
    struct arguments rest;
    if (!options_read(options, OPTION_COUNT, argc, argv, 2, 2, &rest)) {
        return EXIT_USAGE;
    }
    const struct table *t = catalogue_table_named(rest.at[0]);
    if (t == NULL || t->scope == SCOPED_PRIVATE) { /* memos are their author's alone */
        return usage_wrong("no table is called %s", "没有名为 %s 的表", rest.at[0]);
    }
    struct data d;
    if (!data_open(&d, false)) {
        return EXIT_REFUSED;
    }
    int status = history(&d, t, rest.at[1], options);
    data_close(&d);
    return status;
}
