/* with_cluster PROGRAM…: runs a test with a PostgreSQL cluster of its own (cluster.h), named in
 * LEGWORK_TEST_POSTGRES, and ends it. The exit code is the test's. */
#include "tests/support/cluster.h"

#include <sys/wait.h>
#include <unistd.h>

static int run(char **words)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        execvp(words[0], words);
        perror(words[0]);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        perror("with_cluster");
        return 1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int count, char **words)
{
    struct cluster cluster;
    if (count < 2) {
        (void)fprintf(stderr, "usage: with_cluster PROGRAM...\n");
        return 2;
    }
    int code = 1;
    if (cluster_start(&cluster, false) &&
        setenv("LEGWORK_TEST_POSTGRES", cluster.conninfo, 1) == 0) {
        code = run(&words[1]);
    }
    cluster_release(&cluster);
    return code;
}
