/* See data.h. */
#include "common/base/base.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/day.h"
#include "server/admin/data.h"
#include "server/admin/say.h"
#include "server/store/machine.h"

#define BUSY_TIMEOUT_MS 10000
#define MINUTE_SECONDS  60

const char *data_dir(void)
{
    const char *dir = getenv("LEGWORK_DATA");
    if (dir == NULL || dir[0] == 0) {
        complain("say where the data is: --data DIR or LEGWORK_DATA",
                 "请用 --data DIR 或 LEGWORK_DATA 指明数据目录");
        return NULL;
    }
    return dir;
}

bool data_path(const char *name, char path[DATA_PATH_MAX])
{
    const char *dir = data_dir();
    if (dir == NULL) {
        return false;
    }
    int size = snprintf(path, DATA_PATH_MAX, "%s/%s", dir, name);
    if (size < 0 || size >= DATA_PATH_MAX) {
        complain("the data directory's name is too long", "数据目录名过长");
        return false;
    }
    return true;
}

bool file_read(const char *path, struct buf *out)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (file == NULL) {
        complain("%s: %s", "%s：%s", path, strerror(errno));
        return false;
    }
    uint8_t piece[4096];
    size_t size;
    while ((size = fread(piece, 1, sizeof piece, file)) > 0) {
        buf_put(out, bytes_of(piece, size));
    }
    bool good = ferror(file) == 0 && !out->bad;
    if (!good) {
        complain("%s: can't be read, or is too large", "%s：无法读取，或文件过大", path);
    }
    if (file != stdin) {
        (void)fclose(file);
    }
    return good;
}

static struct err write_all(int fd, struct bytes content)
{
    while (content.size > 0) {
        ssize_t n = write(fd, content.at, content.size);
        if (n < 0 && errno != EINTR) {
            return err_make(errno == ENOSPC ? ERR_FULL : ERR_IO, errno, "file_make");
        }
        if (n > 0) {
            content = bytes_of(content.at + n, content.size - (size_t)n);
        }
    }
    return err_ok();
}

struct err file_make(const char *path, struct bytes content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_make(errno == EEXIST ? ERR_EXISTS : ERR_IO, errno, "file_make");
    }
    struct err err = write_all(fd, content);
    if (err.code == ERR_OK && fsync(fd) != 0) {
        err = err_make(ERR_IO, errno, "file_make");
    }
    if (close(fd) != 0 && err.code == ERR_OK) {
        err = err_make(ERR_IO, errno, "file_make");
    }
    return err;
}

struct err path_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_make(ERR_IO, errno, "path_sync");
    }
    int rc = fsync(fd);
    int cause = errno;
    (void)close(fd);
    return rc == 0 ? err_ok() : err_make(ERR_IO, cause, "path_sync");
}

/* The C library knows the firm's zone, since data_open has set TZ. */
static int firm_offset_min(void *context, int64_t local_ms)
{
    (void)context;
    struct civil c;
    civil_of_ms(local_ms, &c);
    struct tm local = {
        .tm_year = c.year - 1900,
        .tm_mon = c.month - 1,
        .tm_mday = c.day,
        .tm_hour = c.hour,
        .tm_min = c.minute,
        .tm_sec = c.second,
        .tm_isdst = -1,
    };
    time_t utc = mktime(&local);
    return (int)((local_ms / 1000 - (int64_t)utc) / MINUTE_SECONDS);
}

static struct err load_rules(struct data *d)
{
    static const char sql[] = "SELECT currency, tz FROM company WHERE id = ?1";
    struct stmt st;
    struct err err = db_use(d->db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, d->store.company);
    if (db_step_row(&st)) {
        (void)snprintf(d->currency, sizeof d->currency, "%s", col_text(&st, 0));
        (void)snprintf(d->tz, sizeof d->tz, "%s", col_text(&st, 1));
        stmt_reset(&st);
    }
    if (setenv("TZ", d->tz, 1) != 0) {
        return err_make(ERR_NOMEM, errno, "load_rules");
    }
    tzset();
    d->rules = (struct text_rules){
        .currency = d->currency, .offset_min = firm_offset_min, .chinese = say_in_chinese()};
    return stmt_err(&st, "load_rules");
}

/* A reading command does without. */
static struct err open_ledger(struct data *d, bool writing)
{
    char path[DATA_PATH_MAX];
    if (!data_path(LEDGER_FILE, path)) {
        return err_make(ERR_LIMIT, 0, "open_ledger");
    }
    struct err err = ledger_file_open(&d->ledger, path, writing);
    if (err.code != ERR_OK) {
        return writing ? err : err_ok();
    }
    store_use_ledger(&d->store, &d->ledger.ledger);
    return err;
}

static struct err open_store(struct data *d, const char *path, bool writing)
{
    struct db_options options = {.mode = writing ? DB_WRITE : DB_READ,
                                 .busy_timeout_ms = BUSY_TIMEOUT_MS};
    struct host host = machine_host();
    struct err err = db_open(&d->db, path, &options);
    if (err.code != ERR_OK) {
        return err;
    }
    err = store_open(&d->store, d->db, &host, writing);
    if (err.code == ERR_OK) {
        err = load_rules(d);
        if (err.code == ERR_OK) {
            err = open_ledger(d, writing);
        }
        if (err.code != ERR_OK) {
            store_close(&d->store);
        }
    }
    return err;
}

/* A reading command is the first one of a newer program: what it reads is brought up to date. */
static struct err open_outdated(struct data *d, const char *path)
{
    db_close(d->db);
    struct err err = open_store(d, path, true);
    if (err.code != ERR_OK) {
        return err;
    }
    data_close(d);
    return open_store(d, path, false);
}

bool data_open(struct data *d, bool writing)
{
    *d = (struct data){.ledger.fd = -1};
    char path[DATA_PATH_MAX];
    if (!data_path(STORE_FILE, path)) {
        return false;
    }
    struct stat there;
    if (stat(path, &there) != 0) {
        complain("%s: no store here; 'legworkd init' makes one",
                 "%s：这里没有数据库，请先运行 legworkd init", data_dir());
        return false;
    }
    struct err err = open_store(d, path, writing);
    if (err.code == ERR_OK && writing && d->store.superseded != 0) {
        complain("%s: this data was restored elsewhere (timeline %" PRIu32 "); it can only be read",
                 "%s：该数据已在别处恢复（第 %" PRIu32 " 条时间线），只能读取", data_dir(),
                 d->store.superseded);
        data_close(d);
        return false;
    }
    if (err.code == ERR_OUTDATED && !writing) {
        err = open_outdated(d, path);
    }
    if (err.code != ERR_OK) {
        refuse_err(err, NULL, path, d->db == NULL ? NULL : db_message(d->db));
        if (d->db != NULL) {
            db_close(d->db);
        }
    }
    return err.code == ERR_OK;
}

void data_close(struct data *d)
{
    ledger_file_close(&d->ledger);
    store_close(&d->store);
    db_close(d->db);
}

bool person_find(struct data *d, const char *login, uint8_t id[16])
{
    static const char sql[] = "SELECT id FROM person WHERE login = ?1 AND _deleted_at IS NULL";
    struct stmt st;
    struct err err = db_use(d->db, sql, &st);
    bool found = false;
    if (err.code == ERR_OK) {
        bind_text(&st, 1, login);
        if (db_step_row(&st)) {
            found = col_id(&st, 0, id);
            stmt_reset(&st);
        }
        err = stmt_err(&st, "person_find");
    }
    if (err.code != ERR_OK) {
        refuse_err(err, NULL, login, db_message(d->db));
    } else if (!found) {
        complain("nobody has the login %s", "没有登录名为 %s 的人员", login);
    }
    return found;
}
