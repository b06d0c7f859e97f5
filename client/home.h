/* The folder that holds a device: replica.db, device.key, tls.session, sync.lock, reserve. Opening
 * it gives the replica and what the firm says about money and zone. Belongs to one thread. */
#ifndef CLIENT_HOME_H
#define CLIENT_HOME_H

#include "common/catalogue/text.h"
#include "common/changelog/device/replica.h"

#define HOME_PATH_MAX     3072
#define SETTING_BYTES_MAX 16384

struct home {
    char dir[HOME_PATH_MAX];
    struct db *db;  /* NULL: not open */
    bool read_only; /* the folder can't be written: what is there can still be read */
    struct replica replica;
    char currency[8];
    struct text_rules rules;
};

/* --home, else LEGWORK_HOME, else ~/.legwork. ERR_INVALID: no home at all, or its name too long. */
MUST_USE struct err home_find(struct home *h, const char *option);
/* dir/name; the caller's buffer has HOME_PATH_MAX + 32 bytes, which every name here fits. */
#define HOME_FILE_MAX (HOME_PATH_MAX + 32)
void home_file(const struct home *h, const char *name, char path[HOME_FILE_MAX]);
bool home_is_enrolled(const struct home *h);
/* Makes the folder, 0700. Its parent must exist. */
MUST_USE struct err home_make(const struct home *h);
/* ERR_NOT_FOUND: no device was enrolled here. `h` must stay where it is until home_close. */
MUST_USE struct err home_open(struct home *h, bool chinese);
void home_close(struct home *h);

/* Empty text where the setting was never made. Lives in `arena`. */
MUST_USE struct err home_setting(struct db *db, const char *name, struct arena *arena,
                                 struct bytes *out);
MUST_USE struct err home_setting_put(struct db *db, const char *name, struct bytes value);

/* One at a time may talk to the server in this device's name, in whatever way. ERR_BUSY: another
 * process does. `lock` is for home_unlock, which takes -1 as well. */
MUST_USE struct err home_lock(const struct home *h, int *lock);
void home_unlock(int lock);

/* The device's Ed25519 key as libsodium keeps it. ERR_NOT_FOUND: none yet. A next key that the open
 * replica was enrolled with takes its place first. */
MUST_USE struct err home_key_read(const struct home *h, uint8_t secret_key[64]);
/* Makes one, durable and readable by its owner alone, before anything is told of it. */
MUST_USE struct err home_key_make(const struct home *h, uint8_t secret_key[64]);
/* The key to enrol again with, beside the one in use; one that was made before is used again. */
MUST_USE struct err home_key_next(const struct home *h, uint8_t secret_key[64]);
/* Says in the replica which key it was enrolled with; in the transaction of the enrolment. */
MUST_USE struct err home_key_name(struct db *db, const uint8_t secret_key[64]);

#endif
