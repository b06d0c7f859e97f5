/* Pictures as files, each named by the SHA-256 of its bytes, so that a name says what must be in
 * it, one content is stored once, and nobody's file name matters:
 *
 *   blobs/ab/cdef…            whole: written aside, synced, then renamed; never changed
 *   blobs/part/abcdef….12     on its way, from owner 12: grows at its end only
 *   blobs/lock                held by whoever removes, so that nothing is removed just as somebody
 *                             relies on it
 *
 * What is named is on the disk when a call returns: a row may be written after it. Several
 * processes may use one store; a `struct blob_store` may be used by several threads. */
#ifndef COMMON_MEDIA_BLOB_STORE_H
#define COMMON_MEDIA_BLOB_STORE_H

#include "common/base/base.h"

#define BLOB_NAME_SIZE 65                              /* SHA-256 in hexadecimal, and a zero */
#define BLOB_GRACE_MS  (INT64_C(7) * 24 * 3600 * 1000) /* unnamed for so long: may go */

struct blob_store {
    int dir;
};

/* Lower-case hexadecimal of 32 bytes and nothing else: the only names that reach the disk. */
bool blob_name_is_good(const char *name);
void blob_name_of(struct bytes content, char name[BLOB_NAME_SIZE]);

/* Makes the folder and its parts where missing. */
MUST_USE struct err blob_store_open(struct blob_store *s, const char *path);
void blob_store_close(struct blob_store *s); /* fine for one that was never opened (dir < 0) */

/* A whole content at once; `name` gets what it is called. Fine where it is there already: then its
 * time begins anew, so that no sweep takes it before its row is there. */
MUST_USE struct err blob_put(struct blob_store *s, struct bytes content, char name[BLOB_NAME_SIZE]);
/* Bytes of a whole blob; ERR_NOT_FOUND: it isn't there. */
MUST_USE struct err blob_size(struct blob_store *s, const char *name, int64_t *size);
/* The same, and its time begins anew: whoever is told that it is there may rely on it. */
MUST_USE struct err blob_keep(struct blob_store *s, const char *name, int64_t *size);
/* At most `size_max` bytes from `offset` on, appended to `out`. */
MUST_USE struct err blob_read(struct blob_store *s, const char *name, int64_t offset,
                              size_t size_max, struct buf *out);
/* Whether the bytes are what the name says: ERR_CORRUPT where not. */
MUST_USE struct err blob_check(struct blob_store *s, const char *name);

/* Bytes that came so far of one on its way; 0: none. */
MUST_USE struct err blob_part_size(struct blob_store *s, const char *name, uint32_t owner,
                                   int64_t *size);
/* Writes behind the end. ERR_INVALID: `offset` isn't the end. ERR_BUSY: another one writes it. */
MUST_USE struct err blob_part_append(struct blob_store *s, const char *name, uint32_t owner,
                                     int64_t offset, struct bytes bytes);
/* All came: syncs it, lays it open for `fits` (may be NULL), which may refuse it, and gives it its
 * name. ERR_CORRUPT: the bytes aren't what the name says; ERR_REFUSED: `fits` said no. Both drop
 * it. */
MUST_USE struct err blob_part_finish(struct blob_store *s, const char *name, uint32_t owner,
                                     bool (*fits)(void *context, struct bytes content),
                                     void *context);
void blob_part_drop(struct blob_store *s, const char *name, uint32_t owner);

MUST_USE struct err blob_remove(struct blob_store *s, const char *name);

/* ---- sweeping: what nothing names goes ---- */

struct blob_sweep {
    int64_t now_ms;   /* wall clock, as the file system's */
    int64_t grace_ms; /* younger ones stay: their row may be on its way */
    /* Whether something still needs this one. Asked under the lock, right before it would go. */
    struct err (*is_needed)(void *context, const char *name, bool *needed);
    void *context;
    int64_t removed, removed_bytes; /* counts, out */
    int64_t kept;
};
/* ERR_BUSY: another sweep runs. What a crash leaves is swept by the next. */
MUST_USE struct err blob_sweep(struct blob_store *s, struct blob_sweep *sweep);

#endif
