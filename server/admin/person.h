/* Persons as admin commands make and change them: one transaction of the change log each. */
#ifndef SERVER_ADMIN_PERSON_H
#define SERVER_ADMIN_PERSON_H

#include "common/changelog/store.h"

/* The first admin, with a password hash. Inside db_begin/db_end of the caller. */
MUST_USE struct err person_make_admin(struct store *st, const char *login, const char *hash,
                                      struct complaint *why);

#endif
