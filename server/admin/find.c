/* See find.h. */
#include "common/base/base.h"

#include "common/catalogue/text.h"
#include "server/admin/find.h"
#include "server/admin/say.h"

#define PREFIX_DIGITS_MIN 4

const struct finder find_customer = {
    .label = "customer",
    .label_zh = "客户",
    .by_text = "SELECT id FROM customer WHERE no = ?1 AND _deleted_at IS NULL UNION"
               " SELECT id FROM customer WHERE name = ?1 AND _deleted_at IS NULL LIMIT 2",
    .by_prefix = "SELECT id FROM customer WHERE id >= ?1 AND id <= ?2 AND _deleted_at IS NULL"
                 " LIMIT 2",
};

const struct finder find_device = {
    .label = "device",
    .label_zh = "设备",
    .by_text = "SELECT device FROM device_key WHERE 'D' || number = ?1 LIMIT 2",
    .by_prefix = "SELECT device FROM device_key WHERE device >= ?1 AND device <= ?2 LIMIT 2",
};

/* The range of ids that begin with these hexadecimal digits (dashes are passed over). */
static bool prefix_range(const char *text, uint8_t low[16], uint8_t high[16])
{
    size_t digits = 0;
    memset(low, 0x00, 16);
    memset(high, 0xff, 16);
    for (; *text != 0 && digits < 32; text++) {
        const char *const hex = "0123456789abcdef";
        char c = *text >= 'A' && *text <= 'F' ? (char)(*text + 32) : *text;
        const char *at = strchr(hex, c);
        if (c == '-') {
            continue;
        }
        if (at == NULL) {
            return false;
        }
        uint8_t digit = (uint8_t)(at - hex);
        int shift = digits % 2 == 0 ? 4 : 0;
        low[digits / 2] = (uint8_t)(low[digits / 2] | digit << shift);
        high[digits / 2] = (uint8_t)((high[digits / 2] & ~(0xf << shift)) | digit << shift);
        digits++;
    }
    return *text == 0 && digits >= PREFIX_DIGITS_MIN;
}

/* How many rows fit, up to two; the first one's id. */
static struct err count_rows(struct stmt *st, uint8_t id[16], int *count)
{
    while (*count < 2 && db_step_row(st)) {
        if (*count == 0 && !col_id(st, 0, id)) {
            stmt_reset(st);
            return err_make(ERR_CORRUPT, 0, "count_rows");
        }
        *count += 1;
    }
    if (*count == 2) {
        stmt_reset(st);
    }
    return stmt_err(st, "count_rows");
}

bool find_one(struct data *d, const struct finder *f, const char *text, uint8_t id[16])
{
    struct stmt st;
    int count = 0;
    uint8_t low[16];
    uint8_t high[16];
    struct err err = db_use(d->db, f->by_text, &st);
    if (err.code == ERR_OK) {
        bind_text(&st, 1, text);
        err = count_rows(&st, id, &count);
    }
    if (err.code == ERR_OK && count == 0 && prefix_range(text, low, high)) {
        err = db_use(d->db, f->by_prefix, &st);
        if (err.code == ERR_OK) {
            bind_id(&st, 1, low);
            bind_id(&st, 2, high);
            err = count_rows(&st, id, &count);
        }
    }
    const char *label = say_choose(f->label, f->label_zh);
    if (err.code != ERR_OK) {
        refuse_err(err, NULL, text, db_message(d->db));
    } else if (count == 0) {
        complain("no %s is called %s", "没有这个%s：%s", label, text);
    } else if (count > 1) {
        complain("more than one %s is called %s", "多个%s符合：%s", label, text);
    }
    return err.code == ERR_OK && count == 1;
}

/* ---- rows of any table ---- */

#define SQL_BYTES_MAX 2048

static void put_living(struct buf *sql, bool deleted)
{
    buf_put_text(sql, deleted ? " AND _deleted_at IS NOT NULL" : "");
}

/* By number, name, login or article number, as far as the table has these. */
static void put_by_text(const struct table *t, bool deleted, struct buf *sql)
{
    static const char *const named[] = {"no", "name", "login", "sku", "title"};
    for (size_t i = 0; i < count_of(named); i++) {
        if (table_column_named(t, named[i]) != NULL) {
            buf_printf(sql, "%sSELECT id FROM %s WHERE %s = ?1", sql->size > 0 ? " UNION " : "",
                       t->name, named[i]);
            put_living(sql, deleted);
        }
    }
    if (sql->size == 0) {
        buf_printf(sql, "SELECT id FROM %s WHERE 0 = ?1 AND 1 = 0", t->name);
    }
    buf_put_text(sql, " LIMIT 2");
}

static void put_by_prefix(const struct table *t, bool deleted, struct buf *sql)
{
    buf_printf(sql, "SELECT id FROM %s WHERE id >= ?1 AND id <= ?2", t->name);
    put_living(sql, deleted);
    buf_put_text(sql, " LIMIT 2");
}

bool find_row(struct data *d, const struct table *t, const char *text, bool deleted, uint8_t id[16])
{
    struct buf by_text, by_prefix;
    if (id_parse(bytes_text(text), id)) {
        return true;
    }
    buf_init(&by_text, SQL_BYTES_MAX);
    buf_init(&by_prefix, SQL_BYTES_MAX);
    put_by_text(t, deleted, &by_text);
    put_by_prefix(t, deleted, &by_prefix);
    const struct finder f = {.label = t->label,
                             .label_zh = t->label_zh,
                             .by_text = buf_text(&by_text),
                             .by_prefix = buf_text(&by_prefix)};
    bool found = find_one(d, &f, text, id);
    buf_release(&by_text);
    buf_release(&by_prefix);
    return found;
}
