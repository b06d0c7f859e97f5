/* A small firm in one process: one consolidated store, four devices, and a network between them
 * that loses, doubles and cuts what one seed says. Real databases (each a file of its own), real
 * sessions, real bytes; only time, chance and the wire are simulated.
 *
 *        manager ── device 3                    books: of Ann, of Bob, the house book
 *        ├── Ann ── device 0, device 1
 *        └── Bob ── device 2                    goods: 3 products in one price list
 *
 * A failed step of the scaffold itself ends the test, with the seed. One thread. */
#ifndef TESTS_SUPPORT_WORLD_H
#define TESTS_SUPPORT_WORLD_H

#include "common/changelog/device/replica.h"
#include "common/changelog/server/store.h"
#include "common/sync/client_session.h"
#include "common/sync/courier_import.h"
#include "tests/support/fake_host.h"
#include "tests/support/scratch.h"

#define WORLD_DEVICES  4
#define WORLD_PRODUCTS 3
#define YEAR_MS        INT64_C(31557600000)

enum world_person { BOSS, ANN, BOB, WORLD_PEOPLE };
enum { ANN_PHONE, ANN_TABLET, BOB_PHONE, BOSS_LAPTOP };

struct world_device {
    struct world *world;
    struct fake_host host;
    enum world_person who;
    char path[128];
    struct db *db;
    struct replica replica;
    uint8_t public_key[32];
    uint8_t secret_key[64];
};

struct world {
    uint64_t seed;
    bool damaged;            /* files were changed behind their programs' backs */
    struct fake_host chance; /* its random numbers alone are used */
    struct scratch scratch;
    char store_path[128];
    struct buf ledger_text; /* what a file beside the store would hold */
    struct store_ledger ledger;
    int fault_status; /* of the last answer that was a fault; a test that allows them looks here */
    bool allows_faults;
    struct fake_host server;
    struct db *writer_db, *reader_db;
    struct store writer, reader;
    uint8_t people[WORLD_PEOPLE][16];
    uint8_t books[WORLD_PEOPLE][16]; /* home book of each */
    uint8_t price_list[16];
    uint8_t products[WORLD_PRODUCTS][16];
    struct world_device devices[WORLD_DEVICES];
};

void world_init(struct world *w, uint64_t seed);
void world_release(struct world *w);
/* Closes all its databases, so that the test may work on their files; nothing else may be done with
 * it then but removing `scratch`. */
void world_suspend(struct world *w);
/* Below `n`, which is not 0. */
uint64_t world_below(struct world *w, uint64_t n);
void world_pass(struct world *w, int64_t ms); /* time goes on everywhere */
void world_new_id(struct world *w, uint8_t id[16]);
__attribute__((noreturn, format(printf, 2, 3))) void world_fail(const struct world *w,
                                                                const char *format, ...);
/* Ends the test unless `err` is ERR_OK; `db` (may be NULL) says more. */
void world_must(const struct world *w, const struct db *db, struct err err);

/* ---- backups (world_backup.c) ---- */

/* What `legworkd backup` and `restore` do, with files of these names in the scratch folder. */
void world_backup(struct world *w, const char *name);
void world_restore(struct world *w, const char *name);
/* The server's file put aside as it is, and served from again: a server that wasn't told. */
void world_store_copy(struct world *w, const char *name);
void world_store_serve(struct world *w, const char *name);
/* With its certificate, as the client does when its key isn't known any more. */
struct err device_come_back(struct world_device *d);
/* Copies a file; ends the test where it can't. */
void world_copy_file(const struct world *w, const char *from, const char *to);

/* Processes that die and come back; what was committed stays. */
void world_restart_server(struct world *w);
void device_restart(struct world_device *d);
/* The replica's file put aside, and put back later: what a restored phone backup does. */
void device_copy(struct world_device *d, const char *name);
void device_copy_back(struct world_device *d, const char *name);
/* As enrolment does it, over a file that is made anew. */
void device_enrol(struct world_device *d);
/* The same over the file that is there: it stays, with all that waits in it, under a new device. */
void device_enrol_again(struct world_device *d);
struct err device_try_enrol_again(struct world_device *d);
/* From now on `d` runs from a copy of the other's file: two live copies of one device. */
void device_become(struct world_device *d, struct world_device *other);

/* ---- the wire (world_net.c) ---- */

enum fault_kind {
    FAULT_NONE,
    FAULT_REQUEST_LOST,    /* the server never sees it */
    FAULT_TWICE,           /* it arrives twice; the second answer gets through */
    FAULT_SERVER_DIES,     /* after judging, before the commit */
    FAULT_ANSWER_CUT,      /* after `at` bytes */
    FAULT_SERVER_RESTARTS, /* after the commit; the answer is lost */
    FAULT_DEVICE_DIES,     /* after `at` bytes of the answer */
    FAULT_BUSY             /* 503 */
};

struct fault_plan {
    enum fault_kind kind;
    int request; /* which of the sync, from 0 */
    size_t at;
    /* What the user does while the answer is on its way; may be NULL. */
    void (*meanwhile)(struct world_device *d, void *context);
    void *context;
    struct buf *kept; /* gets a copy of the request; may be NULL */
};

enum sync_end { SYNC_FINISHED, SYNC_FAILED, SYNC_CUT };

struct sync_result {
    enum sync_end end;
    char code[CODE_BYTES_MAX]; /* FAILED: why, else "" */
    struct client_tally tally;
    size_t answer_bytes; /* of the last request */
};

/* One sync. `options` may be NULL. */
struct sync_result device_sync_with(struct world_device *d, const struct fault_plan *plan,
                                    const struct client_session_options *options);
/* One that nothing disturbs and that must finish. */
struct sync_result device_sync(struct world_device *d);
/* A request that the network kept back comes now, and nobody hears the answer: its status. */
int device_request_comes(struct world_device *d, const struct buf *request);
/* All devices until nothing is left to say: what one brings, the next ones fetch. */
void world_heal(struct world *w);

/* ---- files instead of a wire (world_courier.c) ---- */

/* What waits on a device, as `legwork courier export` writes it; the count of transactions. */
int64_t device_export(struct world_device *d, struct buf *file);
/* Committed where it was taken, else rolled back. */
struct err world_import(struct world *w, const struct buf *file, struct courier_report *report);
/* One that must be taken. */
struct courier_report world_take(struct world *w, const struct buf *file);

/* ---- edits (world_edit.c) ---- */

struct cell cell_text(uint8_t column, const char *text);
struct cell cell_int(uint8_t column, int64_t i);
struct cell cell_id(uint8_t column, const uint8_t id[16]);

/* One transaction of a device; one row each. False: not valid, `why` says what. */
bool device_insert(struct world_device *d, uint16_t table, const uint8_t id[16],
                   const struct cell *cells, size_t count);
bool device_update(struct world_device *d, uint16_t table, const uint8_t id[16],
                   const struct cell *cells, size_t count);
bool device_delete(struct world_device *d, uint16_t table, const uint8_t id[16]);
/* A customer in the home book of the device's person. */
void device_customer(struct world_device *d, const char *name, uint8_t id[16]);
void device_visit(struct world_device *d, const uint8_t customer[16], uint8_t id[16]);
void device_payment(struct world_device *d, const uint8_t customer[16], uint8_t id[16]);
/* A draft with one line; `price` of the line, `submit`: in the same transaction. */
void device_order(struct world_device *d, const uint8_t customer[16], int64_t quantity,
                  int64_t price, bool submit, uint8_t id[16]);

/* Several rows in one server_write, with store.h's own calls between the two. */
struct server_write *world_write_begin(struct world *w, const char *intent);
enum err_code world_write_end(struct world *w, struct server_write *write, struct err err,
                              struct complaint *why);
/* One server_write of one row, committed at once. `base` -1: whatever is there. */
enum err_code world_put(struct world *w, uint16_t table, const uint8_t id[16],
                        const struct cell *cells, size_t count, int64_t base,
                        struct complaint *why);
enum err_code world_delete(struct world *w, uint16_t table, const uint8_t id[16], int64_t base,
                           struct complaint *why);
enum err_code world_undelete(struct world *w, uint16_t table, const uint8_t id[16],
                             struct complaint *why);
void world_customer(struct world *w, enum world_person whose, const char *name, uint8_t id[16]);
void world_move(struct world *w, const uint8_t customer[16], enum world_person to);
/* As a job; the server's process dies after `steps` of it and is back, then it goes on. */
void world_move_many(struct world *w, const uint8_t (*customers)[16], size_t count,
                     enum world_person to, size_t steps);
/* All books that `from` holds. */
void world_give(struct world *w, enum world_person from, enum world_person to);

/* ---- what is there (world_check.c) ---- */

/* A column's value as text; "(null)" for NULL, "(none)" where the row isn't or is a tombstone.
 * Valid until the next call with the same `to`. */
struct seen {
    char text[512];
};
const char *db_sees(const struct world *w, struct db *db, const char *table, const uint8_t id[16],
                    const char *column, struct seen *to);
/* One integer; `id` (may be NULL) is ?1. */
int64_t db_count(const struct world *w, struct db *db, const char *sql, const uint8_t id[16]);

/* After world_heal: outboxes empty, every device holds just what its scopes hold, columns that it
 * may see, at the same numbers; digests equal; one effect for each transaction; files sound. */
void world_check(struct world *w);

#endif
