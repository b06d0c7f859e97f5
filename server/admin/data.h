/* The data directory and the store in it, as admin commands open them: directly, beside a running
 * `serve`. What goes wrong is said on stderr. */
#ifndef SERVER_ADMIN_DATA_H
#define SERVER_ADMIN_DATA_H

#include "common/catalogue/text.h"
#include "common/changelog/server/store.h"
#include "server/store/ledger_file.h"

#define DATA_PATH_MAX 4096
#define DATA_FILE_MAX (1 << 20) /* of certificates, keys, passwords */

#define STORE_FILE   "store.db"
#define BLOB_DIR     "blobs" /* pictures, by their hash */
#define CA_FILE      "ca.pem"
#define CA_KEY_FILE  "ca.key"
#define TLS_FILE     "tls.pem"
#define TLS_KEY_FILE "tls.key"
#define TICKETS_FILE "tls.tickets"
#define LEDGER_FILE  "ledger"

/* LEGWORK_DATA, which --data sets; NULL and a message where neither is given. */
const char *data_dir(void);
/* data_dir()/name. False: said why. */
MUST_USE bool data_path(const char *name, char path[DATA_PATH_MAX]);

/* A whole small file. False: said why. `what` may not hold more than DATA_FILE_MAX bytes. */
MUST_USE bool file_read(const char *path, struct buf *out);
/* Makes a file that wasn't there, 0600, on the disk when it returns. */
MUST_USE struct err file_make(const char *path, struct bytes content);
/* A file, or a directory's names, onto the disk. */
MUST_USE struct err path_sync(const char *path);

/* An open store with the firm's rules of money and time. */
struct data {
    struct db *db;
    struct store store;
    struct ledger_file ledger; /* in use where there is one; writing makes it */
    struct text_rules rules;
    char currency[8];
    char tz[64];
};

/* False: said why. `writing`: DB_WRITE, else DB_READ. Sets the process's zone to the firm's. */
MUST_USE bool data_open(struct data *d, bool writing);
void data_close(struct data *d);

/* A person by login (of living rows). False: said that there is none. */
MUST_USE bool person_find(struct data *d, const char *login, uint8_t id[16]);

#endif
