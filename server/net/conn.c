/* See conn.h. */
#include "server/net/conn.h"

#include "common/base/log.h"
#include "server/net/h2.h"
#include "server/net/limits.h"
#include "server/store/machine.h"

enum conn_state { CONN_HALF_OPEN, CONN_OPEN, CONN_CLOSING };

struct conn {
    uv_tcp_t tcp;
    uv_write_t write;
    struct net *net;
    struct conn *next, *prev;
    enum conn_state state;
    bool closed;       /* uv_close was called */
    bool admitted;     /* its handshake may begin */
    struct ring waits; /* for that, with bytes in the kernel that say it wants to */
    struct tls *tls;   /* made at the first byte: silent connections stay small */
    struct h2 *h2;
    struct buf out;      /* cipher bytes to be written */
    struct buf writing;  /* with the kernel; empty: no write in flight */
    size_t stalled_at;   /* bytes in flight when last looked at */
    int64_t progress_ms; /* when that last changed */
    int64_t since_ms;    /* accepted */
    int64_t heard_ms;
    bool resting; /* it holds no more memory than it must */
    uint8_t address[16];
};

static int64_t now_of(const struct net *n)
{
    return (int64_t)uv_now(&n->loop);
}

struct conn *conn_next(const struct conn *c)
{
    return c->next;
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = container_of((uv_tcp_t *)(void *)handle, struct conn, tcp);
    h2_free(c->h2);
    tls_free(c->tls);
    buf_release(&c->out);
    buf_release(&c->writing);
    free(c);
}

void conn_close(struct conn *c)
{
    if (c->closed) {
        return;
    }
    c->closed = true;
    ring_out(&c->waits);
    struct net *n = c->net;
    if (c->state == CONN_HALF_OPEN) {
        n->half_open_count--;
    }
    c->state = CONN_CLOSING;
    n->conn_count--;
    count_set(&n->counters->connections, n->conn_count);
    count_set(&n->counters->half_open, n->half_open_count);
    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        n->first = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    uv_close((uv_handle_t *)&c->tcp, on_closed); /* a write in flight is called back before it */
}

static void on_written(uv_write_t *write, int status)
{
    struct conn *c = container_of(write, struct conn, write);
    count_more(&c->net->counters->bytes_out, c->writing.size);
    buf_clear(&c->writing);
    c->progress_ms = now_of(c->net);
    if (status < 0) {
        conn_close(c);
    } else if (!c->closed) {
        conn_flush(c);
    }
}

static void start_write(struct conn *c)
{
    struct buf empty = c->writing;
    c->writing = c->out;
    c->out = empty;
    c->stalled_at = c->writing.size;
    c->progress_ms = now_of(c->net);
    c->resting = false;
    uv_buf_t part = uv_buf_init((char *)c->writing.at, (unsigned)c->writing.size);
    int rc = uv_write(&c->write, (uv_stream_t *)&c->tcp, &part, 1, on_written);
    if (rc != 0) {
        buf_clear(&c->writing);
        conn_close(c);
    }
}

/* Fills the output from HTTP/2, many frames to one TLS record: each record costs 29 bytes. */
static bool encrypt_some(struct conn *c)
{
    struct net *n = c->net;
    while (c->out.size < OUT_BYTES_MAX) {
        size_t size = 0;
        struct bytes frame = {NULL, 0};
        while (size < sizeof n->plain / 2 && (frame = h2_pull(c->h2)).size > 0) {
            if (frame.size > sizeof n->plain - size) {
                break; /* goes alone, below */
            }
            memcpy(n->plain + size, frame.at, frame.size);
            size += frame.size;
            frame.size = 0;
        }
        if (size == 0 && frame.size == 0) {
            return true;
        }
        if (tls_write(c->tls, bytes_of(n->plain, size)) != TLS_OK ||
            tls_write(c->tls, frame) != TLS_OK) {
            return false;
        }
    }
    return true;
}

void conn_flush(struct conn *c)
{
    if (c->closed || c->writing.size > 0) {
        return; /* on_written comes back here */
    }
    if (c->state == CONN_OPEN && !encrypt_some(c)) {
        conn_close(c);
        return;
    }
    if (c->state == CONN_OPEN && c->out.size == 0 && h2_is_over(c->h2)) {
        c->state = CONN_CLOSING;
        tls_goodbye(c->tls);
    }
    if (c->out.size > 0) {
        start_write(c);
    } else if (c->state == CONN_CLOSING) {
        conn_close(c);
    } else { /* quiet: keep no buffers for it */
        buf_release(&c->out);
        buf_release(&c->writing);
    }
}

/* Says what can still be said, then closes. */
static void start_closing(struct conn *c)
{
    if (c->closed || c->state == CONN_CLOSING) {
        return;
    }
    if (c->state == CONN_HALF_OPEN) {
        c->net->half_open_count--;
    } else {
        if (!encrypt_some(c)) {
            conn_close(c);
            return;
        }
        tls_goodbye(c->tls);
    }
    c->state = CONN_CLOSING;
    (void)uv_read_stop((uv_stream_t *)&c->tcp);
    conn_flush(c);
}

static void handshake(struct conn *c)
{
    struct net *n = c->net;
    switch (tls_handshake(c->tls)) {
    case TLS_MORE:
        return;
    case TLS_OK:
        count(&n->counters->handshakes);
        n->half_open_count--;
        count_set(&n->counters->half_open, n->half_open_count);
        c->state = CONN_OPEN;
        c->h2 = h2_new(n, c, c->address);
        if (c->h2 == NULL) {
            conn_close(c);
        }
        return;
    case TLS_CLOSED:
    case TLS_FAILED:
        count(&n->counters->handshakes_failed);
        start_closing(c);
        return;
    }
}

static void read_plain(struct conn *c)
{
    struct net *n = c->net;
    while (c->state == CONN_OPEN) {
        size_t size;
        switch (tls_read(c->tls, n->plain, sizeof n->plain, &size)) {
        case TLS_OK:
            if (!h2_feed(c->h2, bytes_of(n->plain, size))) {
                start_closing(c);
            }
            break;
        case TLS_MORE:
            return;
        case TLS_CLOSED: /* nobody reads an answer any more */
        case TLS_FAILED:
            start_closing(c);
            return;
        }
    }
}

static void on_bytes(struct conn *c, struct bytes cipher)
{
    count_more(&c->net->counters->bytes_in, cipher.size);
    c->heard_ms = now_of(c->net);
    c->resting = false;
    if (c->state == CONN_CLOSING) {
        return; /* only the output matters now */
    }
    if (c->tls == NULL) {
        c->tls = tls_new(c->net->tls, &c->out);
        if (c->tls == NULL) {
            conn_close(c);
            return;
        }
    }
    tls_feed(c->tls, cipher);
    if (c->state == CONN_HALF_OPEN) {
        handshake(c);
    }
    if (c->state == CONN_OPEN) {
        read_plain(c);
    }
    conn_flush(c);
}

static bool admit(struct conn *c)
{
    if (!c->admitted && c->net->hellos_left > 0) {
        c->net->hellos_left--;
        c->admitted = true;
        c->since_ms = now_of(c->net); /* that it waited is not its doing */
    }
    return c->admitted;
}

/* No room: what was sent stays in the kernel, and on_read hears UV_ENOBUFS. */
static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct conn *c = container_of((uv_tcp_t *)(void *)handle, struct conn, tcp);
    if (!admit(c)) {
        *buf = uv_buf_init(NULL, 0);
        return;
    }
    *buf = uv_buf_init((char *)c->net->cipher, sizeof c->net->cipher);
}

static void on_turn(uv_idle_t *idle)
{
    (void)idle; /* that it runs keeps the loop from sleeping while somebody waits */
}

static void conn_wait(struct conn *c)
{
    ring_put(&c->net->hellos, &c->waits);
    (void)uv_idle_start(&c->net->awake, on_turn);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = container_of((uv_tcp_t *)(void *)stream, struct conn, tcp);
    if (n > 0) {
        on_bytes(c, bytes_of(buf->base, (size_t)n));
    } else if (n == UV_ENOBUFS && !c->admitted) {
        (void)uv_read_stop(stream);
        conn_wait(c);
    } else if (n < 0) {
        conn_close(c);
    }
}

/* Devices that found no room for a stream poll: their connections mustn't keep others out. */
static int64_t idle_max_ms(const struct net *n)
{
    return n->conn_count > n->connections_max - n->connections_max / 8 ? IDLE_PRESSED_MS : IDLE_MS;
}

static void rest_if_quiet(struct conn *c, int64_t now_ms)
{
    if (!c->resting && now_ms - c->heard_ms > REST_MS && now_ms - c->progress_ms > REST_MS &&
        c->writing.size == 0) {
        c->resting = true;
        tls_rest(c->tls);
    }
}

bool conn_admit_some(struct net *n)
{
    n->hellos_left = HELLOS_A_TURN;
    for (struct conn *c; n->hellos_left > 0 && !ring_is_alone(&n->hellos);) {
        c = container_of(n->hellos.next, struct conn, waits);
        ring_out(&c->waits);
        (void)admit(c);
        if (uv_read_start((uv_stream_t *)&c->tcp, on_room, on_read) != 0) {
            conn_close(c);
        }
    }
    return !ring_is_alone(&n->hellos);
}

void conn_sweep(struct conn *c, int64_t now_ms)
{
    size_t in_flight = uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp);
    if (in_flight != c->stalled_at) {
        c->stalled_at = in_flight;
        c->progress_ms = now_ms;
    }
    if (in_flight > 0 && now_ms - c->progress_ms > WRITE_STALL_MS) {
        conn_close(c);
        return;
    }
    switch (c->state) {
    case CONN_HALF_OPEN:
        if (ring_is_alone(&c->waits) && now_ms - c->since_ms > HANDSHAKE_DEADLINE_MS) {
            count(&c->net->counters->handshakes_failed);
            conn_close(c);
        }
        break;
    case CONN_OPEN:
        if (!h2_sweep(c->h2, now_ms) ||
            (h2_is_idle(c->h2) && now_ms - h2_idle_since(c->h2) > idle_max_ms(c->net))) {
            h2_shut_down(c->h2);
            start_closing(c);
        } else {
            conn_flush(c); /* a deadline may have made an answer */
            rest_if_quiet(c, now_ms);
        }
        break;
    case CONN_CLOSING:
        break; /* the write stall ends it */
    }
}

void conn_shut_down(struct conn *c)
{
    if (c->state == CONN_OPEN) {
        h2_shut_down(c->h2);
        if (h2_is_idle(c->h2)) {
            start_closing(c);
        } else {
            conn_flush(c);
        }
    } else if (c->state == CONN_HALF_OPEN) {
        conn_close(c);
    }
}

static void address_of(const uv_tcp_t *tcp, uint8_t address[16])
{
    struct sockaddr_storage peer;
    int size = sizeof peer;
    memset(address, 0, 16);
    if (uv_tcp_getpeername(tcp, (struct sockaddr *)&peer, &size) != 0) {
        return; /* gone already; all of those share an address */
    }
    if (peer.ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, &peer, sizeof v6);
        memcpy(address, &v6.sin6_addr, 8); /* a customer of a provider has a whole /64 */
    } else {
        struct sockaddr_in v4;
        memcpy(&v4, &peer, sizeof v4);
        address[10] = address[11] = 0xff;
        memcpy(address + 12, &v4.sin_addr, 4);
    }
}

static bool is_over_limit(const struct net *n, const struct conn *c)
{
    if (n->conn_count >= n->connections_max || n->half_open_count >= HALF_OPEN_MAX) {
        return true;
    }
    size_t same = 0;
    if (n->half_open_count >= HALF_OPEN_PER_ADDRESS) { /* rare, so a walk is fine */
        for (const struct conn *o = n->first; o != NULL; o = o->next) {
            same += o->state == CONN_HALF_OPEN && memcmp(o->address, c->address, 16) == 0;
        }
    }
    return same >= HALF_OPEN_PER_ADDRESS;
}

static void enlist(struct net *n, struct conn *c)
{
    c->next = n->first;
    if (c->next != NULL) {
        c->next->prev = c;
    }
    n->first = c;
    n->conn_count++;
    n->half_open_count++;
    count(&n->counters->accepted);
    count_set(&n->counters->connections, n->conn_count);
    count_set(&n->counters->half_open, n->half_open_count);
}

void conn_accept(struct net *n)
{
    struct conn *c = calloc(1, sizeof *c);
    if (c == NULL || uv_tcp_init(&n->loop, &c->tcp) != 0) {
        free(c);
        return;
    }
    c->net = n;
    c->since_ms = now_of(n);
    ring_init(&c->waits);
    buf_init(&c->out, OUT_BYTES_MAX * 4); /* a full output, a last record, handshake messages */
    buf_init(&c->writing, OUT_BYTES_MAX * 4);
    int rc = uv_accept((uv_stream_t *)&n->listener, (uv_stream_t *)&c->tcp);
    address_of(&c->tcp, c->address);
    if (rc != 0 || is_over_limit(n, c)) {
        count(&n->counters->accept_refused);
        uv_close((uv_handle_t *)&c->tcp, on_closed);
        return;
    }
    enlist(n, c);
    int size = SEND_BUFFER_BYTES;
    (void)uv_send_buffer_size((uv_handle_t *)&c->tcp, &size);
    (void)uv_tcp_nodelay(&c->tcp, 1);
    (void)uv_tcp_keepalive(&c->tcp, 1, 60);
    if (uv_read_start((uv_stream_t *)&c->tcp, on_room, on_read) != 0) {
        conn_close(c);
    }
}
