/* See come_back.h. */
#include "client/net/come_back.h"

#include "protocol/codec.h"

#define BYTES_MAX ((size_t)64 * 1024)

static struct err keep_piece(void *context, struct bytes piece)
{
    struct buf *to = context;
    buf_put(to, piece);
    return to->bad ? err_make(ERR_PROTOCOL, 0, "come_back") : err_ok();
}

static bool make_body(struct home *home, const uint8_t public_key[32], struct arena *arena,
                      struct buf *out)
{
    struct message m = {.kind = MESSAGE_ENROL,
                        .enrol = {.name = bytes_text("device"),
                                  .app = bytes_text("legwork " LEGWORK_VERSION),
                                  .protocol = PROTOCOL_VERSION}};
    struct err err = home_setting(home->db, "certificate", arena, &m.enrol.certificate);
    memcpy(m.enrol.public_key, public_key, sizeof m.enrol.public_key);
    return err.code == ERR_OK && m.enrol.certificate.size > 0 && message_encode(&m, out) == WIRE_OK;
}

/* What it says must be about this device: anything else changes nothing here. */
static bool is_us(struct home *home, const struct buf *answer, struct arena *arena)
{
    struct message m;
    size_t used = 0;
    return message_decode(buf_bytes(answer), arena, &m, &used) == WIRE_OK &&
           m.kind == MESSAGE_ENROLLED &&
           memcmp(m.enrolled.device, home->replica.device, sizeof m.enrolled.device) == 0;
}

bool come_back(struct home *home, struct http *http, const uint8_t public_key[32])
{
    struct arena arena;
    struct buf body;
    struct buf heard;
    struct http_answer answer = {0};
    bool back = false;
    arena_init(&arena, BYTES_MAX);
    buf_init(&body, BYTES_MAX);
    buf_init(&heard, BYTES_MAX);
    if (make_body(home, public_key, &arena, &body)) {
        struct http_request request = {.method = "POST",
                                       .path = "/v1/enroll",
                                       .body = buf_bytes(&body),
                                       .accepts = "application/cbor-seq",
                                       .received = keep_piece,
                                       .context = &heard};
        struct err err = http_send(http, &request, &answer);
        back = err.code == ERR_OK && answer.status == 200 && is_us(home, &heard, &arena);
        http_answer_release(&answer);
    }
    buf_release(&heard);
    buf_release(&body);
    arena_release(&arena);
    return back;
}
