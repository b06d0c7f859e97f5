/* The change log's entries: what a transaction was, which rows it touched, what it replaced, and
 * its place in the chain of each scope (chain.h). See work.h. */
#include "common/changelog/server/chain_read.h"
#include "common/changelog/server/work.h"

#define CHAIN_BYTES_MAX ((size_t)1 << 20)

/* Counted here, since RETURNING would make SQLite copy pages (see rowsql.c). */
static struct err next_entry(struct store *st, int64_t *no)
{
    struct err err = err_ok();
    if (st->cache->log_no == 0) {
        err = db_one_int(st->db, "SELECT coalesce(max(no), 0) FROM change_log", &st->cache->log_no);
    }
    *no = ++st->cache->log_no;
    return err;
}

static struct bytes salt_make(struct store *st, uint8_t salt[CHAIN_SALT_SIZE])
{
    st->host.random(st->host.context, salt, CHAIN_SALT_SIZE);
    return bytes_of(salt, CHAIN_SALT_SIZE);
}

static struct err entry_insert(struct work *w, const struct work_entry *entry, struct bytes salt,
                               struct bytes chain, int64_t no)
{
    static const char sql[] =
        "INSERT OR FAIL INTO change_log (device, person, epoch, device_seq, identity, received_at,"
        " effective_at, outcome, code, intent, body, no, seal, chain)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
    struct stmt q;
    struct err err = db_use(w->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, w->by.author);
    if (w->has_person) {
        bind_id(&q, 2, w->person);
    }
    bind_int(&q, 3, w->by.epoch);
    bind_int(&q, 4, (int64_t)w->by.device_seq);
    bind_blob(&q, 5, bytes_of(entry->identity, sizeof entry->identity));
    bind_int(&q, 6, w->received_ms);
    bind_int(&q, 7, w->by.effective_ms);
    bind_int(&q, 8, entry->outcome);
    bind_text(&q, 9, entry->code);
    bind_text_bytes(&q, 10, entry->intent);
    bind_blob(&q, 11, entry->body);
    bind_int(&q, 12, no);
    bind_blob(&q, 13, salt);
    if (chain.size > 0) {
        bind_blob(&q, 14, chain);
    }
    return db_step_done(&q, "entry_insert");
}

static struct err line_insert(struct work *w, const struct work_row *row, int64_t no, int64_t index,
                              struct bytes salt)
{
    static const char sql[] = "INSERT OR FAIL INTO change_row (no, idx, scope, seq, tbl, row, old,"
                              " seal, left_scope, left_seq)"
                              " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    struct stmt q;
    struct err err = db_use(w->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, no);
    bind_int(&q, 2, index);
    bind_int(&q, 3, row->scope);
    bind_int(&q, 4, row->seq);
    bind_int(&q, 5, row->table->number);
    bind_id(&q, 6, row->id);
    if (!row->fresh) {
        bind_blob(&q, 7, buf_bytes(&w->scratch));
        bind_blob(&q, 8, salt);
    }
    if (row->left_scope != 0) {
        bind_int(&q, 9, row->left_scope);
        bind_int(&q, 10, row->left_seq);
    }
    return db_step_done(&q, "line_insert");
}

/* Writes the row's line of the log; `part` is what the chain takes of it. */
static struct err log_row(struct work *w, const struct work_row *row, int64_t no, int64_t index,
                          struct chain_row *part)
{
    uint8_t salt[CHAIN_SALT_SIZE];
    struct bytes seal = row->fresh ? bytes_of(NULL, 0) : salt_make(w->st, salt);
    buf_clear(&w->scratch);
    struct err err = work_old_values(row, &w->scratch);
    if (err.code == ERR_OK) {
        err = line_insert(w, row, no, index, seal);
    }
    *part = (struct chain_row){.index = index,
                               .scope = row->scope,
                               .seq = row->seq,
                               .left_scope = row->left_scope,
                               .left_seq = row->left_seq,
                               .table = row->table->number,
                               .made = row->fresh};
    memcpy(part->id, row->id, sizeof part->id);
    if (err.code == ERR_OK && !row->fresh) {
        chain_seal(seal, buf_bytes(&w->scratch), bytes_of(NULL, 0), part->old);
    }
    return err;
}

struct err work_log_rows(struct work *w, int64_t no, int64_t *index)
{
    struct err err = err_ok();
    for (struct work_row *row = w->touched; row != NULL && err.code == ERR_OK;
         row = row->next_touched) {
        struct chain_row part; /* chained at the end, when all are there */
        err = log_row(w, row, no, (*index)++, &part);
        work_count_anew(w, row);
    }
    return err;
}

struct err work_log_open(struct work *w, const struct work_entry *entry, int64_t *no)
{
    uint8_t salt[CHAIN_SALT_SIZE];
    struct err err = next_entry(w->st, no);
    return err.code == ERR_OK
               ? entry_insert(w, entry, salt_make(w->st, salt), bytes_of(NULL, 0), *no)
               : err;
}

/* ---- the chain ---- */

struct linking {
    struct store *st;
    struct buf chain;
};

static struct err link_scope(void *context, int64_t scope, const struct chain_head *head)
{
    struct linking *l = context;
    struct err err = scope_chain(l->st, scope, head);
    return err.code == ERR_OK ? chain_put_part(&l->chain, scope, head) : err;
}

static struct err sum_end(struct chain_sum *sum, struct linking *l)
{
    struct err err = chain_add_home(sum, l->st, true);
    return err.code == ERR_OK ? chain_end(sum, link_scope, l) : err;
}

static void chain_entry_of(const struct work *w, const struct work_entry *entry, int64_t no,
                           struct bytes salt, struct chain_entry *out)
{
    *out = (struct chain_entry){.no = no,
                                .device = w->by.author,
                                .epoch = w->by.epoch,
                                .device_seq = (int64_t)w->by.device_seq,
                                .received_ms = w->received_ms,
                                .effective_ms = w->by.effective_ms,
                                .outcome = entry->outcome,
                                .has_person = w->has_person,
                                .code = bytes_text(entry->code),
                                .intent = entry->intent};
    memcpy(out->person, w->person, sizeof out->person);
    chain_seal(salt, bytes_of(entry->identity, sizeof entry->identity), entry->body, out->content);
}

static struct err log_rows(struct work *w, int64_t no, struct chain_sum *sum)
{
    struct err err = err_ok();
    int64_t index = 0;
    for (struct work_row *row = w->touched; row != NULL && err.code == ERR_OK;
         row = row->next_touched) {
        struct chain_row part;
        err = log_row(w, row, no, index++, &part);
        work_count_anew(w, row);
        if (err.code == ERR_OK) {
            err = chain_add(sum, &part);
        }
    }
    return err;
}

struct err work_log(struct work *w, const struct work_entry *entry, bool with_rows, int64_t *no)
{
    uint8_t random[CHAIN_SALT_SIZE];
    struct bytes salt = salt_make(w->st, random);
    struct chain_entry chained;
    struct chain_sum sum;
    struct linking link = {.st = w->st};
    struct err err = next_entry(w->st, no);
    chain_entry_of(w, entry, *no, salt, &chained);
    chain_begin(&sum, &chained, scope_head, w->st);
    buf_init(&link.chain, CHAIN_BYTES_MAX);
    if (err.code == ERR_OK && with_rows) {
        err = log_rows(w, *no, &sum);
    }
    if (err.code == ERR_OK) {
        err = sum_end(&sum, &link);
    }
    if (err.code == ERR_OK) {
        err = entry_insert(w, entry, salt, buf_bytes(&link.chain), *no);
    }
    chain_release(&sum);
    buf_release(&link.chain);
    return err;
}

static struct err chain_store(struct store *st, int64_t no, struct bytes chain)
{
    struct stmt q;
    struct err err = db_use(st->db, "UPDATE change_log SET chain = ?2 WHERE no = ?1", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, no);
    bind_blob(&q, 2, chain);
    return db_step_done(&q, "chain_store");
}

struct err work_log_close(struct store *st, int64_t no)
{
    struct chain_read read;
    struct chain_sum sum;
    struct linking link = {.st = st};
    struct err err = chain_read_entry(st->db, no, &read);
    chain_begin(&sum, &read.entry, scope_head, st);
    buf_init(&link.chain, CHAIN_BYTES_MAX);
    if (err.code == ERR_OK) {
        err = chain_read_rows(st->db, no, &sum);
    }
    if (err.code == ERR_OK) {
        err = sum_end(&sum, &link);
    }
    if (err.code == ERR_OK) {
        err = chain_store(st, no, buf_bytes(&link.chain));
    }
    chain_read_end(&read);
    chain_release(&sum);
    buf_release(&link.chain);
    return err;
}

/* ---- what did nothing ---- */

struct err work_log_refused(struct work *w, int64_t no, const struct transaction *tx)
{
    static const char sql[] =
        "INSERT INTO refused_row (row, no, tbl) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    struct err err = err_ok();
    for (size_t i = 0; i < tx->change_count && err.code == ERR_OK; i++) {
        struct stmt q;
        err = db_use(w->st->db, sql, &q);
        if (err.code == ERR_OK) {
            bind_id(&q, 1, tx->changes[i].id);
            bind_int(&q, 2, no);
            bind_int(&q, 3, tx->changes[i].table);
            err = db_step_done(&q, "work_log_refused");
        }
    }
    return err;
}
