/* See h2.h. */
#include "server/net/h2.h"

#include "common/base/log.h"
#include "server/net/limits.h"
#include "server/net/request.h"
#include "server/store/machine.h"

#include <nghttp2/nghttp2.h>

struct stream {
    struct h2 *h2;
    struct stream *next, *prev;
    struct exchange *exchange;
    int32_t id;
    struct request_head head;
    size_t body_size;   /* taken in, or thrown away after a refusal */
    int64_t headers_ms; /* when they were complete; 0: not yet */
    int64_t refused_ms; /* 0: not refused */
    bool request_ended;
    bool handed;    /* a worker has it */
    bool submitted; /* nghttp2 has the answer's head */
};

struct h2 {
    struct net *net;
    struct conn *conn;
    nghttp2_session *session;
    struct stream *streams;
    uint8_t address[16];
    int64_t idle_since_ms;
    int64_t asked_ms; /* a PING is out since then, and nothing was heard; 0: none */
    bool heard;       /* the client has said something */
    bool had_request; /* some request's headers were complete */
    bool abusive;
};

static void refuse(struct stream *s, int status, const char *code, int64_t limit)
{
    if (s->refused_ms != 0 || s->handed) {
        return;
    }
    s->refused_ms = (int64_t)uv_now(&s->h2->net->loop);
    s->h2->net->body_bytes -= s->exchange->request.body.size;
    buf_release(&s->exchange->request.body);
    exchange_fail(s->exchange, status, code, limit);
}

static void log_request(const struct stream *s, uint32_t error)
{
    struct exchange *x = s->exchange;
    struct answer_head head;
    (void)exchange_head(x, &head);
    struct log_line line;
    log_begin(&line, machine_wall_ms(), "request");
    log_text(&line, "route", route_entry(x->request.route)->name);
    log_int(&line, "status", head.status);
    log_int(&line, "ms", (int64_t)uv_now(&s->h2->net->loop) - x->request.began_ms);
    log_int(&line, "in", (int64_t)s->body_size);
    log_int(&line, "out", (int64_t)x->written);
    if (x->device_number != 0) {
        log_int(&line, "device", x->device_number);
    }
    if (error != NGHTTP2_NO_ERROR) {
        log_text(&line, "ended", nghttp2_http2_strerror(error));
    }
    log_end(&line, stderr);
}

static void stream_free(struct stream *s, uint32_t error)
{
    struct h2 *h = s->h2;
    struct exchange *x = s->exchange;
    struct answer_head head;
    (void)exchange_head(x, &head);
    count(&h->net->counters->requests[x->request.route][counted_status(head.status)]);
    if (error != NGHTTP2_NO_ERROR) {
        count(&h->net->counters->resets);
    }
    log_request(s, error);
    if (!s->handed) {
        h->net->body_bytes -= x->request.body.size;
    }
    if (s->prev != NULL) {
        s->prev->next = s->next;
    } else {
        h->streams = s->next;
    }
    if (s->next != NULL) {
        s->next->prev = s->prev;
    }
    exchange_cancel(x);
    exchange_drop(x);
    free(s);
    h->idle_since_ms = (int64_t)uv_now(&h->net->loop);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct h2 *h = context;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    struct stream *s = calloc(1, sizeof *s);
    struct exchange *x = s == NULL ? NULL : exchange_new(&h->net->mailbox, h->net->pressed);
    if (x == NULL) {
        free(s);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* resets this stream alone */
    }
    s->h2 = h;
    s->id = frame->hd.stream_id;
    s->exchange = x;
    s->next = h->streams;
    if (s->next != NULL) {
        s->next->prev = s;
    }
    h->streams = s;
    x->stream = s;
    x->request.began_ms = (int64_t)uv_now(&h->net->loop);
    memcpy(x->request.address, h->address, sizeof h->address);
    (void)nghttp2_session_set_stream_user_data(session, s->id, s);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *context)
{
    (void)flags;
    (void)context;
    struct stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (s != NULL && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        request_header(&s->exchange->request, &s->head, bytes_of(name, name_size),
                       bytes_of(value, value_size));
    }
    return 0;
}

static void headers_done(struct stream *s)
{
    s->headers_ms = (int64_t)uv_now(&s->h2->net->loop);
    s->h2->had_request = true;
    struct refusal refusal;
    if (!request_head_check(&s->exchange->request, &s->head, &refusal)) {
        refuse(s, refusal.status, refusal.code, refusal.limit);
    } else if (s->h2->net->is_stopping) {
        refuse(s, 503, "busy", BUSY_RETRY_S);
    }
}

static void request_done(struct stream *s)
{
    s->request_ended = true;
    if (s->refused_ms != 0) {
        (void)nghttp2_session_resume_data(s->h2->session, s->id); /* its answer may end now */
        return;
    }
    struct net *net = s->h2->net;
    s->handed = true;
    net->body_bytes -= s->exchange->request.body.size;
    s->exchange->request.received_ms = machine_wall_ms();
    net->serve(net->context, s->exchange);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    (void)context;
    struct stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (s == NULL) {
        return 0;
    }
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        headers_done(s);
    }
    bool ends = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (ends && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        request_done(s);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t size, void *context)
{
    (void)flags;
    struct h2 *h = context;
    struct stream *s = nghttp2_session_get_stream_user_data(session, id);
    if (s == NULL) {
        return 0;
    }
    s->body_size += size;
    struct request *r = &s->exchange->request;
    size_t max = route_entry(r->route)->body_max;
    if (s->refused_ms == 0 && size > max - r->body.size) {
        refuse(s, 413, "too_large", (int64_t)max);
    } else if (s->refused_ms == 0 && size > BODIES_BYTES_MAX - h->net->body_bytes) {
        refuse(s, 503, "busy", BUSY_RETRY_S);
    }
    if (s->refused_ms != 0) {
        h->abusive = h->abusive || s->body_size > max + REFUSED_DRAIN_BYTES;
        return 0;
    }
    buf_put(&r->body, bytes_of(data, size));
    if (r->body.bad) {
        refuse(s, 503, "busy", BUSY_RETRY_S);
    } else {
        h->net->body_bytes += size;
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *context)
{
    (void)context;
    struct stream *s = nghttp2_session_get_stream_user_data(session, id);
    if (s != NULL) {
        stream_free(s, error);
    }
    return 0;
}

static ssize_t on_answer_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t room,
                              uint32_t *flags, nghttp2_data_source *source, void *context)
{
    (void)session;
    (void)id;
    (void)context;
    struct stream *s = source->ptr;
    enum exchange_state state;
    size_t n = exchange_take(s->exchange, to, room, &state);
    switch (state) {
    case EXCHANGE_ABORTED:
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* resets the stream */
    case EXCHANGE_ENDED:
        if (s->request_ended) {
            *flags |= NGHTTP2_DATA_FLAG_EOF;
            return (ssize_t)n;
        }
        break;
    case EXCHANGE_OPEN:
        break;
    }
    return n > 0 ? (ssize_t)n : NGHTTP2_ERR_DEFERRED;
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value),
                        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME};
}

static void submit(struct stream *s, const struct answer_head *head)
{
    char status[16], retry[16], offset[24];
    nghttp2_nv fields[8];
    size_t count = 0;
    (void)snprintf(status, sizeof status, "%d", head->status);
    fields[count++] = field(":status", status);
    if (head->type != NULL) {
        fields[count++] = field("content-type", head->type);
    }
    if (head->encoding != NULL) {
        fields[count++] = field("content-encoding", head->encoding);
    }
    fields[count++] = field("cache-control", "no-store");
    if (head->retry_after_s > 0) {
        (void)snprintf(retry, sizeof retry, "%d", head->retry_after_s);
        fields[count++] = field("retry-after", retry);
    }
    if (head->has_offset) {
        (void)snprintf(offset, sizeof offset, "%" PRId64, head->offset);
        fields[count++] = field("upload-offset", offset);
    }
    if (head->attachment) {
        fields[count++] = field("content-disposition", "attachment");
        fields[count++] = field("x-content-type-options", "nosniff");
    }
    nghttp2_data_provider provider = {.source.ptr = s, .read_callback = on_answer_read};
    s->submitted = true;
    int rc = nghttp2_submit_response(s->h2->session, s->id, fields, count, &provider);
    if (rc != 0) { /* the stream is going down, or memory is out: nothing better to say */
        (void)nghttp2_submit_rst_stream(s->h2->session, NGHTTP2_FLAG_NONE, s->id,
                                        NGHTTP2_INTERNAL_ERROR);
    }
}

/* A live stream's words may go nowhere for a quarter of an hour before TCP gives up. So each takes
 * a PING along, in the same packet: who is there answers. */
static void ask_whether_there(struct h2 *h)
{
    if (h->asked_ms == 0 && nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, NULL) == 0) {
        h->asked_ms = (int64_t)uv_now(&h->net->loop);
    }
}

struct conn *stream_answered(struct stream *s)
{
    struct answer_head head;
    if (s->submitted) {
        (void)nghttp2_session_resume_data(s->h2->session, s->id);
        if (s->exchange->request.route == ROUTE_LIVE) {
            ask_whether_there(s->h2);
        }
    } else if (exchange_head(s->exchange, &head)) {
        submit(s, &head);
    } else { /* aborted before it began */
        (void)nghttp2_submit_rst_stream(s->h2->session, NGHTTP2_FLAG_NONE, s->id,
                                        NGHTTP2_INTERNAL_ERROR);
    }
    return s->h2->conn;
}

static int session_new(struct h2 *h)
{
    nghttp2_session_callbacks *callbacks;
    int rc = nghttp2_session_callbacks_new(&callbacks);
    if (rc != 0) {
        return rc;
    }
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_option *option;
    rc = nghttp2_option_new(&option);
    if (rc == 0) {
        nghttp2_option_set_max_settings(option, 32);
        nghttp2_option_set_max_outbound_ack(option, 100);
        nghttp2_option_set_max_deflate_dynamic_table_size(option, 4096);
        nghttp2_option_set_stream_reset_rate_limit(option, RESET_BURST, RESET_PER_S);
        nghttp2_option_set_no_closed_streams(option, 1);
        rc = nghttp2_session_server_new2(&h->session, callbacks, h, option);
        nghttp2_option_del(option);
    }
    nghttp2_session_callbacks_del(callbacks);
    return rc;
}

static int greet(struct h2 *h)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_PER_CONNECTION},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADER_BYTES_MAX},
    };
    int rc = nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, count_of(settings));
    return rc != 0 ? rc
                   : nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0,
                                                           CONNECTION_WINDOW_BYTES);
}

struct h2 *h2_new(struct net *net, struct conn *conn, const uint8_t address[16])
{
    struct h2 *h = calloc(1, sizeof *h);
    if (h == NULL) {
        return NULL;
    }
    h->net = net;
    h->conn = conn;
    h->idle_since_ms = (int64_t)uv_now(&net->loop);
    memcpy(h->address, address, sizeof h->address);
    if (session_new(h) != 0 || greet(h) != 0) {
        h2_free(h);
        return NULL;
    }
    return h;
}

void h2_free(struct h2 *h)
{
    if (h == NULL) {
        return;
    }
    nghttp2_session_del(h->session); /* closes no stream by callback */
    for (struct stream *s = h->streams, *next; s != NULL; s = next) {
        next = s->next;
        stream_free(s, NGHTTP2_CANCEL);
    }
    free(h);
}

bool h2_feed(struct h2 *h, struct bytes plain)
{
    h->asked_ms = 0; /* whatever it says, it is there */
    h->heard = true;
    ssize_t n = nghttp2_session_mem_recv(h->session, plain.at, plain.size);
    if (n < 0 || h->abusive) {
        uint32_t error = h->abusive ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR;
        (void)nghttp2_session_terminate_session(h->session, error);
        return false;
    }
    return true;
}

/* The client speaks first, and waits for nothing. Our settings and the word that we have heard
 * theirs then share a TLS record: 29 bytes less. */
struct bytes h2_pull(struct h2 *h)
{
    if (!h->heard) {
        return bytes_of(NULL, 0);
    }
    const uint8_t *at = NULL;
    ssize_t n = nghttp2_session_mem_send(h->session, &at);
    return n > 0 ? bytes_of(at, (size_t)n) : bytes_of(NULL, 0);
}

bool h2_is_over(const struct h2 *h)
{
    return nghttp2_session_want_read(h->session) == 0 &&
           nghttp2_session_want_write(h->session) == 0;
}

bool h2_is_idle(const struct h2 *h)
{
    return h->streams == NULL;
}

int64_t h2_idle_since(const struct h2 *h)
{
    return h->idle_since_ms;
}

static bool body_is_slow(const struct stream *s, int64_t now_ms)
{
    int64_t over_ms = now_ms - s->headers_ms - BODY_GRACE_MS;
    return over_ms > 0 && (int64_t)s->body_size < over_ms * BODY_RATE_BYTES_S / 1000;
}

bool h2_sweep(struct h2 *h, int64_t now_ms)
{
    if (!h->had_request && now_ms - h->idle_since_ms > HEADER_DEADLINE_MS) {
        return false;
    }
    if (h->asked_ms != 0 && now_ms - h->asked_ms > h->net->keepalive_ms) {
        return false;
    }
    for (struct stream *s = h->streams, *next; s != NULL; s = next) {
        next = s->next;
        if (s->request_ended) {
            continue;
        }
        if (s->headers_ms == 0 && now_ms - s->exchange->request.began_ms > HEADER_DEADLINE_MS) {
            return false; /* in the middle of a header block nothing else can be said */
        }
        if (s->headers_ms != 0 && s->refused_ms == 0 && body_is_slow(s, now_ms)) {
            refuse(s, 408, "timeout", 0);
        } else if (s->refused_ms != 0 && now_ms - s->refused_ms > HEADER_DEADLINE_MS) {
            (void)nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
        }
    }
    return true;
}

void h2_shut_down(struct h2 *h)
{
    h->heard = true;
    (void)nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(h->session),
                                NGHTTP2_NO_ERROR, NULL, 0);
}
