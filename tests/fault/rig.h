/* What an injected failure is tried on: the files of a small firm that has worked for a while, laid
 * down anew before each try, and the calls of both sides that people's work comes down to. Unlike
 * the simulator's world, every call hands its error back. */
#ifndef TESTS_FAULT_RIG_H
#define TESTS_FAULT_RIG_H

#include "tests/support/world.h"

enum rig_file { /* before them the devices' replicas */
                RIG_STORE = WORLD_DEVICES,
                RIG_OLD_REPLICA, /* as version 1 left them (tests/conversations) */
                RIG_OLD_STORE,
                RIG_FILES
};

struct rig {
    char old_paths[2][128];
    struct world world; /* suspended: its paths, people, books, products and clocks are used */
    struct buf files[RIG_FILES];
    struct fake_host hosts[RIG_FILES];
    bool opened[RIG_FILES];         /* since rig_restore: may differ from what was laid down */
    uint64_t digests[2][RIG_FILES]; /* as laid down, by enum rig_view */
    /* rows that the scenarios work on */
    uint8_t customer[16], order[16], contact[16], visit[16];
    uint8_t new_ids[4][16]; /* for rows that they make */
    /* opened by a scenario, closed by rig_close whatever happened */
    struct db *device_db;
    struct replica replica;
    bool replica_open;
    struct db *store_db;
    struct store store;
    bool store_open;
    struct client_session *client;
    struct server_session *server;
    struct arena arena;
};

/* What of a database is told apart. */
enum rig_view {
    RIG_ALL,      /* every value of every table */
    RIG_BUSINESS, /* what people see, without numbers and ids that chance or a retry gives */
};

void rig_init(struct rig *g);
void rig_release(struct rig *g);
/* Files and clocks as rig_init left them. */
void rig_restore(struct rig *g);
/* Opens; what was opened is closed by rig_close, also after an error. */
struct err rig_open_device(struct rig *g, size_t device);
struct err rig_open_store(struct rig *g);
/* The files of version 1, in the place of a device's and of the store; what chance gives on the way
 * is the same at each try. */
struct err rig_open_old_replica(struct rig *g);
struct err rig_open_old_store(struct rig *g);
void rig_close(struct rig *g);
/* One sync of the device that is open with the store that is open; both in one process. */
struct err rig_sync(struct rig *g, size_t device);
/* Copies all files to `folder`, which must exist, as PREFIX-N.db, numbered as enum rig_file. */
void rig_keep(struct rig *g, const char *folder, const char *prefix);
/* Over all files that are there. */
uint64_t rig_digest(struct rig *g, enum rig_view view);

#endif
