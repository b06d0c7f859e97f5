/* See lost.h. */
#include "common/base/base.h"

#include <sys/stat.h>

#include "server/admin/data.h"
#include "server/admin/lost.h"
#include "server/admin/output.h"
#include "server/admin/say.h"

#define BUSY_TIMEOUT_MS 10000

static struct db *open_old(const char *path)
{
    const struct db_options options = {.mode = DB_READ, .busy_timeout_ms = BUSY_TIMEOUT_MS};
    struct db *db = NULL;
    struct err err = db_open(&db, path, &options);
    (void)err; /* it may be what made the restore necessary */
    return db;
}

void lost_timeline(const char *path, uint32_t *next)
{
    struct db *db = open_old(path);
    int64_t timeline = 0;
    if (db != NULL &&
        db_one_int(db, "SELECT timeline FROM store_state", &timeline).code == ERR_OK &&
        timeline >= (int64_t)*next) {
        *next = (uint32_t)timeline + 1;
    }
    db_close(db);
}

static struct err note_one(struct store *st, const struct stmt *from)
{
    static const char sql[] =
        "INSERT INTO lost (timeline, device, person, identity, received_at, intent, scope_kind,"
        " scope_id, seq) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9"
        " WHERE NOT EXISTS (SELECT 1 FROM change_log WHERE identity = ?4)";
    struct stmt q;
    struct err err = db_use(st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, st->timeline.counter);
    for (int i = 0; i < 8; i++) {
        struct value v = col_value(from, i);
        bind_value(&q, i + 2, &v);
    }
    return db_step_done(&q, "lost_note");
}

struct err lost_note(struct store *st, const char *path, int64_t log_no, int64_t *count)
{
    static const char sql[] =
        "SELECT k.device, l.person, l.identity, l.received_at, l.intent, s.kind, s.id, r.seq"
        " FROM change_log l LEFT JOIN device_key k ON k.number = l.device"
        " LEFT JOIN change_row r ON r.no = l.no LEFT JOIN scope s ON s.no = r.scope"
        " WHERE l.no > ?1 AND l.outcome IN (0, 1)";
    struct stat there;
    struct stmt from;
    *count = 0;
    struct db *old = stat(path, &there) == 0 ? open_old(path) : NULL;
    struct err found =
        old == NULL ? err_make(ERR_NOT_FOUND, 0, "lost_note") : db_use(old, sql, &from);
    struct err err = err_ok();
    if (found.code == ERR_OK) {
        bind_int(&from, 1, log_no);
        while (err.code == ERR_OK && db_step_row(&from)) {
            err = note_one(st, &from);
            *count += db_changes(st->db);
        }
        found = stmt_err(&from, "lost_note");
        stmt_reset(&from);
    }
    if (found.code != ERR_OK && found.code != ERR_NOT_FOUND) {
        complain("%s: can't be read to its end; the report will lack what it knew",
                 "%s：无法完整读取，报告将不完整", path);
    }
    db_close(old);
    return err;
}

/* ---- the report ---- */

/* For each scope: what was lost for good so far, of what is known to have been given. */
static const char missing[] =
    "SELECT coalesce(p.login, b.name, CASE l.scope_kind WHEN 1 THEN 'company' END,"
    "  lower(hex(l.scope_id))) AS whose,"
    " CASE l.scope_kind WHEN 1 THEN 'company' WHEN 2 THEN 'team' WHEN 3 THEN 'book'"
    "  WHEN 4 THEN 'user' WHEN 5 THEN 'private' ELSE 'pool' END AS scope,"
    " count(DISTINCT l.identity) AS lost,"
    " count(DISTINCT CASE WHEN c.identity IS NOT NULL THEN l.identity END) AS back,"
    " count(DISTINCT CASE WHEN c.identity IS NULL THEN l.identity END) AS missing,"
    " count(DISTINCT CASE WHEN c.identity IS NULL AND l.device IS NULL THEN l.identity END)"
    "  AS of_server"
    " FROM lost l LEFT JOIN change_log c ON c.identity = l.identity"
    " LEFT JOIN book b ON l.scope_kind = 3 AND b.id = l.scope_id"
    " LEFT JOIN person p ON p.id = coalesce(b.home_of_id, l.scope_id)"
    " WHERE l.timeline = (SELECT timeline FROM store_state) AND l.scope_kind IS NOT NULL"
    " GROUP BY l.scope_kind, l.scope_id ORDER BY missing DESC, whose";
/* Where the old store can't be read, devices have told how far it had come. */
static const char heads[] =
    "SELECT lower(hex(h.scope_id)) AS scope, h.seq AS last_lost,"
    " coalesce((SELECT t.seq FROM timeline_scope t JOIN scope s ON s.no = t.scope"
    "  WHERE t.counter = h.timeline AND s.kind = h.scope_kind AND s.id = h.scope_id), 0) AS kept"
    " FROM lost_head h WHERE h.timeline = (SELECT timeline FROM store_state)";
static const char awaited[] =
    "SELECT 'D' || k.number AS device, p.login,"
    " CASE WHEN k.hello_ms > 0 THEN"
    "  strftime('%Y-%m-%d %H:%M', k.hello_ms / 1000, 'unixepoch', 'localtime') END AS seen"
    " FROM device_key k LEFT JOIN person p ON p.id = k.person WHERE k.revoked_at IS NULL"
    " AND k.timeline < (SELECT timeline FROM store_state) AND k.enrolled_at <"
    "  coalesce((SELECT max(began_at) FROM timeline), 0) ORDER BY k.number";

static struct err put_part(struct data *d, const char *title, const char *sql, bool json,
                           struct buf *out)
{
    const struct output how = {.format = json ? OUTPUT_JSON : OUTPUT_TABLE, .rules = &d->rules};
    struct stmt st;
    size_t rows = 0;
    if (!json) {
        buf_printf(out, "%s\n", title);
    } else {
        buf_printf(out, "\"%s\":", title);
    }
    struct err err = db_use(d->db, sql, &st);
    return err.code == ERR_OK ? output_rows(&st, &how, out, &rows) : err;
}

int lost_report(bool json)
{
    struct data d;
    struct buf out;
    if (!data_open(&d, false)) {
        return EXIT_REFUSED;
    }
    buf_init(&out, OUTPUT_BYTES_MAX);
    buf_put_text(&out, json ? "{" : "");
    struct err err = put_part(
        &d,
        json ? "changes" : say_choose("changes that the backup didn't have", "备份中没有的变更"),
        missing, json, &out);
    buf_put_text(&out, json ? "," : "\n");
    if (err.code == ERR_OK) {
        err = put_part(
            &d, json ? "heads" : say_choose("how far devices had seen it", "设备所见的最后编号"),
            heads, json, &out);
    }
    buf_put_text(&out, json ? "," : "\n");
    if (err.code == ERR_OK) {
        err = put_part(
            &d, json ? "awaited" : say_choose("devices that haven't come since", "尚未同步的设备"),
            awaited, json, &out);
    }
    buf_put_text(&out, json ? "}" : "");
    int status = EXIT_DONE;
    if (err.code != ERR_OK || out.bad) {
        status = refuse_err(err.code != ERR_OK ? err : err_make(ERR_LIMIT, 0, "report"), NULL,
                            "restore --report", db_message(d.db));
    } else {
        (void)puts(buf_text(&out));
    }
    buf_release(&out);
    data_close(&d);
    return status;
}
