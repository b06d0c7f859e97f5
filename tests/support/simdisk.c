/* See simdisk.h. Here: the files, what survives, what goes wrong. simdisk_vfs.c is SQLite's side.
 */
#include "tests/support/simdisk_internal.h"

void *simdisk_memory(void *old, size_t size)
{
    void *p = realloc(old, size);
    if (p == NULL) {
        abort(); /* a test without memory proves nothing */
    }
    return p;
}

#define FIRST_ROOM ((size_t)2 * 1024 * 1024)

/* ---- files ---- */

struct simfile *simdisk_find(const struct simdisk *d, const char *path)
{
    struct simfile *f = d->files;
    while (f != NULL && strcmp(f->path, path) != 0) {
        f = f->next;
    }
    return f;
}

struct simfile *simdisk_make(struct simdisk *d, const char *path)
{
    struct simfile *f = calloc(1, sizeof *f);
    if (f == NULL) {
        abort();
    }
    (void)snprintf(f->path, sizeof f->path, "%s", path);
    f->next = d->files;
    d->files = f;
    return f;
}

static void file_free(struct simfile *f)
{
    free(f->shown);
    free(f->durable);
    free(f->dirty);
    free(f);
}

void simdisk_unlink(struct simdisk *d, struct simfile *f)
{
    struct simfile **at = &d->files;
    while (*at != f) {
        at = &(*at)->next;
    }
    *at = f->next;
    assert(f->opened == 0);
    simdisk_forget_shared(f);
    file_free(f);
}

/* Room grows in steps, but only what is about to be used is made zeros: untouched memory costs
 * nothing. */
static void reserve(struct simfile *f, size_t size)
{
    if (size > f->room) {
        size_t room = f->room == 0 ? FIRST_ROOM : f->room;
        while (room < size) {
            room *= 2;
        }
        f->shown = simdisk_memory(f->shown, room);
        f->durable = simdisk_memory(f->durable, room);
        f->dirty = simdisk_memory(f->dirty, room / SECTOR);
        f->room = room;
    }
    size_t end = (size + SECTOR - 1) / SECTOR * SECTOR;
    if (end > f->used) {
        memset(f->shown + f->used, 0, end - f->used);
        memset(f->durable + f->used, 0, end - f->used);
        memset(f->dirty + f->used / SECTOR, 0, (end - f->used) / SECTOR);
        f->used = end;
    }
}

static void mark(struct simfile *f, size_t from, size_t to)
{
    size_t first = from / SECTOR, end = (to + SECTOR - 1) / SECTOR;
    memset(f->dirty + first, 1, end - first);
    f->dirty_from = f->unsynced && f->dirty_from < first ? f->dirty_from : first;
    f->dirty_end = f->unsynced && f->dirty_end > end ? f->dirty_end : end;
    f->unsynced = true;
}

void simfile_write(struct simfile *f, const void *bytes, size_t size, size_t at)
{
    reserve(f, at + size);
    memcpy(f->shown + at, bytes, size);
    f->size = at + size > f->size ? at + size : f->size;
    mark(f, at, at + size);
}

void simfile_truncate(struct simfile *f, size_t size)
{
    if (size < f->size) {
        memset(f->shown + size, 0, f->size - size);
        mark(f, size, f->size);
        f->size = size;
    }
    if (!f->unsynced) { /* the size alone */
        f->dirty_from = f->dirty_end = 0;
    }
    f->unsynced = true;
}

static void bring_out(struct simfile *f, size_t sector)
{
    memcpy(f->durable + sector * SECTOR, f->shown + sector * SECTOR, SECTOR);
}

/* `whole`: all of it. Else chance says of each sector; what stays behind counts as clean. */
void simfile_sync(struct simdisk *d, struct simfile *f, bool whole)
{
    for (size_t s = f->dirty_from; f->unsynced && s < f->dirty_end; s++) {
        if (f->dirty[s] != 0 && (whole || d->chance(d->context, 2) == 0)) {
            bring_out(f, s);
        } else if (f->dirty[s] != 0) {
            d->counts.lost_sectors++;
        }
        f->dirty[s] = 0;
    }
    f->durable_size = f->size;
    f->unsynced = false;
}

/* Copies what differs alone: where the process is a fork of another, a page that is only looked at
 * stays shared. */
static void make_equal(uint8_t *to, const uint8_t *from, size_t size)
{
    for (size_t at = 0; at < size; at += SECTOR) {
        if (memcmp(to + at, from + at, SECTOR) != 0) {
            memcpy(to + at, from + at, SECTOR);
        }
    }
}

static void clear_behind(uint8_t *bytes, size_t size, size_t end)
{
    static const uint8_t zeros[SECTOR];
    size_t whole = (size + SECTOR - 1) / SECTOR * SECTOR;
    for (size_t at = size; at < whole && at < end; at++) {
        bytes[at] = 0;
    }
    for (size_t at = whole; at < end; at += SECTOR) {
        make_equal(bytes + at, zeros, SECTOR);
    }
}

/* Of what wasn't synced, each sector is the old or the new one; so is the size. */
static void cut_power(struct simdisk *d, struct simfile *f)
{
    if (f->unsynced) {
        bool grew = d->chance(d->context, 2) == 0;
        for (size_t s = f->dirty_from; s < f->dirty_end; s++) {
            if (f->dirty[s] != 0 && d->chance(d->context, 2) == 0) {
                bring_out(f, s);
            } else if (f->dirty[s] != 0) {
                d->counts.lost_sectors++;
            }
            f->dirty[s] = 0;
        }
        f->durable_size = grew ? f->size : f->durable_size;
    }
    clear_behind(f->durable, f->durable_size, f->used);
    make_equal(f->shown, f->durable, f->used);
    f->size = f->durable_size;
    f->unsynced = false;
}

/* ---- what goes wrong ---- */

static size_t used(const struct simdisk *d)
{
    size_t sum = 0;
    for (const struct simfile *f = d->files; f != NULL; f = f->next) {
        sum += f->size;
    }
    return sum;
}

bool simdisk_has_room(const struct simdisk *d, const struct simfile *f, size_t end)
{
    return d->room == 0 || end <= f->size || used(d) + (end - f->size) <= d->room;
}

/* True: the operation fails or is the machine's last; `*effect` says how. */
bool simdisk_strikes(struct simdisk *d, unsigned operation, enum simdisk_effect *effect)
{
    const struct simdisk_fault *fault = &d->fault;
    if (!d->armed || (fault->operations & operation) == 0) {
        return false;
    }
    if (d->passed < fault->after || (d->struck > 0 && !fault->stays)) {
        d->passed++;
        return false;
    }
    d->struck++;
    *effect = fault->effect;
    if (fault->effect == SIMDISK_DIES) {
        d->dead = true;
    }
    return true;
}

void simdisk_arm(struct simdisk *d, const struct simdisk_fault *fault)
{
    d->fault = *fault;
    d->armed = true;
    d->passed = 0;
    d->struck = 0;
}

int64_t simdisk_struck(const struct simdisk *d)
{
    return d->struck;
}

void simdisk_heal(struct simdisk *d)
{
    d->armed = false;
    d->read_only = false;
    d->room = 0;
}

void simdisk_set_read_only(struct simdisk *d, bool on)
{
    d->read_only = on;
}

void simdisk_set_room(struct simdisk *d, size_t bytes)
{
    d->room = bytes;
}

bool simdisk_rot(struct simdisk *d, const char *path, size_t byte, unsigned bit)
{
    struct simfile *f = simdisk_find(d, path);
    if (f == NULL || byte >= f->size) {
        return false;
    }
    uint8_t turned = (uint8_t)(1u << (bit & 7u));
    f->shown[byte] ^= turned;
    f->durable[byte] ^= turned;
    return true;
}

bool simdisk_finds(struct bytes all, struct bytes what)
{
    for (size_t at = 0; what.size > 0 && at + what.size <= all.size;) {
        const uint8_t *first = memchr(all.at + at, what.at[0], all.size - what.size - at + 1);
        if (first == NULL) {
            return false;
        }
        if (memcmp(first, what.at, what.size) == 0) {
            return true;
        }
        at = (size_t)(first - all.at) + 1;
    }
    return false;
}

bool simdisk_holds(const struct simdisk *d, struct bytes what)
{
    for (const struct simfile *f = d->files; f != NULL; f = f->next) {
        if (simdisk_finds(bytes_of(f->shown, f->size), what) ||
            simdisk_finds(bytes_of(f->durable, f->durable_size), what)) {
            return true;
        }
    }
    return false;
}

void simdisk_die(struct simdisk *d)
{
    d->dead = true;
}

bool simdisk_is_dead(const struct simdisk *d)
{
    return d->dead;
}

void simdisk_abandon(struct simdisk *d)
{
    struct simfile *next;
    for (struct simfile *f = d->files; f != NULL; f = next) {
        next = f->next;
        f->opened = f->shared = f->shared_users = 0;
        f->reserved = f->pending = f->exclusive = false;
        simdisk_forget_shared(f);
        if (f->vanishes) {
            simdisk_unlink(d, f);
        }
    }
}

void simdisk_restart(struct simdisk *d, bool power_was_cut)
{
    for (struct simfile *f = d->files; f != NULL; f = f->next) {
        assert(f->opened == 0);
        simdisk_forget_shared(f);
        if (power_was_cut) {
            cut_power(d, f);
        }
    }
    d->dead = false;
    d->armed = false;
}

/* ---- as a whole ---- */

bool simdisk_has(const struct simdisk *d, const char *path)
{
    return simdisk_find(d, path) != NULL;
}

size_t simdisk_size(const struct simdisk *d, const char *path)
{
    const struct simfile *f = simdisk_find(d, path);
    return f == NULL ? 0 : f->size;
}

void simdisk_remove(struct simdisk *d, const char *path)
{
    struct simfile *f = simdisk_find(d, path);
    if (f != NULL) {
        simdisk_unlink(d, f);
    }
}

void simdisk_put(struct simdisk *d, const char *path, struct bytes content)
{
    simdisk_remove(d, path);
    struct simfile *f = simdisk_make(d, path);
    if (content.size > 0) {
        simfile_write(f, content.at, content.size, 0);
    }
    simfile_sync(d, f, true);
}

struct simdisk_image {
    size_t count;
    struct {
        char path[SIMDISK_PATH_MAX];
        uint8_t *bytes;
        size_t size;
    } files[SIMDISK_FILES_MAX];
};

struct simdisk_image *simdisk_save(const struct simdisk *d)
{
    struct simdisk_image *image = calloc(1, sizeof *image);
    for (const struct simfile *f = d->files; f != NULL && image != NULL; f = f->next) {
        assert(image->count < SIMDISK_FILES_MAX);
        size_t i = image->count++;
        memcpy(image->files[i].path, f->path, sizeof f->path);
        image->files[i].size = f->size;
        image->files[i].bytes = simdisk_memory(NULL, f->size + 1);
        if (f->size > 0) {
            memcpy(image->files[i].bytes, f->shown, f->size);
        }
    }
    return image;
}

void simdisk_load(struct simdisk *d, const struct simdisk_image *image)
{
    while (d->files != NULL) {
        simdisk_unlink(d, d->files);
    }
    for (size_t i = 0; i < image->count; i++) {
        simdisk_put(d, image->files[i].path, bytes_of(image->files[i].bytes, image->files[i].size));
    }
}

void simdisk_image_free(struct simdisk_image *image)
{
    for (size_t i = 0; image != NULL && i < image->count; i++) {
        free(image->files[i].bytes);
    }
    free(image);
}

const char *simdisk_name(const struct simdisk *d)
{
    return d->name;
}

const struct simdisk_counts *simdisk_counts(const struct simdisk *d)
{
    return &d->counts;
}

struct simdisk *simdisk_new(const char *name, simdisk_chance chance, void *context)
{
    struct simdisk *d = calloc(1, sizeof *d);
    if (d == NULL) {
        abort();
    }
    (void)snprintf(d->name, sizeof d->name, "%s", name);
    d->chance = chance;
    d->context = context;
    simdisk_register(d);
    return d;
}

void simdisk_free(struct simdisk *d)
{
    if (d == NULL) {
        return;
    }
    simdisk_unregister(d);
    while (d->files != NULL) {
        simdisk_unlink(d, d->files);
    }
    free(d);
}
