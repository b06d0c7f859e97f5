/* See shred.h. */
#include "common/changelog/server/shred.h"

#include "common/changelog/server/chain.h"
#include "common/changelog/server/history.h"

/* ---- what changes replaced ---- */

struct replaced {
    int64_t no;
    int64_t index;
    uint8_t seal[CHAIN_HASH_SIZE];
};

static struct err next_replaced(struct store *st, const struct table *t, const uint8_t id[16],
                                struct replaced *out, bool *found)
{
    static const char sql[] =
        "SELECT no, idx, old, seal FROM change_row WHERE row = ?1 AND old IS NOT NULL AND tbl = ?2"
        " AND length(seal) = 16 LIMIT 1";
    struct stmt q;
    struct err err = db_use(st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, id);
    bind_int(&q, 2, t->number);
    *found = db_step_row(&q);
    if (*found) {
        out->no = col_int(&q, 0);
        out->index = col_int(&q, 1);
        chain_seal(col_bytes(&q, 3), col_bytes(&q, 2), bytes_of(NULL, 0), out->seal);
    }
    err = stmt_err(&q, "next_replaced");
    stmt_reset(&q);
    return err;
}

static struct err shred_replaced(struct store *st, const struct replaced *r)
{
    struct stmt q;
    struct err err =
        db_use(st->db, "UPDATE change_row SET old = x'', seal = ?3 WHERE no = ?1 AND idx = ?2", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, r->no);
    bind_int(&q, 2, r->index);
    bind_blob(&q, 3, bytes_of(r->seal, sizeof r->seal));
    return db_step_done(&q, "shred_replaced");
}

/* Older programs kept them without a salt, outside any chain. */
static struct err shred_unchained(struct store *st, const struct table *t, const uint8_t id[16])
{
    struct stmt q;
    struct err err = db_use(st->db,
                            "UPDATE change_row SET old = x'' WHERE row = ?1 AND tbl = ?2"
                            " AND old IS NOT NULL AND seal IS NULL",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, id);
    bind_int(&q, 2, t->number);
    return db_step_done(&q, "shred_unchained");
}

static struct err shred_changes(struct store *st, const struct table *t, const uint8_t id[16])
{
    struct replaced r;
    bool found = !planted(REPLACED_UNSHREDDED);
    struct err err = shred_unchained(st, t, id);
    while (err.code == ERR_OK && found) {
        err = next_replaced(st, t, id, &r, &found);
        if (err.code == ERR_OK && found) {
            err = shred_replaced(st, &r);
        }
    }
    return err;
}

/* ---- what was sent, and told ---- */

/* Hashed with its salt where it has one; the bytes go in any case. */
static struct err content_seal(struct store *st, int64_t no, uint8_t out[CHAIN_HASH_SIZE],
                               bool *sealed)
{
    struct stmt q;
    struct err err =
        db_use(st->db, "SELECT seal, identity, body FROM change_log WHERE no = ?1", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, no);
    *sealed = db_step_row(&q) && !col_is_null(&q, 0) &&
              chain_sealed(col_bytes(&q, 0), col_bytes(&q, 1), col_bytes(&q, 2), out);
    err = stmt_err(&q, "content_seal");
    stmt_reset(&q);
    return err;
}

struct err shred_entry(struct store *st, int64_t no)
{
    uint8_t seal[CHAIN_HASH_SIZE];
    bool sealed = false;
    struct stmt q;
    struct err err = content_seal(st, no, seal, &sealed);
    if (err.code == ERR_OK) {
        err = db_use(st->db,
                     "UPDATE change_log SET body = x'', seal = ?2 WHERE no = ?1"
                     " AND length(body) > 0",
                     &q);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, no);
    if (sealed) {
        bind_blob(&q, 2, bytes_of(seal, sizeof seal));
    }
    return db_step_done(&q, "shred_entry");
}

/* A device that still waits for it is told again, from the rows as they stand. */
static struct err shred_verdict(struct store *st, int64_t no)
{
    struct stmt q;
    struct err err = db_use(st->db,
                            "UPDATE verdict SET body = NULL WHERE body IS NOT NULL"
                            " AND identity = (SELECT identity FROM change_log WHERE no = ?1)"
                            " AND +device = (SELECT device FROM change_log WHERE no = ?1)",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, no);
    return db_step_done(&q, "shred_verdict");
}

struct err shred_row(struct store *st, const struct table *t, const uint8_t id[16],
                     struct arena *arena, size_t *entries)
{
    struct history h;
    struct err err = history_read(st, t, id, INT64_MAX, arena, &h);
    *entries = 0;
    for (const struct history_item *item = h.first; item != NULL && err.code == ERR_OK;
         item = item->next) {
        err = shred_entry(st, item->no);
        if (err.code == ERR_OK) {
            err = shred_verdict(st, item->no);
        }
        *entries += 1;
    }
    return err.code == ERR_OK ? shred_changes(st, t, id) : err;
}
