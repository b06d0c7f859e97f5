/* An order while it is put together: what the customer wants, at the prices that hold for it today.
 * The server checks every figure again by the same functions. */
#ifndef CLIENT_CMD_ORDER_DRAFT_H
#define CLIENT_CMD_ORDER_DRAFT_H

#include "client/cmd/moment.h"
#include "common/domain/pricing.h"

#define ORDER_LINES_MAX  200
#define ORDER_OFFERS_MAX 256 /* prices of one product */

struct draft_line {
    uint8_t product[16];
    uint8_t list[16]; /* that the price is from */
    char unit[164];
    struct order_item item;
    int64_t amount;
};

struct order_draft {
    struct app *app;
    const struct moment *now;
    uint8_t customer[16];
    uint8_t customer_list[16];
    bool has_list; /* the customer has a price list of its own */
    char currency[8];
    int32_t discount_bp;
    struct draft_line lines[ORDER_LINES_MAX];
    size_t count;
    struct order_total total;
};

/* The words SKU=QTY from operand `first` on, priced and summed. False: said why on stderr. */
MUST_USE bool order_draft_make(struct order_draft *d, size_t first, enum exit_code *code);

#endif
