/* The server's word on verdicts, kept as the OFFER that would show it again. See recovery.h. */
#include "common/changelog/device/recovery.h"

#include "protocol/codec.h"

#define PROOF_BYTES_MAX MESSAGE_BYTES_MAX

/* The accepted and merged ones, in their order. `*whole`: each is known here. */
static struct err put_together(const struct verdicts *verdicts, const struct judged *judged,
                               struct arena *arena, struct reoffer *out, bool *whole)
{
    out->entries = arena_array(arena, verdicts->count, sizeof *out->entries);
    struct err err = out->entries == NULL ? err_make(ERR_NOMEM, 0, "proof") : err_ok();
    *whole = true;
    for (size_t i = 0; i < verdicts->count && *whole && err.code == ERR_OK; i++) {
        const struct verdict *v = &verdicts->verdicts[i];
        struct offered *e = &out->entries[out->count];
        if (v->outcome > OUTCOME_MERGED) {
            continue;
        }
        *e = (struct offered){.seq_count = v->row_count};
        e->seqs = arena_array(arena, v->row_count, sizeof *e->seqs);
        if (e->seqs == NULL) {
            return err_make(ERR_NOMEM, 0, "proof");
        }
        for (size_t k = 0; k < v->row_count; k++) {
            e->seqs[k] = v->rows[k].seq;
        }
        *whole = judged[i].has_identity;
        memcpy(e->identity, judged[i].identity, sizeof e->identity);
        out->count++;
    }
    return err;
}

static struct err insert(struct replica *r, const struct reoffer *offer, int64_t *proof)
{
    const struct message m = {.kind = MESSAGE_OFFER, .offer = *offer};
    struct buf body;
    struct stmt st;
    buf_init(&body, PROOF_BYTES_MAX);
    struct err err =
        message_encode(&m, &body) == WIRE_OK ? err_ok() : err_make(ERR_NOMEM, 0, "proof");
    if (err.code == ERR_OK) {
        err = db_use(r->db, "INSERT INTO proof (body) VALUES (?1) RETURNING no", &st);
    }
    if (err.code == ERR_OK) {
        bind_blob(&st, 1, buf_bytes(&body));
        if (db_step_row(&st)) {
            *proof = col_int(&st, 0);
            err = db_step_done(&st, "proof");
        } else {
            err = stmt_err(&st, "proof");
        }
    }
    buf_release(&body);
    return err;
}

struct err recovery_keep_proof(struct replica *r, const struct verdicts *verdicts,
                               const struct judged *judged, int64_t server_ms, struct arena *arena,
                               int64_t *proof)
{
    static const uint8_t none[sizeof verdicts->mac];
    struct reoffer offer = {.received_ms = server_ms};
    bool whole = false;
    *proof = 0;
    if (memcmp(verdicts->mac, none, sizeof none) == 0) {
        return err_ok();
    }
    memcpy(offer.mac, verdicts->mac, sizeof offer.mac);
    struct err err = put_together(verdicts, judged, arena, &offer, &whole);
    return err.code == ERR_OK && whole && offer.count > 0 ? insert(r, &offer, proof) : err;
}

struct err recovery_next_proof(struct replica *r, uint64_t from, uint64_t to, int64_t *after,
                               struct arena *arena, struct reoffer *out)
{
    static const char sql[] =
        "SELECT no, body FROM proof WHERE no > ?1 AND no IN (SELECT proof FROM sent"
        " WHERE state = 5 AND device_seq BETWEEN ?2 AND ?3) ORDER BY no LIMIT 1";
    struct message m;
    struct stmt st;
    size_t used = 0;
    struct err err = db_use(r->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&st, 1, *after);
    bind_int(&st, 2, (int64_t)from);
    bind_int(&st, 3, (int64_t)to);
    if (!db_step_row(&st)) {
        err = stmt_err(&st, "proof");
        return err.code != ERR_OK ? err : err_make(ERR_NOT_FOUND, 0, "proof");
    }
    *after = col_int(&st, 0);
    struct bytes body = arena_copy(arena, col_bytes(&st, 1));
    stmt_reset(&st);
    if (body.at == NULL) {
        return err_make(ERR_NOMEM, 0, "proof");
    }
    if (message_decode(body, arena, &m, &used) != WIRE_OK || m.kind != MESSAGE_OFFER) {
        return err_make(ERR_CORRUPT, 0, "proof");
    }
    *out = m.offer;
    return err_ok();
}
