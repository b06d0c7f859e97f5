/* The loop: listening, deadlines, mail from workers, the stop. See net.h. */
#include "server/net/net.h"

#include "common/base/log.h"
#include "server/net/conn.h"
#include "server/net/h2.h"
#include "server/net/limits.h"
#include "server/store/machine.h"

#include <malloc.h>
#include <signal.h>

static struct net *net_of(const void *handle)
{
    return ((const uv_handle_t *)handle)->data;
}

static void note(const char *event, const char *key, int64_t value)
{
    struct log_line line;
    log_begin(&line, machine_wall_ms(), event);
    log_int(&line, key, value);
    log_end(&line, stderr);
}

/* Out of descriptors, libuv itself gives up a reserve to take the connection and send it away, so
 * that the loop doesn't spin; those that are open live on. */
static void on_connection(uv_stream_t *server, int status)
{
    struct net *n = net_of(server);
    if (status == 0) {
        conn_accept(n);
    } else {
        count(&n->counters->accept_failed);
    }
}

static void on_mail(uv_async_t *async)
{
    struct net *n = container_of(container_of(async, struct mailbox, async), struct net, mailbox);
    struct exchange *x;
    while ((x = mailbox_take(&n->mailbox)) != NULL) {
        if (x->stream != NULL) {
            conn_flush(stream_answered(x->stream));
        }
        exchange_drop(x);
    }
}

/* After a crowd has left, the C library would keep its memory for the next one: 50 KB for each
 * connection that was there. */
static void give_memory_back(struct net *n)
{
    if (n->conn_count > n->conn_peak) {
        n->conn_peak = n->conn_count;
    } else if (n->conn_peak >= TRIM_CONNECTIONS && n->conn_count < n->conn_peak / 4) {
        n->conn_peak = n->conn_count;
#if defined(__GLIBC__)
        (void)malloc_trim(0);
#endif
    }
}

static void on_sweep(uv_timer_t *timer)
{
    struct net *n = net_of(timer);
    int64_t now_ms = (int64_t)uv_now(&n->loop);
    int64_t late_us = (now_ms - n->sweep_due_ms) * 1000;
    if (n->sweep_due_ms != 0 && late_us > (int64_t)count_get(&n->counters->loop_late_us_max)) {
        count_set(&n->counters->loop_late_us_max, (uint64_t)late_us);
    }
    n->sweep_due_ms = now_ms + SWEEP_MS;
    for (struct conn *c = n->first, *next; c != NULL; c = next) {
        next = conn_next(c);
        conn_sweep(c, now_ms);
    }
    give_memory_back(n);
    if (n->is_stopping && n->first == NULL) {
        uv_stop(&n->loop);
    }
}

static void on_force(uv_timer_t *timer)
{
    struct net *n = net_of(timer);
    note("drain_over", "connections", (int64_t)n->conn_count);
    while (n->first != NULL) {
        conn_close(n->first);
    }
    uv_stop(&n->loop);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct net *n = net_of(handle);
    if (n->is_stopping) {
        return;
    }
    n->is_stopping = true;
    atomic_store(&n->counters->stopping, 1);
    note("stopping", "signal", number);
    uv_close((uv_handle_t *)&n->listener, NULL);
    n->stopping(n->context);
    for (struct conn *c = n->first, *next; c != NULL; c = next) {
        next = conn_next(c);
        conn_shut_down(c);
    }
    (void)uv_timer_start(&n->force, on_force, DRAIN_MS, 0);
    n->sweep_due_ms = 0; /* from now on it looks often for the end, and isn't late */
    (void)uv_timer_start(&n->sweep, on_sweep, 0, 20);
}

static int bind_to(struct net *n, const char *host, int port)
{
    struct sockaddr_storage at;
    memset(&at, 0, sizeof at);
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (uv_ip4_addr(host, port, &v4) == 0) {
        memcpy(&at, &v4, sizeof v4);
    } else if (uv_ip6_addr(host, port, &v6) == 0) {
        memcpy(&at, &v6, sizeof v6);
    } else {
        return UV_EINVAL;
    }
    int rc = uv_tcp_bind(&n->listener, (struct sockaddr *)&at, 0);
    return rc != 0 ? rc : uv_listen((uv_stream_t *)&n->listener, LISTEN_BACKLOG, on_connection);
}

static int port_of(const uv_tcp_t *tcp)
{
    struct sockaddr_storage at;
    int size = sizeof at;
    if (uv_tcp_getsockname(tcp, (struct sockaddr *)&at, &size) != 0) {
        return 0;
    }
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    memcpy(&v4, &at, sizeof v4);
    memcpy(&v6, &at, sizeof v6);
    return ntohs(at.ss_family == AF_INET6 ? v6.sin6_port : v4.sin_port);
}

static void on_turn(uv_prepare_t *turn)
{
    struct net *n = net_of(turn);
    if (!conn_admit_some(n)) {
        (void)uv_idle_stop(&n->awake);
    }
}

static int start_handles(struct net *n)
{
    int rc = uv_tcp_init(&n->loop, &n->listener);
    rc = rc != 0 ? rc : uv_timer_init(&n->loop, &n->sweep);
    rc = rc != 0 ? rc : uv_timer_init(&n->loop, &n->force);
    rc = rc != 0 ? rc : uv_prepare_init(&n->loop, &n->turn);
    rc = rc != 0 ? rc : uv_idle_init(&n->loop, &n->awake);
    rc = rc != 0 ? rc : uv_signal_init(&n->loop, &n->on_term);
    rc = rc != 0 ? rc : uv_signal_init(&n->loop, &n->on_int);
    if (rc != 0) {
        return rc;
    }
    n->listener.data = n->sweep.data = n->force.data = n->on_term.data = n->on_int.data = n;
    n->turn.data = n;
    ring_init(&n->hellos);
    rc = uv_prepare_start(&n->turn, on_turn);
    rc = rc != 0 ? rc : uv_signal_start(&n->on_term, on_signal, SIGTERM);
    rc = rc != 0 ? rc : uv_signal_start(&n->on_int, on_signal, SIGINT);
    return rc != 0 ? rc : uv_timer_start(&n->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
}

struct err net_open(struct net *n, const struct net_options *options, int *port)
{
    memset(n, 0, sizeof *n);
    n->tls = options->tls;
    n->connections_max = options->connections_max;
    n->keepalive_ms = options->keepalive_ms;
    n->counters = options->counters;
    n->pressed = options->pressed;
    n->serve = options->serve;
    n->stopping = options->stopping;
    n->context = options->context;
    int rc = uv_loop_init(&n->loop);
    if (rc != 0) {
        return err_make(ERR_INTERNAL, rc, "uv_loop_init");
    }
    (void)signal(SIGPIPE, SIG_IGN); /* a client that left is an error of the write, no more */
    rc = start_handles(n);
    if (rc != 0) {
        return err_make(ERR_INTERNAL, rc, "start_handles");
    }
    struct err err = mailbox_init(&n->mailbox, &n->loop, on_mail);
    if (err.code == ERR_OK) {
        rc = bind_to(n, options->host, options->port);
        err = rc != 0 ? err_make(ERR_NETWORK, rc, "listen") : err_ok();
    }
    *port = port_of(&n->listener);
    return err;
}

void net_run(struct net *n)
{
    (void)uv_run(&n->loop, UV_RUN_DEFAULT);
}

static void close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

void net_close(struct net *n)
{
    while (n->first != NULL) {
        conn_close(n->first);
    }
    uv_walk(&n->loop, close_handle, NULL);
    while (uv_run(&n->loop, UV_RUN_DEFAULT) != 0) {
    }
    mailbox_release(&n->mailbox);
    (void)uv_loop_close(&n->loop);
}
