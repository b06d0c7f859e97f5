/* See exchange.h. Lock order: an exchange's mutex is never held while the mailbox's is taken; who
 * watches it takes its own mutex under the exchange's. */
#include "server/net/exchange.h"

#include "common/base/base.h"
#include "protocol/codec.h"
#include "server/net/limits.h"
#include "server/store/machine.h"

#define STALL_SLICE_MS 100 /* how often a waiting worker looks up */

struct err mailbox_init(struct mailbox *m, uv_loop_t *loop, uv_async_cb on_mail)
{
    m->first = m->last = NULL;
    int rc = uv_async_init(loop, &m->async, on_mail);
    if (rc != 0) {
        return err_make(ERR_INTERNAL, rc, "uv_async_init");
    }
    m->async.data = m;
    if (pthread_mutex_init(&m->mutex, NULL) != 0) {
        return err_make(ERR_NOMEM, 0, "mailbox_init");
    }
    return err_ok();
}

void mailbox_release(struct mailbox *m)
{
    for (struct exchange *x; (x = mailbox_take(m)) != NULL;) {
        exchange_drop(x);
    }
    (void)pthread_mutex_destroy(&m->mutex);
}

static void mailbox_post(struct exchange *x)
{
    struct mailbox *m = x->mailbox;
    (void)pthread_mutex_lock(&m->mutex);
    bool news = !x->in_mailbox;
    if (news) {
        x->in_mailbox = true;
        x->next_mail = NULL;
        (void)exchange_hold(x);
        if (m->last != NULL) {
            m->last->next_mail = x;
        } else {
            m->first = x;
        }
        m->last = x;
    }
    (void)pthread_mutex_unlock(&m->mutex);
    if (news) {
        (void)uv_async_send(&m->async);
    }
}

struct exchange *mailbox_take(struct mailbox *m)
{
    (void)pthread_mutex_lock(&m->mutex);
    struct exchange *x = m->first;
    if (x != NULL) {
        m->first = x->next_mail;
        if (m->first == NULL) {
            m->last = NULL;
        }
        x->in_mailbox = false;
    }
    (void)pthread_mutex_unlock(&m->mutex);
    return x;
}

struct exchange *exchange_new(struct mailbox *mailbox, const _Atomic int *pressed)
{
    struct exchange *x = calloc(1, sizeof *x);
    if (x == NULL) {
        return NULL;
    }
    x->mailbox = mailbox;
    x->pressed = pressed;
    x->request.route = ROUTE_NONE;
    atomic_init(&x->refs, 1);
    buf_init(&x->request.body, PUSH_BYTES_MAX);
    buf_init(&x->queue, SIZE_MAX / 4);         /* bounded by exchange_write */
    (void)pthread_mutex_init(&x->mutex, NULL); /* Linux's default kinds can't fail */
    (void)pthread_cond_init(&x->room, NULL);
    return x;
}

struct exchange *exchange_hold(struct exchange *x)
{
    (void)atomic_fetch_add(&x->refs, 1);
    return x;
}

void exchange_drop(struct exchange *x)
{
    if (atomic_fetch_sub(&x->refs, 1) > 1) {
        return;
    }
    buf_release(&x->request.body);
    buf_release(&x->queue);
    (void)pthread_cond_destroy(&x->room);
    (void)pthread_mutex_destroy(&x->mutex);
    free(x);
}

struct err exchange_start(struct exchange *x, const struct answer_head *head)
{
    (void)pthread_mutex_lock(&x->mutex);
    assert(!x->started);
    x->head = *head;
    x->started = true;
    bool gone = x->cancelled;
    (void)pthread_mutex_unlock(&x->mutex);
    if (gone) {
        return err_make(ERR_CANCELLED, 0, "exchange_start");
    }
    mailbox_post(x);
    return err_ok();
}

static size_t queued(const struct exchange *x)
{
    return x->queue.size - x->taken;
}

/* Under the mutex. Whether there is room; a client that takes nothing for too long is given up. */
static bool wait_for_room(struct exchange *x)
{
    int64_t since = machine_mono_ms();
    size_t before = queued(x);
    while (!x->cancelled && queued(x) > ANSWER_QUEUE_BYTES_MAX) {
        struct timespec at = machine_deadline(STALL_SLICE_MS);
        (void)pthread_cond_timedwait(&x->room, &x->mutex, &at);
        int64_t now = machine_mono_ms();
        if (queued(x) < before) {
            before = queued(x);
            since = now;
        }
        bool pressed = x->pressed != NULL && atomic_load(x->pressed) != 0;
        if (now - since > (pressed ? ANSWER_STALL_PRESSED_MS : ANSWER_STALL_MS)) {
            return false;
        }
    }
    return !x->cancelled;
}

/* Under the mutex. */
static bool append(struct exchange *x, struct bytes bytes)
{
    if (x->taken == x->queue.size) {
        buf_clear(&x->queue);
        x->taken = 0;
    } else if (x->taken > ANSWER_QUEUE_BYTES_MAX) {
        memmove(x->queue.at, x->queue.at + x->taken, queued(x));
        x->queue.size -= x->taken;
        x->taken = 0;
    }
    buf_put(&x->queue, bytes);
    x->written += bytes.size;
    return !x->queue.bad;
}

struct err exchange_write(struct exchange *x, struct bytes bytes)
{
    (void)pthread_mutex_lock(&x->mutex);
    assert(x->started && !x->ended);
    bool room = wait_for_room(x);
    bool fits = room && append(x, bytes);
    (void)pthread_mutex_unlock(&x->mutex);
    if (!fits) {
        return err_make(room ? ERR_NOMEM : ERR_CANCELLED, 0, "exchange_write");
    }
    mailbox_post(x);
    return err_ok();
}

bool exchange_hint(struct exchange *x, struct bytes bytes)
{
    (void)pthread_mutex_lock(&x->mutex);
    bool put = !x->cancelled && queued(x) == 0 && append(x, bytes);
    (void)pthread_mutex_unlock(&x->mutex);
    if (put) {
        mailbox_post(x);
    }
    return put;
}

static void finish(struct exchange *x, bool abort)
{
    (void)pthread_mutex_lock(&x->mutex);
    x->ended = true;
    x->aborted = abort;
    bool gone = x->cancelled;
    (void)pthread_mutex_unlock(&x->mutex);
    if (!gone) {
        mailbox_post(x);
    }
}

void exchange_end(struct exchange *x)
{
    finish(x, false);
}

void exchange_abort(struct exchange *x)
{
    finish(x, true);
}

void exchange_fault(struct exchange *x, int status, const struct fault *fault)
{
    struct message m = {.kind = MESSAGE_FAULT, .fault = *fault};
    m.fault.server_ms = machine_wall_ms();
    struct buf body;
    buf_init(&body, ROW_BYTES_MAX);
    bool waits = status == 429 || status == 503 || status == 507;
    struct answer_head head = {.status = status,
                               .type = "application/cbor-seq",
                               .retry_after_s = waits ? (int)fault->limit : 0};
    struct err err = exchange_start(x, &head);
    if (err.code == ERR_OK && message_encode(&m, &body) == WIRE_OK) {
        err = exchange_write(x, buf_bytes(&body));
    }
    (void)err; /* the client left: nobody to tell */
    exchange_end(x);
    buf_release(&body);
}

void exchange_fail(struct exchange *x, int status, const char *code, int64_t limit)
{
    struct fault fault = {.limit = limit};
    (void)snprintf(fault.code, sizeof fault.code, "%s", code);
    exchange_fault(x, status, &fault);
}

bool exchange_watch(struct exchange *x, void (*gone)(void *context), void *context)
{
    (void)pthread_mutex_lock(&x->mutex);
    bool open = !x->cancelled;
    x->gone = gone;
    x->gone_context = context;
    (void)pthread_mutex_unlock(&x->mutex);
    return open;
}

bool exchange_head(struct exchange *x, struct answer_head *head)
{
    (void)pthread_mutex_lock(&x->mutex);
    bool started = x->started;
    *head = x->head;
    (void)pthread_mutex_unlock(&x->mutex);
    return started;
}

size_t exchange_take(struct exchange *x, uint8_t *to, size_t room, enum exchange_state *state)
{
    (void)pthread_mutex_lock(&x->mutex);
    size_t n = queued(x) < room ? queued(x) : room;
    if (n > 0) {
        memcpy(to, x->queue.at + x->taken, n);
        x->taken += n;
        (void)pthread_cond_signal(&x->room);
    }
    if (x->taken == x->queue.size && x->queue.room > ROW_BYTES_MAX) {
        buf_release(&x->queue); /* a live stream keeps no large buffer for its quiet hours */
        x->taken = 0;
    }
    bool over = x->ended && queued(x) == 0;
    *state = x->aborted ? EXCHANGE_ABORTED : over ? EXCHANGE_ENDED : EXCHANGE_OPEN;
    (void)pthread_mutex_unlock(&x->mutex);
    return n;
}

void exchange_cancel(struct exchange *x)
{
    x->stream = NULL;
    (void)pthread_mutex_lock(&x->mutex);
    if (!x->cancelled && x->gone != NULL) {
        x->gone(x->gone_context);
    }
    x->cancelled = true;
    buf_release(&x->queue);
    x->taken = 0;
    (void)pthread_cond_broadcast(&x->room);
    (void)pthread_mutex_unlock(&x->mutex);
}
