/* See day_figures.h. */
#include "client/cmd/day_figures.h"

#include "client/cmd/moment.h"
#include "common/domain/pricing.h"

/* ?1 person, ?2 day. Facts at customers who went to somebody else left with them; what they were
 * stands in past_day, and counts as long as the customer isn't here. */
static const char figures_sql[] =
    "WITH past AS (SELECT total(planned) AS planned, total(visited) AS visited,"
    "  total(productive) AS productive, total(orders) AS orders, total(order_value) AS value,"
    "  total(collected) AS collected, min(first_at) AS first_at, max(last_at) AS last_at,"
    "  total(outlet_ms) AS outlet_ms FROM past_day p WHERE person_id = ?1 AND on_day = ?2"
    "  AND _deleted_at IS NULL AND NOT EXISTS (SELECT 1 FROM customer c WHERE c.id = p.about_id)),"
    " here AS (SELECT count(*) AS visited, coalesce(sum(EXISTS (SELECT 1 FROM sales_order o"
    "  WHERE o.visit_id = v.id AND o.submit_state = 'submitted' AND o.cancelled_at IS NULL"
    "  AND o._deleted_at IS NULL)), 0) AS productive, min(checkin_at) AS first_at,"
    "  max(checkin_at) AS last_at,"
    "  coalesce(sum(max(coalesce(checkout_at, checkin_at) - checkin_at, 0)), 0) AS outlet_ms"
    "  FROM visit v WHERE v.person_id = ?1 AND v.visit_day = ?2 AND v._deleted_at IS NULL)"
    " SELECT (SELECT count(*) FROM visit_plan WHERE person_id = ?1 AND on_day = ?2"
    "  AND state <> 'cancelled' AND _deleted_at IS NULL) + CAST(past.planned AS INTEGER),"
    " here.visited + CAST(past.visited AS INTEGER),"
    " here.productive + CAST(past.productive AS INTEGER),"
    " (SELECT count(*) FROM sales_order WHERE person_id = ?1 AND order_day = ?2"
    "  AND submit_state = 'submitted' AND cancelled_at IS NULL AND _deleted_at IS NULL)"
    "  + CAST(past.orders AS INTEGER),"
    " (SELECT coalesce(sum(total), 0) FROM sales_order WHERE person_id = ?1 AND order_day = ?2"
    "  AND submit_state = 'submitted' AND cancelled_at IS NULL AND _deleted_at IS NULL)"
    "  + CAST(past.value AS INTEGER),"
    " (SELECT coalesce(sum(CASE WHEN reverses_id IS NULL THEN amount ELSE -abs(amount) END), 0)"
    "  FROM payment WHERE person_id = ?1 AND paid_day = ?2 AND _deleted_at IS NULL)"
    "  + CAST(past.collected AS INTEGER),"
    " min(coalesce(here.first_at, past.first_at), coalesce(past.first_at, here.first_at)),"
    " max(coalesce(here.last_at, past.last_at), coalesce(past.last_at, here.last_at)),"
    " (here.outlet_ms + CAST(past.outlet_ms AS INTEGER)) / 60000 FROM here, past";

struct err day_figures_read(struct app *app, const char *day, struct day_figures *out)
{
    *out = (struct day_figures){.planned = 0};
    struct stmt st;
    struct err err = db_use(app->home.db, figures_sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, app->home.replica.person);
    bind_text(&st, 2, day);
    int64_t *const columns[] = {&out->planned,  &out->visited,     &out->productive,
                                &out->orders,   &out->order_value, &out->collected,
                                &out->first_at, &out->last_at,     &out->outlet_min};
    if (db_step_row(&st)) {
        for (size_t i = 0; i < count_of(columns); i++) {
            *columns[i] = col_int(&st, (int)i);
        }
        stmt_reset(&st);
    }
    return stmt_err(&st, "day_figures");
}

int64_t day_figures_strike(const struct day_figures *f)
{
    int64_t rate = 0;
    bool fits = f->visited > 0 && muldiv_round(f->productive, 10000, f->visited, &rate);
    return fits ? rate : 0;
}

static void put_time(const char *name, int64_t ms, struct buf *out)
{
    buf_printf(out, ",\"%s\":", name);
    buf_put_text(out, ms != 0 ? number_text(ms).text : "null");
}

void day_figures_json(const struct day_figures *f, struct buf *out)
{
    buf_printf(out,
               "{\"planned\":%" PRId64 ",\"visited\":%" PRId64 ",\"productive\":%" PRId64
               ",\"strike_rate\":%" PRId64 ",\"orders\":%" PRId64 ",\"order_value\":%" PRId64
               ",\"collected\":%" PRId64 ",\"outlet_min\":%" PRId64,
               f->planned, f->visited, f->productive, day_figures_strike(f), f->orders,
               f->order_value, f->collected, f->outlet_min);
    put_time("first_checkin_at", f->first_at, out);
    put_time("last_checkin_at", f->last_at, out);
    buf_put_text(out, "}");
}

static void money(const struct app *app, int64_t minor, struct buf *out)
{
    const struct column *c =
        table_column(catalogue_table(TABLE_sales_order), COLUMN_sales_order_total);
    struct value value = value_int(minor);
    column_print(c, &value, &app->home.rules, out);
}

void day_figures_say(const struct app *app, const struct day_figures *f)
{
    struct buf value;
    struct buf collected;
    buf_init(&value, ROW_BYTES_MAX);
    buf_init(&collected, ROW_BYTES_MAX);
    money(app, f->order_value, &value);
    money(app, f->collected, &collected);
    char percent[24];
    snprintf(percent, sizeof percent, "%" PRId64 "%%", (day_figures_strike(f) + 50) / 100);
    say(app, PHRASE_DAY_VISITS, number_text(f->planned).text, number_text(f->visited).text,
        number_text(f->productive).text, percent, NULL);
    say(app, PHRASE_DAY_MONEY, number_text(f->orders).text, buf_text(&value), buf_text(&collected),
        app->home.currency, NULL);
    if (f->first_at != 0) {
        char first[6];
        char last[6];
        moment_clock(f->first_at, first);
        moment_clock(f->last_at, last);
        say(app, PHRASE_DAY_TIMES, first, last, number_text(f->outlet_min).text, NULL);
    }
    buf_release(&value);
    buf_release(&collected);
}
