/* Pictures as commands take them in and name them: shared by those that take one and those that
 * list, show and fetch. */
#ifndef CLIENT_CMD_PHOTO_H
#define CLIENT_CMD_PHOTO_H

#include "client/cmd/entry.h"
#include "client/media/photos.h"

struct taken_photo {
    char name[BLOB_NAME_SIZE];
    struct image image;
    int64_t size;
    struct bytes thumb; /* base64, in the app's arena */
};

/* Reads the file, looks at what it is, makes its thumbnail and puts it into the device's store.
 * False: said why. */
MUST_USE bool photo_take(struct app *app, const char *path, struct taken_photo *out,
                         enum exit_code *code);
/* Makes a file that wasn't there. False: said why. */
MUST_USE bool photo_write_file(struct app *app, const char *path, struct bytes content,
                               enum exit_code *code);

/* The whole picture, from the device's store into a new file. False: said why. */
MUST_USE bool photo_write_whole(struct app *app, const char *name, const char *path,
                                enum exit_code *code);

#endif
