/* See meter.h. */
#include "client/net/meter.h"

#include <linux/tcp.h> /* the only header with the byte counters of TCP_INFO */
#include <sys/socket.h>
#include <unistd.h>

#define PROTOCOL_TCP 6 /* <netinet/in.h> would define struct tcp_info a second time */

static void add_socket(curl_socket_t socket, int64_t *up, int64_t *down)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    if (getsockopt(socket, PROTOCOL_TCP, TCP_INFO, &info, &size) == 0) {
        *up += (int64_t)info.tcpi_bytes_sent;
        *down += (int64_t)info.tcpi_bytes_received;
    }
}

static curl_socket_t on_open(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct meter *m = context;
    curl_socket_t opened =
        socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (opened != CURL_SOCKET_BAD && m->count < METER_SOCKETS_MAX) {
        m->sockets[m->count++] = opened;
    }
    return opened;
}

static int on_close(void *context, curl_socket_t socket)
{
    struct meter *m = context;
    for (size_t i = 0; i < m->count; i++) {
        if (m->sockets[i] == socket) {
            add_socket(socket, &m->closed_up, &m->closed_down);
            m->sockets[i] = m->sockets[--m->count];
            break;
        }
    }
    return close(socket);
}

bool meter_attach(struct meter *m, CURL *curl)
{
    return curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_open) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, m) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CLOSESOCKETFUNCTION, on_close) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CLOSESOCKETDATA, m) == CURLE_OK;
}

void meter_read(const struct meter *m, int64_t *up, int64_t *down)
{
    *up = m->closed_up;
    *down = m->closed_down;
    for (size_t i = 0; i < m->count; i++) {
        add_socket(m->sockets[i], up, down);
    }
}
