/* A disk in memory with a will of its own, as a SQLite VFS: what SQLite writes may be lost, torn,
 * refused or rot, and a machine may die at any write.
 *
 *     write ──► as the system shows it ──sync──► durable
 *                        │                          │
 *     a process dies: kept whole        power is cut: each sector of 512 bytes that wasn't synced
 *                                       is the old or the new one, as chance says
 *
 * A sync that fails forgets (as Linux does): sectors that it didn't bring out count as clean, and a
 * later sync that succeeds doesn't bring them out either. Locks and the WAL's shared memory live on
 * the heap. Each disk is a VFS of its own; its name goes into db_options.vfs. One thread. */
#ifndef TESTS_SUPPORT_SIMDISK_H
#define TESTS_SUPPORT_SIMDISK_H

#include "common/base/base.h"

struct simdisk;
struct simdisk_image;

/* A number below `n`. */
typedef uint64_t (*simdisk_chance)(void *context, uint64_t n);

/* `name` must be the only one in the process. No disk without memory: ends the process. */
struct simdisk *simdisk_new(const char *name, simdisk_chance chance, void *context);
void simdisk_free(struct simdisk *d); /* after all its databases were closed */
const char *simdisk_name(const struct simdisk *d);

/* Tells SQLite that there is one thread in the process; before anything else is asked of it. */
void simdisk_one_thread(void);

/* ---- what goes wrong ---- */

#define SIMDISK_READ     1u
#define SIMDISK_WRITE    2u
#define SIMDISK_SYNC     4u
#define SIMDISK_TRUNCATE 8u
#define SIMDISK_DELETE   16u
#define SIMDISK_ANY      31u

enum simdisk_effect {
    SIMDISK_EIO,  /* nothing of it happens (of a failing sync: some of it) */
    SIMDISK_FULL, /* no room left */
    SIMDISK_DIES  /* it happens or not, then the machine is gone until simdisk_restart */
};

struct simdisk_fault {
    unsigned operations; /* which ones count */
    int64_t after;       /* how many of them go well before */
    enum simdisk_effect effect;
    bool stays; /* all later ones fail as well, until simdisk_heal */
};

void simdisk_arm(struct simdisk *d, const struct simdisk_fault *fault);
/* How often the armed fault has struck. */
int64_t simdisk_struck(const struct simdisk *d);
void simdisk_heal(struct simdisk *d); /* nothing is armed, room is there, writing is allowed */
void simdisk_set_read_only(struct simdisk *d, bool on);
/* Files may hold no more than this all together; 0: no limit. */
void simdisk_set_room(struct simdisk *d, size_t bytes);
/* Turns one bit of a file, in what is durable as in what is shown. False: there is none. */
bool simdisk_rot(struct simdisk *d, const char *path, size_t byte, unsigned bit);

/* Whether any file holds the bytes, as it is shown or in what is durable. */
bool simdisk_holds(const struct simdisk *d, struct bytes what);
bool simdisk_finds(struct bytes all, struct bytes what);

/* The machine is gone: whatever its databases still ask fails and changes nothing. Close them, then
 * restart. */
void simdisk_die(struct simdisk *d);
bool simdisk_is_dead(const struct simdisk *d);
void simdisk_restart(struct simdisk *d, bool power_was_cut);
/* Dead: its databases' handles hold nothing any more. Whoever forgets them, as a process that is
 * gone does, must not ask them for anything again; closing them is no longer needed. */
void simdisk_abandon(struct simdisk *d);

/* ---- files ---- */

bool simdisk_has(const struct simdisk *d, const char *path);
void simdisk_remove(struct simdisk *d, const char *path);
/* A file that nobody has open, with this content, durable at once. */
void simdisk_put(struct simdisk *d, const char *path, struct bytes content);
size_t simdisk_size(const struct simdisk *d, const char *path);
/* All files as they are shown now; durable in the disk that they are put into. */
struct simdisk_image *simdisk_save(const struct simdisk *d);
void simdisk_load(struct simdisk *d, const struct simdisk_image *image);
void simdisk_image_free(struct simdisk_image *image);

struct simdisk_counts {
    int64_t reads, writes, syncs, lost_sectors;
};
const struct simdisk_counts *simdisk_counts(const struct simdisk *d);

#endif
