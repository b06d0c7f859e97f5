/* legworkd purge: lets go of what was deleted or has left a scope, once every live device knows. */
#include "common/base/base.h"

#include "common/changelog/server/purge.h"
#include "server/admin/command.h"
#include "server/admin/data.h"
#include "server/admin/options.h"
#include "server/admin/say.h"
#include "server/store/machine.h"

int cmd_purge(int argc, char **argv)
{
    struct arguments rest;
    struct data d;
    struct purge_tally tally = {.tombstones = 0};
    bool more = true;
    if (!options_read(NULL, 0, argc, argv, 0, 0, &rest)) {
        return EXIT_USAGE;
    }
    if (!data_open(&d, true)) {
        return EXIT_REFUSED;
    }
    struct err err = err_ok();
    while (more && err.code == ERR_OK) { /* in steps, so that a server that runs goes on */
        err = db_begin(d.db, DB_LOCK_WRITE);
        if (err.code == ERR_OK) {
            err = db_end(d.db, store_purge(&d.store, machine_wall_ms(), &tally, &more));
        }
    }
    if (err.code == ERR_OK) {
        say("Purged: %" PRId64 " deleted rows, %" PRId64 " departures.",
            "已清除：%" PRId64 " 条删除记录，%" PRId64 " 条移出记录。", tally.tombstones,
            tally.departures);
    }
    int status = err.code == ERR_OK ? EXIT_DONE : refuse_err(err, NULL, "purge", db_message(d.db));
    data_close(&d);
    return status;
}
