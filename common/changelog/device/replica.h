/* The device's side of the change log: what the commands and the sync session use of it.
 *
 *   a command's SQL ──triggers──► outbox ──freeze──► sent ──verdict──► gone, or inbox
 *   server rows ──apply──► tables (under pending columns: `under`)
 *
 * Belongs to the thread that owns `db`. Time and chance come in through `struct host`. */
#ifndef CHANGELOG_DEVICE_REPLICA_H
#define CHANGELOG_DEVICE_REPLICA_H

#include "common/catalogue/catalogue.h"
#include "common/changelog/clockwatch.h"
#include "common/changelog/host.h"
#include "common/changelog/sums.h"
#include "common/db/db.h"
#include "protocol/messages.h"

/* What the triggers' functions remember: see capture.h. */
struct capture {
    int64_t tx;            /* of the database transaction under way, 0: nothing captured yet */
    int64_t rows;          /* captured in it */
    struct clocks written; /* when its first row was */
    uint64_t cols;         /* the row at hand: changed columns, */
    struct buf old;        /* and their old values */
};

struct replica {
    struct db *db;
    struct host host;
    uint8_t device[16];
    uint8_t person[16];
    uint32_t number;
    uint8_t digest_key[16];
    char intent[32]; /* of the transaction that is being written, or "" */
    struct capture capture;
    struct sums sums;       /* of server rows laid in by the transaction under way */
    bool renewed;           /* triggers or views that weren't ours were found and taken out */
    bool applying;          /* server rows are being laid in: triggers are silent */
    uint64_t clock;         /* hybrid logical clock, last stamp given */
    int64_t offset_ms;      /* server time minus this device's wall clock */
    int64_t seen_ms;        /* last server time seen; 0: none yet */
    struct outbox *outbox;  /* pending work by row, read when first asked for */
    int64_t outbox_version; /* db_data_version when it was last looked at from outside a sync */
    /* The last exchange with the server; how far the wall clock was found to have been set between
     * two of them (0: it wasn't), and when, by the server's time. */
    struct clock_exchange exchange;
    int64_t jump_ms;
    int64_t jumped_at;
};

/* Makes the tables and triggers of a new replica and stores who it is. One transaction. */
MUST_USE struct err replica_create(struct db *db, const struct enrolled *who);
/* Brings tables and triggers to this program's catalogue, defines the functions that triggers
 * call, reads the state. ERR_VERSION: the file is newer than this program. `r` must stay where it
 * is until replica_close (functions point to it). */
MUST_USE struct err replica_open(struct replica *r, struct db *db, const struct host *host);
void replica_close(struct replica *r);
/* Enrolled again as `who`: the rows stay, what waits gets numbers of the new device, identities
 * untouched. One transaction with what `also` does in it (may be NULL). `r` is the new device from
 * then on. ERR_REFUSED: `who` is another person. */
MUST_USE struct err replica_reenrol(struct replica *r, const struct enrolled *who,
                                    struct err (*also)(void *context), void *context);

/* A command's transaction: all of it or nothing. `intent` is a literal like "visit.start".
 * Between the two, plain SQL or row_* below. "Saved" may be said after replica_end gave ERR_OK. */
MUST_USE struct err replica_begin(struct replica *r, const char *intent);
MUST_USE struct err replica_end(struct replica *r, struct err err);

/* Time as the server would say it: wall clock plus measured offset. */
int64_t replica_now_ms(const struct replica *r);
/* The same, by the monotonic clock since the last exchange where that is of this boot: a wall clock
 * that was set meanwhile changes nothing. */
int64_t replica_reckoned_ms(const struct replica *r);
/* UUIDv7 of now. */
void replica_new_id(struct replica *r, uint8_t id[16]);
/* Next human number with the device's prefix, "D7-0042"; inside a transaction. */
MUST_USE struct err replica_new_no(struct replica *r, char no[24]);

/* Insert and update by catalogue; checks every value (column_check) and COLUMN_ONCE first and
 * fills `why` beside ERR_INVALID. Update: only the cells given. */
MUST_USE struct err row_insert(struct db *db, const struct table *t, const uint8_t id[16],
                               const struct cell *cells, size_t count, struct complaint *why);
MUST_USE struct err row_update(struct db *db, const struct table *t, const uint8_t id[16],
                               const struct cell *cells, size_t count, struct complaint *why);
MUST_USE struct err row_delete(struct db *db, const struct table *t, const uint8_t id[16]);

enum row_place { ROW_ON_DEVICE, ROW_ON_SERVER, ROW_NEEDS_YOU };
MUST_USE struct err replica_row_place(struct replica *r, const struct table *t,
                                      const uint8_t id[16], enum row_place *out);

struct replica_counts {
    int64_t pending;      /* transactions not yet on the server (waiting or parked) */
    int64_t needs_you;    /* open inbox entries refused or held, and proposals of others */
    int64_t merged;       /* open inbox entries merged */
    int64_t last_sync_at; /* server time; 0: never */
    int64_t scopes;
    int64_t stalls;     /* sessions ended because nothing came on, ever */
    int64_t stalled_at; /* server time of the last; 0: never */
};
MUST_USE struct err replica_counts(struct replica *r, struct replica_counts *out);
/* Rises with whatever is saved to be sent, whether some of it was sent meanwhile or not. 0: nothing
 * waits. */
MUST_USE struct err replica_outbox_last(struct replica *r, int64_t *out);
/* One more stall. */
MUST_USE struct err replica_stalled(struct replica *r);

/* What there is to say about the device's clock: `offset_ms` (server less wall clock) and a jump
 * not long ago, each 0 unless suspicious (clockwatch.h). */
struct clock_doubt {
    int64_t offset_ms;
    int64_t jump_ms;
    int64_t jumped_at;
};
void replica_clock_doubt(const struct replica *r, struct clock_doubt *out);

/* Inbox. `restore`: the lost value is written again (a new transaction); `resend`: a refused
 * transaction's changes are made again, `edits` (may be none) replacing values of the row they
 * name; `note`: the refused work is sent as a market_note or task text; `discard`. */
struct inbox_edit {
    const struct column *column;
    struct value value;
};
MUST_USE struct err inbox_restore(struct replica *r, int64_t id);
MUST_USE struct err inbox_resend(struct replica *r, int64_t id, const struct inbox_edit *edits,
                                 size_t count, struct complaint *why);
MUST_USE struct err inbox_note(struct replica *r, int64_t id, struct bytes text);
MUST_USE struct err inbox_discard(struct replica *r, int64_t id);

/* Digest of what the replica holds of each scope, as digest.h; pending inserts are left out. */
MUST_USE struct err replica_digest(struct replica *r, struct arena *arena, struct digest *out);
/* Makes the sums anew from the rows. */
MUST_USE struct err replica_digest_make(struct replica *r);

#endif
