/* What `sync` and `verify` share: an exchange with its progress, and its end in words. */
#ifndef CLIENT_CMD_SYNC_H
#define CLIENT_CMD_SYNC_H

#include "client/cmd/app.h"
#include "client/sync_loop.h"

/* Where a terminal shows how far a long sync came. */
struct sync_progress {
    const struct app *app;
    int64_t shown_ms; /* monotonic, of the last line; 0: none */
    bool terminal;
};

/* Signals ask the sync to end. */
void sync_heed_signals(void);
struct sync_watcher sync_watcher_of(struct sync_progress *progress);
/* Opens the replica and the loop. False: said why not. */
MUST_USE bool sync_open(struct app *app, struct sync_progress *progress, struct sync_loop **loop,
                        enum exit_code *code);
/* Clears the progress line. */
void sync_progress_end(struct sync_progress *progress);
/* Why a sync failed, on stderr, and what becomes of the work. */
enum exit_code sync_explain(struct app *app, struct err err, const struct sync_result *result);

#endif
