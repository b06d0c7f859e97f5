/* legworkd serve: opens what the data directory holds, listens, and runs until SIGTERM or SIGINT.
 * Everything that can be wrong is said in one line before the first connection is taken. */
#include "common/base/base.h"

#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "server/admin/command.h"
#include "server/admin/data.h"
#include "server/admin/erase.h"
#include "server/admin/files.h"
#include "server/admin/move.h"
#include "server/admin/options.h"
#include "server/admin/say.h"
#include "server/net/limits.h"
#include "server/net/metrics.h"
#include "server/net/net.h"
#include "server/net/service.h"
#include "server/net/tls.h"
#include "server/store/machine.h"
#include "server/store/start_check.h"

#define LOCK_FILE           "serve.lock"
#define HOST_MAX            64
#define DEFAULT_LISTEN      "127.0.0.1:8443"
#define DEFAULT_METRICS     "127.0.0.1:9464"
#define DAY_MS              INT64_C(86400000)
#define EXPIRY_WARNING_DAYS 30

struct endpoint {
    char host[HOST_MAX]; /* numeric, without brackets */
    int port;
};

struct serve_options {
    struct endpoint listen, metrics;
    int64_t photo_quota_mib;
    int64_t streams, keepalive_s; /* of live streams */
};

struct server {
    struct counters counters;
    struct service service;
    struct net net;
    struct tls_server *tls;
    struct metrics *metrics;
    struct ledger_file ledger;
    int lock_fd;
    size_t connections_max;
    char tickets_path[DATA_PATH_MAX];
    bool has_service, has_net;
    _Atomic int broken;
    _Atomic int replaced;
};

/* HOST:PORT or [HOST]:PORT, the host numeric. */
static bool endpoint_parse(const char *text, struct endpoint *out)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon[1] < '0' || colon[1] > '9') {
        return false;
    }
    char *end;
    errno = 0;
    long port = strtol(colon + 1, &end, 10);
    size_t size = (size_t)(colon - text);
    if (size >= 2 && text[0] == '[' && colon[-1] == ']') {
        text++;
        size -= 2;
    }
    if (*end != 0 || errno != 0 || port > 65535 || size == 0 || size >= HOST_MAX) {
        return false;
    }
    memcpy(out->host, text, size);
    out->host[size] = 0;
    out->port = (int)port;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    return uv_ip4_addr(out->host, 0, &v4) == 0 || uv_ip6_addr(out->host, 0, &v6) == 0;
}

/* Two servers on one store would hint and limit without knowing of each other. */
static bool lock_data(struct server *s)
{
    char path[DATA_PATH_MAX];
    if (!data_path(LOCK_FILE, path)) {
        return false;
    }
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0) {
        complain("%s: %s", "%s：%s", path, strerror(errno));
        return false;
    }
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(s->lock_fd, F_SETLK, &lock) != 0) {
        complain("%s: another 'legworkd serve' runs on this data", "%s：已有 legworkd serve 在运行",
                 data_dir());
        return false;
    }
    return true;
}

/* A key that others can read is no secret any more. */
static bool key_is_private(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        complain("%s: %s", "%s：%s", path, strerror(errno));
        return false;
    }
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        complain("%s: others may read the key; run: chmod 600 %s",
                 "%s：其他用户可读取密钥，请运行 chmod 600 %s", path, path);
        return false;
    }
    return true;
}

/* Moves and erasures that a process left unfinished go on before the first device is heard. */
static bool resume_jobs(void)
{
    struct data d;
    struct move_job last = {.no = 0};
    int64_t count = 0;
    if (!data_open(&d, true)) {
        return false;
    }
    struct err err = move_jobs_resume(&d.store, &last, &count);
    if (err.code != ERR_OK) {
        (void)refuse_err(err, NULL, "move", db_message(d.db));
    }
    struct erase_job erased = {.no = 0};
    struct err erasing = erase_jobs_resume(&d, &erased, &count);
    if (erasing.code != ERR_OK) {
        (void)refuse_err(erasing, NULL, "erase", db_message(d.db));
    }
    data_close(&d);
    return err.code == ERR_OK && erasing.code == ERR_OK;
}

/* Devices refuse an expired certificate: whoever reads the server's output has a month. */
static void warn_of_expiry(struct server *s, const char *certificate)
{
    int64_t left_ms = tls_server_expires_ms(s->tls) - machine_wall_ms();
    count_set(&s->counters.certificate_expires_s, (uint64_t)(tls_server_expires_ms(s->tls) / 1000));
    if (left_ms < EXPIRY_WARNING_DAYS * DAY_MS) {
        complain("%s: expires in %" PRId64 " days; renew it, or no device will come any more",
                 "%s：证书将在 %" PRId64 " 天后过期，请更换，否则设备将无法连接", certificate,
                 left_ms / DAY_MS);
    }
}

static bool open_tls(struct server *s)
{
    char certificate[DATA_PATH_MAX], key[DATA_PATH_MAX];
    if (!data_path(TLS_FILE, certificate) || !data_path(TLS_KEY_FILE, key) ||
        !data_path(TICKETS_FILE, s->tickets_path) || !key_is_private(key)) {
        return false;
    }
    struct err err = tls_server_open(&s->tls, certificate, key, s->tickets_path);
    if (err.code == ERR_IO) {
        complain("%s: %s; after a restart devices shake hands in full",
                 "%s：%s；重启后设备需要重新完整握手", s->tickets_path, strerror(err.cause));
        err = err_ok();
    }
    if (err.code != ERR_OK) {
        complain("%s, %s: not usable (%s, -0x%x)", "%s、%s：无法使用（%s，-0x%x）", certificate,
                 key, err.where, (unsigned)-err.cause);
    } else {
        warn_of_expiry(s, certificate);
    }
    return err.code == ERR_OK;
}

/* On the writer's thread: after a failed fsync nobody knows what is on the disk. The process ends,
 * and the next start recovers from what is there. */
static void on_broken(void *context)
{
    struct server *s = context;
    atomic_store(&s->broken, 1);
    (void)kill(getpid(), SIGTERM);
}

/* On the writer's thread: the firm's devices have another server now. What they asked for just now
 * is still answered. */
static void on_replaced(void *context)
{
    struct server *s = context;
    if (atomic_exchange(&s->replaced, 1) == 0) {
        struct log_line line;
        log_begin(&line, machine_wall_ms(), "superseded");
        log_end(&line, stderr);
        (void)kill(getpid(), SIGTERM);
    }
}

/* A damaged store is left as it is: what is written to it now would be lost with it. */
static bool store_is_sound(const char *path)
{
    struct db *db = NULL;
    struct db_options options = {.mode = DB_WRITE, .busy_timeout_ms = 10000};
    struct err err = db_open(&db, path, &options);
    if (err.code == ERR_OK) {
        err = start_check(db);
    }
    db_close(db);
    if (err.code == ERR_CORRUPT) {
        complain("%s is damaged; not starting. Nothing was changed or deleted. Keep the file, and "
                 "restore the"
                 " last backup: legworkd restore FILE",
                 "%s 已损坏，未启动服务，未更改或删除任何数据。请保留该文件，并恢复最近的备份："
                 "legworkd restore FILE",
                 path);
        return false;
    }
    return err.code == ERR_OK || refuse_err(err, NULL, path, NULL) == EXIT_DONE;
}

/* An eighth of the connections is kept for syncs of devices that have no stream. */
static size_t streams_of(int64_t wanted, size_t connections_max)
{
    size_t most = connections_max - connections_max / 8;
    return (size_t)wanted < most ? (size_t)wanted : most;
}

static bool open_service(struct server *s, const struct serve_options *o)
{
    char store[DATA_PATH_MAX], ca[DATA_PATH_MAX], ledger[DATA_PATH_MAX], blobs[DATA_PATH_MAX];
    struct stat there;
    if (!data_path(STORE_FILE, store) || !data_path(CA_FILE, ca) ||
        !data_path(LEDGER_FILE, ledger) || !data_path(BLOB_DIR, blobs)) {
        return false;
    }
    if (stat(store, &there) != 0) {
        complain("%s: no store here; 'legworkd init' makes one",
                 "%s：这里没有数据库，请先运行 legworkd init", data_dir());
        return false;
    }
    if (!store_is_sound(store)) {
        return false;
    }
    struct err err = ledger_file_open(&s->ledger, ledger, true);
    if (err.code != ERR_OK) {
        (void)refuse_err(err, NULL, ledger, NULL);
        return false;
    }
    const struct service_options options = {.store_path = store,
                                            .blob_path = blobs,
                                            .photo_quota_mib = o->photo_quota_mib,
                                            .live_streams_max =
                                                streams_of(o->streams, s->connections_max),
                                            .live_keepalive_ms = o->keepalive_s * 1000,
                                            .ledger = &s->ledger.ledger,
                                            .counters = &s->counters,
                                            .broken = on_broken,
                                            .replaced = on_replaced,
                                            .context = s};
    err = service_open(&s->service, &options);
    s->has_service = true;
    if (err.code != ERR_OK) {
        (void)refuse_err(err, NULL, store, NULL);
        return false;
    }
    return file_read(ca, &s->service.ca);
}

static void print_url(const char *what, const char *host, int port, const char *path)
{
    bool v6 = strchr(host, ':') != NULL;
    (void)printf("%s://%s%s%s:%d%s\n", what, v6 ? "[" : "", host, v6 ? "]" : "", port, path);
}

static bool open_net(struct server *s, const struct serve_options *o)
{
    const struct endpoint *listen = &o->listen;
    const struct net_options options = {.host = listen->host,
                                        .port = listen->port,
                                        .connections_max = s->connections_max,
                                        .keepalive_ms = o->keepalive_s * 1000,
                                        .tls = s->tls,
                                        .counters = &s->counters,
                                        .pressed = pool_pressed(s->service.pool),
                                        .serve = service_serve,
                                        .stopping = service_stopping,
                                        .context = &s->service};
    int port;
    struct err err = net_open(&s->net, &options, &port);
    s->has_net = true;
    if (err.code != ERR_OK) {
        complain("can't listen on %s:%d: %s", "无法监听 %s:%d：%s", listen->host, listen->port,
                 uv_strerror(err.cause));
        return false;
    }
    print_url("listening on https", listen->host, port, "");
    return true;
}

static bool open_metrics(struct server *s, const struct endpoint *at)
{
    if (at->host[0] == 0) {
        return true; /* --metrics none */
    }
    struct err err = metrics_open(&s->metrics, at->host, at->port, &s->counters, &s->service);
    if (err.code != ERR_OK) {
        complain("can't listen on %s:%d for metrics; --metrics HOST:PORT or none",
                 "无法监听指标端口 %s:%d；请用 --metrics HOST:PORT 或 none", at->host, at->port);
        return false;
    }
    print_url("metrics on http", at->host, metrics_port(s->metrics), "/metrics");
    return true;
}

static void server_log(const char *event)
{
    struct log_line line;
    log_begin(&line, machine_wall_ms(), event);
    log_text(&line, "version", LEGWORK_VERSION);
    log_int(&line, "pid", getpid());
    log_end(&line, stderr);
}

/* Whoever reads the log through a pipe may stop reading: then lines are lost, and the loop goes on.
 */
static void let_log_lose_lines(void)
{
    struct stat log;
    int flags = fcntl(STDERR_FILENO, F_GETFL);
    if (flags >= 0 && fstat(STDERR_FILENO, &log) == 0 &&
        (S_ISFIFO(log.st_mode) || S_ISSOCK(log.st_mode))) {
        (void)fcntl(STDERR_FILENO, F_SETFL, flags | O_NONBLOCK);
    }
}

/* Connections end first, so that no worker waits for a client; then the work; the loop last, since
 * workers still post to it. */
static void server_close(struct server *s)
{
    metrics_close(s->metrics);
    if (s->has_service) {
        service_close(&s->service);
    }
    if (s->has_net) {
        net_close(&s->net);
    }
    tls_server_close(s->tls);
    ledger_file_close(&s->ledger);
    if (s->lock_fd >= 0) {
        (void)close(s->lock_fd); /* the file stays: removing it would race with the next start */
    }
    free(s);
}

static int serve(const struct serve_options *o)
{
    struct server *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return refuse_with("out of memory", "内存不足");
    }
    s->lock_fd = -1;
    s->ledger.fd = -1;
    s->connections_max = files_for_connections();
    bool good = lock_data(s) && open_tls(s) && open_service(s, o) && resume_jobs() &&
                open_net(s, o) && open_metrics(s, &o->metrics);
    if (good) {
        (void)fflush(stdout);
        let_log_lose_lines();
        server_log("started");
        net_run(&s->net);
        good = atomic_load(&s->broken) == 0;
    }
    server_close(s);
    server_log("stopped");
    return good ? EXIT_DONE : EXIT_REFUSED;
}

int cmd_serve(int argc, char **argv)
{
    struct option options[] = {{.name = "--listen", .kind = OPTION_TEXT},
                               {.name = "--metrics", .kind = OPTION_TEXT},
                               {.name = "--photo-quota", .kind = OPTION_TEXT},
                               {.name = "--streams", .kind = OPTION_TEXT},
                               {.name = "--keep-alive", .kind = OPTION_TEXT}};
    struct arguments rest;
    struct serve_options o = {.streams = 0};
    if (!options_read(options, count_of(options), argc, argv, 0, 0, &rest) ||
        !option_int(&options[2], 1, PHOTO_QUOTA_MIB_MAX, PHOTO_QUOTA_MIB, &o.photo_quota_mib) ||
        !option_int(&options[3], 1, LIVE_STREAMS_MAX, LIVE_STREAMS_MAX, &o.streams) ||
        !option_int(&options[4], LIVE_KEEPALIVE_S_MIN, LIVE_KEEPALIVE_S, LIVE_KEEPALIVE_S,
                    &o.keepalive_s)) {
        return EXIT_USAGE;
    }
    const char *listen_text = options[0].count > 0 ? option_text(&options[0]) : DEFAULT_LISTEN;
    const char *metrics_text = options[1].count > 0 ? option_text(&options[1]) : DEFAULT_METRICS;
    if (!endpoint_parse(listen_text, &o.listen)) {
        return usage_wrong("--listen wants ADDRESS:PORT, not %s",
                           "--listen 应为 地址:端口，而非 %s", listen_text);
    }
    if (strcmp(metrics_text, "none") != 0 && !endpoint_parse(metrics_text, &o.metrics)) {
        return usage_wrong("--metrics wants ADDRESS:PORT or none, not %s",
                           "--metrics 应为 地址:端口 或 none，而非 %s", metrics_text);
    }
    if (sodium_init() < 0) {
        return refuse_with("no randomness from this machine", "无法取得随机数");
    }
    return serve(&o);
}
