/* See cluster.h. PostgreSQL refuses to run as root: then it runs as the package's own user, who
 * must be able to reach the folder. */
#include "tests/support/cluster.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

#define POSTGRES "/usr/lib/postgresql/15/bin/postgres"
#define INITDB   "/usr/lib/postgresql/15/bin/initdb"
#define SECONDS  60

/* In the child: who may run PostgreSQL, and that it goes when we go. `argv[0]` is a program. */
static void become(const char *const *argv)
{
    const char *as_owner[32] = {"setpriv",          "--pdeathsig",    "QUIT", "--reuid=postgres",
                                "--regid=postgres", "--clear-groups", "--"};
    const char *as_me[32] = {"setpriv", "--pdeathsig", "QUIT", "--"};
    const char **words = geteuid() == 0 ? as_owner : as_me;
    size_t count = geteuid() == 0 ? 7 : 4;
    for (size_t i = 0; argv[i] != NULL && count + 1 < count_of(as_owner); i++) {
        words[count++] = argv[i];
    }
    words[count] = NULL;
    execvp(words[0], (char *const *)(uintptr_t)words);
    _exit(127);
}

static pid_t begin(const struct cluster *c, const char *const *argv)
{
    pid_t pid = fork();
    if (pid == 0) {
        char log[128];
        (void)snprintf(log, sizeof log, "%s/log", c->dir);
        if (freopen(log, "a", stdout) == NULL || dup2(fileno(stdout), 2) < 0 ||
            chdir(c->dir) != 0) {
            _exit(127);
        }
        become(argv);
    }
    return pid;
}

static bool ended_well(pid_t pid)
{
    int status = -1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static void show_log(const struct cluster *c)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/log", c->dir);
    FILE *log = fopen(path, "r");
    char line[512];
    while (log != NULL && fgets(line, sizeof line, log) != NULL) {
        fputs(line, stderr);
    }
    if (log != NULL) {
        fclose(log);
    }
}

static bool answers(const struct cluster *c)
{
    PGconn *conn = PQconnectdb(c->conninfo);
    bool good = PQstatus(conn) == CONNECTION_OK;
    PQfinish(conn);
    return good;
}

static bool serve(struct cluster *c, bool durable)
{
    const char *const argv[] = {POSTGRES,
                                "-D",
                                "data",
                                "-k",
                                c->dir,
                                "-c",
                                "listen_addresses=",
                                "-c",
                                durable ? "fsync=on" : "fsync=off",
                                "-c",
                                "max_connections=60",
                                "-c",
                                "shared_buffers=64MB",
                                "-c",
                                "log_min_messages=fatal",
                                NULL};
    c->pid = begin(c, argv);
    for (int i = 0; c->pid > 0 && i < SECONDS * 20; i++) {
        if (answers(c)) {
            return true;
        }
        if (waitpid(c->pid, NULL, WNOHANG) == c->pid) {
            c->pid = 0;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
    }
    show_log(c);
    return false;
}

static bool make_folder(struct cluster *c)
{
    (void)snprintf(c->dir, sizeof c->dir, "/tmp/legwork-pg-XXXXXX");
    return mkdtemp(c->dir) != NULL && chmod(c->dir, S_IRWXU | S_IRWXG | S_IRWXO) == 0;
}

bool cluster_start(struct cluster *c, bool durable)
{
    static const char *const argv[] = {INITDB,  "-D", "data", "-U",         "postgres",  "-A",
                                       "trust", "-E", "UTF8", "--locale=C", "--no-sync", NULL};
    *c = (struct cluster){0};
    if (!make_folder(c)) {
        return false;
    }
    (void)snprintf(c->conninfo, sizeof c->conninfo, "host=%s user=postgres dbname=postgres",
                   c->dir);
    if (!ended_well(begin(c, argv))) {
        show_log(c);
        return false;
    }
    return serve(c, durable);
}

void cluster_kill(struct cluster *c)
{
    if (c->pid > 0) {
        (void)kill(c->pid, SIGQUIT); /* as `pg_ctl stop -m immediate` */
        (void)waitpid(c->pid, NULL, 0);
        c->pid = 0;
    }
}

bool cluster_resume(struct cluster *c)
{
    return serve(c, true);
}

void cluster_release(struct cluster *c)
{
    cluster_kill(c);
    if (c->dir[0] != 0) {
        pid_t pid = fork();
        if (pid == 0) {
            execlp("rm", "rm", "-rf", "--", c->dir, (char *)NULL);
            _exit(127);
        }
        (void)ended_well(pid);
    }
}
