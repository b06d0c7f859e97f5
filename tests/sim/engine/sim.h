/* The simulator: a small firm with its server and devices in one process, where time, network,
 * disks, clocks and people are made up from one tape of choices, and everything else is the
 * product: sessions, judging, SQLite, the bytes of the protocol.
 *
 *     boot ─► chaos ─► heal ─► liveness ─► resume ─► audit
 *
 * Time stands still until the next event: a request arrives, a group is committed, a piece of an
 * answer is read or delivered, a machine comes up, somebody works. Between any two of them anything
 * may break. The first broken invariant ends the run. One thread. */
#ifndef TESTS_SIM_ENGINE_SIM_H
#define TESTS_SIM_ENGINE_SIM_H

#include "common/changelog/device/replica.h"
#include "common/changelog/server/store.h"
#include "common/sync/client_session.h"
#include "common/sync/server_session.h"
#include "protocol/codec.h"
#include "tests/sim/engine/features.h"
#include "tests/sim/engine/oracle.h"
#include "tests/sim/engine/past.h"
#include "tests/sim/engine/tape.h"
#include "tests/support/fake_host.h"
#include "tests/support/simdisk.h"

#define SIM_DEVICES     4
#define SIM_LOST_DEVICE 1 /* Ann's tablet may be revoked */
#define SIM_PEOPLE      3
#define SIM_PRODUCTS    2
#define SIM_CUSTOMERS   3 /* that the firm begins with */
#define SIM_CONNS       10
#define SIM_EVENTS      160
#define SIM_READERS     2
#define SIM_GROUP_MAX   8
#define SIM_SAVED_MAX   1024
#define SIM_PUSHES_MAX  2048
#define SIM_TEXT_MAX    24
#define SIM_FILES_MAX   4   /* of couriers, under way */
#define SIM_TOKENS_MAX  256 /* of a device; later ones are not looked at */
#define SIM_ROWS_MAX    512
#define SIM_SCOPES_MAX  ORACLE_SCOPES_MAX
#define SIM_YEAR_MS     INT64_C(31557600000)
#define SIM_STORE_PATH  "store.db"
#define SIM_DEVICE_PATH "replica.db"

/* What a process held when it died is left where it is, unless somebody counts what was left: every
 * run ends with a process of its own, and closing takes longer than opening. Nothing of it can be
 * seen: a dead disk takes nothing and draws nothing. */
#ifdef LEGWORK_SANITIZED
#define SIM_LEAVES_THE_DEAD false
#else
#define SIM_LEAVES_THE_DEAD true
#endif

enum invariant {
    INV_NONE,
#define INVARIANT(number, name, says) INV_##name = (number),
#include "tests/sim/engine/invariants.def"
#undef INVARIANT
    INVARIANT_END
};
const char *invariant_name(enum invariant i);
const char *invariant_says(enum invariant i);

enum sim_person { SIM_BOSS, SIM_ANN, SIM_BOB };
enum sim_phase { PHASE_CHAOS, PHASE_HEAL, PHASE_RESUME, PHASE_AUDIT };

/* The firm as every run finds it: founded, enrolled, synced. Made once a process. */
struct sim_firm {
    int64_t now_ms;
    struct simdisk_image *store; /* as founded, before the first sync */
    struct simdisk_image *devices[SIM_DEVICES];
    uint8_t secret_keys[SIM_DEVICES][64];
    uint8_t people[SIM_PEOPLE][16], books[SIM_PEOPLE][16];
    uint8_t price_list[16], products[SIM_PRODUCTS][16];
    uint8_t customers[SIM_CUSTOMERS][16];
};

struct sim;

struct sim_host { /* a machine's clocks and chance */
    struct sim *sim;
    int64_t wall_error_ms;
    int64_t drift_ppm;
    int64_t boot_ms; /* when it was started, in true time */
    struct fake_host chance;
};

struct sim_saved { /* what a device said it saved; kept outside of it */
    int device;
    int64_t tx;
    int serial; /* the text "w<serial>." stands in it; 0: none does */
    bool judged, rolled_back;
    bool lost, gone;      /* by a restore: it was judged once; nobody can bring it again */
    uint8_t identity[32]; /* of its transaction, once that was judged */
    enum outcome outcome; /* once judged */
    int64_t true_ms, wall_error_ms, boot_ms;
    uint8_t row[16];
    const struct column *column;
    int saw; /* serial of the text that it replaced; 0: something else */
};

struct sim_device {
    struct sim *sim;
    int index;
    enum sim_person who;
    struct sim_host host;
    char name[24];
    struct simdisk *disk;
    struct db *db; /* NULL: the machine is off */
    struct replica replica;
    uint32_t number; /* as the server knows it */
    uint8_t id[16];
    int life; /* counts its starts */
    struct client_session *session;
    int conn;     /* of the request under way, -1: none */
    int requests; /* of the sync under way */
    bool sync_planned;
    bool misled; /* a page was shown to this sync instead of an answer */
    bool revoked, copied, was_rolled_back;
    bool away;           /* nobody syncs it */
    bool settled;        /* has compared digests since it was set back */
    bool looked;         /* its last sync compared contents, too */
    bool rotten, found;  /* a bit turned in its file (rot.c); a program came upon it */
    int64_t finished_ms; /* last sync that finished */
    int64_t saved_count; /* transactions */
    int64_t last_tx;     /* the newest of them */
    struct simdisk_image *copy;
    size_t copied_at; /* sim.saved_count then */
    int64_t copied_count;
    size_t token_count; /* those that committed requests showed, each once */
    uint8_t tokens[SIM_TOKENS_MAX][16];
};

struct watch { /* reads along what is sent to a device */
    struct unpacker *unpacker;
    struct arena arena;
    struct oracle_rights rights;
    int64_t commit;
    bool revoked;
};

enum conn_fault {
    CONN_FINE,
    CONN_LOST,      /* the request never arrives */
    CONN_TRUNCATED, /* a part of it does */
    CONN_TWICE,     /* it arrives again, later */
    CONN_CUT,       /* the answer ends after `at` bytes */
    CONN_STALLED,   /* the answer stops after `at` bytes; nobody is told */
    CONN_PORTAL,    /* somebody else answers with a page */
    CONN_BUSY,      /* 503 */
    CONN_FAULTS
};

struct sim_conn {
    bool used;
    int device; /* -1: nobody waits for its answer */
    int device_life;
    int life; /* counts its uses: events of an old one are stale */
    int server_life;
    uint32_t number;
    enum sim_person who;
    enum conn_fault fault;
    size_t at;
    int64_t latency_ms;
    struct buf request, answer;
    size_t delivered;
    bool answered; /* the answer is complete */
    int status;    /* of a fault, 0: none */
    struct fault http_fault;
    bool queued, chunk_planned;
    int64_t received_ms; /* by the server's clock */
    uint8_t token[16];   /* its hello's */
    bool replaced;       /* its device has shown a later token */
    unsigned mask;       /* its hello's, with the cursors */
    uint32_t timeline;
    size_t cursor_count;
    const struct cursor *cursors;
    struct server_session *session;
    int reader; /* -1: none yet */
    struct watch watch;
};

enum sim_turn { /* what a run turns on: drawn once, a rare meeting is common in its own runs */
                SIM_ANYTHING,
                SIM_COPIES,   /* older copies of a device's file */
                SIM_RIVALS,   /* people who write the same cell at once */
                SIM_RESTORES, /* backups of the server, and restores */
                SIM_CLOCKS,   /* the server's */
                SIM_TURNS
};

enum event_kind {
    EVENT_SYNC,    /* a device begins a sync */
    EVENT_ARRIVES, /* a request is at the server */
    EVENT_GROUP,   /* the writer takes what is queued */
    EVENT_READ,    /* the next piece of an answer is made */
    EVENT_CHUNK,   /* bytes reach the device */
    EVENT_TIMEOUT, /* a device gives up on a connection */
    EVENT_DEVICE_UP,
    EVENT_SERVER_UP
};

struct event {
    int64_t at_ms;
    uint64_t order;
    enum event_kind kind;
    int who; /* device or connection */
    int life;
};

struct sim_push { /* a transaction as a request brought it */
    uint32_t device, epoch;
    enum sim_person who;
    uint64_t device_seq;
    uint8_t identity[32];
    int64_t received_ms, effective_ms, seen_ms; /* received: as the log will say */
    unsigned mask;
    struct bytes row_form; /* where the log may forget it at once */
    bool by_courier;
    bool released; /* an admin's word let it in */
    bool proven;   /* by an offer: it was accepted once */
    int64_t proof_ms;
    size_t was_count;
    const int64_t *was;
    size_t rest_count;
    uint64_t rests_on[8];
    size_t done_count;
    const struct cursor *dones;
};

struct sim_file { /* of a courier */
    bool used;
    int device;
    struct buf bytes;
};

struct sim_erasure { /* the last that was asked for */
    bool asked;      /* and it isn't known yet whether it began */
    int64_t at_ms;   /* by the server's clock */
    int64_t began_ms;
    uint16_t table;
    uint8_t id[16];
};

struct sim_server {
    struct sim_host host;
    struct simdisk *disk;
    struct db *writer_db, *reader_dbs[SIM_READERS];
    struct store writer, readers[SIM_READERS];
    int reader_conns[SIM_READERS]; /* -1: free */
    bool up, group_planned;
    int life;
    int64_t log_no; /* what the oracle was fed */
    bool jumped;    /* its clock was wrong once: devices may have seen a time that never came */
};

struct sim_counts {
    int64_t events, syncs, crashes, power_cuts, disk_faults, transactions;
    int64_t device_ms; /* simulated time, summed over devices */
};

struct sim {
    const struct sim_firm *firm;
    uint64_t seed;
    struct tape tape;
    enum sim_phase phase;
    enum sim_turn turn;
    unsigned features; /* a bit each */
    int64_t now_ms, began_ms;
    int64_t idle_ms; /* of it, in which nobody did anything */
    uint64_t order;
    size_t event_count;
    struct event events[SIM_EVENTS];
    struct sim_server server;
    struct sim_device devices[SIM_DEVICES];
    struct sim_conn conns[SIM_CONNS];
    struct oracle oracle;
    struct arena arena; /* pushes' lists */
    struct past past;
    bool write_pending; /* the server's own write whose commit isn't seen in the log yet */
    struct oracle_write write;
    size_t push_count;
    struct sim_push pushes[SIM_PUSHES_MAX];
    size_t saved_count;
    struct sim_saved saved[SIM_SAVED_MAX];
    int serial;
    size_t row_count; /* rows that people know of and work on */
    struct {
        uint16_t table;
        uint8_t id[16];
    } rows[SIM_ROWS_MAX];
    uint8_t helper[16];
    struct sim_file files[SIM_FILES_MAX];
    struct sim_erasure erasure;
    struct { /* that a manager has open in the dashboard */
        bool open;
        uint8_t id[16];
        int64_t seq;
        int saw;
    } page;
    struct sim_counts counts;
    uint64_t hash;
    bool tells; /* prints each step */
    enum invariant broken;
    char story[400];
};

/* ---- sim.c ---- */
/* `world` is all zeros; it is what runs begin with, and must be released. The firm outlives it. */
void firm_found(struct sim_firm *firm, struct sim *world);
void firm_release(struct sim_firm *firm);
/* The firm's machines are switched on, over a tape that is ready. */
void sim_boot(struct sim *s, const struct sim_firm *firm);
/* A whole run over a tape that is ready, in a world that nothing has happened to yet. */
void sim_run(struct sim *s, uint64_t seed);
void sim_release(struct sim *s);
__attribute__((format(printf, 3, 4))) void sim_break(struct sim *s, enum invariant which,
                                                     const char *format, ...);
__attribute__((format(printf, 2, 3))) void sim_trace(struct sim *s, const char *format, ...);
uint64_t sim_below(struct sim *s, uint64_t n);
void sim_plan(struct sim *s, enum event_kind kind, int64_t in_ms, int who, int life);
/* Runs what is due until then. */
void sim_pass(struct sim *s, int64_t ms);

/* ---- the server (server.c, feed.c) ---- */
void server_start(struct sim *s);
void server_stop(struct sim *s);
void server_warm(struct sim *s); /* opens what would be opened when first needed */
void server_dies(struct sim *s, bool power, int64_t back_in_ms);
/* After anything done to its disk: did the machine die of it? */
bool server_is_gone(struct sim *s);
void server_arrives(struct sim *s, int conn);
void server_group(struct sim *s);
void server_read(struct sim *s, int conn);
void server_drop(struct sim *s, struct sim_conn *c);
/* What the log holds beyond what the oracle knows goes to the oracle. */
void feed_oracle(struct sim *s);
void feed_pushes(struct sim *s, struct sim_conn *c);
struct feed_request { /* as the server gets it */
    struct bytes request;
    uint32_t number;
    enum sim_person who;
    int64_t asked_ms; /* the server's time at which the device's clocks stood as its hello says */
    int64_t received_ms;
    bool by_courier;
};
struct feed_hello {
    unsigned mask;
    uint32_t timeline;
    size_t cursor_count;
    const struct cursor *cursors;
    uint8_t token[16];
};
struct feed_hello feed_request(struct sim *s, const struct feed_request *r);
/* Work of a revoked device is about to be let in. */
void feed_released(struct sim *s, uint32_t number, const uint8_t identity[32], int64_t now_ms);
/* A group was committed: its hellos were taken. */
void feed_hellos(struct sim *s, const int *conns, size_t count);

/* ---- devices and the wire (device.c, wire.c) ---- */
void host_now(void *context, struct clocks *out);
struct host host_of(struct sim_host *h);
void device_open(struct sim_device *d);
void device_close(struct sim_device *d);
void device_dies(struct sim_device *d, bool power, int64_t back_in_ms);
void device_failed(struct sim_device *d, struct err err);
bool device_is_gone(struct sim_device *d);
void device_sync_begin(struct sim_device *d);
void device_sync_abort(struct sim_device *d);
void wire_request(struct sim_device *d, struct bytes body);
void wire_arrives(struct sim *s, int conn);
void wire_chunk(struct sim *s, int conn);
void wire_timeout(struct sim *s, int conn);
void wire_drop(struct sim_conn *c);
void wire_plan_chunk(struct sim *s, int conn);
void device_ended(struct sim_device *d, int status, struct err err, const struct fault *fault);

/* ---- what is sent (watch.c) ---- */
void watch_begin(struct sim *s, struct sim_conn *c);
void watch_bytes(struct sim *s, struct sim_conn *c, struct bytes packed);
void watch_end(struct sim_conn *c);

/* ---- backups and restores (restore.c) ---- */

void past_begin(struct sim *s);
void past_release(struct sim *s);
void operate_backup(struct sim *s);
void operate_restore(struct sim *s);
/* A request as it arrives: the server that was replaced hears it too, once. */
void past_overhears(struct sim *s, const struct sim_conn *c);
/* Whether a device has still to hear of a restore, or to come to terms with it. */
bool past_is_behind(struct sim_device *d);
/* Two backups held it: its device needn't keep it. */
bool past_is_covered(struct sim *s, uint32_t device, const uint8_t identity[32]);
/* How many of a device's transactions were judged in lost parts alone. */
int64_t past_unjudged(const struct sim *s, uint32_t device);
void audit_past(struct sim *s);

/* ---- people (operators.c) ---- */
void operate(struct sim *s); /* anything that may happen */
void operate_revoke(struct sim *s);
void courier_release_files(struct sim *s);
/* erasure.c: after anything that may have begun one; all that is under way; what must be gone. */
void erasure_look(struct sim *s);
void erasure_finish(struct sim *s);
void pictures_look(struct sim *s);
void audit_erased_device(struct sim_device *d);
void audit_erased_store(struct sim *s);
/* After a purge at that time of the server's; -1: it was cut off. (years.c) */
void years_look(struct sim *s, int64_t now_ms);
/* ---- a user's work (work.c) ---- */
struct cell sim_text(uint8_t column, const char *text);
struct cell sim_int(uint8_t column, int64_t i);
struct cell sim_id(uint8_t column, const uint8_t id[16]);
/* The serial number in a text like "w17."; 0: it is no such text. */
int sim_serial(const struct value *v);
/* The text of that number, as people write it. */
void sim_text_of(const struct sim *s, int serial, char text[SIM_TEXT_MAX]);
void work_anything(struct sim_device *d);
bool work_draw_customer(struct sim_device *d, uint8_t id[16]);
bool work_insert(struct sim_device *d, uint16_t table, uint8_t id[16], const struct cell *cells,
                 size_t count);
/* Transactions that its file holds beyond those counted. */
void work_count(struct sim_device *d);

/* Where nothing else is wrong: a bit turns in a device's file (rot.c). */
void rot_and_repair(struct sim *s);

/* ---- what must hold (audit.c) ---- */
void audit_device_cursor(struct sim_device *d);
void audit_device_saved(struct sim_device *d);
void audit_device_content(struct sim_device *d);
void audit_server_content(struct sim *s);
void audit_all(struct sim *s);
bool audit_is_quiet(struct sim *s, char *why, size_t size);

#endif
