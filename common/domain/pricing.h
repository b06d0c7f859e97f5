/* What an order costs. Pure: the device predicts with it, the server checks with it.
 * The one rounding rule of the product stands here: half away from zero, to the minor unit. */
#ifndef COMMON_DOMAIN_PRICING_H
#define COMMON_DOMAIN_PRICING_H

#include "common/base/base.h"

struct price_offer { /* a price_item with what its list says */
    uint8_t list[16];
    uint8_t item[16];
    int64_t min_qty;        /* thousandths */
    int64_t price;          /* minor units for one unit */
    const char *valid_from; /* YYYY-MM-DD or NULL */
    const char *valid_to;   /* inclusive, or NULL */
    bool is_default_list;
};

/* The offer that holds for `qty` on `day` ("YYYY-MM-DD"): of the customer's own list where it has
 * one that is valid and names the product, else of the default list valid on that day; within a
 * list the one with the greatest min_qty <= qty, ties to the lower price. NULL: no price. */
const struct price_offer *price_pick(const struct price_offer *offers, size_t count,
                                     const uint8_t customer_list[16] /* or NULL */, int64_t qty,
                                     const char *day);

struct order_item {
    int64_t quantity; /* thousandths, > 0 */
    int64_t price;    /* minor units for one unit */
    int32_t tax_bp;
    int32_t discount_bp; /* of the line: imported history has it, orders made here leave it 0 */
};

struct order_total {
    int64_t subtotal; /* sum of amounts */
    int64_t discount; /* subtotal * discount_bp */
    int64_t tax;      /* on each line's amount after its share of the discount, rounded per line */
    int64_t total;    /* subtotal - discount + tax */
};

/* quantity * price, rounded. False: out of range. */
MUST_USE bool order_amount(int64_t quantity, int64_t price, int64_t *amount);
/* The same after the line's own discount. */
MUST_USE bool order_item_amount(const struct order_item *item, int64_t *amount);
MUST_USE bool order_total(const struct order_item *items, size_t count, int32_t discount_bp,
                          struct order_total *out);
/* a * b / c, rounded half away from zero, without overflow in between; false: out of range. */
MUST_USE bool muldiv_round(int64_t a, int64_t b, int64_t c, int64_t *out);

#endif
