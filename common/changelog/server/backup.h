/* Backups of the consolidated store: how a copy is sealed and looked through, and what the store
 * remembers of those that were found whole.
 *
 *     db_copy ─► backup_seal (the copy) ─► backup_check (the copy, opened anew) ─► backup_record
 *
 * A scope's *mark* is the number up to which two recorded backups hold it. Devices keep what they
 * brought until the mark has passed it, so that a restore of either backup loses nothing of it. */
#ifndef CHANGELOG_SERVER_BACKUP_H
#define CHANGELOG_SERVER_BACKUP_H

#include "common/changelog/server/permit.h"
#include "common/changelog/server/store_internal.h"

struct backup_facts {
    uint8_t seal[16];
    int64_t made_at;
    uint32_t timeline;
    int64_t log_no; /* last entry of the change log */
    int64_t rows;   /* of all tables, tombstones too */
    int64_t scopes;
};

/* Writes into the copy what it holds. Inside a transaction of the copy's own. */
MUST_USE struct err backup_seal(struct db *copy, const struct host *host, int64_t now_ms);
/* Whether the file is sealed, sound, and holds what its seal says; a line per finding in `report`.
 * ERR_NOT_FOUND: it is no finished backup. ERR_CORRUPT: damaged. */
MUST_USE struct err backup_check(struct store *copy, struct buf *report, struct backup_facts *out);

struct backup_file {  /* what the shell knows of it */
    const char *path; /* absolute */
    int64_t bytes;
    uint8_t sha256[32];
};
/* Remembers a checked backup with the numbers and heads in `copy`, and raises the marks. An earlier
 * one at the same path counts no more. Inside a transaction of `st`. */
MUST_USE struct err backup_record(struct store *st, struct db *copy,
                                  const struct backup_facts *facts, const struct backup_file *file);

/* Marks that a device holding `permit`'s scopes hasn't heard of, for its answer. `told`: what it
 * has heard (store_state.mark_no); `*now` gets what it will have heard then. */
MUST_USE struct err backup_marks(struct store *st, const struct permit_scope *scopes, size_t count,
                                 int64_t told, struct arena *arena, struct cursor **marks,
                                 size_t *mark_count, int64_t *now);

#endif
