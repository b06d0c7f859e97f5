/* See http.h. Two of libcurl's easy handles, one for requests and one for the stream, share the
 * connections of one multi handle. `drive` runs both until the caller's one is done. */
#include "client/net/http.h"

#include "client/net/hello.h"
#include "client/net/meter.h"
#include "client/net/session_cache.h"

#include <curl/curl.h>
#include <strings.h>

#define URL_BYTES_MAX 512
#define POLL_MS       250 /* between looks at whoever may want to stop */

/* One request while it runs. */
struct exchange {
    CURL *curl;
    struct http *http;
    const struct http_request *request;
    struct http_answer *answer;
    struct curl_slist *headers;
    struct err err; /* of what `received` said, or of an answer that can't be taken */
    char content_type[64];
    bool running;
    CURLcode result; /* when it ran no more */
};

struct http {
    CURLM *multi;
    struct http_options options;
    char server[URL_BYTES_MAX];
    struct buf ca; /* the caller's, copied */
    char session_path[4096];
    struct session_cache sessions;
    struct meter meter;
    struct exchange call;
    struct exchange stream;
    struct http_request stream_request;
    struct http_answer stream_answer;
};

/* ---- a connection ---- */

static CURLcode on_ssl_context(CURL *curl, void *ssl_ctx, void *context)
{
    (void)curl;
    struct http *h = context;
    session_cache_attach(&h->sessions, ssl_ctx);
    return hello_shorten(ssl_ctx) ? CURLE_OK : CURLE_SSL_CIPHER;
}

/* What holds for every request of a handle. */
static bool set_up(struct http *h, CURL *c)
{
    bool bad = false;
#define SET(option, value) bad = curl_easy_setopt(c, option, value) != CURLE_OK || bad
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "https");
    SET(CURLOPT_PROXY, ""); /* a proxy that reads TLS is no server of ours, others see nothing */
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_HTTP_CONTENT_DECODING, 0L); /* the session unpacks, with its own limits */
    SET(CURLOPT_CONNECTTIMEOUT_MS, HTTP_CONNECT_TIMEOUT_MS);
    SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_KEEPIDLE, 30L);
    SET(CURLOPT_TCP_KEEPINTVL, 10L);
    SET(CURLOPT_PIPEWAIT, 1L); /* better to share a connection than to open a second */
    if (h->ca.size == 0) {
        SET(CURLOPT_SSL_VERIFYPEER, 0L);
        SET(CURLOPT_SSL_VERIFYHOST, 0L);
    } else {
        struct curl_blob ca = {.data = h->ca.at, .len = h->ca.size, .flags = CURL_BLOB_NOCOPY};
        SET(CURLOPT_CAINFO_BLOB, &ca);
        SET(CURLOPT_CAPATH, NULL);
        SET(CURLOPT_SSL_CTX_FUNCTION, on_ssl_context);
        SET(CURLOPT_SSL_CTX_DATA, h);
        SET(CURLOPT_SSL_SESSIONID_CACHE, 0L); /* ours takes its place */
    }
#undef SET
    return !bad && meter_attach(&h->meter, c);
}

struct err http_open(struct http **out, const struct http_options *options)
{
    *out = NULL;
    struct http *h = calloc(1, sizeof *h);
    if (h == NULL) {
        return err_make(ERR_NOMEM, 0, "http_open");
    }
    h->options = *options;
    buf_init(&h->ca, options->ca.size + 1);
    buf_put(&h->ca, options->ca);
    snprintf(h->server, sizeof h->server, "%s", options->server);
    const char *file = options->session_file;
    if (file != NULL) {
        snprintf(h->session_path, sizeof h->session_path, "%s", file);
        file = h->session_path;
    }
    session_cache_init(&h->sessions, file);
    h->multi = curl_multi_init();
    h->call = (struct exchange){.curl = curl_easy_init(), .http = h};
    h->stream = (struct exchange){.curl = curl_easy_init(), .http = h};
    if (h->multi == NULL || h->call.curl == NULL || h->stream.curl == NULL || h->ca.bad ||
        !set_up(h, h->call.curl) || !set_up(h, h->stream.curl)) {
        http_close(h);
        return err_make(ERR_NOMEM, 0, "http_open");
    }
    *out = h;
    return err_ok();
}

void http_close(struct http *h)
{
    if (h != NULL) {
        http_stream_close(h);
        curl_easy_cleanup(h->call.curl);
        curl_easy_cleanup(h->stream.curl);
        curl_multi_cleanup(h->multi); /* closes the connections through the meter */
        buf_release(&h->ca);
        free(h);
    }
}

struct http_traffic http_traffic(struct http *h)
{
    struct http_traffic sum;
    meter_read(&h->meter, &sum.up, &sum.down);
    return sum;
}

void http_answer_release(struct http_answer *answer)
{
    buf_release(&answer->fault);
}

/* ---- a request ---- */

static bool is_http2(const struct exchange *x)
{
    long version = 0;
    return curl_easy_getinfo(x->curl, CURLINFO_HTTP_VERSION, &version) == CURLE_OK &&
           version == CURL_HTTP_VERSION_2_0;
}

/* "application/cbor-seq", with or without parameters behind it. */
static bool has_type(const struct exchange *x, const char *type)
{
    size_t size = strlen(type);
    return strncasecmp(x->content_type, type, size) == 0 &&
           (type[size - 1] == '/' || x->content_type[size] == 0 || x->content_type[size] == ';');
}

static struct err stranger(struct exchange *x, const char *where)
{
    x->answer->stranger = true;
    return err_make(ERR_PROTOCOL, x->answer->status, where);
}

/* Decides on the first byte of a body whether it is for us at all. */
static struct err check_answer(struct exchange *x)
{
    long status = 0;
    curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
    x->answer->status = (int)status;
    if (!is_http2(x)) {
        return stranger(x, "http: not HTTP/2");
    }
    const char *type = status == 200 ? x->request->accepts : "application/cbor-seq";
    if (type != NULL && !has_type(x, type)) {
        return stranger(x, "http: content type");
    }
    return err_ok();
}

static size_t on_body(char *data, size_t one, size_t size, void *context)
{
    (void)one; /* libcurl promises 1 */
    struct exchange *x = context;
    struct bytes piece = bytes_of(data, size);
    if (x->answer->status == 0) {
        x->err = check_answer(x);
    }
    if (x->err.code == ERR_OK && x->answer->status == 200) {
        x->err = x->request->received(x->request->context, piece);
    } else if (x->err.code == ERR_OK) {
        buf_put(&x->answer->fault, piece);
        x->err = x->answer->fault.bad ? stranger(x, "http: long error") : err_ok();
    }
    return x->err.code == ERR_OK ? size : 0;
}

/* The value of a header line if its name is `name`, without white space around it. */
static bool header_value(struct bytes line, const char *name, char *value, size_t size)
{
    size_t at = strlen(name);
    if (line.size <= at || line.at[at] != ':' ||
        strncasecmp((const char *)line.at, name, at) != 0) {
        return false;
    }
    size_t end = line.size;
    at++;
    while (at < end && (line.at[at] == ' ' || line.at[at] == '\t')) {
        at++;
    }
    while (end > at && (unsigned char)line.at[end - 1] <= ' ') {
        end--;
    }
    snprintf(value, size, "%.*s", (int)(end - at), (const char *)line.at + at);
    return true;
}

static size_t on_header(char *data, size_t one, size_t size, void *context)
{
    (void)one;
    struct exchange *x = context;
    struct bytes line = bytes_of(data, size);
    char seconds[24];
    if (header_value(line, "content-type", x->content_type, sizeof x->content_type)) {
        return size;
    }
    if (header_value(line, "retry-after", seconds, sizeof seconds)) {
        x->answer->retry_after_s = strtoll(seconds, NULL, 10);
    }
    if (header_value(line, "upload-offset", seconds, sizeof seconds)) {
        x->answer->offset = strtoll(seconds, NULL, 10);
    }
    return size;
}

static struct curl_slist *add_header(struct curl_slist *list, bool *bad, const char *name,
                                     const char *value)
{
    char line[SIGNATURE_HEADER_MAX + 64];
    snprintf(line, sizeof line, "%s: %s", name, value);
    struct curl_slist *longer = curl_slist_append(list, line);
    *bad = *bad || longer == NULL;
    return longer ? longer : list;
}

/* libcurl's own Accept and Content-Type are left out: each costs bytes on every request. */
static struct curl_slist *request_headers(const struct http_request *r, bool *bad)
{
    struct curl_slist *list = NULL;
    list = add_header(list, bad, "accept", "");
    if (r->body.size > 0 || r->type != NULL) {
        list = add_header(list, bad, "content-type", r->type ? r->type : "application/cbor-seq");
    }
    if (r->packed) {
        list = add_header(list, bad, "content-encoding", "zstd");
    }
    if (r->signature != NULL) {
        if (r->signature->digest[0] != 0) {
            list = add_header(list, bad, "content-digest", r->signature->digest);
        }
        list = add_header(list, bad, "signature-input", r->signature->input);
        list = add_header(list, bad, "signature", r->signature->signature);
    }
    return list;
}

static struct err curl_err(CURLcode code)
{
    switch ((int)code) { /* an enum of a hundred, of which a few mean something to us */
    case CURLE_OK:
        return err_ok();
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return err_make(ERR_TLS, (int)code, "http");
    case CURLE_OUT_OF_MEMORY:
        return err_make(ERR_NOMEM, (int)code, "http");
    case CURLE_ABORTED_BY_CALLBACK:
        return err_make(ERR_CANCELLED, (int)code, "http");
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return err_make(ERR_INVALID, (int)code, "http");
    default:
        return err_make(ERR_NETWORK, (int)code, "http");
    }
}

/* Sets the handle to the request; false: no memory. */
static bool prepare(struct exchange *x, bool lasting)
{
    CURL *c = x->curl;
    const struct http_request *r = x->request;
    char url[URL_BYTES_MAX + 128];
    snprintf(url, sizeof url, "%s%s", x->http->server, r->path);
    bool bad = false;
    x->headers = request_headers(r, &bad);
#define SET(option, value) bad = curl_easy_setopt(c, option, value) != CURLE_OK || bad
    if (strcmp(r->method, "GET") != 0) {
        SET(CURLOPT_POSTFIELDS, r->body.size > 0 ? (const char *)r->body.at : "");
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.size);
    } else {
        SET(CURLOPT_HTTPGET, 1L);
    }
    SET(CURLOPT_CUSTOMREQUEST, strcmp(r->method, "PUT") == 0 ? "PUT" : NULL);
    SET(CURLOPT_URL, url);
    SET(CURLOPT_HTTPHEADER, x->headers);
    SET(CURLOPT_LOW_SPEED_TIME, lasting ? 0L : HTTP_STALL_TIMEOUT_S);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, x);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, x);
    SET(CURLOPT_PRIVATE, x);
#undef SET
    return !bad;
}

static struct err start(struct exchange *x, const struct http_request *request,
                        struct http_answer *answer, bool lasting)
{
    *answer = (struct http_answer){.offset = -1};
    buf_init(&answer->fault, HTTP_FAULT_BYTES_MAX);
    *x = (struct exchange){.curl = x->curl, .http = x->http, .request = request, .answer = answer};
    if (!prepare(x, lasting) || curl_multi_add_handle(x->http->multi, x->curl) != CURLM_OK) {
        curl_slist_free_all(x->headers);
        x->headers = NULL;
        return err_make(ERR_NOMEM, 0, "http");
    }
    x->running = true;
    return err_ok();
}

/* Takes a handle out, whether its request ended or not: an open HTTP/2 stream is reset, the
 * connection stays. */
static void stop(struct exchange *x)
{
    if (x->headers != NULL) {
        curl_multi_remove_handle(x->http->multi, x->curl);
        curl_slist_free_all(x->headers);
        x->headers = NULL;
        x->running = false;
    }
}

static void take_endings(struct http *h)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(h->multi, &left)) != NULL) {
        char *owner = NULL;
        if (message->msg == CURLMSG_DONE &&
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner) == CURLE_OK) {
            struct exchange *x = (struct exchange *)(void *)owner;
            x->running = false;
            x->result = message->data.result;
        }
    }
}

/* Runs what is under way until `x` has ended or `enough` says so. */
static struct err drive(struct exchange *x, int wake_fd, bool (*enough)(void *context),
                        void *context)
{
    struct http *h = x->http;
    for (;;) {
        int running;
        if (curl_multi_perform(h->multi, &running) != CURLM_OK) {
            return err_make(ERR_INTERNAL, 0, "http");
        }
        take_endings(h);
        if (!x->running) {
            return err_ok();
        }
        if (enough != NULL && enough(context)) {
            return err_make(ERR_CANCELLED, 0, "http");
        }
        struct curl_waitfd wake = {.fd = wake_fd, .events = CURL_WAIT_POLLIN};
        if (curl_multi_poll(h->multi, &wake, wake_fd >= 0, POLL_MS, NULL) != CURLM_OK) {
            return err_make(ERR_INTERNAL, 0, "http");
        }
    }
}

/* How an exchange that runs no more came out. */
static struct err outcome(struct exchange *x)
{
    struct err err = curl_err(x->result);
    if (x->err.code != ERR_OK) {
        return x->err; /* what made us stop says more than that we did */
    }
    if (err.code == ERR_OK && x->answer->status == 0) {
        err = check_answer(x); /* an answer without a body */
    }
    if (err.code == ERR_TLS || x->result == CURLE_SSL_CONNECT_ERROR) {
        session_cache_forget(&x->http->sessions);
    }
    return err;
}

/* After a line went silent, libcurl would put the next request on the same connection and wait
 * again. The stream goes along; whoever listens opens it anew. */
static struct err forget_connections(struct http *h, struct err err)
{
    http_stream_close(h);
    CURLM *fresh = curl_multi_init();
    if (fresh == NULL) {
        return err_make(ERR_NOMEM, 0, "http");
    }
    curl_multi_cleanup(h->multi);
    h->multi = fresh;
    return err;
}

struct err http_send(struct http *h, const struct http_request *request, struct http_answer *answer)
{
    struct exchange *x = &h->call;
    struct err err = start(x, request, answer, false);
    if (err.code == ERR_OK) {
        err = drive(x, -1, h->options.cancelled, h->options.context);
    }
    if (err.code == ERR_OK) {
        err = outcome(x);
    }
    stop(x);
    bool silent = err.code == ERR_NETWORK || answer->status == 408; /* it didn't all arrive there */
    return silent ? forget_connections(h, err) : err;
}

/* ---- the stream ---- */

struct err http_stream_open(struct http *h, const struct http_request *request)
{
    http_stream_close(h);
    h->stream_request = *request;
    struct err err = start(&h->stream, &h->stream_request, &h->stream_answer, true);
    h->stream_request.signature = NULL; /* its lines are made, and the caller's goes */
    return err;
}

struct err http_stream_wait(struct http *h, int wake_fd, bool (*enough)(void *context),
                            void *context)
{
    struct exchange *x = &h->stream;
    struct err err = drive(x, wake_fd, enough, context);
    if (err.code == ERR_CANCELLED && x->running) {
        return err_ok();
    }
    if (err.code == ERR_OK) {
        err = outcome(x);
    }
    http_stream_close(h);
    return err.code == ERR_OK ? err_make(ERR_NETWORK, 0, "stream") : err;
}

bool http_stream_is_open(const struct http *h)
{
    return h->stream.running;
}

void http_stream_close(struct http *h)
{
    if (h->stream.headers != NULL) {
        stop(&h->stream);
        http_answer_release(&h->stream_answer);
    }
}
