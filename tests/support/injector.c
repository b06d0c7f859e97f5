/* See injector.h. */
#include "tests/support/injector.h"

#include <jansson.h>
#include <sqlite3.h>
#include <zstd.h>

#define SIZE_HEAD 16 /* in front of SQLite's blocks: their size, aligned as malloc would */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *at, size_t size);
void __real_free(void *at);
ZSTD_CCtx *__real_ZSTD_createCCtx(void);
ZSTD_DCtx *__real_ZSTD_createDCtx(void);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *at);
ZSTD_CCtx *__wrap_ZSTD_createCCtx(void);
ZSTD_DCtx *__wrap_ZSTD_createDCtx(void);

static struct {
    bool armed;
    bool fired;
    enum injection kind;
    uint64_t at;
    uint64_t counts[INJECTIONS];
    /* blocks of ours that live: others' (getline, utf8proc) are freed by our code, too */
    void **slots;
    size_t slot_count;
    size_t live;
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    sqlite3_io_methods methods;
} in; /* NOLINT(cppcoreguidelines-avoid-non-const-global-variables) */

/* Whether this one fails. */
static bool fails(enum injection kind)
{
    if (!in.armed) {
        return false;
    }
    in.counts[kind]++;
    bool now = kind == in.kind && in.counts[kind] == in.at;
    in.fired = in.fired || now;
    return now;
}

void injector_arm(enum injection kind, uint64_t n)
{
    memset(in.counts, 0, sizeof in.counts);
    in.kind = kind;
    in.at = n;
    in.fired = false;
    in.armed = true;
}

bool injector_disarm(void)
{
    in.armed = false;
    return in.fired;
}

uint64_t injector_count(enum injection kind)
{
    return in.counts[kind];
}

size_t injector_live_blocks(void)
{
    return in.live;
}

/* ---- the set of living blocks: open addressing, at most half full ---- */

static size_t place_of(const void *at, size_t slots)
{
    uint64_t h = (uint64_t)(uintptr_t)at * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(h >> 20) & (slots - 1);
}

static void put_in(void **slots, size_t count, void *at)
{
    size_t i = place_of(at, count);
    while (slots[i] != NULL) {
        i = (i + 1) & (count - 1);
    }
    slots[i] = at;
}

static void grow(void)
{
    size_t count = in.slot_count == 0 ? 4096 : in.slot_count * 2;
    void **slots = __real_calloc(count, sizeof *slots);
    if (slots == NULL) {
        abort();
    }
    for (size_t i = 0; i < in.slot_count; i++) {
        if (in.slots[i] != NULL) {
            put_in(slots, count, in.slots[i]);
        }
    }
    __real_free(in.slots);
    in.slots = slots;
    in.slot_count = count;
}

static void *remember(void *at)
{
    if (at != NULL) {
        if (in.live * 2 >= in.slot_count) {
            grow();
        }
        put_in(in.slots, in.slot_count, at);
        in.live++;
    }
    return at;
}

/* What stands behind a removed one moves up, so that no search ends too early. */
static void forget(const void *at)
{
    const size_t mask = in.slot_count - 1;
    size_t i = in.slot_count == 0 ? 0 : place_of(at, in.slot_count);
    while (in.slot_count > 0 && in.slots[i] != NULL && in.slots[i] != at) {
        i = (i + 1) & mask;
    }
    if (in.slot_count == 0 || in.slots[i] == NULL) {
        return;
    }
    in.live--;
    in.slots[i] = NULL;
    for (size_t k = (i + 1) & mask; in.slots[k] != NULL; k = (k + 1) & mask) {
        void *moved = in.slots[k];
        in.slots[k] = NULL;
        put_in(in.slots, in.slot_count, moved);
    }
}

/* ---- memory ---- */

void *__wrap_malloc(size_t size)
{
    return fails(INJECT_ALLOC) ? NULL : remember(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails(INJECT_ALLOC) ? NULL : remember(__real_calloc(count, size));
}

void *__wrap_realloc(void *at, size_t size)
{
    if (fails(INJECT_ALLOC)) {
        return NULL;
    }
    uintptr_t before = (uintptr_t)at;
    void *now = __real_realloc(at, size);
    if (now != NULL) {
        if (before != 0) {
            forget((void *)before); /* NOLINT(performance-no-int-to-ptr): only its number counts */
        }
        (void)remember(now);
    }
    return now;
}

char *__wrap_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = __wrap_malloc(size);
    if (copy != NULL) {
        memcpy(copy, text, size);
    }
    return copy;
}

void __wrap_free(void *at)
{
    if (at != NULL) {
        forget(at);
        __real_free(at);
    }
}

ZSTD_CCtx *__wrap_ZSTD_createCCtx(void)
{
    return fails(INJECT_ALLOC) ? NULL : __real_ZSTD_createCCtx();
}

ZSTD_DCtx *__wrap_ZSTD_createDCtx(void)
{
    return fails(INJECT_ALLOC) ? NULL : __real_ZSTD_createDCtx();
}

/* SQLite asks how large a block is. */
static void *sql_malloc(int size)
{
    char *at = __wrap_malloc((size_t)size + SIZE_HEAD);
    if (at == NULL) {
        return NULL;
    }
    memcpy(at, &size, sizeof size);
    return at + SIZE_HEAD;
}

static void sql_free(void *at)
{
    if (at != NULL) {
        __wrap_free((char *)at - SIZE_HEAD);
    }
}

static int sql_size(void *at)
{
    int size = 0;
    if (at != NULL) {
        memcpy(&size, (char *)at - SIZE_HEAD, sizeof size);
    }
    return size;
}

static void *sql_realloc(void *at, int size)
{
    char *now = __wrap_realloc((char *)at - SIZE_HEAD, (size_t)size + SIZE_HEAD);
    if (now == NULL) {
        return NULL;
    }
    memcpy(now, &size, sizeof size);
    return now + SIZE_HEAD;
}

static int sql_roundup(int size)
{
    return (size + 7) & ~7;
}

static int sql_init(void *context)
{
    (void)context;
    return SQLITE_OK;
}

static void sql_shutdown(void *context)
{
    (void)context;
}

/* ---- files: SQLite's own, with a counter in front ---- */

struct file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this struct */
};

static sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct file *)f)->real;
}

static int file_close(sqlite3_file *f)
{
    return real_of(f)->pMethods->xClose(real_of(f));
}

static int file_read(sqlite3_file *f, void *to, int size, sqlite3_int64 at)
{
    return fails(INJECT_READ) ? SQLITE_IOERR_READ
                              : real_of(f)->pMethods->xRead(real_of(f), to, size, at);
}

static int file_write(sqlite3_file *f, const void *from, int size, sqlite3_int64 at)
{
    if (fails(INJECT_WRITE)) {
        return SQLITE_FULL;
    }
    return fails(INJECT_WRITE_IO) ? SQLITE_IOERR_WRITE
                                  : real_of(f)->pMethods->xWrite(real_of(f), from, size, at);
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return fails(INJECT_WRITE_IO) ? SQLITE_IOERR_TRUNCATE
                                  : real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int file_sync(sqlite3_file *f, int flags)
{
    return fails(INJECT_SYNC) ? SQLITE_IOERR_FSYNC : real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int file_lock(sqlite3_file *f, int lock)
{
    return real_of(f)->pMethods->xLock(real_of(f), lock);
}

static int file_unlock(sqlite3_file *f, int lock)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), lock);
}

static int file_reserved(sqlite3_file *f, int *out)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int file_sector(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int file_traits(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int file_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}

static int file_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void file_shm_barrier(sqlite3_file *f)
{
    real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int file_shm_unmap(sqlite3_file *f, int remove)
{
    return real_of(f)->pMethods->xShmUnmap(real_of(f), remove);
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    struct file *file = (struct file *)f;
    (void)vfs;
    file->real = (sqlite3_file *)(void *)((char *)f + sizeof *file);
    int rc = in.real->xOpen(in.real, name, file->real, flags, out);
    f->pMethods = file->real->pMethods == NULL ? NULL : &in.methods;
    return rc;
}

static void files_init(void)
{
    in.real = sqlite3_vfs_find(NULL);
    in.vfs = *in.real;
    in.vfs.zName = "counted";
    in.vfs.szOsFile = in.real->szOsFile + (int)sizeof(struct file);
    in.vfs.xOpen = vfs_open;
    in.methods = (sqlite3_io_methods){.iVersion = 2,
                                      .xClose = file_close,
                                      .xRead = file_read,
                                      .xWrite = file_write,
                                      .xTruncate = file_truncate,
                                      .xSync = file_sync,
                                      .xFileSize = file_size,
                                      .xLock = file_lock,
                                      .xUnlock = file_unlock,
                                      .xCheckReservedLock = file_reserved,
                                      .xFileControl = file_control,
                                      .xSectorSize = file_sector,
                                      .xDeviceCharacteristics = file_traits,
                                      .xShmMap = file_shm_map,
                                      .xShmLock = file_shm_lock,
                                      .xShmBarrier = file_shm_barrier,
                                      .xShmUnmap = file_shm_unmap};
    if (sqlite3_vfs_register(&in.vfs, 1) != SQLITE_OK) {
        abort();
    }
}

void injector_init(void)
{
    static const sqlite3_mem_methods memory = {.xMalloc = sql_malloc,
                                               .xFree = sql_free,
                                               .xRealloc = sql_realloc,
                                               .xSize = sql_size,
                                               .xRoundup = sql_roundup,
                                               .xInit = sql_init,
                                               .xShutdown = sql_shutdown};
    sqlite3_mem_methods own = memory;
    /* Lookaside hands out small blocks without asking: each shall be asked for. */
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &own) != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) != SQLITE_OK ||
        sqlite3_initialize() != SQLITE_OK) {
        abort();
    }
    json_set_alloc_funcs(__wrap_malloc, __wrap_free);
    files_init();
}
