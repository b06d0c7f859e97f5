/* Recorded conversations between a device and a server: the files that both began with, the
 * requests and answers as they went over the wire, and what both held at the end. Made once with
 * the program of a version (tools/record_conversation.c), replayed for ever
 * (sim/sim_conversations.c).
 *
 *   NAME/about          numbers and clocks, see struct conversation
 *        store.db.zst   replica.db.zst
 *        1.request      1.answer   2.request …     bodies, packed as sent
 *        upgrade.answer                            to a hello of a version that isn't there yet
 *        store.txt      replica.txt                a line for each row, at the end
 *
 * What fails ends the test. */
#ifndef TESTS_SUPPORT_CONVERSATION_H
#define TESTS_SUPPORT_CONVERSATION_H

#include "common/changelog/device/replica.h"
#include "common/changelog/server/store.h"
#include "tests/support/fake_host.h"

#define CONVERSATION_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct conversation {
    char dir[256];
    uint32_t device; /* its number */
    int requests;
    int64_t server_ms;        /* the server's wall clock */
    int64_t wall_ms, mono_ms; /* the device's clocks */
    uint8_t boot[16];
};

void conversation_write_about(const struct conversation *c);
void conversation_read_about(struct conversation *c);
/* Whole files below `c->dir`; names that end in .zst are packed on the way. */
void conversation_write(const struct conversation *c, const char *name, struct bytes content);
void conversation_read(const struct conversation *c, const char *name, struct buf *out);
void conversation_write_file(const char *path, struct bytes content);
void conversation_read_file(const char *path, struct buf *out);

/* One request through a server session, to the end of its answer. */
void conversation_serve(struct store *writer, struct store *reader, const struct conversation *c,
                        struct fake_host *host, struct bytes request, struct buf *answer);

/* Every row of the tables and columns that `catalogue` knows. Ids that a server draws by chance
 * (kept_value) are left out. */
void conversation_rows(struct db *db, uint32_t catalogue, struct buf *out);
/* What a device has waiting, sent and to show. */
void conversation_work(struct db *db, struct buf *out);

#endif
