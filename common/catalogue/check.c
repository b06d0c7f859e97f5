/* Whether a value may stand in its column. The one check for what people type, what devices send
 * and what files hold; nothing gets into a table without it. */
#include "common/catalogue/catalogue.h"

#include "common/base/json_read.h"
#include <math.h>

#include "common/base/day.h"
#include "common/base/utf8.h"

/* Far enough for any firm, near enough that sums of millions of rows stay within 64 bits. */
#define MONEY_MAX    INT64_C(1000000000000000)
#define QUANTITY_MAX INT64_C(1000000000000)
#define TIME_MIN     INT64_C(-62135596800000) /* year 1 */
#define TIME_MAX     INT64_C(253402300799999) /* year 9999 */

static bool complain(const struct column *c, const char *code, const char *detail,
                     struct complaint *why)
{
    snprintf(why->code, sizeof why->code, "%s", code);
    snprintf(why->field, sizeof why->field, "%s", c->name);
    snprintf(why->detail, sizeof why->detail, "%s", detail);
    return false;
}

static bool check_range(const struct column *c, int64_t i, int64_t min, int64_t max,
                        struct complaint *why)
{
    if (i >= min && i <= max) {
        return true;
    }
    char detail[64];
    snprintf(detail, sizeof detail, "%" PRId64 "..%" PRId64, min, max);
    return complain(c, "out_of_range", detail, why);
}

/* One line for TEXT; NOTE may break lines. Other control characters only harm who reads them. */
static bool has_control(struct bytes text, bool lines)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.at[i];
        bool breaks = byte == '\n' || byte == '\r' || byte == '\t';
        if ((byte < 0x20 && !(lines && breaks)) || byte == 0x7f) {
            return true;
        }
    }
    return false;
}

static bool check_size(const struct column *c, size_t size, struct complaint *why)
{
    if (c->limit == 0 || size <= c->limit) {
        return true;
    }
    char detail[24];
    snprintf(detail, sizeof detail, "%" PRIu32, c->limit);
    return complain(c, "too_long", detail, why);
}

static bool check_text(const struct column *c, struct bytes text, struct complaint *why)
{
    if (text.size == 0 && (c->flags & COLUMN_REQUIRED) != 0) {
        return complain(c, "required", "", why);
    }
    if (has_control(text, c->type == TYPE_NOTE)) {
        return complain(c, "malformed", "", why);
    }
    return check_size(c, utf8_count(text), why);
}

/* The order of code points is the order of UTF-8's bytes. */
static bool rises(const json_t *before, const json_t *after)
{
    struct bytes a = bytes_of(json_string_value(before), json_string_length(before));
    struct bytes b = bytes_of(json_string_value(after), json_string_length(after));
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size == 0 ? 0 : memcmp(a.at, b.at, size);
    return order < 0 || (order == 0 && a.size < b.size);
}

static bool is_set_of_texts(const json_t *json)
{
    bool good = json_is_array(json);
    for (size_t i = 0; good && i < json_array_size(json); i++) {
        const json_t *tag = json_array_get(json, i);
        good = json_is_string(tag) && json_string_length(tag) > 0 &&
               (i == 0 || rises(json_array_get(json, i - 1), tag));
    }
    return good;
}

static bool check_json(const struct column *c, struct bytes text, struct complaint *why)
{
    if (!check_size(c, text.size, why)) { /* before it is parsed */
        return false;
    }
    json_t *json = NULL;
    struct err err = json_read(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &json);
    if (err.code == ERR_NOMEM) {
        return complain(c, "no_memory", "", why);
    }
    bool good = c->type == TYPE_TAGS ? is_set_of_texts(json) : json != NULL;
    json_decref(json);
    return good || complain(c, "malformed", "", why);
}

static bool check_textual(const struct column *c, struct bytes text, struct complaint *why)
{
    int64_t midnight;
    if (!utf8_is_valid(text)) {
        return complain(c, "not_utf8", "", why);
    }
    bool composed = false;
    if (utf8_is_nfc(text, &composed).code != ERR_OK) {
        return complain(c, "no_memory", "", why);
    }
    if (!composed) {
        return complain(c, "not_nfc", "", why);
    }
    if (c->type == TYPE_ENUM) {
        return column_rank(c, text) >= 0 || complain(c, "not_a_choice", c->choices, why);
    }
    if (c->type == TYPE_DAY) {
        return day_parse(text, &midnight) || complain(c, "malformed", "YYYY-MM-DD", why);
    }
    return c->type == TYPE_TAGS || c->type == TYPE_JSON ? check_json(c, text, why)
                                                        : check_text(c, text, why);
}

static bool check_real(const struct column *c, double d, struct complaint *why)
{
    bool is_lat = strcmp(c->name, "lat") == 0;
    double max = is_lat ? 90 : 180;
    return (isfinite(d) && d >= -max && d <= max) ||
           complain(c, "out_of_range", is_lat ? "-90..90" : "-180..180", why);
}

static bool check_number(const struct column *c, int64_t i, struct complaint *why)
{
    switch (c->type) {
    case TYPE_BOOL:
        return check_range(c, i, 0, 1, why);
    case TYPE_MONEY:
        return check_range(c, i, -MONEY_MAX, MONEY_MAX, why);
    case TYPE_QUANTITY:
        return check_range(c, i, -QUANTITY_MAX, QUANTITY_MAX, why);
    case TYPE_BASIS_POINTS:
        return check_range(c, i, 0, 10000, why);
    case TYPE_MINUTES:
        return check_range(c, i, -1440, 1440, why);
    case TYPE_TIME:
        return check_range(c, i, TIME_MIN, TIME_MAX, why);
    case TYPE_INT:
        return true;
    case TYPE_UUID:
    case TYPE_TEXT:
    case TYPE_NOTE:
    case TYPE_TAGS:
    case TYPE_ENUM:
    case TYPE_DAY:
    case TYPE_DEGREES:
    case TYPE_JSON:
        break;
    }
    abort(); /* column_kind sends no other here */
}

/* The kind of value that a column takes. */
static enum value_kind column_kind(const struct column *c)
{
    const char *sql = column_sql_type(c);
    return sql[0] == 'I'   ? VALUE_INT
           : sql[0] == 'R' ? VALUE_REAL
           : sql[0] == 'B' ? VALUE_BLOB
                           : VALUE_TEXT;
}

bool column_check(const struct column *c, const struct value *v, struct complaint *why)
{
    *why = (struct complaint){0};
    if (v->kind == VALUE_NULL) {
        return (c->flags & COLUMN_REQUIRED) == 0 || complain(c, "required", "", why);
    }
    if (v->kind != column_kind(c)) {
        return complain(c, "wrong_type", column_sql_type(c), why);
    }
    switch (v->kind) {
    case VALUE_INT:
        return check_number(c, v->i, why);
    case VALUE_REAL:
        return check_real(c, v->d, why);
    case VALUE_TEXT:
        return check_textual(c, v->b, why);
    case VALUE_BLOB:
        return v->b.size == 16 || complain(c, "malformed", "", why);
    case VALUE_NULL:
        break;
    }
    abort(); /* NULL has been answered above */
}
