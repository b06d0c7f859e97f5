/* legworkd courier import FILE…; list, release, discard: work that came as files, and what of it
 * waits because its device is revoked. */
#include "common/base/base.h"

#include "common/catalogue/text.h"
#include "common/sync/courier_import.h"
#include "common/sync/courier_quarantine.h"
#include "server/admin/command.h"
#include "server/admin/data.h"
#include "server/admin/options.h"
#include "server/admin/output.h"
#include "server/admin/say.h"
#include "server/store/machine.h"

#include <unistd.h>

#define FILES_MAX       1000
#define JSON_BYTES_MAX  ((size_t)4 * 1024 * 1024)
#define LOGIN_BYTES_MAX 64

/* ---- import ---- */

static const char *fault_text(enum courier_fault fault)
{
    switch (fault) {
    case COURIER_FOREIGN:
        return say_choose("isn't a courier file", "不是信使文件");
    case COURIER_NEWER:
        return say_choose("was written by a newer program; update this server",
                          "由更新版本的程序写入；请升级服务器");
    case COURIER_TRUNCATED:
        return say_choose("is cut short; have it copied again", "文件不完整；请重新复制");
    case COURIER_OTHER_SERVER:
        return say_choose("is sealed to another server", "是为另一台服务器加密的");
    case COURIER_NO_MEMORY:
        return say_choose("doesn't fit into memory", "内存不足");
    case COURIER_OK:
    case COURIER_DAMAGED:
        break;
    }
    return say_choose("is damaged; have it copied or exported again",
                      "文件已损坏；请重新复制或导出");
}

static const char *refusal_text(const struct courier_report *r)
{
    switch (r->refusal) {
    case COURIER_UNKNOWN_DEVICE:
        return say_choose("comes from a device that isn't enrolled here", "来自未在此注册的设备");
    case COURIER_OTHER_TIMELINE:
        return say_choose("was made before this server was restored; the device has to sync first",
                          "在服务器恢复之前生成；该设备须先同步");
    case COURIER_SET_BACK:
        return say_choose("comes from an older copy of the device's data; the device has to sync",
                          "来自设备数据的旧副本；该设备须先同步");
    case COURIER_OTHER_VERSION:
        return say_choose("was made by a version of legwork that this server doesn't take",
                          "由服务器不支持的 legwork 版本生成");
    case COURIER_MALFORMED:
        return say_choose("isn't what the protocol knows", "内容不符合协议");
    case COURIER_TAKEN:
    case COURIER_NOT_OPENED:
        break;
    }
    return fault_text(r->fault);
}

static const char *refusal_code(const struct courier_report *r)
{
    static const char *const faults[] = {
        [COURIER_OK] = "",
        [COURIER_FOREIGN] = "foreign",
        [COURIER_NEWER] = "newer_version",
        [COURIER_TRUNCATED] = "truncated",
        [COURIER_DAMAGED] = "damaged",
        [COURIER_OTHER_SERVER] = "other_server",
        [COURIER_NO_MEMORY] = "no_memory",
    };
    static const char *const refusals[] = {
        [COURIER_TAKEN] = "",
        [COURIER_NOT_OPENED] = "",
        [COURIER_UNKNOWN_DEVICE] = "unknown_device",
        [COURIER_OTHER_TIMELINE] = "other_timeline",
        [COURIER_SET_BACK] = "set_back",
        [COURIER_OTHER_VERSION] = "other_version",
        [COURIER_MALFORMED] = "malformed",
    };
    return r->refusal == COURIER_NOT_OPENED ? faults[r->fault] : refusals[r->refusal];
}

static void put_json(const char *path, const struct courier_report *r, struct buf *out)
{
    bool taken = r->refusal == COURIER_TAKEN;
    buf_put_text(out, out->size > 1 ? ",\n{\"file\":" : "{\"file\":");
    json_put_text(bytes_text(path), out);
    buf_printf(out, ",\"taken\":%s,\"code\":", taken ? "true" : "false");
    json_put_text(bytes_text(refusal_code(r)), out);
    buf_printf(out,
               ",\"device\":%" PRIu32 ",\"accepted\":%" PRIu64 ",\"merged\":%" PRIu64
               ",\"parked\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"known\":%" PRIu64
               ",\"quarantined\":%" PRIu64 "}",
               r->device, taken ? r->outcomes[OUTCOME_ACCEPTED] : 0,
               taken ? r->outcomes[OUTCOME_MERGED] : 0, taken ? r->outcomes[OUTCOME_PARKED] : 0,
               taken ? r->outcomes[OUTCOME_REFUSED] : 0, taken ? r->known : 0,
               taken ? r->quarantined : 0);
}

static void say_report(const char *path, const struct courier_report *r)
{
    if (r->refusal != COURIER_TAKEN) {
        complain("%s %s; nothing of it was taken", "%s %s；未导入任何内容", path, refusal_text(r));
        return;
    }
    say("%s: device D%" PRIu32 ": %" PRIu64 " accepted, %" PRIu64 " merged, %" PRIu64
        " parked, %" PRIu64 " refused (%" PRIu64 " of them known before)",
        "%s：设备 D%" PRIu32 "：接受 %" PRIu64 "，合并 %" PRIu64 "，等待 %" PRIu64 "，拒绝 %" PRIu64
        "（其中 %" PRIu64 " 项此前已知）",
        path, r->device, r->outcomes[OUTCOME_ACCEPTED], r->outcomes[OUTCOME_MERGED],
        r->outcomes[OUTCOME_PARKED], r->outcomes[OUTCOME_REFUSED], r->known);
    if (r->quarantined > 0) {
        say("the device is revoked: %" PRIu64 " wait for your word: legworkd courier list",
            "该设备已吊销：%" PRIu64 " 项等待您决定：legworkd courier list", r->quarantined);
    }
}

/* A file is taken whole or not at all; the next one has its own transaction. */
static struct err import_one(struct data *d, const char *path, struct courier_report *r)
{
    struct buf file;
    buf_init(&file, 2 * COURIER_BYTES_MAX);
    *r = (struct courier_report){.refusal = COURIER_TAKEN};
    if (!file_read(path, &file)) {
        buf_release(&file);
        return err_make(ERR_IO, 0, "courier");
    }
    struct err err = db_begin(d->db, DB_LOCK_WRITE);
    if (err.code == ERR_OK) {
        err = db_end(d->db, courier_import(&d->store, buf_bytes(&file), machine_wall_ms(), r));
    }
    buf_release(&file);
    return err;
}

int cmd_courier_import(int argc, char **argv)
{
    struct option json = {"--json", OPTION_FLAG, 0, {0}};
    struct arguments rest;
    struct data d;
    struct buf out;
    int status = EXIT_DONE;
    if (!options_read(&json, 1, argc, argv, 1, FILES_MAX, &rest)) {
        return EXIT_USAGE;
    }
    if (!data_open(&d, true)) {
        return EXIT_REFUSED;
    }
    buf_init(&out, JSON_BYTES_MAX);
    buf_put_text(&out, "[");
    for (size_t i = 0; i < rest.count; i++) {
        struct courier_report r;
        struct err err = import_one(&d, rest.at[i], &r);
        bool told = err.code == ERR_OK || r.refusal != COURIER_TAKEN;
        status = err.code == ERR_OK ? status : EXIT_REFUSED;
        if (told && (json.count == 0 || err.code != ERR_OK)) {
            say_report(rest.at[i], &r);
        } else if (!told && err.code != ERR_IO) {
            status = refuse_err(err, NULL, rest.at[i], db_message(d.db));
        }
        if (told) {
            put_json(rest.at[i], &r, &out);
        }
    }
    buf_put_text(&out, "]");
    if (json.count > 0) {
        (void)puts(buf_text(&out));
    }
    buf_release(&out);
    data_close(&d);
    return status;
}

/* ---- what waits ---- */

int cmd_courier_list(int argc, char **argv)
{
    static const char sql[] =
        "SELECT q.no, 'D' || k.number AS device, p.login,"
        " strftime('%Y-%m-%d %H:%M', q.received_at / 1000, 'unixepoch', 'localtime') AS received,"
        " length(q.body) AS bytes, q.state, q.decided_by AS by FROM quarantine q"
        " LEFT JOIN device_key k ON k.device = q.device LEFT JOIN person p ON p.id = q.person"
        " WHERE q.kind = 'revoked' ORDER BY q.no";
    return print_list(argc, argv, sql);
}

struct decision {
    struct data *d;
    bool release;
    const uint8_t *person; /* with whose rights, NULL: the author's */
    char login[LOGIN_BYTES_MAX];
};

static int decide(const struct decision *x, const char *word)
{
    struct complaint why = {0};
    char *end = NULL;
    long long no = strtoll(word, &end, 10);
    if (end == word || *end != 0 || no <= 0) {
        return usage_wrong("%s: not a number of courier list", "%s：不是 courier list 中的编号",
                           word);
    }
    struct err err = db_begin(x->d->db, DB_LOCK_WRITE);
    if (err.code == ERR_OK) {
        err = db_end(x->d->db,
                     x->release ? courier_release(&x->d->store, no, x->person, x->login,
                                                  machine_wall_ms(), &why)
                                : courier_discard(&x->d->store, no, x->login, machine_wall_ms()));
    }
    if (err.code == ERR_NOT_FOUND) {
        return refuse_with("%s: nothing waits under this number", "%s：没有此编号的待决工作", word);
    }
    if (err.code != ERR_OK) {
        return refuse_err(err, &why, word, db_message(x->d->db));
    }
    say(x->release ? "%s: released" : "%s: discarded", x->release ? "%s：已放行" : "%s：已放弃",
        word);
    return EXIT_DONE;
}

static int decide_all(int argc, char **argv, bool release)
{
    struct option as = {"--as", OPTION_TEXT, 0, {0}};
    struct arguments rest;
    struct data d;
    uint8_t person[16];
    struct decision x = {.d = &d, .release = release};
    if (!options_read(&as, release ? 1 : 0, argc, argv, 1, FILES_MAX, &rest)) {
        return EXIT_USAGE;
    }
    if (getlogin_r(x.login, sizeof x.login) != 0) {
        (void)snprintf(x.login, sizeof x.login, "uid %ld", (long)getuid());
    }
    if (!data_open(&d, true)) {
        return EXIT_REFUSED;
    }
    int status = EXIT_DONE;
    if (release && as.count > 0) {
        status = person_find(&d, option_text(&as), person) ? EXIT_DONE : EXIT_REFUSED;
        x.person = person;
    }
    bool found = status == EXIT_DONE;
    for (size_t i = 0; i < rest.count && found; i++) {
        int one = decide(&x, rest.at[i]);
        status = one == EXIT_DONE ? status : one;
    }
    data_close(&d);
    return status;
}

int cmd_courier_release(int argc, char **argv)
{
    return decide_all(argc, argv, true);
}

int cmd_courier_discard(int argc, char **argv)
{
    return decide_all(argc, argv, false);
}
