/* The device's half of a sync, without I/O: it says what it wants next, the shell does it and
 * reports back. One session is one sync: as many requests as the outbox needs, then the download.
 *
 *   loop: client_session_next -> REQUEST: POST /v1/sync with `body`, signed; feed what comes
 *         with client_session_received, then client_session_ended; -> DONE or FAILED: stop.
 *
 * All that arrives is applied in local transactions, each with its cursor, so that an end at any
 * byte loses nothing and repeats at most one chunk. */
#ifndef COMMON_SYNC_CLIENT_SESSION_H
#define COMMON_SYNC_CLIENT_SESSION_H

#include "common/changelog/device/replica.h"

enum client_action_kind { CLIENT_REQUEST, CLIENT_DONE, CLIENT_FAILED };

struct client_action {
    enum client_action_kind kind;
    struct bytes body; /* REQUEST: zstd'd messages, valid until client_session_ended */
    struct err err;    /* FAILED */
    const char *code;  /* FAILED: stable code for people and logs, e.g. "reenrol", "upgrade" */
};

struct client_tally {
    int64_t pushed, accepted, merged, parked, refused; /* transactions */
    int64_t pulled;                                    /* rows */
    int64_t requests;
    int64_t left; /* rows dropped because their scope left */
    bool digest_asked, digest_equal;
    bool restored;     /* the server began a new timeline */
    int64_t again;     /* transactions that it had lost and has accepted once more */
    int64_t witnessed; /* rows that only this device is known to hold, handed in */
    bool sums_wrong;   /* those kept beside the rows weren't theirs, and were made anew */
    bool contents_asked, contents_equal; /* `verify` alone */
    int64_t repaired;                    /* rows that differed: fetched, or dropped */
    int64_t patrol_found;                /* rows of runs that weren't what they had been */
    bool gave_up;                        /* a repair of this sync came to nothing */
};

struct client_session_options {
    bool verify;           /* compare digests at the end */
    uint32_t push_tx_max;  /* 0: PUSH_TX_MAX; tests use small ones */
    size_t push_bytes_max; /* 0: PUSH_BYTES_MAX */
    int level;             /* zstd; 0: 3 */
};

struct client_session;
MUST_USE struct err client_session_new(struct replica *r, const struct client_session_options *o,
                                       struct client_session **out);
void client_session_free(struct client_session *s);
struct client_action client_session_next(struct client_session *s);
/* Body bytes of a 200 answer, in any pieces. An error here ends the sync; the shell cancels. */
MUST_USE struct err client_session_received(struct client_session *s, struct bytes packed);
/* The answer's end, or the way it failed: `status` 0 with `err` where no answer came. For a status
 * other than 200 `fault` is the decoded body, or NULL. */
void client_session_ended(struct client_session *s, int status, struct err err,
                          const struct fault *fault);
/* How far it is, for a log: literals, and messages received so far. */
struct client_progress {
    const char *state;
    const char *last; /* kind of the last message; "none" */
    int64_t messages;
};
struct client_progress client_session_progress(const struct client_session *s);
const struct client_tally *client_session_tally(const struct client_session *s);

#endif
