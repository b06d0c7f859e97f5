/* The server's half of one sync request, without I/O. The shell has the whole request (digest and
 * signature checked) and does as it is told:
 *
 *   server_session_new(body) -> next: JUDGE: call server_session_judge on the writer, inside its
 *   database transaction; after the commit (or its failure) server_session_committed. -> READ:
 *   call server_session_read on a reader until it says done; each call appends to `out` what may
 *   go to the device. -> DONE. */
#ifndef COMMON_SYNC_SERVER_SESSION_H
#define COMMON_SYNC_SERVER_SESSION_H

#include "common/changelog/server/store.h"

enum server_step { SERVER_JUDGE, SERVER_READ, SERVER_DONE, SERVER_FAULT };

struct server_session;

/* `body` is copied. ERR_PROTOCOL or ERR_LIMIT: nothing was done, server_session_fault says which
 * status and code to answer. `device_number` is whose signature was verified. */
MUST_USE struct err server_session_new(struct bytes body, uint32_t device_number,
                                       int64_t received_ms, const struct host *host,
                                       struct server_session **out);
void server_session_free(struct server_session *s);
/* The request came in a file: what it says of tokens, acknowledged verdicts and cursors may be
 * older than what the server has heard since, so it is only looked at, and its clocks stood as they
 * say at the server's time `made_ms`. Before server_session_judge; nothing is read from such a
 * session. */
void server_session_by_courier(struct server_session *s, const struct timeline *timeline,
                               int64_t made_ms);
/* Whether the request was judged at all; once judged. */
enum answer_status server_session_status(const struct server_session *s);
enum server_step server_session_next(const struct server_session *s);
/* Judges hello and transactions inside the caller's transaction. What a refused one wrote is undone
 * here; an error means that the whole database transaction must be rolled back. */
MUST_USE struct err server_session_judge(struct server_session *s, struct store *writer);
void server_session_committed(struct server_session *s, struct err err);
/* Appends the next piece (answer, verdicts, rows up to a checkpoint, …) to `out`. */
MUST_USE struct err server_session_read(struct server_session *s, struct store *reader,
                                        struct buf *out, bool *done);
/* The download's snapshot is a read transaction on `reader`: ends it, also when the device left. */
void server_session_read_end(struct server_session *s, struct store *reader);
/* FAULT: HTTP status and body. */
int server_session_fault(const struct server_session *s, struct fault *out);
/* Scopes whose counter this push raised, for live hints. */
size_t server_session_touched(const struct server_session *s, const struct scope_id **out);
/* What there is to count: transactions by outcome once committed, rows once read. */
struct server_tally {
    uint64_t outcomes[OUTCOME_REFUSED + 1];
    uint64_t known; /* of them: judged before */
    uint64_t rows;
    uint64_t alarms; /* heads that the change log doesn't know, shown for the first time */
};
void server_session_tally(const struct server_session *s, struct server_tally *out);

#endif
