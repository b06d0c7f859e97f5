/* What the files of the store's side share and nobody else sees: cached scopes and authors, and
 * the texts of statements. All of it can be read again from the file, and is, once another
 * connection has committed or a transaction was rolled back. */
#ifndef CHANGELOG_SERVER_STORE_INTERNAL_H
#define CHANGELOG_SERVER_STORE_INTERNAL_H

#include "common/changelog/server/chain.h"
#include "common/changelog/server/row_check.h"
#include "common/changelog/server/store.h"
#include "common/changelog/sums.h"

#define TIMELINE_SHIFT 40

/* First number of a scope or of verdicts that timeline `no` gives, less one. */
static inline int64_t timeline_start(uint32_t no)
{
    return no > 1 ? (int64_t)no << TIMELINE_SHIFT : 0;
}

struct scope {
    int64_t no; /* 0: not read yet */
    struct scope_id id;
    int64_t counter;
    struct chain_head head; /* of the change log's chain */
    bool raised;            /* `counter` and `head` aren't in the file yet */
    bool touched;           /* raised since the last scopes_take_touched */
};

struct author { /* of a version: a device, or the server (number 0, all zero) */
    bool known;
    uint8_t device[16];
    uint8_t person[16];
};

struct store_cache {
    int64_t data_version;
    size_t scope_room;
    struct scope *scopes; /* at [no] */
    size_t author_room;
    struct author *authors; /* at [number] */
    int64_t log_no;         /* last number of the change log; 0: not read yet */
    struct rowsql sql;
    struct sums sums; /* of rows written in this database transaction */
    struct buf image; /* of the row whose check is being made */
};

/* Forgets what another connection may have changed. Call it once inside each transaction, before
 * anything cached is looked at. */
void store_refresh(struct store *st);
void store_forget(struct store *st);

/* UUIDv7. */
void store_new_id(struct store *st, int64_t now_ms, uint8_t id[16]);

/* Who wrote under a number. ERR_NOT_FOUND: no such device. Borrowed until the next call. */
MUST_USE struct err store_author(struct store *st, uint32_t number, const struct author **out);

/* Scopes by number; borrowed until the next call that reads or makes one. */
MUST_USE struct err scope_get(struct store *st, int64_t no, struct scope **out);
/* The number after this one of the scope, above `at_least`: a row's number never falls, so that
 * old bases stay old in a scope that is younger than the row. */
MUST_USE struct err scope_next(struct store *st, int64_t no, int64_t at_least, int64_t *seq);
/* Where a scope's chain stands, and its new end (chain.h). */
MUST_USE struct err scope_head(void *store, int64_t no, struct scope_id *id,
                               struct chain_head *head);
MUST_USE struct err scope_chain(struct store *st, int64_t no, const struct chain_head *head);
/* Writes raised counters and heads, and the sums of what was written; before the end of each
 * transaction that took numbers. */
MUST_USE struct err scopes_save(struct store *st);
/* The scopes raised since the last call. */
MUST_USE struct err scopes_take_touched(struct store *st, struct arena *arena,
                                        struct scope_id **out, size_t *count);
/* Starts a new account of touched scopes. */
void scopes_clear_touched(struct store *st);
/* Which kinds of scope can hold rows of a table. */
bool table_lives_in(const struct table *t, enum scope_kind kind);

/* What a server_write was begun with. */
struct store *server_write_store(const struct server_write *w);
int64_t server_write_at_ms(const struct server_write *w);

/* Fills a complaint. `t`, `c` and `detail` may be NULL. */
void complaint_fill(struct complaint *why, const char *code, const struct table *t,
                    const struct column *c, const char *detail);
/* The same, as the error that it is. */
static inline struct err refuse(struct complaint *why, const char *code, const struct table *t,
                                const struct column *c, const char *detail)
{
    complaint_fill(why, code, t, c, detail);
    return err_make(ERR_REFUSED, 0, code);
}

#endif
