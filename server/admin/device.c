/* legworkd device list, revoke. */
#include "common/base/base.h"

#include "common/changelog/server/purge.h"
#include "server/admin/command.h"
#include "server/admin/data.h"
#include "server/admin/find.h"
#include "server/admin/options.h"
#include "server/admin/output.h"
#include "server/admin/say.h"
#include "server/store/machine.h"

#define LIST_SQL_MAX ((size_t)16 * 1024)

/* `%s`: what waits for each device before it may be purged. */
static void put_list(struct buf *sql, const char *waiting)
{
    buf_printf(
        sql,
        "SELECT k.device AS id, 'D' || k.number AS no, p.login, d.name, d.app_ver AS version,"
        " strftime('%%Y-%%m-%%d %%H:%%M', k.enrolled_at / 1000, 'unixepoch', 'localtime')"
        "  AS enrolled,"
        " CASE WHEN k.hello_ms > 0 THEN strftime('%%Y-%%m-%%d %%H:%%M', k.hello_ms / 1000,"
        "  'unixepoch', 'localtime') END AS seen,"
        " CASE WHEN k.revoked_at IS NOT NULL THEN strftime('%%Y-%%m-%%d %%H:%%M',"
        "  k.revoked_at / 1000, 'unixepoch', 'localtime') END AS revoked,"
        " CASE WHEN k.hello_ms > 0 AND abs(k.offset_ms) > 600000 THEN" /* CLOCK_SUSPICIOUS_MS */
        "  printf('suspicious: %%+d min', -k.offset_ms / 60000)"
        " WHEN k.jump_ms <> 0 AND k.hello_ms - k.jumped_at < 86400000 THEN"
        "  printf('suspicious: set by %%+d min', k.jump_ms / 60000) END AS clock,"
        " coalesce(w.held, 0) AS holds_back,"
        " strftime('%%Y-%%m-%%d %%H:%%M', w.since / 1000, 'unixepoch', 'localtime') AS since"
        " FROM device_key k LEFT JOIN device d ON d.id = k.device"
        " LEFT JOIN person p ON p.id = k.person"
        " LEFT JOIN (SELECT device, count(*) AS held, min(since) AS since FROM (%s) h"
        "  GROUP BY device) w ON w.device = k.number ORDER BY k.number",
        waiting);
}

int cmd_device_list(int argc, char **argv)
{
    struct buf waiting, sql;
    buf_init(&waiting, LIST_SQL_MAX);
    buf_init(&sql, LIST_SQL_MAX);
    purge_put_waiting(&waiting, machine_wall_ms());
    put_list(&sql, buf_text(&waiting));
    const char *text = buf_text(&sql);
    int status = waiting.bad || sql.bad ? refuse_with("out of memory", "内存不足")
                                        : print_list(argc, argv, text);
    buf_release(&waiting);
    buf_release(&sql);
    return status;
}

int cmd_device_revoke(int argc, char **argv)
{
    struct arguments rest;
    struct data d;
    uint8_t id[16];
    if (!options_read(NULL, 0, argc, argv, 1, 1, &rest)) {
        return EXIT_USAGE;
    }
    if (!data_open(&d, true)) {
        return EXIT_REFUSED;
    }
    int status = EXIT_REFUSED;
    if (find_one(&d, &find_device, rest.at[0], id)) {
        struct err err = db_begin(d.db, DB_LOCK_WRITE);
        if (err.code == ERR_OK) {
            err = db_end(d.db, store_revoke(&d.store, id, machine_wall_ms()));
        }
        status =
            err.code == ERR_OK ? EXIT_DONE : refuse_err(err, NULL, rest.at[0], db_message(d.db));
    }
    if (status == EXIT_DONE) {
        say("%s: revoked", "%s：已吊销", rest.at[0]);
    }
    data_close(&d);
    return status;
}
