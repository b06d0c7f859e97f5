/* See text.h. Reading is strict where a guess could change a figure (numbers, times) and lenient
 * where it can't (case of names, spaces around, ways to say yes). */
#include "common/catalogue/text.h"

#include "common/base/json_read.h"

#include "common/base/day.h"
#include "common/base/decimal.h"
#include "common/base/utf8.h"
#include "common/catalogue/tags.h"

#define QUANTITY_DECIMALS 3
#define RATE_DECIMALS     4 /* 0.15 is 1500 basis points */
#define PERCENT_DECIMALS  2
#define RATE_ONE          10000
#define MINUTE_MS         60000
#define NUMBER_TEXT_MAX   40

static bool refuse(const struct column *c, const char *code, const char *detail,
                   struct complaint *why)
{
    *why = (struct complaint){0};
    (void)snprintf(why->code, sizeof why->code, "%s", code);
    (void)snprintf(why->field, sizeof why->field, "%s", c->name);
    (void)snprintf(why->detail, sizeof why->detail, "%s", detail);
    return false;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct bytes text_trim(struct bytes text)
{
    while (text.size > 0 && is_space(text.at[0])) {
        text = bytes_of(text.at + 1, text.size - 1);
    }
    while (text.size > 0 && is_space(text.at[text.size - 1])) {
        text.size--;
    }
    return text;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

static bool equal_ignoring_case(struct bytes text, const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < size && i < text.size; i++) {
        if (lower(text.at[i]) != (uint8_t)name[i]) {
            return false;
        }
    }
    return size == text.size;
}

/* ---- text ---- */

/* NFC, in the arena. */
static bool normalise(struct bytes text, struct arena *arena, struct bytes *out)
{
    struct bytes composed;
    if (!utf8_to_nfc(text, arena, &composed)) {
        return false;
    }
    *out = arena_copy(arena, composed);
    return out->at != NULL;
}

static bool parse_text(const struct column *c, struct bytes text, struct arena *arena,
                       struct value *out, struct complaint *why)
{
    struct bytes normal;
    if (!normalise(text, arena, &normal)) {
        return refuse(c, "not_utf8", "", why);
    }
    *out = value_text(normal);
    return true;
}

/* Whether people may mean `name` with `text`: "Not met" is not_met, "a" is A. */
static bool means_choice(struct bytes text, const char *name, size_t size)
{
    for (size_t i = 0; i < size && i < text.size; i++) {
        uint8_t letter = text.at[i] == ' ' || text.at[i] == '-' ? '_' : lower(text.at[i]);
        if (letter != lower((uint8_t)name[i])) {
            return false;
        }
    }
    return size == text.size;
}

/* By name or by what Chinese readers see; what is stored is the name. */
static bool parse_choice(const struct column *c, struct bytes text, struct value *out,
                         struct complaint *why)
{
    for (int rank = 0;; rank++) {
        struct bytes name = column_choice(c, rank, false);
        if (name.size == 0) {
            return refuse(c, "not_a_choice", c->choices, why);
        }
        if (means_choice(text, (const char *)name.at, name.size) ||
            bytes_equal(text, column_choice(c, rank, true))) {
            *out = value_text(name);
            return true;
        }
    }
}

static bool parse_tags(const struct column *c, struct bytes text, struct arena *arena,
                       struct value *out, struct complaint *why)
{
    struct bytes normal;
    struct bytes json;
    if (!normalise(text, arena, &normal)) {
        return refuse(c, "not_utf8", "", why);
    }
    if (!tags_parse(normal, arena, &json)) {
        return refuse(c, "malformed", "a,b,c", why);
    }
    *out = value_text(json);
    return true;
}

static bool parse_json(const struct column *c, struct bytes text, struct arena *arena,
                       struct value *out, struct complaint *why)
{
    json_t *json = NULL;
    bool good = json_read(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &json).code == ERR_OK;
    json_decref(json);
    return good ? parse_text(c, text, arena, out, why) : refuse(c, "malformed", "JSON", why);
}

/* ---- numbers ---- */

static bool parse_number(const struct column *c, struct bytes text, int decimals, struct value *out,
                         struct complaint *why)
{
    int64_t number = 0;
    char detail[64];
    switch (decimal_parse(text, decimals, &number)) {
    case DECIMAL_OK:
        *out = value_int(number);
        return true;
    case DECIMAL_TOO_PRECISE:
        (void)snprintf(detail, sizeof detail, "at most %d decimals", decimals);
        return refuse(c, "malformed", decimals == 0 ? "a whole number" : detail, why);
    case DECIMAL_OUT_OF_RANGE:
        return refuse(c, "out_of_range", "", why);
    case DECIMAL_MALFORMED:
        break;
    }
    return refuse(c, "malformed", "a number, e.g. 18.5", why);
}

/* 0.15 or 15%. A bare 15 is more likely a forgotten percent sign than 1,500 percent. */
static bool parse_rate(const struct column *c, struct bytes text, struct value *out,
                       struct complaint *why)
{
    static const char wide_percent[] = "％";
    size_t sign = 0;
    if (text.size > 0 && text.at[text.size - 1] == '%') {
        sign = 1;
    } else if (text.size > strlen(wide_percent) &&
               memcmp(text.at + text.size - strlen(wide_percent), wide_percent,
                      strlen(wide_percent)) == 0) {
        sign = strlen(wide_percent);
    }
    struct bytes number = text_trim(bytes_of(text.at, text.size - sign));
    if (!parse_number(c, number, sign > 0 ? PERCENT_DECIMALS : RATE_DECIMALS, out, why)) {
        return false;
    }
    if (sign == 0 && (out->i > RATE_ONE || out->i < -RATE_ONE)) {
        return refuse(c, "out_of_range", "0.15 or 15%", why);
    }
    return true;
}

static bool parse_bool(const struct column *c, struct bytes text, struct value *out,
                       struct complaint *why)
{
    static const char *const yes[] = {"true", "1", "yes", "y", "t", "是", "对"};
    static const char *const no[] = {"false", "0", "no", "n", "f", "否"};
    for (size_t i = 0; i < count_of(yes); i++) {
        if (equal_ignoring_case(text, yes[i])) {
            *out = value_int(1);
            return true;
        }
    }
    for (size_t i = 0; i < count_of(no); i++) {
        if (equal_ignoring_case(text, no[i])) {
            *out = value_int(0);
            return true;
        }
    }
    return refuse(c, "not_a_choice", "true false", why);
}

/* Digits with a point: strtod alone would also take hex, "inf" and "nan". */
static bool parse_degrees(const struct column *c, struct bytes text, struct value *out,
                          struct complaint *why)
{
    char copy[NUMBER_TEXT_MAX + 1] = "";
    bool plain = text.size > 0 && text.size <= NUMBER_TEXT_MAX;
    for (size_t i = 0; plain && i < text.size; i++) {
        plain = strchr("+-.0123456789", text.at[i]) != NULL && text.at[i] != 0;
        copy[i] = (char)text.at[i];
    }
    char *end = copy;
    double degrees = plain ? strtod(copy, &end) : 0;
    if (!plain || end != copy + text.size) {
        return refuse(c, "malformed", "31.2304", why);
    }
    *out = value_real(degrees);
    return true;
}

/* ---- times ---- */

static bool parse_civil(const struct column *c, struct bytes text, const struct text_rules *rules,
                        struct civil *out, struct civil_zone *zone, struct complaint *why)
{
    *zone = (struct civil_zone){0};
    if (rules->date_format != NULL) {
        return civil_parse_format(text, rules->date_format, out) ||
               refuse(c, "malformed", rules->date_format, why);
    }
    return civil_parse(text, out, zone) ||
           refuse(c, "malformed",
                  c->type == TYPE_DAY ? "YYYY-MM-DD" : "YYYY-MM-DD HH:MM:SS, +08:00 or Z behind it",
                  why);
}

static bool parse_time(const struct column *c, struct bytes text, const struct text_rules *rules,
                       struct value *out, struct complaint *why)
{
    struct civil civil;
    struct civil_zone zone;
    if (!parse_civil(c, text, rules, &civil, &zone, why)) {
        return false;
    }
    int64_t local_ms = civil_to_ms(&civil);
    int offset = zone.given ? zone.offset_min : rules->offset_min(rules->context, local_ms);
    *out = value_int(local_ms - (int64_t)offset * MINUTE_MS);
    return true;
}

/* A day is what the calendar on the wall says. The time that other systems write behind it is
 * dropped; a zone behind it would ask for a guess. */
static bool parse_day(const struct column *c, struct bytes text, const struct text_rules *rules,
                      struct arena *arena, struct value *out, struct complaint *why)
{
    struct civil civil;
    struct civil_zone zone;
    if (!parse_civil(c, text, rules, &civil, &zone, why)) {
        return false;
    }
    if (zone.given) {
        return refuse(c, "malformed", "YYYY-MM-DD", why);
    }
    char day[DAY_TEXT_SIZE];
    day_print(civil_to_ms(&civil), day);
    *out = value_text(arena_copy(arena, bytes_text(day)));
    return out->b.at != NULL || refuse(c, "too_long", "", why);
}

/* The offset of a moment is asked for with its local time, which needs the offset: one step of
 * correction is right but for the hour in which clocks are turned. */
static void print_time(int64_t ms, const struct text_rules *rules, struct buf *out)
{
    int guess = rules->offset_min(rules->context, ms);
    int offset = rules->offset_min(rules->context, ms + (int64_t)guess * MINUTE_MS);
    struct civil c;
    civil_of_ms(ms + (int64_t)offset * MINUTE_MS, &c);
    buf_printf(out, "%04d-%02d-%02d %02d:%02d:%02d", c.year, c.month, c.day, c.hour, c.minute,
               c.second);
}

/* ---- the whole value ---- */

static bool parse_id(const struct column *c, struct bytes text, struct arena *arena,
                     struct value *out, struct complaint *why)
{
    uint8_t *id = arena_alloc(arena, 16);
    if (id == NULL || !id_parse(text, id)) {
        return refuse(c, "malformed", "UUID", why);
    }
    *out = value_blob(bytes_of(id, 16));
    return true;
}

bool column_parse(const struct column *c, struct bytes text, const struct text_rules *rules,
                  struct arena *arena, struct value *out, struct complaint *why)
{
    struct bytes trimmed = text_trim(text);
    *out = value_null();
    if (trimmed.size == 0) {
        return true;
    }
    switch (c->type) {
    case TYPE_UUID:
        return parse_id(c, trimmed, arena, out, why);
    case TYPE_TEXT:
        return parse_text(c, trimmed, arena, out, why);
    case TYPE_NOTE:
        return parse_text(c, text, arena, out, why);
    case TYPE_TAGS:
        return parse_tags(c, trimmed, arena, out, why);
    case TYPE_ENUM:
        return parse_choice(c, trimmed, out, why);
    case TYPE_INT:
    case TYPE_MINUTES:
        return parse_number(c, trimmed, 0, out, why);
    case TYPE_BOOL:
        return parse_bool(c, trimmed, out, why);
    case TYPE_MONEY:
        return parse_number(c, trimmed, currency_decimals(rules->currency), out, why);
    case TYPE_QUANTITY:
        return parse_number(c, trimmed, QUANTITY_DECIMALS, out, why);
    case TYPE_BASIS_POINTS:
        return parse_rate(c, trimmed, out, why);
    case TYPE_TIME:
        return parse_time(c, trimmed, rules, out, why);
    case TYPE_DAY:
        return parse_day(c, trimmed, rules, arena, out, why);
    case TYPE_DEGREES:
        return parse_degrees(c, trimmed, out, why);
    case TYPE_JSON:
        return parse_json(c, trimmed, arena, out, why);
    }
    abort(); /* our own bug: a type without a reader */
}

static void print_integer(const struct column *c, int64_t i, const struct text_rules *rules,
                          struct buf *out)
{
    if (c->type == TYPE_BOOL) {
        buf_put_text(out, rules->chinese ? (i != 0 ? "是" : "否") : (i != 0 ? "yes" : "no"));
    } else if (c->type == TYPE_MONEY) {
        int decimals = currency_decimals(rules->currency);
        decimal_print(i, decimals, decimals, out);
    } else if (c->type == TYPE_QUANTITY) {
        decimal_print(i, QUANTITY_DECIMALS, 0, out);
    } else if (c->type == TYPE_BASIS_POINTS) {
        decimal_print(i, PERCENT_DECIMALS, 0, out);
        buf_put_u8(out, '%');
    } else if (c->type == TYPE_TIME) {
        print_time(i, rules, out);
    } else {
        buf_printf(out, "%" PRId64, i);
    }
}

void column_print(const struct column *c, const struct value *v, const struct text_rules *rules,
                  struct buf *out)
{
    switch (v->kind) {
    case VALUE_NULL:
        return;
    case VALUE_INT:
        print_integer(c, v->i, rules, out);
        return;
    case VALUE_REAL:
        buf_printf(out, "%.6f", v->d);
        return;
    case VALUE_TEXT:
        if (c->type == TYPE_TAGS) {
            tags_print(v->b, out);
        } else if (c->type == TYPE_ENUM && rules->chinese && column_rank(c, v->b) >= 0) {
            buf_put(out, column_choice(c, column_rank(c, v->b), true));
        } else {
            buf_put(out, v->b);
        }
        return;
    case VALUE_BLOB:
        id_print(v->b, out);
        return;
    }
}

/* ---- currencies ---- */

int currency_decimals(const char *currency)
{
    static const char none[] =
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";
    static const char three[] = "BHD IQD JOD KWD LYD OMR TND";
    static const char four[] = "CLF UYW";
    if (currency == NULL || strlen(currency) != 3) {
        return 2;
    }
    return strstr(none, currency) != NULL    ? 0
           : strstr(three, currency) != NULL ? 3
           : strstr(four, currency) != NULL  ? 4
                                             : 2;
}
