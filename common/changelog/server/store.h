/* The consolidated store: what judging, downloads and admin commands share. A `struct store` is
 * one connection and belongs to one thread; what it caches is checked against db_data_version. */
#ifndef CHANGELOG_SERVER_STORE_H
#define CHANGELOG_SERVER_STORE_H

#include "common/catalogue/catalogue.h"
#include "common/changelog/host.h"
#include "common/changelog/server/store_ledger.h"
#include "common/db/db.h"

struct store {
    struct db *db;
    struct host host;
    struct timeline timeline;
    uint8_t digest_key[16];
    uint8_t courier_secret[32]; /* zero: opened for reading before there was one */
    uint8_t company[16];
    uint8_t house_book[16];
    uint32_t superseded; /* not 0: the timeline that took over; this store writes no more */
    const struct store_ledger *ledger; /* NULL: nothing is noted, no word of ours is recognized */
    struct store_cache *cache;         /* scopes, devices; private to store.c */
};

struct store_founding {
    struct bytes company_name;
    struct bytes currency;
    struct bytes tz;
    struct bytes locale;
};

/* Makes all tables, the company row, the house book. */
MUST_USE struct err store_create(struct db *db, const struct host *host,
                                 const struct store_founding *founding);
/* ERR_VERSION: the store is newer than this program. Opened for writing, an older one is brought to
 * this program's schema and catalogue; opened for reading, it is ERR_OUTDATED. */
MUST_USE struct err store_open(struct store *st, struct db *db, const struct host *host,
                               bool writing);
void store_close(struct store *st);
/* From now on what a restore must not undo is noted there as well. Borrowed. */
void store_use_ledger(struct store *st, const struct store_ledger *ledger);
/* Notes it, on the disk, before the transaction at hand commits. */
MUST_USE struct err store_note(struct store *st, enum ledger_kind kind, struct bytes subject,
                               int64_t number, int64_t now_ms);

/* The small number of a scope, made where missing (writing). */
MUST_USE struct err store_scope(struct store *st, const struct scope_id *id, bool make,
                                int64_t *no);

/* Writes by the server itself (import, user commands, rules, dashboard): same checks of values,
 * references, scopes and business rules as a device's, but any column may be written. Each is
 * judged at once; all of one server_write are one change-log transaction. Inside db_begin/db_end
 * of the caller. */
struct server_write;
/* The intent of writes that empty rows: also of those that were deleted. */
#define SERVER_WRITE_ERASE "erase"
MUST_USE struct err server_write_begin(struct store *st, const uint8_t person[16] /* or NULL */,
                                       const char *intent, int64_t at_ms,
                                       struct server_write **out);
/* Inserts or (where the id exists) updates. `seq` gets the row's number. `base` >= 0: refused with
 * `changed_since` unless it is the row's `_seq`. `why` is filled beside ERR_REFUSED, ERR_INVALID.
 * `old` (may be NULL): CBOR of replaced values, empty for an insert. */
MUST_USE struct err server_write_put(struct server_write *w, const struct table *t,
                                     const uint8_t id[16], const struct cell *cells, size_t count,
                                     int64_t base, int64_t *seq, struct buf *old,
                                     struct complaint *why);
MUST_USE struct err server_write_delete(struct server_write *w, const struct table *t,
                                        const uint8_t id[16], int64_t base, struct complaint *why);
/* Brings a deleted row back as it was, under a new number: the one way, and a decision of its own.
 * Refused: `not_found` (never there, or purged), `state` (it lives), `erased`, and what every
 * write is refused for. */
MUST_USE struct err server_write_undelete(struct server_write *w, const struct table *t,
                                          const uint8_t id[16], int64_t *seq,
                                          struct complaint *why);
/* Takes a customer and all that hangs on it to another book: new numbers there, departures here. */
MUST_USE struct err server_write_move(struct server_write *w, const uint8_t customer[16],
                                      const uint8_t to_book[16], int64_t *rows);
/* Several of these that stand or fall together, inside the write: a database savepoint, and what
 * the write itself remembers of them. */
struct server_write_mark {
    int64_t entry;
    int64_t index;
    size_t order_count;
    size_t sums;
};
MUST_USE struct err server_write_savepoint(struct server_write *w, struct server_write_mark *mark);
MUST_USE struct err server_write_savepoint_end(struct server_write *w,
                                               const struct server_write_mark *mark, bool keep);
/* The change log tells of this write even if it changes nothing. */
MUST_USE struct err server_write_note(struct server_write *w);
/* Whether rules across rows hold (prices, totals); then appends the change log. */
MUST_USE struct err server_write_end(struct server_write *w, struct complaint *why);
void server_write_cancel(struct server_write *w);

/* A new person: row, home book with its holder. `cells` are person's columns. */
MUST_USE struct err store_person_add(struct server_write *w, const uint8_t id[16],
                                     const struct cell *cells, size_t count, struct complaint *why);

/* Enrolment: a secret's hash to a person for a while; taking it makes a device. ERR_AUTH for
 * wrong, used and expired alike; ERR_REFUSED `other_person`: the device whose place it takes is
 * another person's. Inside db_begin/db_end. */
MUST_USE struct err store_invite(struct store *st, const uint8_t person[16],
                                 const uint8_t secret_hash[32], int64_t now_ms, int64_t expires_ms);
MUST_USE struct err store_enrol(struct store *st, const struct enrol *request, int64_t now_ms,
                                struct arena *arena, struct enrolled *out);
MUST_USE struct err store_revoke(struct store *st, const uint8_t device[16], int64_t now_ms);

struct store_device { /* what a request's signature is checked against */
    uint32_t number;
    uint8_t device[16];
    uint8_t person[16];
    uint8_t public_key[32];
    bool revoked; /* the device, or its person is no longer active */
};
/* ERR_NOT_FOUND: no such key. */
MUST_USE struct err store_device_by_key(struct store *st, const char *key_id,
                                        struct store_device *out);
/* Numbers of the devices that aren't admitted any more: they or their persons. Rising. */
MUST_USE struct err store_devices_refused(struct store *st, struct arena *arena, uint32_t **out,
                                          size_t *count);
/* What a device hears of, for live hints: its scopes, and with `all` also every book, pool and
 * person that comes to be. */
MUST_USE struct err store_device_hears(struct store *st, uint32_t device_number,
                                       struct arena *arena, struct scope_id **out, size_t *count,
                                       bool *all);
/* Scopes that a device may hold now. */
MUST_USE struct err store_device_scopes(struct store *st, uint32_t device_number,
                                        struct arena *arena, struct scope_id **out, size_t *count);

/* Digest of every scope and table, as digest.h. Of one device's scopes: `device_number` > 0. */
MUST_USE struct err store_digest(struct store *st, uint32_t device_number, struct arena *arena,
                                 struct digest *out);
/* Integrity of the file, of counters against rows, of scopes, of references: a line per finding in
 * `report`; ERR_CORRUPT where there is one. */
MUST_USE struct err store_verify(struct store *st, struct buf *report);

#endif
