/* Triggers in a replica's file run with its user's hands: whoever can write the file could plant
 * one that changes an order on its way out. So at each opening their text is held against ours,
 * word for word, by the sum of their hashes, which doesn't care for order. */
#include "common/changelog/device/capture.h"

#include <sodium.h>

#define TRIGGER_BYTES_MAX ((size_t)64 * 1024)
#define NAMES_BYTES_MAX   ((size_t)1024 * 1024)

static uint64_t hash_of(struct bytes text)
{
    static const uint8_t key[crypto_shorthash_KEYBYTES] = {
        0}; /* no secret: a text against itself */
    uint64_t hash = 0;
    static_assert(sizeof hash == crypto_shorthash_BYTES, "one word");
    crypto_shorthash((unsigned char *)&hash, text.at, text.size, key);
    return hash;
}

/* Of what this program would make. */
static struct err expected(uint64_t *sum)
{
    struct buf sql;
    buf_init(&sql, TRIGGER_BYTES_MAX);
    *sum = 0;
    for (size_t i = 0; i < catalogue_table_count(); i++) {
        for (size_t kind = 0; kind < CAPTURE_TRIGGERS; kind++) {
            buf_clear(&sql);
            capture_trigger(catalogue_table_at(i), kind, &sql);
            *sum += hash_of(buf_bytes(&sql));
        }
    }
    struct err err = sql.bad ? err_make(ERR_NOMEM, 0, "capture_is_ours") : err_ok();
    buf_release(&sql);
    return err;
}

struct err capture_is_ours(struct db *db, bool *out)
{
    struct stmt st;
    uint64_t want = 0;
    uint64_t have = 0;
    *out = false;
    struct err err = expected(&want);
    if (err.code == ERR_OK) {
        err = db_use(db, "SELECT type, sql FROM sqlite_schema WHERE type IN ('trigger', 'view')",
                     &st);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    bool views = false;
    while (db_step_row(&st)) {
        views = views || strcmp(col_text(&st, 0), "view") == 0;
        have += hash_of(col_bytes(&st, 1));
    }
    *out = !views && have == want;
    return stmt_err(&st, "capture_is_ours");
}

/* A name as SQL takes it, whatever stands in it. */
static void put_name(struct buf *sql, const char *name)
{
    buf_put_u8(sql, '"');
    for (; *name != 0; name++) {
        if (*name == '"') {
            buf_put_u8(sql, '"');
        }
        buf_put_u8(sql, (uint8_t)*name);
    }
    buf_put_u8(sql, '"');
}

static struct err drop_all(struct db *db)
{
    struct stmt st;
    struct buf sql;
    struct err err = db_use(db,
                            "SELECT type, name FROM sqlite_schema WHERE type IN ('trigger', 'view')"
                            " ORDER BY type",
                            &st); /* triggers first: dropping a view drops its own */
    if (err.code != ERR_OK) {
        return err;
    }
    buf_init(&sql, NAMES_BYTES_MAX);
    while (db_step_row(&st)) {
        buf_printf(&sql, "DROP %s IF EXISTS ", col_text(&st, 0));
        put_name(&sql, col_text(&st, 1));
        buf_put_text(&sql, ";");
    }
    err = stmt_err(&st, "capture_renew");
    const char *text = buf_text(&sql);
    if (err.code == ERR_OK) {
        err = sql.bad ? err_make(ERR_LIMIT, 0, "capture_renew") : db_exec(db, text);
    }
    buf_release(&sql);
    return err;
}

static struct err renew(struct db *db)
{
    struct err err = drop_all(db);
    if (err.code == ERR_OK) {
        err = catalogue_create(db, false); /* a view may have stood in a table's place */
    }
    return err.code == ERR_OK ? capture_create(db) : err;
}

struct err capture_renew(struct db *db)
{
    struct err err = db_begin(db, DB_LOCK_WRITE);
    return err.code == ERR_OK ? db_end(db, renew(db)) : err;
}
