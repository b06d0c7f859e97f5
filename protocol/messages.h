/* The messages of a sync, as structs. README.md beside this file says what each means and when it
 * may stand where; changes.cddl gives their bytes; codec.h reads and writes them.
 *
 * Decoded messages live in the arena that the decoder was given; messages to be encoded borrow
 * whatever they point to. Times are UTC milliseconds. */
#ifndef PROTOCOL_MESSAGES_H
#define PROTOCOL_MESSAGES_H

#include "protocol/value.h"

/* Version 1 ends with ENROLLED and the fields that it had then. What came later goes only to a peer
 * whose hello or answer said 2. */
#define PROTOCOL_VERSION        2
#define PROTOCOL_VERSION_OLDEST 1 /* that is still spoken */

/* Limits: named once, said to the other side, asserted by both. */
#define BLOB_PIECE_BYTES_MAX ((size_t)256 * 1024)       /* of a picture, in one request */
#define PUSH_BYTES_MAX       ((size_t)1024 * 1024)      /* a request's body as sent */
#define PUSH_PLAIN_BYTES_MAX ((size_t)16 * 1024 * 1024) /* the same after decompression */
#define PUSH_TX_MAX          10000                      /* transactions a request */
#define TX_CHANGES_MAX       10000                      /* changes a transaction */
#define BATCH_CHANGES_MAX    100000                     /* changes a batch; rows of its verdicts */
#define TX_BYTES_MAX         ((size_t)8 * 1024 * 1024)  /* a transaction in row form */
#define TX_RESTS_MAX         64                         /* predecessors that one names */
#define ROW_BYTES_MAX        ((size_t)64 * 1024)
#define COLUMNS_MAX          63 /* a table; bit 0 of a mask is `_deleted_at` */
#define MESSAGE_BYTES_MAX    ((size_t)16 * 1024 * 1024)
#define ROWS_PER_CHUNK       2000  /* rows between two checkpoints, about */
#define ROWS_MAX             10000 /* rows a message */
#define NAME_BYTES_MAX       1024  /* intent, detail, login, names of devices */
#define SCOPES_MAX           4096
#define PARTS_MAX            65536  /* parts a message */
#define PART_ROWS_MAX        131072 /* rows listed in one */
#define CODE_BYTES_MAX       32
#define COURIER_KEY_BYTES    32 /* the server's, to which courier files are sealed */

/* Column number 0 of every table: the row's deletion, an INT (time) or NULL. */
#define COLUMN_DELETED 0

enum scope_kind {
    SCOPE_COMPANY = 1,
    SCOPE_TEAM = 2,
    SCOPE_BOOK = 3,
    SCOPE_USER = 4,
    SCOPE_PRIVATE = 5,
    SCOPE_POOL = 6
};

struct scope_id {
    uint8_t kind; /* enum scope_kind */
    uint8_t id[16];
};

/* When a transaction was written, as its device's clocks said then. sync.md §7 tells how the
 * server turns them into an effective time. */
struct clocks {
    int64_t wall_ms;
    int64_t mono_ms;  /* since `boot` began */
    uint8_t boot[16]; /* random for each start of the machine; all zero where unknown */
    int64_t seen_ms;  /* last server time that the device had seen; 0: none yet */
};

enum change_op { CHANGE_INSERT = 1, CHANGE_UPDATE = 2, CHANGE_DELETE = 3 };

struct cell {
    uint8_t column; /* catalogue number of the column within its table */
    bool has_old;   /* only columns of policy `union` carry the set that they started from */
    struct value value;
    struct value old;
};

/* A row has one change for each base that its columns were written against. */
struct change {
    uint16_t table;
    uint8_t op; /* enum change_op */
    uint8_t id[16];
    int64_t base; /* `_seq` that the author saw; 0 for an insert and on a row not yet judged */
    size_t cell_count;
    struct cell *cells; /* by rising column; none for a delete */
};

/* One user action: all of it or nothing. Row form (identity) leaves out device_seq and rests_on. */
struct transaction {
    uint64_t device_seq;
    size_t rest_count;
    uint64_t *rests_on; /* device_seq of earlier pending ones of the same epoch */
    uint32_t catalogue; /* version under which it was captured */
    struct clocks written;
    struct bytes intent; /* short name of the action, e.g. "visit.start"; for logs and people */
    size_t change_count; /* 0: discarded after it was frozen */
    struct change *changes;
};

/* A cursor: `done` everything up to it is here; `pos` how far this pass came; `goal` the head
 * that the pass began with (0: no pass under way), which becomes `done` at the pass's end. */
struct cursor {
    struct scope_id scope;
    int64_t done;
    int64_t pos;
    int64_t goal;
    int64_t head_no;  /* protocol 2: the scope's last entry in the server's change log, */
    uint8_t head[16]; /* and the first bytes of its hash; 0: not said */
};

struct timeline {
    uint32_t counter;
    uint8_t id[16];
};

#define HELLO_MORE    1u /* another request follows: verdicts only, no rows */
#define HELLO_DIGEST  2u /* asks for the digest of each scope at the end */
#define HELLO_COURIER 4u /* has no courier key yet and asks for it */

/* device -> server, first. */
struct hello {
    uint32_t protocol;
    uint32_t catalogue;     /* version of the catalogue that the device runs */
    uint32_t cursors_under; /* catalogue version under which the cursors were made */
    uint32_t mask;          /* role mask under which they were made; 0: none yet */
    uint8_t device[16];     /* and scopes of cursors: see hello_names.h */
    uint32_t epoch;
    uint8_t token[16];        /* epoch token last received */
    struct timeline timeline; /* as last seen; counter 0: none yet */
    int64_t wall_ms, mono_ms; /* clocks now */
    uint8_t boot[16];
    uint64_t verdict_seen; /* highest verdict number stored */
    uint32_t flags;        /* HELLO_… */
    size_t cursor_count;
    struct cursor *cursors;
};

enum answer_status {
    ANSWER_OK = 0,
    ANSWER_NEW_EPOCH =
        1, /* token or a number's identity doesn't fit: open epoch `epoch`, renumber, come again */
    ANSWER_NEW_TIMELINE = 2, /* the server was restored */
    ANSWER_REENROL = 3,      /* two live copies, or unknown here: enrol again, the work is kept */
    ANSWER_UPGRADE = 4       /* protocol or catalogue too old or too new */
};

/* server -> device, first. Anything but ANSWER_OK: nothing was judged, only END follows. */
struct answer {
    uint8_t status; /* enum answer_status */
    uint32_t protocol, catalogue;
    int64_t server_ms;
    struct timeline timeline; /* protocol 2: id 0 where it is hello's */
    uint32_t epoch;
    uint8_t token[16];
    uint32_t mask;     /* the role mask in force */
    size_t mark_count; /* backup marks: `done` is the mark; pos and goal are 0 */
    struct cursor *marks;
    uint8_t courier_key[COURIER_KEY_BYTES]; /* X25519; zero: not asked for */
};

enum outcome {
    OUTCOME_ACCEPTED = 0,
    OUTCOME_MERGED = 1, /* stands, but some of its values lost and were kept */
    OUTCOME_PARKED = 2, /* waits for a parent or predecessor; a later number decides */
    OUTCOME_REFUSED = 3
};

/* The code of a verdict on what a restored server had not lost. */
#define VERDICT_KNOWN "known"

/* The row's `_seq` after the transaction, and what of the row the sender hasn't seen. */
struct verdict_row {
    uint16_t table;
    uint8_t id[16];
    struct scope_id scope;
    int64_t seq;
    size_t unseen_count;
    struct cell
        *unseen; /* columns newer than the sender's `done` that it didn't write, winners included */
};

/* A value of the sender that lost. */
struct loser {
    uint16_t table;
    uint8_t id[16];
    uint8_t column;
    uint8_t kept_id[16]; /* row in kept_value */
    struct value kept;
    struct value winner;
    uint8_t winner_person[16]; /* zero: the server */
    int64_t winner_at_ms;
};

struct verdict {
    uint64_t number; /* per device, from 1, without gaps */
    uint32_t epoch;
    uint64_t device_seq;
    uint8_t outcome;                /* enum outcome */
    char code[CODE_BYTES_MAX];      /* refused, parked: why; VERDICT_KNOWN; else "" */
    char field[CODE_BYTES_MAX * 2]; /* table or table.column it is about, or "" */
    struct bytes detail; /* parameters for people, e.g. "18.00" or a device_seq; or empty */
    size_t row_count;
    struct verdict_row *rows;
    size_t loser_count;
    struct loser *losers;
};

struct row {
    uint8_t id[16];
    int64_t seq;
    struct value *values; /* one for each column of the chunk */
};

/* Rows of one table and one set of columns. `whole`: every column that the device may see. */
struct rows {
    struct scope_id scope;
    uint16_t table;
    bool whole;
    size_t column_count;
    uint8_t columns[COLUMNS_MAX + 1]; /* rising; may hold COLUMN_DELETED */
    size_t count;
    struct row *rows;
};

/* The row left `scope` at `seq`; drop it unless it is in another held scope or newer. */
struct departure {
    struct scope_id scope;
    int64_t seq;
    uint16_t table;
    uint8_t id[16];
};

/* Everything before it is one local transaction together with it. */
struct checkpoint {
    struct cursor cursor;
};

struct digest_entry {
    struct scope_id scope;
    uint16_t table; /* 0: the whole scope */
    uint64_t rows;
    uint8_t sum[16];
};

struct digest {
    size_t entry_count;
    struct digest_entry *entries;
};

/* A part of what a device holds: a scope, a table in it, a bucket of that (by the id's last
 * byte). */
struct part_name {
    struct scope_id scope;
    uint16_t table;  /* 0: all of the scope */
    uint16_t bucket; /* 0: all of the table; else its number + 1 */
};

/* device -> server, behind the batches: asks for what these parts consist of. A scope: the sums of
 * its tables; a table: of its buckets; a bucket: the rows themselves. None: the sums of all scopes
 * held (with `contents`: of all their tables). */
struct ask {
    bool contents; /* sums over what stands in the rows, else over their numbers */
    size_t count;
    struct part_name *parts;
};

struct digest_part {
    struct part_name name;
    uint8_t listed; /* 1: its rows stand among `rows` */
    uint32_t rows;
    uint8_t sum[16];
};

struct part_row {
    uint8_t id[16];
    int64_t seq;
    uint8_t sum[16]; /* what it adds; zero where numbers were asked for */
};

/* server -> device, behind the last checkpoint. */
struct parts {
    size_t count;
    struct digest_part *parts;
    size_t row_count;
    struct part_row *rows; /* of the listed parts, in their order */
};

struct wanted_row {
    uint16_t table;
    uint8_t id[16];
};

/* device -> server, behind the batches: these rows whole. They come as ROWS behind PARTS. */
struct want {
    size_t count;
    struct wanted_row *rows;
};

/* Ends both directions. */
struct end {
    bool told;
    uint8_t sum[8]; /* of all scopes that the device now holds; README.md, digests */
};

struct batch {
    size_t count;
    struct transaction *transactions; /* by rising device_seq */
};

struct verdicts {
    size_t count;
    struct verdict *verdicts; /* by rising number */
    uint8_t mac[16];          /* of the offer that these verdicts would make; zero: none */
};

/* Transactions that the server has accepted before, in words that it recognizes as its own: the
 * accepted and merged verdicts of one VERDICTS message. */
struct offered {
    uint8_t identity[32];
    size_t seq_count;
    int64_t *seqs; /* of the verdict's rows */
};

struct reoffer {
    int64_t received_ms; /* server time of the answer that the verdicts stood in */
    uint8_t mac[16];
    size_t count;
    struct offered *entries;
};

/* The body of an HTTP error answer, and of nothing else. */
struct fault {
    char code[CODE_BYTES_MAX]; /* README.md lists them */
    struct bytes detail;
    int64_t server_ms;
    int64_t limit; /* 413: what is allowed; 429, 503: seconds to wait; else 0 */
};

/* One line of the live stream: a scope that the device holds has moved (or nothing: keep-alive). */
struct hint {
    int64_t server_ms;
    bool advanced;
};

struct enrol {
    uint8_t secret[20];
    uint8_t public_key[32];
    struct bytes name;        /* of the device, for people */
    struct bytes app;         /* program and version */
    uint32_t protocol;        /* that the device speaks; 0: the first */
    struct bytes certificate; /* enrolled before, at a server that was restored since; or empty */
    /* Of a device that enrols again with its work: who it was (zero: nobody), and its epoch. */
    uint8_t former[16];
    uint32_t former_epoch;
};

struct enrolled {
    uint8_t device[16];
    uint32_t device_number; /* small: prefix of human numbers, D7-0042 */
    uint8_t person[16];
    struct bytes login;
    uint32_t epoch;
    uint8_t token[16];
    struct timeline timeline;
    uint8_t digest_key[16];
    int64_t server_ms;
    struct bytes certificate; /* to be kept: the server's word that it enrolled this device */
};

#define CERTIFICATE_BYTES_MAX 256

enum message_kind {
    MESSAGE_HELLO = 1,
    MESSAGE_BATCH = 2,
    MESSAGE_END = 3,
    MESSAGE_ANSWER = 4,
    MESSAGE_VERDICTS = 5,
    MESSAGE_SCOPE_ENTER = 6,
    MESSAGE_SCOPE_LEAVE = 7,
    MESSAGE_ROWS = 8,
    MESSAGE_DEPARTURE = 9,
    MESSAGE_CHECKPOINT = 10,
    MESSAGE_DIGEST = 11,
    MESSAGE_FAULT = 12,
    MESSAGE_HINT = 13,
    MESSAGE_ENROL = 14,
    MESSAGE_ENROLLED = 15,
    MESSAGE_OFFER = 16,
    MESSAGE_WITNESS = 17,
    MESSAGE_ASK = 18,
    MESSAGE_PARTS = 19,
    MESSAGE_WANT = 20
};

struct message {
    enum message_kind kind;
    union {
        struct hello hello;
        struct batch batch;
        struct answer answer;
        struct verdicts verdicts;
        struct scope_id scope; /* ENTER, LEAVE */
        struct rows rows;      /* ROWS, WITNESS */
        struct departure departure;
        struct checkpoint checkpoint;
        struct digest digest;
        struct fault fault;
        struct hint hint;
        struct enrol enrol;
        struct enrolled enrolled;
        struct reoffer offer;
        struct ask ask;
        struct parts parts;
        struct want want;
        struct end end;
    };
};

const char *message_name(enum message_kind kind);

#endif
