/* See pricing.h. */
#include "common/domain/pricing.h"

#define BP_ONE       10000 /* basis points of the whole */
#define QUANTITY_ONE 1000  /* thousandths of one unit */

__extension__ typedef __int128 wide;

/* a / b, half away from zero; b > 0. */
static bool wide_div_round(wide a, wide b, int64_t *out)
{
    wide half = b / 2;
    wide rounded = a >= 0 ? (a + half) / b : -((-a + half) / b);
    *out = (int64_t)rounded;
    return rounded >= INT64_MIN && rounded <= INT64_MAX;
}

bool muldiv_round(int64_t a, int64_t b, int64_t c, int64_t *out)
{
    assert(c > 0);
    return wide_div_round((wide)a * b, c, out);
}

static bool is_valid_on(const struct price_offer *o, const char *day)
{
    return (o->valid_from == NULL || strcmp(o->valid_from, day) <= 0) &&
           (o->valid_to == NULL || strcmp(day, o->valid_to) <= 0);
}

/* Within one list: the break nearest below the quantity, then the lower price. */
static bool is_better(const struct price_offer *a, const struct price_offer *b)
{
    return b == NULL || a->min_qty > b->min_qty ||
           (a->min_qty == b->min_qty && a->price < b->price);
}

const struct price_offer *price_pick(const struct price_offer *offers, size_t count,
                                     const uint8_t customer_list[16], int64_t qty, const char *day)
{
    const struct price_offer *own = NULL;
    const struct price_offer *usual = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct price_offer *o = &offers[i];
        if (!is_valid_on(o, day) || o->min_qty > qty) {
            continue;
        }
        if (customer_list != NULL && memcmp(o->list, customer_list, sizeof o->list) == 0) {
            own = is_better(o, own) ? o : own;
        } else if (o->is_default_list) {
            usual = is_better(o, usual) ? o : usual;
        }
    }
    return own != NULL ? own : usual;
}

bool order_amount(int64_t quantity, int64_t price, int64_t *amount)
{
    return muldiv_round(quantity, price, QUANTITY_ONE, amount);
}

bool order_item_amount(const struct order_item *item, int64_t *amount)
{
    /* The undiscounted amount fits, so the product below stays far from 2^127. */
    return order_amount(item->quantity, item->price, amount) &&
           wide_div_round((wide)item->quantity * item->price * (BP_ONE - item->discount_bp),
                          (wide)QUANTITY_ONE * BP_ONE, amount);
}

/* Rounded once: the line's share of the discount isn't rounded on the way. */
static bool line_tax(int64_t amount, int32_t discount_bp, int32_t tax_bp, int64_t *tax)
{
    return wide_div_round((wide)amount * (BP_ONE - discount_bp) * tax_bp, (wide)BP_ONE * BP_ONE,
                          tax);
}

bool order_total(const struct order_item *items, size_t count, int32_t discount_bp,
                 struct order_total *out)
{
    *out = (struct order_total){0};
    for (size_t i = 0; i < count; i++) {
        int64_t amount;
        int64_t tax;
        if (!order_item_amount(&items[i], &amount) ||
            !line_tax(amount, discount_bp, items[i].tax_bp, &tax) ||
            __builtin_add_overflow(out->subtotal, amount, &out->subtotal) ||
            __builtin_add_overflow(out->tax, tax, &out->tax)) {
            return false;
        }
    }
    return muldiv_round(out->subtotal, discount_bp, BP_ONE, &out->discount) &&
           !__builtin_sub_overflow(out->subtotal, out->discount, &out->total) &&
           !__builtin_add_overflow(out->total, out->tax, &out->total);
}
