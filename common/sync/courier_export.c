/* See courier_export.h. */
#include "common/sync/courier_export.h"

#include "common/sync/client_request.h"

#define EXPORT_LEVEL 3

static struct err read_server_key(struct replica *r, uint8_t key[COURIER_KEY_BYTES])
{
    struct stmt st;
    struct err err = db_use(r->db, "SELECT courier_key FROM device_state", &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bool found = false;
    if (db_step_row(&st)) {
        struct bytes stored = col_bytes(&st, 0);
        found = stored.size == COURIER_KEY_BYTES;
        if (found) {
            memcpy(key, stored.at, stored.size);
        }
        stmt_reset(&st);
    }
    err = stmt_err(&st, "courier_export");
    return err.code != ERR_OK || found ? err : err_make(ERR_NOT_FOUND, 0, "courier_export: key");
}

/* All of the outbox, a request after the other. */
static struct err put_requests(struct client_request *q, struct buf *out, int64_t *count)
{
    struct client_request_options o = {
        .tx_max = PUSH_TX_MAX, .bytes_max = PUSH_BYTES_MAX, .level = EXPORT_LEVEL};
    struct err err;
    do {
        int64_t before = q->sent_to;
        o.after = before;
        err = client_request_build(q, &o);
        if (err.code == ERR_OK && q->sent_to > before) {
            *count += q->fresh;
            courier_put_request(out, buf_bytes(&q->body));
        }
        if (err.code == ERR_OK && (out->bad || (q->more && q->sent_to == before))) {
            err = err_make(ERR_LIMIT, 0, "courier_export");
        }
    } while (err.code == ERR_OK && q->more);
    return err;
}

struct err courier_export(struct replica *r, const uint8_t secret_key[64], struct buf *out,
                          int64_t *count)
{
    uint8_t server_key[COURIER_KEY_BYTES];
    struct client_request q;
    struct buf requests;
    *count = 0;
    struct err err = read_server_key(r, server_key);
    if (err.code != ERR_OK) {
        return err;
    }
    client_request_init(&q, r);
    buf_init(&requests, COURIER_BYTES_MAX);
    err = put_requests(&q, &requests, count);
    if (err.code == ERR_OK && *count > 0) {
        struct courier_head head = {
            .epoch = q.epoch, .timeline = q.timeline, .made_ms = replica_reckoned_ms(r)};
        memcpy(head.device, r->device, sizeof head.device);
        err = courier_write(&head, buf_bytes(&requests), server_key, secret_key, out);
    }
    buf_release(&requests);
    client_request_release(&q);
    return err;
}
