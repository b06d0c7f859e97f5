/* What outlives the server's store in a run: its ledger, its backups, and what is known of all that
 * a restore has lost. */
#ifndef TESTS_SIM_ENGINE_PAST_H
#define TESTS_SIM_ENGINE_PAST_H

#include "common/changelog/server/backup.h"
#include "common/changelog/server/store_ledger.h"
#include "tests/sim/engine/oracle.h"
#include "tests/support/simdisk.h"

#define PAST_BACKUPS_MAX   5
#define PAST_RESTORES_MAX  3
#define PAST_LOST_MAX      512
#define PAST_SAVED_MAX     1024 /* texts */
#define PAST_WITNESSES_MAX 512

struct past_backup {
    struct simdisk_image *image;
    struct oracle_fork *oracle; /* as it was then */
    struct backup_facts facts;
    unsigned known; /* backups that its store knows of: bit n */
    size_t saved_count;
    bool gone[PAST_SAVED_MAX];
};

struct past_work { /* a transaction by its identity */
    uint32_t device;
    uint8_t identity[32];
    enum outcome outcome;
    bool empty;
};

struct past_witness { /* a row of a lost part that a device holds */
    uint16_t table;
    int device;
    int64_t seq;
    uint8_t id[16];
};

struct past {
    struct store_ledger ledger;
    struct buf ledger_text;
    size_t backup_count;
    struct past_backup backups[PAST_BACKUPS_MAX];
    unsigned known; /* backups that the store knows of */
    int restores;
    uint32_t timeline;
    int64_t made_until; /* the log up to there was written by the restore itself */
    size_t lost_count;
    struct past_work lost[PAST_LOST_MAX]; /* judged in a part that is gone, each once */
    size_t covered_count;
    struct past_work covered[PAST_LOST_MAX]; /* two backups held it: its device may drop it */
    size_t witness_count;
    struct past_witness witnesses[PAST_WITNESSES_MAX];
    struct simdisk_image *replaced; /* the store that was put aside, until somebody asks it */
};

#endif
