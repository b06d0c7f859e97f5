/* A small firm in a store of its own: manager Meg, reps Ann and Bob below her, a customer in each
 * rep's book, one product with a price. For tests of the server's side. */
#ifndef TESTS_SUPPORT_FIRM_H
#define TESTS_SUPPORT_FIRM_H

#include "common/changelog/server/permit.h"
#include "protocol/signature.h"
#include "tests/support/fake_host.h"

struct firm {
    struct fake_host host;
    struct db *db;
    struct store store;
    struct arena arena;
    char path[64];
    uint8_t meg[16], ann[16], bob[16];
    uint8_t ann_book[16], bob_book[16];
    uint8_t customer[16], bobs_customer[16]; /* Ann's, Bob's */
    uint8_t product[16], list[16], item[16]; /* 10.00 from 2020-01-01 on the default list */
    int64_t seq;                             /* of the last firm_put */
    struct complaint why;                    /* of the last refusal */
};

struct firm *firm_new(void);
void firm_free(struct firm *f);
/* Each in a transaction of its own. */
struct err firm_put(struct firm *f, uint16_t table, const uint8_t id[16], const struct cell *cells,
                    size_t count);
struct err firm_person(struct firm *f, const char *login, const char *role,
                       const uint8_t manager[16], uint8_t id[16]);
struct err firm_enrol(struct firm *f, const uint8_t person[16], const struct enrol *request,
                      struct enrolled *out);
struct err firm_take(struct firm *f, const struct enrol *request, struct enrolled *out);
void firm_permit(struct firm *f, const uint8_t person[16], struct permit *out);
int64_t firm_count(struct firm *f, const char *sql);
void firm_new_id(struct firm *f, uint8_t id[16]);

#endif
