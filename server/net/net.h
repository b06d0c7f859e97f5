/* The network half of a server: one libuv loop that owns the listening socket, all connections and
 * their deadlines. It knows no database and no route's meaning: a complete request is handed to
 * `serve`, which must not wait, and the answer comes back through the exchange. */
#ifndef SERVER_NET_NET_H
#define SERVER_NET_NET_H

#include "server/net/counters.h"
#include "server/net/exchange.h"
#include "server/net/ring.h"
#include "server/net/tls.h"

struct conn;

/* A request is here, whole and within the limits of its route. On the loop: hand it on, or answer
 * at once. The reference belongs to the caller: exchange_hold what is kept. */
typedef void (*net_serve)(void *context, struct exchange *x);

struct net {
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_timer_t sweep, force;
    uv_prepare_t turn;
    uv_idle_t awake; /* while handshakes wait for a turn */
    uv_signal_t on_term, on_int;
    struct mailbox mailbox;
    struct tls_server *tls;
    struct counters *counters;
    const _Atomic int *pressed;
    net_serve serve;
    void *context;
    void (*stopping)(void *context); /* the stop has begun: end what never ends by itself */
    struct conn *first;              /* all connections, newest first */
    size_t conn_count, half_open_count, connections_max;
    size_t conn_peak; /* since memory was last given back */
    int64_t keepalive_ms;
    struct ring hellos; /* connections whose handshake waits, first come first */
    int hellos_left;    /* that this turn of the loop may still begin */
    size_t body_bytes;  /* of requests not yet handed on */
    int64_t sweep_due_ms;
    bool is_stopping;
    uint8_t cipher[64 * 1024]; /* of the connection just read; nobody waits with it */
    uint8_t plain[16 * 1024];
};

struct net_options {
    const char *host; /* numeric address */
    int port;         /* 0: any */
    size_t connections_max;
    int64_t keepalive_ms; /* who has a live stream and doesn't answer a PING so long is gone */
    struct tls_server *tls;
    struct counters *counters;
    const _Atomic int *pressed;
    net_serve serve;
    void (*stopping)(void *context);
    void *context;
};

/* Binds and listens; `*port` is the one it got. */
MUST_USE struct err net_open(struct net *n, const struct net_options *options, int *port);
/* Runs until SIGTERM or SIGINT, then stops accepting, lets running requests finish for at most
 * DRAIN_MS, and returns with every connection closed. */
void net_run(struct net *n);
void net_close(struct net *n);

#endif
