/* Which scopes a download goes through, and from where in each. */
#ifndef CHANGELOG_SERVER_PASSES_H
#define CHANGELOG_SERVER_PASSES_H

#include "common/changelog/server/permit.h"

struct pass { /* one scope's part */
    struct scope_id id;
    int64_t no;
    int64_t head;  /* of this snapshot */
    bool is_new;   /* the device has no cursor for it */
    bool is_reset; /* its columns changed: starts over with all of them */
    /* Rows up to `fill_to` are there under another sight: the columns that they gained or lost
     * since come first; `fill_pos` is how far that went. 0: none. */
    int64_t fill_to, fill_pos;
    struct cursor cursor;
};

struct passes {
    size_t count;
    struct pass *at; /* in the order in which they are sent */
};

/* Columns of a table that the device saw when its cursors were made, and those that it sees now. */
uint64_t sight_before(const struct hello *hello, const struct table *t);
uint64_t sight_now(const struct permit *permit, const struct hello *hello, const struct table *t);

/* Scopes that are held and have something new. */
MUST_USE struct err passes_make(struct store *st, const struct permit *permit,
                                const struct hello *hello, struct arena *arena, struct passes *out);

#endif
