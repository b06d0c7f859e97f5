/* What simdisk.c and simdisk_vfs.c share. */
#ifndef TESTS_SUPPORT_SIMDISK_INTERNAL_H
#define TESTS_SUPPORT_SIMDISK_INTERNAL_H

#include "tests/support/simdisk.h"

#include <sqlite3.h>

#define SECTOR            512
#define SIMDISK_PATH_MAX  64
#define SIMDISK_FILES_MAX 16
#define SHARED_PARTS_MAX  16 /* of 32 KiB each: a WAL of half a million pages */

struct simfile {
    struct simfile *next;
    char path[SIMDISK_PATH_MAX];
    uint8_t *shown;   /* `used` bytes, zero behind `size` */
    uint8_t *durable; /* likewise */
    uint8_t *dirty;   /* a byte for each sector: written since the last sync */
    size_t room;      /* in memory; what lies behind `used` was never touched */
    size_t used;      /* whole sectors */
    size_t size, durable_size;
    bool unsynced;
    size_t dirty_from, dirty_end; /* sectors; while `unsynced` */
    int opened;
    bool vanishes; /* with its last handle */
    /* locks of the database file */
    int shared;
    bool reserved, pending, exclusive;
    /* the WAL's shared memory */
    int shared_users;
    size_t shared_count;
    uint8_t *shared_parts[SHARED_PARTS_MAX];
    int shared_readers[SQLITE_SHM_NLOCK];
    bool shared_writer[SQLITE_SHM_NLOCK];
};

struct simdisk {
    char name[24];
    simdisk_chance chance;
    void *context;
    struct simfile *files;
    sqlite3_vfs vfs;
    bool dead, read_only, armed;
    struct simdisk_fault fault;
    int64_t passed, struck;
    size_t room;
    int64_t nameless; /* counts files that SQLite gives no name */
    struct simdisk_counts counts;
};

void *simdisk_memory(void *old, size_t size);
struct simfile *simdisk_find(const struct simdisk *d, const char *path);
struct simfile *simdisk_make(struct simdisk *d, const char *path);
void simdisk_unlink(struct simdisk *d, struct simfile *f);
bool simdisk_has_room(const struct simdisk *d, const struct simfile *f, size_t end);
bool simdisk_strikes(struct simdisk *d, unsigned operation, enum simdisk_effect *effect);
void simfile_write(struct simfile *f, const void *bytes, size_t size, size_t at);
void simfile_truncate(struct simfile *f, size_t size);
void simfile_sync(struct simdisk *d, struct simfile *f, bool whole);
void simdisk_forget_shared(struct simfile *f);
void simdisk_register(struct simdisk *d);
void simdisk_unregister(struct simdisk *d);

#endif
