/* See metrics.h. libmicrohttpd runs it on a thread of its own, so that it answers also when the
 * loop is busy. */
#include "server/net/metrics.h"

#include "common/base/base.h"
#include "server/store/machine.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define METRICS_BYTES_MAX   ((size_t)256 * 1024)
#define METRICS_CONNECTIONS 16
#define METRICS_TIMEOUT_S   5
#define DAY_S               86400

struct metrics {
    struct MHD_Daemon *daemon;
    struct counters *counters;
    struct service *service;
};

static void family(struct buf *b, const char *name, const char *type, const char *help)
{
    buf_printf(b, "# HELP legwork_%s %s\n# TYPE legwork_%s %s\n", name, help, name, type);
}

static void put_requests(struct buf *b, struct counters *c)
{
    static const char *const statuses[COUNTED_COUNT] = {
#define X(status) [COUNTED_##status] = #status,
        COUNTED_STATUSES(X)
#undef X
            [COUNTED_OTHER] = "other"};
    family(b, "requests_total", "counter", "Requests by route and status.");
    for (enum route r = 0; r < ROUTE_COUNT; r++) {
        for (size_t i = 0; i < COUNTED_COUNT; i++) {
            uint64_t n = count_get(&c->requests[r][i]);
            if (n > 0) {
                buf_printf(b, "legwork_requests_total{route=\"%s\",status=\"%s\"} %" PRIu64 "\n",
                           route_entry(r)->name, statuses[i], n);
            }
        }
    }
}

static void put_outcomes(struct buf *b, struct counters *c)
{
    static const char *const names[] = {[OUTCOME_ACCEPTED] = "accepted",
                                        [OUTCOME_MERGED] = "merged",
                                        [OUTCOME_PARKED] = "parked",
                                        [OUTCOME_REFUSED] = "refused"};
    family(b, "sync_transactions_total", "counter", "Transactions pushed, by outcome.");
    for (size_t i = 0; i < count_of(names); i++) {
        buf_printf(b, "legwork_sync_transactions_total{outcome=\"%s\"} %" PRIu64 "\n", names[i],
                   count_get(&c->outcomes[i]));
    }
}

static uint64_t days_until(uint64_t then_s)
{
    uint64_t now_s = (uint64_t)(machine_wall_ms() / 1000);
    return then_s > now_s ? (then_s - now_s) / DAY_S : 0;
}

static void put_metrics(struct buf *b, struct metrics *m)
{
    struct counters *c = m->counters;
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } lines[] = {
        {"connections", "gauge", "Connections now.", count_get(&c->connections)},
        {"half_open", "gauge", "Connections whose handshake isn't over.", count_get(&c->half_open)},
        {"accepted_total", "counter", "Connections let in.", count_get(&c->accepted)},
        {"accept_refused_total", "counter", "Connections over a limit.",
         count_get(&c->accept_refused)},
        {"accept_failed_total", "counter", "Connections that couldn't be taken.",
         count_get(&c->accept_failed)},
        {"handshakes_total", "counter", "TLS handshakes done.", count_get(&c->handshakes)},
        {"handshakes_failed_total", "counter", "TLS handshakes failed or given up.",
         count_get(&c->handshakes_failed)},
        {"resets_total", "counter", "Streams that ended early.", count_get(&c->resets)},
        {"bytes_in_total", "counter", "Bytes received, encrypted.", count_get(&c->bytes_in)},
        {"bytes_out_total", "counter", "Bytes sent, encrypted.", count_get(&c->bytes_out)},
        {"sync_sessions_total", "counter", "Sync requests judged.", count_get(&c->sessions)},
        {"sync_sessions_failed_total", "counter", "Sync requests that the store failed.",
         count_get(&c->sessions_failed)},
        {"sync_pushed_bytes_total", "counter", "Bodies of sync requests, compressed.",
         count_get(&c->pushed_bytes)},
        {"sync_pulled_bytes_total", "counter", "Bodies of sync answers, compressed.",
         count_get(&c->pulled_bytes)},
        {"chain_alarms_total", "counter", "Heads of the change log that devices hold and it lacks.",
         count_get(&c->chain_alarms)},
        {"sync_rows_pulled_total", "counter", "Rows sent to devices.", count_get(&c->rows_pulled)},
        {"live_streams", "gauge", "Live streams now.", count_get(&c->live_streams)},
        {"hints_total", "counter", "Hints sent, keep-alives included.", count_get(&c->hints)},
        {"work_queue", "gauge", "Requests that wait for a worker.", pool_waiting(m->service->pool)},
        {"writer_queue", "gauge", "Pushes that wait for the writer.",
         writer_waiting(m->service->writer)},
        {"writer_groups_total", "counter", "Groups committed or lost.",
         count_get(&c->writer_groups)},
        {"writer_jobs_total", "counter", "Pushes and enrolments in them.",
         count_get(&c->writer_jobs)},
        {"writer_group_size", "gauge", "Size of the last group.", count_get(&c->writer_group_last)},
        {"writer_busy_microseconds_total", "counter", "Time in groups.",
         count_get(&c->writer_commit_us)},
        {"loop_late_max_microseconds", "gauge", "Worst delay of the loop's timer since last asked.",
         atomic_exchange(&c->loop_late_us_max, 0)},
        {"certificate_days_left", "gauge", "Until the server's certificate ends.",
         days_until(count_get(&c->certificate_expires_s))},
        {"store_failing", "gauge", "1: the last group couldn't be committed.",
         (uint64_t)atomic_load(&c->store_failing)},
    };
    put_requests(b, c);
    put_outcomes(b, c);
    for (size_t i = 0; i < count_of(lines); i++) {
        family(b, lines[i].name, lines[i].type, lines[i].help);
        buf_printf(b, "legwork_%s %" PRIu64 "\n", lines[i].name, lines[i].value);
    }
}

static unsigned put_health(struct buf *b, struct metrics *m)
{
    bool stopping = atomic_load(&m->counters->stopping) != 0;
    bool failing = atomic_load(&m->counters->store_failing) != 0;
    buf_printf(b, "{\"status\":\"%s\",\"connections\":%" PRIu64 ",\"writer_queue\":%zu}\n",
               stopping  ? "stopping"
               : failing ? "store_failing"
                         : "ok",
               count_get(&m->counters->connections), writer_waiting(m->service->writer));
    return stopping || failing ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK;
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, unsigned status,
                                   const char *type, struct buf *body)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body->size, body->at, MHD_RESPMEM_MUST_COPY);
    if (response == NULL) {
        return MHD_NO;
    }
    enum MHD_Result result = MHD_add_response_header(response, "Content-Type", type);
    if (result == MHD_YES) {
        result = MHD_queue_response(connection, status, response);
    }
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state)
{
    (void)version;
    (void)upload;
    static const char seen;
    if (*state == NULL) { /* first called with the headers alone: answers come at the second */
        *state = (void *)(uintptr_t)&seen;
        return MHD_YES;
    }
    *upload_size = 0;
    struct metrics *m = context;
    struct buf body;
    buf_init(&body, METRICS_BYTES_MAX);
    unsigned status = MHD_HTTP_OK;
    const char *type = "text/plain; version=0.0.4";
    if (strcmp(method, "GET") != 0) {
        status = MHD_HTTP_METHOD_NOT_ALLOWED;
    } else if (strcmp(url, "/metrics") == 0) {
        put_metrics(&body, m);
    } else if (strcmp(url, "/health") == 0) {
        status = put_health(&body, m);
        type = "application/json";
    } else {
        status = MHD_HTTP_NOT_FOUND;
    }
    enum MHD_Result result = send_answer(connection, status, type, &body);
    buf_release(&body);
    return result;
}

static struct MHD_Daemon *start(struct metrics *m, const struct sockaddr *at, unsigned family_flag)
{
    return MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO | family_flag, 0, NULL, NULL, on_request, m,
        MHD_OPTION_SOCK_ADDR, at, MHD_OPTION_CONNECTION_LIMIT, (unsigned)METRICS_CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)METRICS_TIMEOUT_S, MHD_OPTION_END);
}

struct err metrics_open(struct metrics **out, const char *host, int port, struct counters *counters,
                        struct service *service)
{
    *out = NULL;
    struct metrics *m = calloc(1, sizeof *m);
    if (m == NULL) {
        return err_make(ERR_NOMEM, 0, "metrics_open");
    }
    m->counters = counters;
    m->service = service;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        m->daemon = start(m, (const struct sockaddr *)&v4, 0);
    } else if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        m->daemon = start(m, (const struct sockaddr *)&v6, MHD_USE_IPv6);
    }
    if (m->daemon == NULL) {
        int cause = errno;
        free(m);
        return err_make(ERR_NETWORK, cause, "metrics_open");
    }
    *out = m;
    return err_ok();
}

void metrics_close(struct metrics *m)
{
    if (m != NULL) {
        MHD_stop_daemon(m->daemon);
        free(m);
    }
}

int metrics_port(const struct metrics *m)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(m->daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info != NULL ? info->port : 0;
}
