/* The server's pictures as files, against what the store says of them. */
#ifndef SERVER_ADMIN_PHOTOS_H
#define SERVER_ADMIN_PHOTOS_H

#include "common/media/blob_store.h"
#include "server/admin/data.h"

#define PICTURES_DIR "pictures" /* beside backups */

struct photos_found {
    int64_t whole, missing, wrong;
    int64_t awaited; /* named by rows, never came */
    int64_t asked;   /* of missing and wrong: asked for again */
};
/* Hashes every file; a line for each that is gone or isn't what it was in `report`. `ask`: each is
 * asked for again (the store is open for writing). */
MUST_USE struct err photos_check(struct data *d, bool ask, struct buf *report,
                                 struct photos_found *out);
/* The server's own folder of them. */
MUST_USE struct err photos_open(struct blob_store *s);

struct photos_copied {
    int64_t there;   /* all that stand where they should, */
    int64_t copied;  /* of them: which didn't before */
    int64_t missing; /* no good file of it */
};
/* Where the pictures of a backup are looked for unless it is said. False: the name is too long. */
bool photos_beside(const char *backup, char out[DATA_PATH_MAX]);
/* Every picture that came, into `folder`; those that are there stay. */
MUST_USE struct err photos_backup(struct data *d, const char *folder, struct photos_copied *out);
/* After a restore: what the store says has come and isn't here comes out of `folder` (which needn't
 * exist), or is asked for from the devices. */
MUST_USE struct err photos_take_back(struct data *d, const char *folder, struct photos_copied *out);
/* What no living row names goes. */
MUST_USE struct err photos_sweep(struct data *d, int64_t grace_ms, int64_t *removed,
                                 int64_t *bytes);

#endif
