/* This device's pictures: their files, which of them the server still lacks, and what of the rows
 * of `media` is here at all. The file is on the disk before its row is written; a row never waits
 * for its bytes. */
#ifndef CLIENT_MEDIA_PHOTOS_H
#define CLIENT_MEDIA_PHOTOS_H

#include "client/home.h"
#include "common/media/blob_store.h"
#include "common/media/image.h"

/* The store of a home; made where missing. */
MUST_USE struct err photos_open(const struct home *h, struct blob_store *out);

struct photos_waiting {
    int64_t count, bytes; /* of pictures that the server lacks */
};
MUST_USE struct err photos_waiting(struct db *db, struct photos_waiting *out);

/* In the transaction of its row: this device brings it to the server. */
MUST_USE struct err photo_will_upload(struct db *db, const char *name, int64_t size);
MUST_USE struct err photo_uploaded(struct db *db, const char *name, int64_t at_ms);
/* The server won't have it: `code` says why; the row and the file stay. */
MUST_USE struct err photo_refused(struct db *db, const char *name, const char *code);
/* Its bytes are gone from this device before the server had them: says so in every row that names
 * it, as a change like any other, so that people and the change log know. */
MUST_USE struct err photo_lost(struct replica *r, const char *name);
/* What the server asks for again, and what was here all the time, is brought again. */
MUST_USE struct err photos_wanted_again(struct db *db);

struct waiting_photo {
    char name[BLOB_NAME_SIZE];
    int64_t size;
};
/* The smallest first, behind `after` (NULL: from the start): where the line breaks soon, many small
 * ones are better than half a large one. Pictures whose row the server doesn't have yet are left
 * out. ERR_NOT_FOUND: no more. */
MUST_USE struct err photo_next_waiting(struct db *db, const struct waiting_photo *after,
                                       struct waiting_photo *out);

enum photo_place {
    PHOTO_HERE,    /* on this device and on the server */
    PHOTO_WAITING, /* on this device, to be brought to the server */
    PHOTO_REFUSED, /* on this device; the server won't have it */
    PHOTO_SERVER,  /* its thumbnail is here, the whole can be fetched */
    PHOTO_LOST     /* the device that took it lost it before it was brought to the server */
};
MUST_USE struct err photo_place(struct db *db, struct blob_store *s, const char *name,
                                enum photo_place *out);

/* Files that no row needs any more. */
MUST_USE struct err photos_sweep(struct home *h, struct blob_store *s, int64_t now_ms);

#endif
