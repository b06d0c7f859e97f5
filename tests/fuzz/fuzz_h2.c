/* What a client sends after the handshake, whatever it is: no crash, no leak, and a request that is
 * handed on keeps all that its route promises.
 *
 * Even first byte: the rest are raw bytes after the connection's preface. Odd: lines "name: value"
 * are requests as a proper client packs them, an empty line ends one, and `body N` gives it N
 * bytes; so the search gets past the compression of headers. */
#include "common/base/base.h"

#include <nghttp2/nghttp2.h>

#include "server/net/h2.h"
#include "server/net/limits.h"

#define FIELDS_MAX 96
#define REQUESTS   16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct side {
    struct net net;
    struct counters counters;
    struct h2 *h2;
    nghttp2_session *client;
    size_t body_left; /* of the client's request under way */
};

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* ---- the server ---- */

static void on_mail(uv_async_t *async)
{
    (void)async;
}

/* A request that got here is whole and within its route's limits. */
static void serve(void *context, struct exchange *x)
{
    struct side *s = context;
    const struct request *r = &x->request;
    const struct route_entry *route = route_entry(r->route);
    must(r->route < ROUTE_NONE && strcmp(r->method, route->method) == 0);
    must(r->body.size <= route->body_max && !r->body.bad);
    must(memchr(r->signature, 0, sizeof r->signature) != NULL);
    must(memchr(r->signature_input, 0, sizeof r->signature_input) != NULL);
    must(s->h2 != NULL);
    exchange_fail(x, 401, "signature", 0);
}

static void side_init(struct side *s)
{
    static const uint8_t address[16] = {0};
    memset(s, 0, sizeof *s);
    must(uv_loop_init(&s->net.loop) == 0);
    must(mailbox_init(&s->net.mailbox, &s->net.loop, on_mail).code == ERR_OK);
    s->net.counters = &s->counters;
    s->net.serve = serve;
    s->net.context = s;
    s->h2 = h2_new(&s->net, NULL, address);
    must(s->h2 != NULL);
}

static void side_release(struct side *s)
{
    h2_free(s->h2);
    for (struct exchange *x; (x = mailbox_take(&s->net.mailbox)) != NULL;) {
        exchange_drop(x);
    }
    must(s->net.body_bytes == 0);
    uv_close((uv_handle_t *)&s->net.mailbox.async, NULL);
    (void)uv_run(&s->net.loop, UV_RUN_DEFAULT);
    mailbox_release(&s->net.mailbox);
    must(uv_loop_close(&s->net.loop) == 0);
}

/* What the loop does after each read: answers that are ready, then bytes to send. */
static void settle(struct side *s)
{
    for (struct exchange *x; (x = mailbox_take(&s->net.mailbox)) != NULL;) {
        if (x->stream != NULL) {
            (void)stream_answered(x->stream);
        }
        exchange_drop(x);
    }
    for (struct bytes out = h2_pull(s->h2); out.size > 0; out = h2_pull(s->h2)) {
        if (s->client != NULL &&
            nghttp2_session_mem_recv(s->client, out.at, out.size) != (ssize_t)out.size) {
            break;
        }
    }
}

static bool feed(struct side *s, struct bytes bytes)
{
    bool good = h2_feed(s->h2, bytes);
    settle(s);
    return good;
}

/* ---- a proper client ---- */

static ssize_t on_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t room,
                       uint32_t *flags, nghttp2_data_source *source, void *context)
{
    struct side *s = context;
    (void)session;
    (void)id;
    (void)source;
    size_t n = s->body_left < room ? s->body_left : room;
    memset(to, 'b', n);
    s->body_left -= n;
    *flags |= s->body_left == 0 ? (uint32_t)NGHTTP2_DATA_FLAG_EOF : 0U;
    return (ssize_t)n;
}

static void client_init(struct side *s)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    must(nghttp2_session_callbacks_new(&callbacks) == 0);
    must(nghttp2_option_new(&option) == 0);
    nghttp2_option_set_no_http_messaging(option, 1); /* sends what a good client wouldn't */
    must(nghttp2_session_client_new2(&s->client, callbacks, s, option) == 0);
    must(nghttp2_submit_settings(s->client, NGHTTP2_FLAG_NONE, NULL, 0) == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
}

static bool flush_client(struct side *s)
{
    const uint8_t *at = NULL;
    bool good = true;
    for (ssize_t n = nghttp2_session_mem_send(s->client, &at); n > 0 && good;
         n = nghttp2_session_mem_send(s->client, &at)) {
        good = feed(s, bytes_of(at, (size_t)n));
    }
    return good;
}

static struct bytes take_line(struct bytes *in)
{
    const uint8_t *end = in->size > 0 ? memchr(in->at, '\n', in->size) : NULL;
    size_t size = end != NULL ? (size_t)(end - in->at) : in->size;
    struct bytes line = bytes_of(in->at, size);
    size += end != NULL;
    *in = bytes_of(in->at + size, in->size - size);
    return line;
}

static nghttp2_nv field_of(struct bytes line)
{
    size_t colon = line.size > 0 && line.at[0] == ':' ? 1 : 0; /* :method: POST */
    while (colon < line.size && line.at[colon] != ':') {
        colon++;
    }
    size_t value = colon + 1 < line.size ? colon + 1 : line.size;
    value += value < line.size && line.at[value] == ' ';
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)line.at,
                        .namelen = colon,
                        .value = (uint8_t *)(uintptr_t)line.at + value,
                        .valuelen = line.size - value};
}

static bool one_request(struct side *s, struct bytes *in)
{
    nghttp2_nv fields[FIELDS_MAX];
    size_t count = 0;
    s->body_left = 0;
    for (struct bytes line = take_line(in); line.size > 0; line = take_line(in)) {
        unsigned long body = 0;
        char text[24];
        (void)snprintf(text, sizeof text, "%.*s", (int)(line.size < 20 ? line.size : 20), line.at);
        if (sscanf(text, "body %lu", &body) == 1) {
            s->body_left = body % (2 * PUSH_BYTES_MAX);
        } else if (count < FIELDS_MAX) {
            fields[count++] = field_of(line);
        }
    }
    nghttp2_data_provider provider = {.read_callback = on_body};
    int32_t id = nghttp2_submit_request(s->client, NULL, fields, count,
                                        s->body_left > 0 ? &provider : NULL, NULL);
    return id < 0 || flush_client(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char preface[] = NGHTTP2_CLIENT_MAGIC "\0\0\0\4\0\0\0\0";
    struct side *s = malloc(sizeof *s);
    if (size == 0 || s == NULL) {
        free(s);
        return 0;
    }
    side_init(s);
    struct bytes in = bytes_of(data + 1, size - 1);
    if (data[0] % 2 == 0) {
        if (feed(s, bytes_of((const uint8_t *)preface, sizeof preface))) {
            (void)feed(s, in);
        }
    } else {
        client_init(s);
        bool good = true;
        for (int i = 0; i < REQUESTS && in.size > 0 && good; i++) {
            good = one_request(s, &in);
        }
    }
    bool lives = h2_sweep(s->h2, (int64_t)uv_now(&s->net.loop) + 3600000);
    (void)lives;
    settle(s);
    nghttp2_session_del(s->client);
    side_release(s);
    free(s);
    return 0;
}
