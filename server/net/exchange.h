/* One request and its answer, shared by the loop, which owns the stream, and one worker at a time,
 * who writes the answer:
 *
 *   loop: exchange_new, fills `request` ──► worker: start, write…, end
 *   loop: exchange_take ◄── mailbox (uv_async) ◄──┘
 *
 * A worker that writes faster than the client reads waits in exchange_write; when the client goes,
 * every call says ERR_CANCELLED. `request` is written by the loop alone before the hand-over and
 * only read from then on. Counted references: the stream holds one, each worker's job another. */
#ifndef SERVER_NET_EXCHANGE_H
#define SERVER_NET_EXCHANGE_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "common/base/base.h"
#include "protocol/messages.h"
#include "protocol/signature.h"
#include "server/net/counters.h"

struct exchange;

/* Exchanges about which the loop has something to do, from any thread. */
struct mailbox {
    pthread_mutex_t mutex;
    struct exchange *first, *last;
    uv_async_t async;
};

struct request {
    enum route route;
    char method[8];
    char path[ROUTE_PATH_SIZE];
    char type[40], encoding[16]; /* content-type, content-encoding */
    char digest[SIGNATURE_HEADER_MAX], signature_input[SIGNATURE_HEADER_MAX],
        signature[SIGNATURE_HEADER_MAX]; /* "" where absent or too long to be ours */
    struct buf body;
    uint8_t address[16]; /* of the client, IPv4 mapped */
    int64_t received_ms; /* wall clock at its end */
    int64_t began_ms;    /* monotonic, at its first header */
};

struct answer_head {
    int status;
    const char *type; /* literals; NULL: none */
    const char *encoding;
    int retry_after_s; /* 0: none */
    bool has_offset;   /* of a picture: how much of it is here */
    bool attachment;   /* bytes of somebody's: to be kept as a file, never shown as a page */
    int64_t offset;
};

struct exchange {
    struct request request;
    uint32_t device_number; /* for the log; 0: not known */
    void *stream;           /* the loop's; NULL once the stream is closed */
    struct mailbox *mailbox;
    struct exchange *next_mail;
    bool in_mailbox; /* under the mailbox's mutex */
    _Atomic int refs;
    const _Atomic int *pressed; /* others wait for a worker: be less patient with this client */

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t room;
    struct answer_head head;
    struct buf queue;
    size_t taken; /* of the queue's bytes */
    uint64_t written;
    bool started, ended, aborted, cancelled;
    void (*gone)(void *context); /* or NULL: nobody wants to know */
    void *gone_context;
};

MUST_USE struct err mailbox_init(struct mailbox *m, uv_loop_t *loop, uv_async_cb on_mail);
void mailbox_release(struct mailbox *m);          /* after its handle was closed */
struct exchange *mailbox_take(struct mailbox *m); /* loop; with a reference; NULL: empty */

MUST_USE struct exchange *exchange_new(struct mailbox *mailbox, const _Atomic int *pressed);
struct exchange *exchange_hold(struct exchange *x);
void exchange_drop(struct exchange *x);

/* Answering, from any thread but one at a time. Small bodies (errors) never wait. */
MUST_USE struct err exchange_start(struct exchange *x, const struct answer_head *head);
/* Waits where more than ANSWER_QUEUE_BYTES_MAX are queued, at most ANSWER_STALL_MS. */
MUST_USE struct err exchange_write(struct exchange *x, struct bytes bytes);
/* Never waits: false where older bytes are still queued or the client is gone. */
bool exchange_hint(struct exchange *x, struct bytes bytes);
void exchange_end(struct exchange *x);
void exchange_abort(struct exchange *x); /* resets the stream: the answer can't be finished */
/* A whole answer: status and one FAULT message. Only before exchange_start. */
void exchange_fail(struct exchange *x, int status, const char *code, int64_t limit);
void exchange_fault(struct exchange *x, int status, const struct fault *fault);
/* `gone` is called once, on the loop's thread and under the exchange's mutex, when the stream
 * closes; NULL: not any more. False: it is closed already. */
bool exchange_watch(struct exchange *x, void (*gone)(void *context), void *context);

/* The loop's side. */
enum exchange_state { EXCHANGE_OPEN, EXCHANGE_ENDED, EXCHANGE_ABORTED };
bool exchange_head(struct exchange *x, struct answer_head *head); /* true once started */
/* Moves at most `room` bytes to `to`; the state is what comes after them. */
size_t exchange_take(struct exchange *x, uint8_t *to, size_t room, enum exchange_state *state);
void exchange_cancel(struct exchange *x); /* the stream is closed */

#endif
