/* See reoffer.h. */
#include "common/changelog/server/reoffer.h"

#include "protocol/codec.h"

struct err reoffer_mac(const struct store_ledger *ledger, const uint8_t device[16],
                       const struct reoffer *offer, uint8_t mac[LEDGER_MAC_SIZE])
{
    struct message m = {.kind = MESSAGE_OFFER, .offer = *offer};
    struct buf content;
    buf_init(&content, REOFFER_BYTES_MAX);
    memset(m.offer.mac, 0, sizeof m.offer.mac);
    buf_put(&content, bytes_of(device, 16));
    struct err err = !content.bad && message_encode(&m, &content) == WIRE_OK
                         ? err_ok()
                         : err_make(ERR_NOMEM, 0, "reoffer_mac");
    if (err.code == ERR_OK) {
        ledger_mac(ledger, "verdicts", buf_bytes(&content), mac);
    }
    buf_release(&content);
    return err;
}

/* ---- matching ---- */

static int by_identity(const void *a, const void *b)
{
    const struct push *const *x = a;
    const struct push *const *y = b;
    return memcmp((*x)->identity, (*y)->identity, sizeof(*x)->identity);
}

static int identity_of(const void *identity, const void *push)
{
    const struct push *const *p = push;
    return memcmp(identity, (*p)->identity, sizeof(*p)->identity);
}

static void prove(const struct reoffer *offer, struct push **sorted, size_t count)
{
    for (size_t i = 0; i < offer->count; i++) {
        const struct offered *e = &offer->entries[i];
        struct push **found =
            bsearch(e->identity, sorted, count, sizeof(struct push *), identity_of);
        if (found != NULL) {
            (*found)->proof = (struct push_proof){
                .received_ms = offer->received_ms, .seq_count = e->seq_count, .seqs = e->seqs};
        }
    }
}

struct err reoffer_match(struct store *st, const uint8_t device[16], const struct reoffer *offers,
                         size_t offer_count, struct push *pushes, size_t push_count,
                         struct arena *arena)
{
    if (offer_count == 0 || push_count == 0 || st->ledger == NULL) {
        return err_ok();
    }
    struct push **sorted = arena_array(arena, push_count, sizeof(struct push *));
    if (sorted == NULL) {
        return err_make(ERR_NOMEM, 0, "reoffer_match");
    }
    for (size_t i = 0; i < push_count; i++) {
        sorted[i] = &pushes[i];
    }
    qsort(sorted, push_count, sizeof(struct push *), by_identity);
    struct err err = err_ok();
    for (size_t i = 0; i < offer_count && err.code == ERR_OK; i++) {
        uint8_t mac[LEDGER_MAC_SIZE];
        err = reoffer_mac(st->ledger, device, &offers[i], mac);
        if (err.code == ERR_OK && memcmp(mac, offers[i].mac, sizeof mac) == 0 &&
            offers[i].received_ms > 0) {
            prove(&offers[i], sorted, push_count);
        }
    }
    return err;
}

/* ---- numbers ---- */

static struct err note_row(struct store *st, const struct work_row *row, int64_t was)
{
    struct stmt q;
    struct err err = db_use(st->db,
                            "INSERT INTO given_again (tbl, row, seq, was) VALUES (?1, ?2, ?3, ?4)"
                            " ON CONFLICT DO NOTHING",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, row->table->number);
    bind_id(&q, 2, row->id);
    bind_int(&q, 3, row->seq);
    bind_int(&q, 4, was);
    return db_step_done(&q, "reoffer_note");
}

/* A row that stands as it was, by somebody else's later write, has no number of this transaction. A
 * verdict that left rows out (they had moved away) doesn't say which number is whose. */
struct err reoffer_note(struct store *st, const struct push *push, struct work_row *const *rows,
                        size_t count)
{
    struct err err = err_ok();
    if (push->proof.seq_count != count) {
        return err;
    }
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        err = rows[i]->touched ? note_row(st, rows[i], push->proof.seqs[i]) : err_ok();
    }
    return err;
}

struct err reoffer_was(struct store *st, uint16_t table, const uint8_t row[16], int64_t seq,
                       int64_t *was)
{
    struct stmt q;
    *was = 0;
    struct err err =
        db_use(st->db, "SELECT was FROM given_again WHERE tbl = ?1 AND row = ?2 AND seq = ?3", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, table);
    bind_id(&q, 2, row);
    bind_int(&q, 3, seq);
    if (db_step_row(&q)) {
        *was = col_int(&q, 0);
        stmt_reset(&q);
    }
    return stmt_err(&q, "reoffer_was");
}
