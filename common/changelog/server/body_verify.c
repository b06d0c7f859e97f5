/* See body_verify.h. */
#include "common/changelog/server/body_verify.h"

#include "protocol/codec.h"

/* Of each body: where it stands, its bytes, and the hash that it should have. One that was erased
 * is empty, and gone from what is asked for. */
static const struct {
    const char *what;
    const char *sql;
} kept[] = {
    {"waiting transaction isn't what came",
     "SELECT 'device ' || p.device || ' epoch ' || p.epoch || ' number ' || p.device_seq, p.body,"
     " (SELECT v.identity FROM verdict v WHERE v.device = p.device AND v.epoch = p.epoch"
     "  AND v.device_seq = p.device_seq ORDER BY v.number LIMIT 1)"
     " FROM parked p WHERE length(p.body) > 0 ORDER BY p.device, p.epoch, p.device_seq"},
    {"quarantined body isn't what came",
     "SELECT kind || ' ' || no, body, hash FROM quarantine WHERE length(body) > 0 ORDER BY no"},
};

static bool is_of(struct bytes body, struct bytes hash)
{
    uint8_t has[32];
    transaction_identity(body, has); /* SHA-256 */
    return hash.size == sizeof has && memcmp(hash.at, has, sizeof has) == 0;
}

struct err body_verify(struct store *st, body_finding found, void *context)
{
    struct err err = err_ok();
    for (size_t i = 0; i < count_of(kept) && err.code == ERR_OK; i++) {
        struct stmt q;
        err = db_prepare(st->db, kept[i].sql, &q, NULL);
        if (err.code != ERR_OK) {
            break;
        }
        while (db_step_row(&q)) {
            if (!is_of(col_bytes(&q, 1), col_bytes(&q, 2))) {
                found(context, kept[i].what, col_text(&q, 0));
            }
        }
        err = stmt_err(&q, "body_verify");
        stmt_close(&q);
    }
    return err;
}
