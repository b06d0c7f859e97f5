/* See chain_noted.h. A line's subject is the timeline's id and a hash over the entry's place in the
 * chains, which tells of all entries before it as well. */
#include "common/changelog/server/chain_noted.h"

#include <sodium.h>

#include "common/changelog/server/store_internal.h"

#define WHERE_SIZE 64

static const char last_entry[] = "SELECT no, chain FROM change_log ORDER BY no DESC LIMIT 1";

static void subject_of(const struct store *st, struct bytes chain, uint8_t out[48])
{
    memcpy(out, st->timeline.id, 16);
    (void)crypto_hash_sha256(out + 16, chain.at, chain.size);
}

struct err chain_note(struct store *st, int64_t now_ms)
{
    uint8_t subject[48];
    struct stmt q;
    struct err err = db_use(st->db, last_entry, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bool chained = db_step_row(&q) && !col_is_null(&q, 1);
    int64_t no = chained ? col_int(&q, 0) : 0;
    if (chained) {
        subject_of(st, col_bytes(&q, 1), subject);
    }
    err = stmt_err(&q, "chain_note");
    stmt_reset(&q);
    return err.code != ERR_OK || !chained
               ? err
               : store_note(st, LEDGER_CHAIN, bytes_of(subject, sizeof subject), no, now_ms);
}

struct noted {
    struct store *st;
    chain_finding found;
    void *context;
};

static struct err compare(void *context, const struct ledger_entry *entry)
{
    const struct noted *n = context;
    uint8_t subject[48] = {0};
    struct stmt q;
    if (entry->kind != LEDGER_CHAIN || memcmp(entry->subject, n->st->timeline.id, 16) != 0) {
        return err_ok();
    }
    struct err err = db_use(n->st->db, "SELECT chain FROM change_log WHERE no = ?1", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, entry->number);
    if (db_step_row(&q)) {
        subject_of(n->st, col_bytes(&q, 0), subject);
    }
    err = stmt_err(&q, "chain_check_noted");
    stmt_reset(&q);
    if (err.code == ERR_OK && memcmp(subject, entry->subject, sizeof subject) != 0) {
        char where[WHERE_SIZE];
        (void)snprintf(where, sizeof where, "entry %" PRId64, entry->number);
        n->found(n->context, "cut or replaced: the ledger knows another entry of the change log",
                 where);
    }
    return err;
}

struct err chain_check_noted(struct store *st, struct bytes ledger, chain_finding found,
                             void *context)
{
    struct noted n = {.st = st, .found = found, .context = context};
    size_t broken = 0;
    return ledger_entries(ledger, compare, &n, &broken);
}
