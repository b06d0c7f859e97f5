/* Who holds which scope, and who may speak for whom: read once for a request, from the rows of
 * person, book and book_holder as they are then.
 *
 *   rep      company, own team (both only read); user: and private: of their own; books held
 *   manager  the same, and user: and books of everybody below; writes managed tables
 *   admin    everything but the private: scopes of others
 *   analyst  as admin, and writes nothing */
#ifndef CHANGELOG_SERVER_PERMIT_H
#define CHANGELOG_SERVER_PERMIT_H

#include "common/changelog/server/dones.h"

struct permit_scope {
    struct scope_id id;
    int64_t no; /* 0: no row has ever been in it */
};

struct permit {
    uint8_t person[16];
    unsigned role; /* a bit of enum role, an author's lost ones too; 0: nobody, or inactive */
    size_t scope_count;
    struct permit_scope *scopes; /* by kind and id */
    size_t below_count;
    uint8_t (*below)[16]; /* people below a manager, by id */
    /* of an author (rights.h) alone: for rows that have left since; NULL: they count as gone */
    const struct dones *dones;
    int64_t now_ms;
    unsigned former_role; /* roles and scopes (by number) lost too long ago to be judged by */
    size_t former_count;
    int64_t *former;
    bool vouched; /* of an author: what is judged was permitted once, in a part that was lost */
};

/* Work on a row that was moved away counts as made before the move, if its author can't have known
 * of it and doesn't come too late. */
#define PERMIT_LEFT_MS_MAX (INT64_C(14) * 24 * 3600 * 1000)

/* A person who is gone or inactive holds nothing. ERR_LIMIT: more than SCOPES_MAX. */
MUST_USE struct err permit_load(struct store *st, const uint8_t person[16], struct arena *arena,
                                struct permit *out);
const struct permit_scope *permit_find(const struct permit *p, const struct scope_id *id);
void permit_sort(struct permit *p);
/* Whether the rows of scope `no` may be seen. */
MUST_USE struct err permit_holds(const struct permit *p, struct store *st, int64_t no, bool *out);
/* Whether the row, which is in scope `no` now, may be written about: it is held, or was until a
 * move that the device hasn't heard of. */
MUST_USE struct err permit_sees(const struct permit *p, struct store *st, const uint8_t row[16],
                                int64_t no, bool *out);
/* Whether the row, in scope `no` now, was once to be seen by who doesn't see it any more. */
MUST_USE struct err permit_saw(const struct permit *p, struct store *st, const uint8_t row[16],
                               int64_t no, bool *out);
/* Themselves, and for a manager everybody below; for an admin everybody. */
bool permit_speaks_for(const struct permit *p, const uint8_t person[16]);
/* Of the columns of a row that quotes values of others (kept_value, proposal): those without the
 * quotes, where one of them is of a column that the role doesn't see. `about` is the table that
 * they are of, `quoted` its columns. */
uint64_t permit_hide_quotes(unsigned role, uint32_t catalogue, const struct table *t, int64_t about,
                            uint64_t quoted, uint64_t columns);
/* Whether the role may insert, change or delete rows of the table at all. */
bool permit_writes_table(const struct permit *p, const struct table *t, enum change_op op);

#endif
