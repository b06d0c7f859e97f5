/* Dashboard passwords: read from a file, kept as argon2id hashes. */
#ifndef SERVER_ADMIN_PASSWORD_H
#define SERVER_ADMIN_PASSWORD_H

#include "common/db/db.h"

#define PASSWORD_HASH_SIZE 128 /* crypto_pwhash_STRBYTES */

/* The hash of a file's first line ("-": standard input). False: said why. */
MUST_USE bool password_hash(const char *path, char hash[PASSWORD_HASH_SIZE]);
/* Inside db_begin/db_end of the caller. */
MUST_USE struct err password_put(struct db *db, const uint8_t person[16], const char *hash);

#endif
