/* See ledger_file.h. A line is one write at the file's end and one fsync. What a power failure cut
 * is left behind as it is: the next line begins on a line of its own. */
#include "common/base/base.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/file.h>
#include <unistd.h>

#include "server/store/ledger_file.h"
#include "server/store/machine.h"

static struct err failed(const char *where)
{
    int number = errno;
    enum err_code code = number == ENOSPC || number == EDQUOT  ? ERR_FULL
                         : number == ENOENT                    ? ERR_NOT_FOUND
                         : number == EACCES || number == EROFS ? ERR_READONLY
                                                               : ERR_IO;
    return err_make(code, number, where);
}

static bool ends_cut(int fd)
{
    char last = '\n';
    off_t size = lseek(fd, 0, SEEK_END);
    return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

static struct err append(void *context, const struct ledger_entry *entry)
{
    struct ledger_file *f = context;
    struct buf line;
    buf_init(&line, LEDGER_LINE_MAX);
    struct err err = err_ok();
    if (flock(f->fd, LOCK_EX) != 0) {
        err = failed("ledger");
    }
    if (err.code == ERR_OK) {
        if (ends_cut(f->fd)) {
            buf_put_u8(&line, '\n');
        }
        ledger_entry_put(entry, &line);
        ssize_t written = line.bad ? -1 : write(f->fd, line.at, line.size);
        if (line.bad || written < 0) {
            err = line.bad ? err_make(ERR_NOMEM, 0, "ledger") : failed("ledger");
        } else if ((size_t)written != line.size) {
            err = err_make(ERR_FULL, 0, "ledger");
        } else if (fsync(f->fd) != 0) {
            err = failed("ledger");
        }
        (void)flock(f->fd, LOCK_UN);
    }
    sodium_memzero(line.at, line.size); /* a new ledger's first line is its key */
    buf_release(&line);
    return err;
}

struct err ledger_file_read(struct ledger_file *f, struct buf *out)
{
    uint8_t piece[4096];
    off_t at = 0;
    ssize_t size = 0;
    while ((size = pread(f->fd, piece, sizeof piece, at)) > 0) {
        buf_put(out, bytes_of(piece, (size_t)size));
        at += size;
    }
    if (size < 0) {
        return failed("ledger");
    }
    return out->bad ? err_make(ERR_LIMIT, 0, "ledger") : err_ok();
}

struct key_search {
    struct ledger_file *f;
    bool found;
};

/* The first key is the key: a second line could only come from two first starts at once. */
static struct err take_key(void *context, const struct ledger_entry *entry)
{
    struct key_search *search = context;
    if (entry->kind == LEDGER_KEY && !search->found) {
        memcpy(search->f->ledger.key, entry->subject, LEDGER_KEY_SIZE);
        search->found = true;
    }
    return err_ok();
}

static struct err read_key(struct ledger_file *f, bool *found)
{
    struct buf text;
    struct key_search search = {.f = f};
    size_t broken = 0;
    buf_init(&text, LEDGER_BYTES_MAX);
    struct err err = ledger_file_read(f, &text);
    if (err.code == ERR_OK) {
        err = ledger_entries(buf_bytes(&text), take_key, &search, &broken);
    }
    *found = search.found;
    sodium_memzero(text.at, text.size);
    buf_release(&text);
    return err;
}

static struct err make_key(struct ledger_file *f)
{
    struct ledger_entry entry = {.kind = LEDGER_KEY, .at_ms = machine_wall_ms()};
    randombytes_buf(entry.subject, LEDGER_KEY_SIZE);
    struct err err = append(f, &entry);
    sodium_memzero(&entry, sizeof entry);
    return err;
}

struct err ledger_file_open(struct ledger_file *f, const char *path, bool make)
{
    *f = (struct ledger_file){.fd = -1};
    f->ledger.context = f;
    f->ledger.append = append;
    f->fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | (make ? O_CREAT : 0), 0600);
    if (f->fd < 0) {
        return failed("ledger");
    }
    bool found = false;
    struct err err = read_key(f, &found);
    if (err.code == ERR_OK && !found && make) {
        err = make_key(f);
        if (err.code == ERR_OK) {
            err = read_key(f, &found);
        }
    }
    if (err.code == ERR_OK && !found) {
        err = err_make(ERR_CORRUPT, 0, "ledger");
    }
    if (err.code != ERR_OK) {
        ledger_file_close(f);
    }
    return err;
}

void ledger_file_close(struct ledger_file *f)
{
    if (f->ledger.context != NULL && f->fd >= 0) {
        (void)close(f->fd);
    }
    sodium_memzero(f, sizeof *f);
    f->fd = -1;
}
