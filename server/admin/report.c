/* See report.h. */
#include "common/base/base.h"

#include "common/base/day.h"
#include "server/admin/report.h"
#include "server/store/machine.h"

#define ACTIVE_DAYS 30

extern const char embed_team_day[]; /* team_day.sql, which says what the figures mean */

bool report_exists(const char *name)
{
    return strcmp(name, "team_day") == 0;
}

struct err report_team_day(struct data *d, const struct report_range *range,
                           enum output_format format, struct buf *out, size_t *rows)
{
    static const struct column columns[] = {
        {.name = "day", .type = TYPE_DAY},
        {.name = "login", .type = TYPE_TEXT},
        {.name = "name", .type = TYPE_TEXT},
        {.name = "planned", .type = TYPE_INT},
        {.name = "visited", .type = TYPE_INT},
        {.name = "productive", .type = TYPE_INT},
        {.name = "strike_rate", .type = TYPE_BASIS_POINTS},
        {.name = "orders", .type = TYPE_INT},
        {.name = "order_value", .type = TYPE_MONEY},
        {.name = "collected", .type = TYPE_MONEY},
        {.name = "first_checkin_at", .type = TYPE_TIME},
        {.name = "last_checkin_at", .type = TYPE_TIME},
        {.name = "outlet_min", .type = TYPE_INT},
        {.name = "complete_up_to", .type = TYPE_TIME},
        {.name = "parked", .type = TYPE_INT},
        {.name = "refused", .type = TYPE_INT},
    };
    struct stmt st;
    struct err err = db_use(d->db, embed_team_day, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    assert(col_count(&st) == (int)count_of(columns));
    bind_text(&st, 1, range->from);
    bind_text(&st, 2, range->to);
    bind_text(&st, 3, range->login);
    bind_text(&st, 4, range->team);
    bind_int(&st, 5, machine_wall_ms() - (int64_t)ACTIVE_DAYS * DAY_MS);
    struct output how = {.format = format, .columns = columns, .rules = &d->rules};
    return output_rows(&st, &how, out, rows);
}
