/* See visits.h. */
#include "tests/bench/visits.h"

#include "common/base/day.h"
#include "common/base/uuid.h"
#include "common/db/db.h"

#define OFFSET_MIN    480
#define MINUTE_MS     INT64_C(60000)
#define NOTE_PARTS    3
#define PHRASE_SERIAL 900

static const char *const phrases[] = {
    "老板不在，店员说下午三点以后再来",
    "Owner wants a better place near the till",
    "新茶卖得好，下月想加量到二十箱",
    "Competitor put up a new shelf, price 5 % below ours",
    "货架已满，旧货清完再补",
    "Asked for samples of the gift box",
    "中秋礼盒预订意向十五盒，等总部批价",
    "Paid last month's invoice in full",
    "仓库漏水，退两箱受潮饼干",
    "New purchasing manager, introduced myself",
    "陈列按要求调整，拍了照片",
    "Closed for renovation until the end of the month",
};
static const char *const outcomes[] = {"closed",  "not_met", "no_order",
                                       "payment", "order",   "other"};
static const char *const steps[] = {"送样品", "Call about the price list",
                                    "补货",   "Bring the contract",
                                    "对账",   "Take photos of the shelf"};

/* splitmix64 over seed and number: the n-th visit needs no visit before it. */
static uint64_t chance(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static size_t below(uint64_t *state, size_t end)
{
    return (size_t)(chance(state) % end);
}

static void note_make(uint64_t *state, char *note, size_t size)
{
    size_t parts = 1 + below(state, NOTE_PARTS);
    size_t used = 0;
    for (size_t i = 0; i < parts && used < size; i++) {
        int n = snprintf(note + used, size - used, "%s%s", i ? "; " : "",
                         phrases[below(state, count_of(phrases))]);
        used += (size_t)n;
    }
    snprintf(note + used, size - used, " #%zu", below(state, PHRASE_SERIAL));
}

static struct cell cell_of(uint8_t column, struct value value)
{
    return (struct cell){.column = column, .value = value};
}

void visit_make(const struct visit_maker *m, int64_t n, struct visit_row *out)
{
    uint64_t state = m->seed ^ ((uint64_t)n * UINT64_C(0x2545f4914f6cdd1d));
    int64_t checkin = m->last_ms - (m->total - n) * 25 * MINUTE_MS +
                      (int64_t)below(&state, (size_t)(10 * MINUTE_MS));
    int64_t local = checkin + OFFSET_MIN * MINUTE_MS;
    uint8_t random[UUID_RANDOM_SIZE];
    for (size_t i = 0; i < sizeof random; i++) {
        random[i] = (uint8_t)chance(&state);
    }
    uuid_v7(checkin, random, out->id);
    memcpy(out->customer, m->customers[below(&state, m->customer_count)], 16);
    memcpy(out->person, m->person, 16);
    day_print(local, out->day);
    day_print(local + 7 * (int64_t)DAY_MS, out->next_on);
    note_make(&state, out->note, sizeof out->note);
    double lat = 31.0 + (double)below(&state, 400000) / 1e6;
    double lng = 121.2 + (double)below(&state, 500000) / 1e6;
    int64_t stay = (int64_t)(5 + below(&state, 40)) * MINUTE_MS;
    const char *outcome = outcomes[below(&state, count_of(outcomes))];
    const char *step = steps[below(&state, count_of(steps))];
    struct cell cells[VISIT_COLUMNS] = {
        cell_of(COLUMN_visit_customer_id, value_blob(bytes_of(out->customer, 16))),
        cell_of(COLUMN_visit_person_id, value_blob(bytes_of(out->person, 16))),
        cell_of(COLUMN_visit_state, value_text(bytes_text("completed"))),
        cell_of(COLUMN_visit_checkin_at, value_int(checkin)),
        cell_of(COLUMN_visit_visit_day, value_text(bytes_text(out->day))),
        cell_of(COLUMN_visit_tz_offset_min, value_int(OFFSET_MIN)),
        cell_of(COLUMN_visit_lat, value_real(lat)),
        cell_of(COLUMN_visit_lng, value_real(lng)),
        cell_of(COLUMN_visit_acc_m, value_int((int64_t)(5 + below(&state, 60)))),
        cell_of(COLUMN_visit_checkout_at, value_int(checkin + stay)),
        cell_of(COLUMN_visit_outcome, value_text(bytes_text(outcome))),
        cell_of(COLUMN_visit_note, value_text(bytes_text(out->note))),
        cell_of(COLUMN_visit_next_action, value_text(bytes_text(step))),
        cell_of(COLUMN_visit_next_on, value_text(bytes_text(out->next_on))),
    };
    memcpy(out->cells, cells, sizeof cells);
}

struct err plain_create(struct db *db)
{
    return db_exec(db, "CREATE TABLE plain (id BLOB PRIMARY KEY, customer_id BLOB NOT NULL,"
                       " person_id BLOB NOT NULL, state TEXT NOT NULL, checkin_at INTEGER NOT NULL,"
                       " visit_day TEXT NOT NULL, tz_offset_min INTEGER NOT NULL, lat REAL,"
                       " lng REAL, acc_m INTEGER, checkout_at INTEGER, outcome TEXT, note TEXT,"
                       " next_action TEXT, next_on TEXT) STRICT, WITHOUT ROWID;"
                       "CREATE INDEX plain_customer ON plain (customer_id);"
                       "CREATE INDEX plain_day ON plain (visit_day)");
}

struct err plain_insert(struct db *db, const struct visit_row *row)
{
    static const char sql[] =
        "INSERT INTO plain (id, " VISIT_NAMES
        ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
    struct stmt st;
    struct err err = db_use(db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, row->id);
    for (int i = 0; i < VISIT_COLUMNS; i++) {
        bind_value(&st, i + 2, &row->cells[i].value);
    }
    return db_step_done(&st, "plain_insert");
}

static void csv_value(const struct value *v, struct buf *out)
{
    switch (v->kind) {
    case VALUE_NULL:
        break;
    case VALUE_INT:
        buf_printf(out, "%" PRId64, v->i);
        break;
    case VALUE_REAL:
        buf_printf(out, "%.6f", v->d);
        break;
    case VALUE_TEXT: /* phrases hold no quotes */
        buf_put_u8(out, '"');
        buf_put(out, v->b);
        buf_put_u8(out, '"');
        break;
    case VALUE_BLOB:
        for (size_t i = 0; i < v->b.size; i++) {
            buf_printf(out, "%02x", v->b.at[i]);
        }
        break;
    }
}

void visit_csv(const struct visit_row *row, struct buf *out)
{
    struct value id = value_blob(bytes_of(row->id, 16));
    csv_value(&id, out);
    for (size_t i = 0; i < VISIT_COLUMNS; i++) {
        buf_put_u8(out, ',');
        csv_value(&row->cells[i].value, out);
    }
    buf_put_u8(out, '\n');
}
