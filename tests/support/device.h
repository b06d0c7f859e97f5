/* A device for unit tests: a replica in memory of its own, on a machine that stands still. */
#ifndef TESTS_SUPPORT_DEVICE_H
#define TESTS_SUPPORT_DEVICE_H

#include "common/changelog/device/replica.h"
#include "tests/support/fake_host.h"

struct device {
    struct fake_host machine;
    struct db *db;
    struct replica r;
    struct arena arena;
};

/* ":memory:" where `path` is NULL. Fails the test where anything fails. */
void device_init(struct device *d, uint64_t seed, const char *path);
void device_release(struct device *d);
/* Closes and opens the file again, as another command would. */
void device_reopen(struct device *d, const char *path);

/* SQL as one transaction of the user. */
void device_run(struct device *d, const char *intent, const char *sql);
/* One integer or one text; the text lives in the device's arena. */
int64_t device_int(struct device *d, const char *sql);
const char *device_text(struct device *d, const char *sql);
#define OK(call) assert_int_equal((call).code, ERR_OK)

#endif
