/* See files.h. */
#include "server/admin/files.h"

#include <sys/resource.h>

#include "common/base/base.h"
#include "server/admin/say.h"
#include "server/net/limits.h"

/* Usually the soft limit is for programs that use select(), and the hard one is the machine's. */
static size_t raise_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
        return FILES_LOW;
    }
    struct rlimit all = {.rlim_cur = files.rlim_max, .rlim_max = files.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &all) == 0) {
        files = all;
    }
    return files.rlim_cur == RLIM_INFINITY ? SIZE_MAX : (size_t)files.rlim_cur;
}

size_t files_for_connections(void)
{
    size_t files = raise_limit();
    size_t left = files > FILES_OWN * 2 ? files - FILES_OWN : files / 2;
    if (files < FILES_LOW) {
        complain("only %zu files may be open at once here, so at most %zu devices stay connected; "
                 "to raise it: ulimit -n, or LimitNOFILE= of the service",
                 "这里最多同时打开 %zu 个文件，因此最多 %zu 台设备保持连接；可用 ulimit -n "
                 "或服务的 LimitNOFILE= 提高",
                 files, left);
    }
    return left < CONNECTIONS_MAX ? left : CONNECTIONS_MAX;
}
