/* Persons as admin commands make and change them. */
#ifndef SERVER_ADMIN_PERSON_H
#define SERVER_ADMIN_PERSON_H

#include "server/admin/data.h"
#include "server/admin/edit.h"

struct person_form { /* what was typed; NULL: not given, "" clears */
    const char *name;
    const char *role;
    const char *manager; /* login */
    const char *team;    /* name; made where missing */
    const char *title;
    const char *phone;
    const char *hash; /* of the password */
    int active;       /* 0, 1, or -1: not given */
};

/* The first admin, in a database transaction of its own. */
MUST_USE struct err person_make_admin(struct store *st, const char *login, const char *hash,
                                      struct complaint *why);
MUST_USE struct err person_add(struct edit *e, const char *login, const struct person_form *f);
/* Also devices read logins, as parts of commands: no blanks, nothing that shells or lists part. */
bool login_is_plain(const char *login);
MUST_USE struct err person_change(struct edit *e, const char *login, const struct person_form *f);

#endif
