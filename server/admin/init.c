/* legworkd init: the data directory with store, certificates and the first admin. All of it is
 * made in a directory beside, which takes the final name at the end: whole or nothing. */
#include "common/base/base.h"

#include <dirent.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/admin/certificate.h"
#include "server/admin/command.h"
#include "server/admin/data.h"
#include "server/admin/options.h"
#include "server/admin/password.h"
#include "server/admin/person.h"
#include "server/admin/say.h"
#include "server/store/machine.h"

#define BUSY_TIMEOUT_MS 10000
#define ZONE_DIR        "/usr/share/zoneinfo/"

struct founding {
    const char *company;
    const char *currency;
    const char *zone;
    const char *hosts[HOSTS_MAX];
    size_t host_count;
    const char *admin; /* NULL: none */
    char hash[PASSWORD_HASH_SIZE];
};

enum { COMPANY, CURRENCY, ZONE, HOST, ADMIN, PASSWORD, OPTION_COUNT };

static bool is_currency(const char *text)
{
    return strlen(text) == 3 && strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 3;
}

/* The C library takes an unknown zone for UTC without a word, so the name is looked up first. */
static bool is_zone(const char *name)
{
    char path[DATA_PATH_MAX];
    struct stat there;
    int size = snprintf(path, sizeof path, ZONE_DIR "%s", name);
    return size > 0 && size < (int)sizeof path && name[0] != 0 && name[0] != '/' &&
           strstr(name, "..") == NULL && strcspn(name, " \t\n\"'") == strlen(name) &&
           stat(path, &there) == 0 && S_ISREG(there.st_mode);
}

static bool take_hosts(const struct option *o, struct founding *f)
{
    static const char *const usual[] = {"localhost", "127.0.0.1", "::1"};
    const char *const *hosts = o->count > 0 ? o->values : usual;
    f->host_count = o->count > 0 ? o->count : count_of(usual);
    if (f->host_count > HOSTS_MAX) {
        complain("at most %d hosts", "最多 %d 个主机名", HOSTS_MAX);
        return false;
    }
    for (size_t i = 0; i < f->host_count; i++) {
        if (!host_is_valid(hosts[i])) {
            complain("--host %s: not a host name or an address", "--host %s：不是主机名或地址",
                     hosts[i]);
            return false;
        }
        f->hosts[i] = hosts[i];
    }
    return true;
}

static bool take_options(struct option *options, struct founding *f)
{
    const char *currency = option_text(&options[CURRENCY]);
    const char *zone = option_text(&options[ZONE]);
    *f = (struct founding){.company = option_text(&options[COMPANY]),
                           .currency = currency != NULL ? currency : "CNY",
                           .zone = zone != NULL ? zone : "Asia/Shanghai",
                           .admin = option_text(&options[ADMIN])};
    if (f->company == NULL || f->company[0] == 0) {
        complain("--company NAME is needed", "需要 --company 公司名称");
        return false;
    }
    if (!is_currency(f->currency)) {
        complain("--currency %s: three capital letters, as CNY",
                 "--currency %s：应为 CNY 这样的代码", f->currency);
        return false;
    }
    if (!is_zone(f->zone)) {
        complain("--timezone %s: no such zone under " ZONE_DIR,
                 "--timezone %s：" ZONE_DIR " 下没有此时区", f->zone);
        return false;
    }
    if ((f->admin == NULL) != (options[PASSWORD].count == 0)) {
        complain("--admin and --password-file belong together",
                 "--admin 与 --password-file 须同时给出");
        return false;
    }
    return take_hosts(&options[HOST], f);
}

/* ---- the directory ---- */

/* Missing or empty; else a firm may live there. */
static bool is_free(const char *dir)
{
    DIR *d = opendir(dir);
    if (d == NULL) {
        return errno == ENOENT;
    }
    bool empty = true;
    for (const struct dirent *e = readdir(d); e != NULL && empty; e = readdir(d)) {
        empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    }
    (void)closedir(d);
    return empty;
}

static struct err join(char path[DATA_PATH_MAX], const char *dir, const char *name)
{
    int size = snprintf(path, DATA_PATH_MAX, "%s/%s", dir, name);
    return size > 0 && size < DATA_PATH_MAX ? err_ok() : err_make(ERR_LIMIT, 0, "join");
}

static void remove_all(const char *dir)
{
    static const char *const names[] = {STORE_FILE,   STORE_FILE "-wal", STORE_FILE "-shm",
                                        CA_FILE,      CA_KEY_FILE,       TLS_FILE,
                                        TLS_KEY_FILE, LEDGER_FILE};
    char path[DATA_PATH_MAX];
    for (size_t i = 0; i < count_of(names); i++) {
        if (join(path, dir, names[i]).code == ERR_OK) {
            (void)unlink(path);
        }
    }
    (void)rmdir(dir);
}

/* ---- what goes in ---- */

static struct err make_certificates(const char *dir, const struct founding *f)
{
    struct certificates c;
    certificates_init(&c);
    struct err err = certificates_make(&c, f->hosts, f->host_count);
    const struct {
        const char *name;
        const struct buf *content;
    } files[] = {{CA_FILE, &c.ca},
                 {CA_KEY_FILE, &c.ca_key},
                 {TLS_FILE, &c.leaf},
                 {TLS_KEY_FILE, &c.leaf_key}};
    for (size_t i = 0; i < count_of(files) && err.code == ERR_OK; i++) {
        char path[DATA_PATH_MAX];
        err = join(path, dir, files[i].name);
        if (err.code == ERR_OK) {
            err = file_make(path, buf_bytes(files[i].content));
        }
    }
    certificates_release(&c);
    return err;
}

/* The person who may do everything. */
static struct err make_admin(struct db *db, const struct founding *f, const struct host *host,
                             struct complaint *why)
{
    struct store st;
    struct err err = store_open(&st, db, host, true);
    if (err.code == ERR_OK) {
        err = person_make_admin(&st, f->admin, f->hash, why);
        store_close(&st);
    }
    return err;
}

static struct err make_store(const char *dir, const struct founding *f, struct complaint *why)
{
    char path[DATA_PATH_MAX];
    struct err err = join(path, dir, STORE_FILE);
    if (err.code != ERR_OK) {
        return err;
    }
    struct db *db = NULL;
    struct db_options options = {.mode = DB_CREATE, .busy_timeout_ms = BUSY_TIMEOUT_MS};
    struct host host = machine_host();
    struct store_founding founding = {.company_name = bytes_text(f->company),
                                      .currency = bytes_text(f->currency),
                                      .tz = bytes_text(f->zone),
                                      .locale = bytes_text(say_choose("en", "zh"))};
    err = db_open(&db, path, &options);
    if (err.code == ERR_OK) {
        err = store_create(db, &host, &founding);
        if (err.code == ERR_OK && f->admin != NULL) {
            err = make_admin(db, f, &host, why);
        }
        db_close(db);
    }
    return err;
}

/* There from the first day, so that no restore ever lacks its key. */
static struct err make_ledger(const char *dir)
{
    char path[DATA_PATH_MAX];
    struct ledger_file ledger = {.fd = -1};
    struct err err = join(path, dir, LEDGER_FILE);
    if (err.code == ERR_OK) {
        err = ledger_file_open(&ledger, path, true);
        ledger_file_close(&ledger);
    }
    return err;
}

static struct err make_all(const char *dir, const struct founding *f, struct complaint *why)
{
    struct err err = make_store(dir, f, why);
    if (err.code == ERR_OK) {
        err = make_certificates(dir, f);
    }
    if (err.code == ERR_OK) {
        err = make_ledger(dir);
    }
    if (err.code == ERR_OK) {
        err = path_sync(dir);
    }
    return err;
}

static int found(const char *dir, const struct founding *f)
{
    char making[DATA_PATH_MAX];
    int size = (int)strlen(dir);
    while (size > 1 && dir[size - 1] == '/') {
        size--; /* "firm/" and "firm" are one */
    }
    if (snprintf(making, sizeof making, "%.*s.making-%ld", size, dir, (long)getpid()) >=
        (int)sizeof making) {
        return refuse_with("the data directory's name is too long", "数据目录名过长");
    }
    if (mkdir(making, 0700) != 0) {
        return refuse_with("%s: can't be made: %s", "%s：无法创建：%s", making, strerror(errno));
    }
    struct complaint why = {0};
    struct err err = make_all(making, f, &why);
    if (err.code == ERR_OK && rename(making, dir) != 0) { /* over an empty directory, or nothing */
        err =
            err_make(errno == ENOTEMPTY || errno == EEXIST ? ERR_EXISTS : ERR_IO, errno, "rename");
    }
    if (err.code != ERR_OK) {
        remove_all(making);
        return refuse_err(err, &why, dir, NULL);
    }
    say("%s: made for %s, server name %s", "%s：已为 %s 创建，服务器名 %s", dir, f->company,
        f->hosts[0]);
    return EXIT_DONE;
}

int cmd_init(int argc, char **argv)
{
    struct option options[OPTION_COUNT] = {
        [COMPANY] = {"--company", OPTION_TEXT, 0, {0}},
        [CURRENCY] = {"--currency", OPTION_TEXT, 0, {0}},
        [ZONE] = {"--timezone", OPTION_TEXT, 0, {0}},
        [HOST] = {"--host", OPTION_LIST, 0, {0}},
        [ADMIN] = {"--admin", OPTION_TEXT, 0, {0}},
        [PASSWORD] = {"--password-file", OPTION_TEXT, 0, {0}},
    };
    struct arguments rest;
    struct founding f;
    if (!options_read(options, OPTION_COUNT, argc, argv, 0, 0, &rest) ||
        !take_options(options, &f)) {
        return EXIT_USAGE;
    }
    const char *dir = data_dir();
    if (dir == NULL) {
        return EXIT_USAGE;
    }
    if (!is_free(dir)) {
        return refuse_with("%s: isn't empty; nothing was changed", "%s：目录非空，未做任何改动",
                           dir);
    }
    if (f.admin != NULL && !password_hash(option_text(&options[PASSWORD]), f.hash)) {
        return EXIT_REFUSED;
    }
    int status = found(dir, &f);
    sodium_memzero(f.hash, sizeof f.hash);
    return status;
}
