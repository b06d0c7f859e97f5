/* What must come of everything, reckoned a second time: the rules of sync in plain code over
 * arrays, without SQL and without the product's merge, fed with the transactions in the order in
 * which the server judged them. It takes from the product the catalogue (what the columns are) and
 * the numbers that rows were given, after checking that they rise. */
#ifndef TESTS_SIM_ENGINE_ORACLE_H
#define TESTS_SIM_ENGINE_ORACLE_H

#include "common/catalogue/catalogue.h"
#include "common/db/db.h"

#define ORACLE_ROWS_MAX    4096
#define ORACLE_LIST_MAX    8192
#define ORACLE_PLACES_MAX  12
#define ORACLE_SCOPES_MAX  32
#define ORACLE_AUTHORS_MAX 64
#define ORACLE_LOSSES_MAX  64
#define ORACLE_PEOPLE_MAX  8
#define ORACLE_DONES_MAX   256
#define ORACLE_PROOFS_MAX  64
#define ORACLE_ERASED_MAX  256
#define ORACLE_LEFT_MS_MAX (INT64_C(14) * 24 * 3600 * 1000)

struct oracle_version {
    int64_t seq, at_ms;
    uint32_t author, epoch;
    uint64_t device_seq;
    int64_t was; /* its number in a part that a restore lost, from which it was brought back; 0 */
};

/* Where a row was from some commit on. */
struct oracle_place {
    int64_t commit;
    struct scope_id scope;
    int64_t deleted_at;
    int64_t seq;
};

enum oracle_purged { ORACLE_STAYS, ORACLE_GOES /* being looked at */, ORACLE_GONE };

struct oracle_row {
    const struct table *table;
    uint8_t id[16];
    struct scope_id scope;
    int64_t seq, entered, deleted_at;
    enum oracle_purged purged; /* a tombstone that the store has forgotten */
    struct value *values;      /* by column number */
    struct oracle_version *versions;
    size_t place_count; /* the newest last; the oldest are forgotten */
    struct oracle_place places[ORACLE_PLACES_MAX];
};

struct oracle_departure {
    struct scope_id scope;
    int64_t seq, at_ms;
    uint8_t id[16];
};

struct oracle_kept { /* a value that lost */
    uint8_t id[16];
    uint16_t table;
    uint8_t column;
    struct value value;
};

struct oracle_judged {
    uint32_t device, epoch;
    uint64_t device_seq;
    uint8_t identity[32];
    uint8_t outcome;
    bool empty; /* it came to nothing: discarded before it went, or no change to anything */
    int64_t effective_ms;
};

struct oracle_loss { /* of a scope, or (role not 0) of a role */
    uint8_t person[16];
    struct scope_id scope;
    unsigned role;
    int64_t at_ms;
    uint64_t heard; /* bit n: device n has shown that it knows */
};

struct oracle_holder { /* a device, as its last hello showed it */
    int64_t heard_ms;
    bool retired;
    bool unsure; /* whether its last hello was taken isn't known */
    size_t count;
    struct scope_id scopes[ORACLE_SCOPES_MAX];
    int64_t dones[ORACLE_SCOPES_MAX];
};

/* What a person may hold. */
struct oracle_rights {
    unsigned role; /* 0: nobody any more */
    uint8_t person[16];
    size_t count;
    struct scope_id scopes[ORACLE_SCOPES_MAX];
    size_t below_count;
    uint8_t below[8][16];
};

struct oracle {
    struct arena arena;
    int64_t commit;      /* counts what was fed */
    int64_t start;       /* numbers of this timeline lie above */
    uint64_t timelines;  /* that it comes from: bit n */
    int64_t enrolled_ms; /* all devices, by the server's clock: what it calls earlier, they knew */
    size_t row_count;
    struct oracle_row *rows[ORACLE_ROWS_MAX];
    uint16_t buckets[4096]; /* index + 1 of the last row of the bucket; open addressing */
    size_t departure_count;
    struct oracle_departure departures[ORACLE_LIST_MAX];
    size_t kept_count;
    struct oracle_kept kept[ORACLE_LIST_MAX];
    size_t proof_count;
    struct {
        char sha256[65];
        uint8_t person[16];
    } proofs[ORACLE_PROOFS_MAX]; /* who brought which picture whole */
    size_t erased_count;
    struct {
        uint16_t table;
        uint8_t id[16];
    } erased[ORACLE_ERASED_MAX];
    size_t judged_count;
    struct oracle_judged judged[ORACLE_LIST_MAX];
    size_t loss_count;
    struct oracle_loss losses[ORACLE_LOSSES_MAX];
    size_t done_count;
    struct {
        uint32_t device;
        struct scope_id scope;
        int64_t done;
    } dones[ORACLE_DONES_MAX]; /* the highest that a device ever showed */
    size_t head_count;
    struct {
        struct scope_id scope;
        int64_t seq;
    } heads[ORACLE_SCOPES_MAX];
    uint8_t company[16];
    struct oracle_holder holders[ORACLE_AUTHORS_MAX]; /* by small number */
    uint8_t authors[ORACLE_AUTHORS_MAX][16]; /* device ids by small number; 0: the server */
};

void oracle_init(struct oracle *o);
void oracle_release(struct oracle *o);
/* Takes a store's rows for granted: where a run begins. */
void oracle_load(struct oracle *o, struct db *db);

struct oracle_row *oracle_find(const struct oracle *o, uint16_t table, const uint8_t id[16]);
void oracle_rights(const struct oracle *o, const uint8_t person[16], struct oracle_rights *out);
bool rights_hold(const struct oracle_rights *r, const struct scope_id *scope);
bool scope_equal(const struct scope_id *a, const struct scope_id *b);
/* Where the row was when the store had seen `commit` commits; NULL: not there yet, or forgotten. */
const struct oracle_place *oracle_place_at(const struct oracle_row *row, int64_t commit);
int64_t oracle_head(const struct oracle *o, const struct scope_id *scope);

/* ---- feeding ---- */

struct oracle_push { /* a transaction as the server got it */
    const struct transaction *tx;
    uint32_t device, epoch;
    uint64_t device_seq;
    uint8_t device_id[16], person[16];
    uint8_t identity[32];
    size_t rest_count;
    const uint64_t *rests_on;
    const uint8_t (*rest_identities)[32]; /* zeros: never seen */
    int64_t effective_ms;
    int64_t received_ms;
    unsigned mask;     /* of its hello */
    bool as_now;       /* judged by what its author holds now, whatever was lost */
    size_t done_count; /* cursors of its hello */
    const struct cursor *dones;
    bool proven; /* it was accepted once, in a part that a restore lost, */
    size_t was_count;
    const int64_t *was; /* with these numbers of its rows */
};

struct oracle_number { /* what a row was given, in the change log's order */
    struct scope_id scope;
    int64_t seq;
    uint16_t table;
    uint8_t id[16];
    bool fresh;
    int64_t left_seq; /* of the departure that it left behind; 0: none */
    struct scope_id left;
};

struct oracle_verdict {
    enum outcome outcome;
    char code[32];
    size_t losers; /* values that must be kept */
    bool open;     /* refused or not: the oracle doesn't know (prices, totals) */
};

/* Judges, and lays the changes over the rows where they stand. `numbers` are those of the log. A
 * broken rule of numbers is told in `*broken`, a literal. */
void oracle_judge(struct oracle *o, const struct oracle_push *push, enum outcome logged,
                  const struct oracle_number *numbers, size_t count, struct oracle_verdict *out,
                  const char **broken);

enum oracle_op {
    ORACLE_PUT,
    ORACLE_DELETE,
    ORACLE_MOVE,
    ORACLE_ERASE, /* the turn of one row */
    ORACLE_OTHER  /* enrolment, revocation: only numbers are looked at */
};
struct oracle_write { /* by the server itself */
    enum oracle_op op;
    uint16_t table;
    uint8_t id[16];
    size_t cell_count;
    struct cell cells[8];
    uint8_t book[16]; /* MOVE */
    int64_t at_ms;
    int64_t erased_ms; /* ERASE: when it was asked for */
};
void oracle_write(struct oracle *o, const struct oracle_write *w,
                  const struct oracle_number *numbers, size_t count, const char **broken);

/* A hello that was taken: what the device knows by now. Before its transactions are judged. */
void oracle_hear(struct oracle *o, uint32_t device, const uint8_t person[16], unsigned mask,
                 const struct cursor *cursors, size_t count);

/* ---- pictures (oracle_pictures.c) ---- */

/* Whether the person may bring it, or fetch it; and is given it without sending it first. */
void oracle_picture(const struct oracle *o, const uint8_t person[16], const char *sha256,
                    bool brings, bool *may, bool *proven);
void oracle_proof(struct oracle *o, const uint8_t person[16], const char *sha256);
/* Proofs of pictures that no living row names go. */
void oracle_sweep(struct oracle *o);

/* ---- erasing (oracle_erase.c) ---- */

/* A customer's contacts go with it. */
void oracle_erase(struct oracle *o, uint16_t table, const uint8_t id[16]);
bool oracle_is_erased(const struct oracle *o, uint16_t table, const uint8_t id[16]);
/* Whether what stands in the column goes. */
bool oracle_erases(uint16_t table, uint8_t column);

/* ---- purging (oracle_purge.c) ---- */

void oracle_load_holders(struct oracle *o, struct db *db);
/* A hello that was taken at that time of the server's: all that the device holds. */
void oracle_show(struct oracle *o, uint32_t device, int64_t at_ms, const struct cursor *cursors,
                 size_t count);
/* The machine died as it took one. */
void oracle_unsure(struct oracle *o, uint32_t device);
void oracle_retire(struct oracle *o, uint32_t device);
/* Rows being looked at (ORACLE_GOES) point to nothing any more. */
bool oracle_may_purge(const struct oracle *o, const struct oracle_row *row, int64_t now_ms);
bool oracle_must_purge(const struct oracle *o, const struct oracle_row *row, int64_t now_ms);
/* ---- restores ---- */

struct oracle_fork;
/* As it is now; in memory of its own but for values, so it must go before the oracle. */
struct oracle_fork *oracle_fork(struct oracle *o);
void oracle_fork_free(struct oracle_fork *f);
bool oracle_fork_has(const struct oracle_fork *f, uint32_t device, const uint8_t identity[32]);
/* Back to how it was; numbers go on above `start`. */
void oracle_return(struct oracle *o, const struct oracle_fork *f, uint32_t timeline, int64_t start);
/* NULL: it wasn't. */
const struct oracle_judged *oracle_judged_as(const struct oracle *o, uint32_t device,
                                             const uint8_t identity[32]);

/* A device that writes does so as an author with an id: ties fall by it. */
void oracle_author(struct oracle *o, uint32_t number, const uint8_t device[16]);

#endif
