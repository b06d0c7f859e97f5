/* The part of a sync that brings pictures: behind the rows, and only on lines that may be used. */
#ifndef CLIENT_CMD_SYNC_PHOTOS_H
#define CLIENT_CMD_SYNC_PHOTOS_H

#include "client/cmd/sync.h"
#include "client/media/transfer.h"

struct sync_photos {
    struct photo_result result;
    struct photos_waiting waiting; /* when it was over */
    bool held_back;                /* for a line that costs nothing */
    struct err err;                /* why it stopped */
    int64_t pause_until_ms;        /* monotonic; --watch asks again from then on */
};

/* --network any|unmetered, kept where given. False: said why not. */
MUST_USE bool sync_photos_option(struct app *app, enum exit_code *code);
/* Brings what may go. `p` lives as long as the loop. */
void sync_photos_run(struct app *app, struct sync_loop *loop, struct sync_photos *p);
/* `"photos_sent":1,…` without braces. */
void sync_photos_json(const struct sync_photos *p);
/* What people should know; the exit status that it asks for. */
enum exit_code sync_photos_say(struct app *app, const struct sync_photos *p);

#endif
