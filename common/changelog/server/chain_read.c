/* See chain_read.h. */
#include "common/changelog/server/chain_read.h"

#define KEPT_BYTES_MAX ((size_t)4 * 1024 * 1024)

/* Code, intent and chain one after the other. */
static bool keep(struct chain_read *out, const struct stmt *q)
{
    struct bytes code = col_bytes(q, 9);
    struct bytes intent = col_bytes(q, 10);
    struct bytes chain = col_bytes(q, 13);
    buf_put(&out->kept, code);
    buf_put(&out->kept, intent);
    buf_put(&out->kept, chain);
    const uint8_t *at = out->kept.at;
    if (out->kept.bad) {
        return false;
    }
    out->entry.code = bytes_of(at, code.size);
    out->entry.intent = bytes_of(at == NULL ? at : at + code.size, intent.size);
    out->chain = bytes_of(at == NULL ? at : at + code.size + intent.size, chain.size);
    return true;
}

static struct err entry_take(struct chain_read *out, const struct stmt *q)
{
    out->entry = (struct chain_entry){.no = col_int(q, 0),
                                      .device = col_int(q, 1),
                                      .has_person = !col_is_null(q, 2),
                                      .epoch = col_int(q, 3),
                                      .device_seq = col_int(q, 4),
                                      .received_ms = col_int(q, 6),
                                      .effective_ms = col_int(q, 7),
                                      .outcome = col_int(q, 8)};
    if (out->entry.has_person && !col_id(q, 2, out->entry.person)) {
        return err_make(ERR_CORRUPT, 0, "entry_take");
    }
    out->sealed =
        chain_sealed(col_bytes(q, 12), col_bytes(q, 5), col_bytes(q, 11), out->entry.content);
    return keep(out, q) ? err_ok() : err_make(ERR_NOMEM, 0, "entry_take");
}

struct err chain_read_entry(struct db *db, int64_t from, struct chain_read *out)
{
    static const char sql[] =
        "SELECT no, device, person, epoch, device_seq, identity, received_at, effective_at,"
        " outcome, code, intent, body, seal, chain FROM change_log WHERE no >= ?1"
        " ORDER BY no LIMIT 1";
    struct stmt q;
    *out = (struct chain_read){.sealed = false};
    buf_init(&out->kept, KEPT_BYTES_MAX);
    struct err err = db_use(db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, from);
    if (!db_step_row(&q)) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_NOT_FOUND, 0, "chain_read_entry");
    }
    err = entry_take(out, &q);
    stmt_reset(&q);
    return err;
}

void chain_read_end(struct chain_read *read)
{
    buf_release(&read->kept);
}

static bool row_take(const struct stmt *q, struct chain_row *out)
{
    *out = (struct chain_row){.index = col_int(q, 0),
                              .scope = col_int(q, 1),
                              .seq = col_int(q, 2),
                              .table = col_int(q, 3),
                              .made = col_is_null(q, 5),
                              .left_scope = col_int(q, 7),
                              .left_seq = col_int(q, 8)};
    return col_id(q, 4, out->id) && (out->made || chain_sealed(col_bytes(q, 6), col_bytes(q, 5),
                                                               bytes_of(NULL, 0), out->old));
}

struct err chain_read_rows(struct db *db, int64_t no, struct chain_sum *sum)
{
    static const char sql[] = "SELECT idx, scope, seq, tbl, row, old, seal, left_scope, left_seq"
                              " FROM change_row WHERE no = ?1 ORDER BY idx";
    struct stmt q;
    struct err err = db_use(db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, no);
    while (err.code == ERR_OK && db_step_row(&q)) {
        struct chain_row row;
        err =
            row_take(&q, &row) ? chain_add(sum, &row) : err_make(ERR_CORRUPT, 0, "chain_read_rows");
    }
    if (err.code == ERR_OK) {
        return stmt_err(&q, "chain_read_rows");
    }
    stmt_reset(&q);
    return err;
}

/* An entry that touched nothing stands with its author, or with the firm. */
struct err chain_add_home(struct chain_sum *sum, struct store *st, bool make)
{
    struct scope_id id = {.kind = sum->entry->has_person ? SCOPE_USER : SCOPE_COMPANY};
    memcpy(id.id, sum->entry->has_person ? sum->entry->person : st->company, sizeof id.id);
    int64_t no = 0;
    struct err err = sum->count > 0 ? err_ok() : store_scope(st, &id, make, &no);
    return err.code == ERR_OK && sum->count == 0 ? chain_add_scope(sum, no) : err;
}
