/* What the store keeps whole as it came: transactions that wait, and what is in quarantine. Each
 * has its SHA-256 noted elsewhere. */
#ifndef CHANGELOG_SERVER_BODY_VERIFY_H
#define CHANGELOG_SERVER_BODY_VERIFY_H

#include "common/changelog/server/store.h"

/* What is wrong, a literal, and where: valid during the call. */
typedef void (*body_finding)(void *context, const char *what, const char *where);

/* Findings aren't errors; an error says that it couldn't be read. */
MUST_USE struct err body_verify(struct store *st, body_finding found, void *context);

#endif
