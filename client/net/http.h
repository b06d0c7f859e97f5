/* HTTP/2 requests to the firm's server, over libcurl: one request at a time, and beside it one
 * lasting stream, over one connection that is kept. Nothing but HTTP/2 over TLS is spoken, and an
 * answer of another kind than the protocol's (a sign-in page of a hotel network, say) is
 * ERR_PROTOCOL with `stranger` set and is thrown away. Belongs to one thread. */
#ifndef CLIENT_NET_HTTP_H
#define CLIENT_NET_HTTP_H

#include "common/base/base.h"
#include "protocol/signature.h"

#define HTTP_FAULT_BYTES_MAX    ((size_t)64 * 1024)
#define HTTP_CONNECT_TIMEOUT_MS 10000L
/* No byte in either direction for so long: the line is dead. libcurl notices up to 6 s later. */
#define HTTP_STALL_TIMEOUT_S 20L

struct http;

struct http_options {
    const char *server;       /* "https://host:port" */
    struct bytes ca;          /* PEM; empty: no check at all, for `GET /v1/ca` alone */
    const char *session_file; /* where TLS sessions live between processes; NULL: nowhere */
    /* Asked several times a second while a request runs; true ends it with ERR_CANCELLED. NULL:
     * never. */
    bool (*cancelled)(void *context);
    void *context;
};

struct http_request {
    const char *method; /* "GET", "POST" or "PUT" */
    const char *path;
    struct bytes body;
    const char *type;                          /* of the body; NULL: application/cbor-seq */
    bool packed;                               /* the body is zstd'd */
    bool lasting;                              /* an answer that stays open: silence is no fault */
    const struct signature_headers *signature; /* or NULL */
    const char *accepts; /* the content type that a 200 must have, or with a "/" at its end how it
                            begins; NULL: any */
    /* A piece of a 200 answer's body. An error ends the request and is what http_send gives. */
    struct err (*received)(void *context, struct bytes piece);
    void *context;
};

struct http_answer {
    int status;            /* 0: no answer came */
    bool stranger;         /* what answered isn't a Legwork server */
    int64_t retry_after_s; /* 0: not said */
    int64_t offset;        /* upload-offset; -1: not said */
    struct buf fault;      /* body of an answer other than 200, of the protocol's type */
};

MUST_USE struct err http_open(struct http **out, const struct http_options *options);
void http_close(struct http *h);
/* ERR_OK: an answer came whole, look at its status. `answer` is to be released however it ends. */
MUST_USE struct err http_send(struct http *h, const struct http_request *request,
                              struct http_answer *answer);
void http_answer_release(struct http_answer *answer);

/* A stream: an answer that stays open, whose pieces arrive during http_send and http_stream_wait.
 * What `request` points to is copied, but for `received` and its context. One at a time. */
MUST_USE struct err http_stream_open(struct http *h, const struct http_request *request);
/* Returns ERR_OK when `enough` says so, asked after each piece, several times a second, and as soon
 * as `wake_fd` (-1: none) can be read; an error when the stream ended, which closes it. */
MUST_USE struct err http_stream_wait(struct http *h, int wake_fd, bool (*enough)(void *context),
                                     void *context);
bool http_stream_is_open(const struct http *h);
void http_stream_close(struct http *h);

/* Bytes at the socket since http_open, both ways: TLS records with handshakes and alerts, without
 * the headers of TCP and IP; resent segments count as often as they were sent. */
struct http_traffic {
    int64_t up;
    int64_t down;
};
struct http_traffic http_traffic(struct http *h);

#endif
