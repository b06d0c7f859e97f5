/* SQLite's side of simdisk: its file methods, locks, and the WAL's shared memory on the heap. */
#include "tests/support/simdisk_internal.h"

struct handle {
    sqlite3_file base; /* first: SQLite casts */
    struct simdisk *disk;
    struct simfile *file;
    int lock;
    bool uses_shared;
    unsigned reads_shared, writes_shared; /* bit n: holds slot n */
};

static struct handle *handle_of(sqlite3_file *file)
{
    return (struct handle *)(void *)file;
}

static struct simdisk *disk_of(const sqlite3_vfs *vfs)
{
    return vfs->pAppData;
}

/* ---- bytes ---- */

static int on_read(sqlite3_file *file, void *to, int size, sqlite3_int64 at)
{
    const struct handle *h = handle_of(file);
    enum simdisk_effect effect;
    size_t from = (size_t)at, want = (size_t)size;
    h->disk->counts.reads++;
    if (h->disk->dead || simdisk_strikes(h->disk, SIMDISK_READ, &effect)) {
        return SQLITE_IOERR_READ;
    }
    size_t left = from < h->file->size ? h->file->size - from : 0;
    size_t have = want < left ? want : left;
    if (have > 0) {
        memcpy(to, h->file->shown + from, have);
    }
    memset((uint8_t *)to + have, 0, want - have);
    return have < want ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

static int of_effect(enum simdisk_effect effect, int otherwise)
{
    return effect == SIMDISK_FULL ? SQLITE_FULL : otherwise;
}

static int on_write(sqlite3_file *file, const void *from, int size, sqlite3_int64 at)
{
    const struct handle *h = handle_of(file);
    struct simdisk *d = h->disk;
    size_t end = (size_t)at + (size_t)size;
    enum simdisk_effect effect = SIMDISK_EIO;
    if (d->dead) {
        return SQLITE_IOERR_WRITE;
    }
    d->counts.writes++;
    bool strikes = simdisk_strikes(d, SIMDISK_WRITE, &effect);
    if (!strikes && (d->read_only || !simdisk_has_room(d, h->file, end))) {
        return d->read_only ? SQLITE_READONLY : SQLITE_FULL;
    }
    bool happens = !strikes || (effect == SIMDISK_DIES && d->chance(d->context, 2) == 0);
    if (happens) {
        simfile_write(h->file, from, (size_t)size, (size_t)at);
    }
    return strikes ? of_effect(effect, SQLITE_IOERR_WRITE) : SQLITE_OK;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    const struct handle *h = handle_of(file);
    enum simdisk_effect effect = SIMDISK_EIO;
    if (h->disk->dead || simdisk_strikes(h->disk, SIMDISK_TRUNCATE, &effect)) {
        return SQLITE_IOERR_TRUNCATE;
    }
    simfile_truncate(h->file, (size_t)size);
    return SQLITE_OK;
}

static int on_sync(sqlite3_file *file, int flags)
{
    const struct handle *h = handle_of(file);
    struct simdisk *d = h->disk;
    enum simdisk_effect effect = SIMDISK_EIO;
    (void)flags;
    if (d->dead) {
        return SQLITE_IOERR_FSYNC;
    }
    d->counts.syncs++;
    if (!simdisk_strikes(d, SIMDISK_SYNC, &effect)) {
        simfile_sync(d, h->file, true);
        return SQLITE_OK;
    }
    if (effect != SIMDISK_DIES) { /* dying: simdisk_restart decides, sector by sector */
        simfile_sync(d, h->file, false);
    }
    return of_effect(effect, SQLITE_IOERR_FSYNC);
}

static int on_size(sqlite3_file *file, sqlite3_int64 *size)
{
    const struct handle *h = handle_of(file);
    *size = (sqlite3_int64)h->file->size;
    return h->disk->dead ? SQLITE_IOERR_FSTAT : SQLITE_OK;
}

/* ---- locks ---- */

static bool may_lock(const struct handle *h, int want)
{
    const struct simfile *f = h->file;
    switch (want) {
    case SQLITE_LOCK_SHARED:
        return !f->pending && !f->exclusive;
    case SQLITE_LOCK_RESERVED:
        return !f->reserved;
    default: /* SQLITE_LOCK_EXCLUSIVE; nobody asks for PENDING */
        return f->shared == 1 && (!f->reserved || h->lock >= SQLITE_LOCK_RESERVED);
    }
}

static int on_lock(sqlite3_file *file, int want)
{
    struct handle *h = handle_of(file);
    if (want <= h->lock) {
        return SQLITE_OK;
    }
    if (h->disk->dead) {
        return SQLITE_IOERR_LOCK;
    }
    if (!may_lock(h, want)) {
        return SQLITE_BUSY;
    }
    h->file->shared += want == SQLITE_LOCK_SHARED;
    h->file->reserved |= want >= SQLITE_LOCK_RESERVED;
    h->file->exclusive |= want == SQLITE_LOCK_EXCLUSIVE;
    h->lock = want;
    return SQLITE_OK;
}

static int on_unlock(sqlite3_file *file, int want)
{
    struct handle *h = handle_of(file);
    if (h->lock >= SQLITE_LOCK_RESERVED && want < SQLITE_LOCK_RESERVED) {
        h->file->reserved = false;
        h->file->exclusive = false;
    }
    if (h->lock >= SQLITE_LOCK_SHARED && want == SQLITE_LOCK_NONE) {
        h->file->shared--;
    }
    h->lock = want < h->lock ? want : h->lock;
    return SQLITE_OK;
}

static int on_reserved(sqlite3_file *file, int *out)
{
    *out = handle_of(file)->file->reserved;
    return SQLITE_OK;
}

static int on_control(sqlite3_file *file, int operation, void *argument)
{
    (void)file;
    (void)operation;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int sector_size(sqlite3_file *file)
{
    (void)file;
    return SECTOR;
}

/* A write changes no byte beside its own, even where power is cut. */
static int characteristics(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* ---- shared memory ---- */

void simdisk_forget_shared(struct simfile *f)
{
    for (size_t i = 0; i < f->shared_count; i++) {
        free(f->shared_parts[i]);
    }
    f->shared_count = 0;
    memset(f->shared_readers, 0, sizeof f->shared_readers);
    memset(f->shared_writer, 0, sizeof f->shared_writer);
}

static int on_shared_map(sqlite3_file *file, int index, int size, int extend, void volatile **out)
{
    struct handle *h = handle_of(file);
    struct simfile *f = h->file;
    *out = NULL;
    if (h->disk->dead || index >= SHARED_PARTS_MAX) {
        return SQLITE_IOERR_SHMMAP;
    }
    f->shared_users += !h->uses_shared;
    h->uses_shared = true;
    while (extend && f->shared_count <= (size_t)index) {
        f->shared_parts[f->shared_count] = calloc(1, (size_t)size);
        if (f->shared_parts[f->shared_count++] == NULL) {
            abort();
        }
    }
    if ((size_t)index < f->shared_count) {
        *out = f->shared_parts[index];
    }
    return SQLITE_OK;
}

static bool shared_is_free(const struct handle *h, int slot, bool exclusive)
{
    const struct simfile *f = h->file;
    unsigned bit = 1u << (unsigned)slot;
    bool others_write = f->shared_writer[slot] && (h->writes_shared & bit) == 0;
    int mine = (h->reads_shared & bit) != 0;
    return !others_write && (!exclusive || f->shared_readers[slot] == mine);
}

static void shared_take(struct handle *h, int slot, int flags)
{
    struct simfile *f = h->file;
    unsigned bit = 1u << (unsigned)slot;
    bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    if ((flags & SQLITE_SHM_UNLOCK) != 0) {
        f->shared_readers[slot] -= !exclusive && (h->reads_shared & bit) != 0;
        f->shared_writer[slot] =
            f->shared_writer[slot] && (!exclusive || (h->writes_shared & bit) == 0);
        h->reads_shared &= exclusive ? ~0u : ~bit;
        h->writes_shared &= exclusive ? ~bit : ~0u;
    } else if (exclusive) {
        f->shared_writer[slot] = true;
        h->writes_shared |= bit;
    } else if ((h->reads_shared & bit) == 0) {
        f->shared_readers[slot]++;
        h->reads_shared |= bit;
    }
}

static int on_shared_lock(sqlite3_file *file, int first, int count, int flags)
{
    struct handle *h = handle_of(file);
    bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    for (int i = first; (flags & SQLITE_SHM_LOCK) != 0 && i < first + count; i++) {
        if (!shared_is_free(h, i, exclusive)) {
            return SQLITE_BUSY;
        }
    }
    for (int i = first; i < first + count; i++) {
        shared_take(h, i, flags);
    }
    return SQLITE_OK;
}

static void on_shared_barrier(sqlite3_file *file)
{
    (void)file; /* one thread */
}

static int on_shared_unmap(sqlite3_file *file, int removes)
{
    struct handle *h = handle_of(file);
    (void)removes;
    for (int i = 0; i < SQLITE_SHM_NLOCK; i++) {
        shared_take(h, i, SQLITE_SHM_UNLOCK | SQLITE_SHM_SHARED);
        shared_take(h, i, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
    }
    h->file->shared_users -= h->uses_shared;
    h->uses_shared = false;
    if (h->file->shared_users == 0) {
        simdisk_forget_shared(h->file);
    }
    return SQLITE_OK;
}

/* ---- files ---- */

static int on_close(sqlite3_file *file)
{
    struct handle *h = handle_of(file);
    (void)on_shared_unmap(file, 0);
    (void)on_unlock(file, SQLITE_LOCK_NONE);
    h->file->opened--;
    if (h->file->opened == 0 && h->file->vanishes) {
        simdisk_unlink(h->disk, h->file);
    }
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_size,
    .xLock = on_lock,
    .xUnlock = on_unlock,
    .xCheckReservedLock = on_reserved,
    .xFileControl = on_control,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = characteristics,
    .xShmMap = on_shared_map,
    .xShmLock = on_shared_lock,
    .xShmBarrier = on_shared_barrier,
    .xShmUnmap = on_shared_unmap,
};

static struct simfile *open_or_make(struct simdisk *d, const char *path, int flags)
{
    char nameless[SIMDISK_PATH_MAX];
    if (path == NULL) {
        (void)snprintf(nameless, sizeof nameless, "nameless-%" PRId64, ++d->nameless);
        path = nameless;
        flags |= SQLITE_OPEN_CREATE;
    }
    struct simfile *f = simdisk_find(d, path);
    bool may = (flags & SQLITE_OPEN_CREATE) != 0 && !d->read_only;
    return f == NULL && may ? simdisk_make(d, path) : f;
}

static int on_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *given)
{
    struct simdisk *d = disk_of(vfs);
    struct handle *h = handle_of(file);
    bool writes = (flags & SQLITE_OPEN_READWRITE) != 0;
    memset(h, 0, sizeof *h);
    if (d->dead) {
        return SQLITE_CANTOPEN;
    }
    if (writes && d->read_only) { /* as the system's own does */
        flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
    }
    struct simfile *f = open_or_make(d, path, flags);
    if (f == NULL) {
        return SQLITE_CANTOPEN;
    }
    f->opened++;
    f->vanishes = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    h->base.pMethods = &methods;
    h->disk = d;
    h->file = f;
    if (given != NULL) {
        *given = flags;
    }
    return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
    struct simdisk *d = disk_of(vfs);
    enum simdisk_effect effect;
    (void)sync_folder;
    struct simfile *f = simdisk_find(d, path);
    if (d->dead || d->read_only || simdisk_strikes(d, SIMDISK_DELETE, &effect)) {
        return SQLITE_IOERR_DELETE;
    }
    if (f == NULL) {
        return SQLITE_IOERR_DELETE_NOENT;
    }
    if (f->opened > 0) {
        f->vanishes = true;
        simfile_truncate(f, 0);
    } else {
        simdisk_unlink(d, f);
    }
    return SQLITE_OK;
}

static int on_access(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
    const struct simdisk *d = disk_of(vfs);
    const struct simfile *f = simdisk_find(d, path);
    *out = f != NULL && (flags != SQLITE_ACCESS_EXISTS || f->size > 0) &&
           (flags != SQLITE_ACCESS_READWRITE || !d->read_only);
    return d->dead ? SQLITE_IOERR_ACCESS : SQLITE_OK;
}

static int on_path(sqlite3_vfs *vfs, const char *path, int size, char *out)
{
    (void)vfs;
    (void)snprintf(out, (size_t)size, "%s", path);
    return SQLITE_OK;
}

static int on_random(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    memset(out, 1, (size_t)size);
    return size;
}

static int on_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us; /* nobody else could go on meanwhile */
}

static int on_time(sqlite3_vfs *vfs, double *out)
{
    (void)vfs;
    *out = 2461004.5; /* 2025-11-24: what is needed of time comes in as an argument */
    return SQLITE_OK;
}

static int on_last_error(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    (void)size;
    (void)out;
    return 0;
}

void simdisk_one_thread(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    (void)sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 256, 200);
}

void simdisk_register(struct simdisk *d)
{
    d->vfs = (sqlite3_vfs){.iVersion = 1,
                           .szOsFile = (int)sizeof(struct handle),
                           .mxPathname = SIMDISK_PATH_MAX - 1,
                           .zName = d->name,
                           .pAppData = d,
                           .xOpen = on_open,
                           .xDelete = on_delete,
                           .xAccess = on_access,
                           .xFullPathname = on_path,
                           .xRandomness = on_random,
                           .xSleep = on_sleep,
                           .xCurrentTime = on_time,
                           .xGetLastError = on_last_error};
    if (sqlite3_vfs_register(&d->vfs, 0) != SQLITE_OK) {
        abort();
    }
}

void simdisk_unregister(struct simdisk *d)
{
    (void)sqlite3_vfs_unregister(&d->vfs);
}
