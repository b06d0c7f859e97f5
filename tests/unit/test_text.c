/* Values as people write and read them. Each row: what it says, the column's type, the text, and
 * the value as JSON or the complaint's code. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/catalogue/tags.h"
#include "common/catalogue/text.h"

#define HOUR_MIN 60

/* Shanghai, but for a summer time that ends at 1996-07-04 01:00 local, so that both sides of a
 * change can be tested. */
static int offset_min(void *context, int64_t local_ms)
{
    (void)context;
    return local_ms < INT64_C(836442000000) ? 9 * HOUR_MIN : 8 * HOUR_MIN;
}

static struct text_rules rules_of(const char *currency, const char *format)
{
    return (struct text_rules){
        .currency = currency, .offset_min = offset_min, .date_format = format};
}

struct read_case {
    const char *says;
    enum column_type type;
    const char *text;
    const char *json; /* or NULL */
    const char *code; /* or NULL */
    const char *currency;
    const char *format;
};

static const struct read_case reads[] = {
    {"nothing is no value", TYPE_TEXT, "", "null", NULL, "CNY", NULL},
    {"blanks are no value", TYPE_MONEY, "  ", "null", NULL, "CNY", NULL},
    {"money in yuan", TYPE_MONEY, "18.00", "1800", NULL, "CNY", NULL},
    {"money without cents", TYPE_MONEY, "18", "1800", NULL, "CNY", NULL},
    {"money below zero", TYPE_MONEY, "-0.5", "-50", NULL, "CNY", NULL},
    {"zeros beyond the cents", TYPE_MONEY, "14.4000", "1440", NULL, "USD", NULL},
    {"half a cent is refused", TYPE_MONEY, "14.405", NULL, "malformed", "USD", NULL},
    {"yen have no decimals", TYPE_MONEY, "1800", "1800", NULL, "JPY", NULL},
    {"nor takes yen any", TYPE_MONEY, "18.5", NULL, "malformed", "JPY", NULL},
    {"dinars have three", TYPE_MONEY, "1.234", "1234", NULL, "KWD", NULL},
    {"thousands aren't guessed", TYPE_MONEY, "1,234", NULL, "malformed", "CNY", NULL},
    {"the largest", TYPE_INT, "9223372036854775807", "9223372036854775807", NULL, "CNY", NULL},
    {"the smallest", TYPE_INT, "-9223372036854775808", "-9223372036854775808", NULL, "CNY", NULL},
    {"one beyond", TYPE_INT, "9223372036854775808", NULL, "out_of_range", "CNY", NULL},
    {"beyond by its decimals", TYPE_MONEY, "92233720368547758.08", NULL, "out_of_range", "CNY",
     NULL},
    {"a sign alone", TYPE_INT, "-", NULL, "malformed", "CNY", NULL},
    {"a point alone", TYPE_MONEY, ".", NULL, "malformed", "CNY", NULL},
    {"hex isn't a number", TYPE_INT, "0x10", NULL, "malformed", "CNY", NULL},
    {"quantity as written", TYPE_QUANTITY, "1.5", "1500", NULL, "CNY", NULL},
    {"a dozen", TYPE_QUANTITY, "12", "12000", NULL, "CNY", NULL},
    {"a rate", TYPE_BASIS_POINTS, "0.15", "1500", NULL, "CNY", NULL},
    {"a rate in percent", TYPE_BASIS_POINTS, "15%", "1500", NULL, "CNY", NULL},
    {"percent with a blank and a fraction", TYPE_BASIS_POINTS, "8.25 %", "825", NULL, "CNY", NULL},
    {"the Chinese percent sign", TYPE_BASIS_POINTS, "15％", "1500", NULL, "CNY", NULL},
    {"no rate", TYPE_BASIS_POINTS, "0", "0", NULL, "CNY", NULL},
    {"the whole", TYPE_BASIS_POINTS, "1", "10000", NULL, "CNY", NULL},
    {"a forgotten percent sign", TYPE_BASIS_POINTS, "15", NULL, "out_of_range", "CNY", NULL},
    {"percent alone", TYPE_BASIS_POINTS, "%", NULL, "malformed", "CNY", NULL},
    {"true", TYPE_BOOL, "TRUE", "1", NULL, "CNY", NULL},
    {"one", TYPE_BOOL, "1", "1", NULL, "CNY", NULL},
    {"yes in Chinese", TYPE_BOOL, "是", "1", NULL, "CNY", NULL},
    {"no in Chinese", TYPE_BOOL, "否", "0", NULL, "CNY", NULL},
    {"false", TYPE_BOOL, "False", "0", NULL, "CNY", NULL},
    {"neither", TYPE_BOOL, "maybe", NULL, "not_a_choice", "CNY", NULL},
    {"a local time", TYPE_TIME, "1996-07-05 00:00", "836496000000", NULL, "CNY", NULL},
    {"a local time in summer", TYPE_TIME, "1996-07-03 09:00", "836352000000", NULL, "CNY", NULL},
    {"a time as Northwind has it", TYPE_TIME, "1996-07-05 00:00:00.000", "836496000000", NULL,
     "CNY", NULL},
    {"a time in UTC", TYPE_TIME, "1996-07-05T00:00:00Z", "836524800000", NULL, "CNY", NULL},
    {"a time with a zone", TYPE_TIME, "1996-07-05T00:00:00.25+08:00", "836496000250", NULL, "CNY",
     NULL},
    {"a zone to the west", TYPE_TIME, "1996-07-04 19:00 -0500", "836524800000", NULL, "CNY", NULL},
    {"midnight of a day", TYPE_TIME, "1996-07-05", "836496000000", NULL, "CNY", NULL},
    {"no such hour", TYPE_TIME, "1996-07-05 24:00", NULL, "malformed", "CNY", NULL},
    {"American order", TYPE_TIME, "7/5/1996 08:30", "836526600000", NULL, "CNY", "%m/%d/%Y %H:%M"},
    {"German order", TYPE_DAY, "05.07.1996", "\"1996-07-05\"", NULL, "CNY", "%d.%m.%Y"},
    {"Chinese order", TYPE_DAY, "1996年7月5日", "\"1996-07-05\"", NULL, "CNY", "%Y年%m月%d日"},
    {"not as the format says", TYPE_DAY, "1996-07-05", NULL, "malformed", "CNY", "%d.%m.%Y"},
    {"a day", TYPE_DAY, "2024-02-29", "\"2024-02-29\"", NULL, "CNY", NULL},
    {"a day that isn't", TYPE_DAY, "2023-02-29", NULL, "malformed", "CNY", NULL},
    {"a day with its time", TYPE_DAY, "1996-07-04 00:00:00.000", "\"1996-07-04\"", NULL, "CNY",
     NULL},
    {"a day with a zone asks for a guess", TYPE_DAY, "1996-07-04T00:00:00Z", NULL, "malformed",
     "CNY", NULL},
    {"tags", TYPE_TAGS, "b,a", "[\"a\",\"b\"]", NULL, "CNY", NULL},
    {"tags twice and blanks", TYPE_TAGS, " b , a ,, b", "[\"a\",\"b\"]", NULL, "CNY", NULL},
    {"Chinese commas", TYPE_TAGS, "重点，连锁、A", "[\"A\",\"连锁\",\"重点\"]", NULL, "CNY", NULL},
    {"a tag with a comma", TYPE_TAGS, "[\"x, y\"]", "[\"x, y\"]", NULL, "CNY", NULL},
    {"a broken array", TYPE_TAGS, "[\"x\"", NULL, "malformed", "CNY", NULL},
    {"an array of numbers", TYPE_TAGS, "[1]", NULL, "malformed", "CNY", NULL},
    {"a choice", TYPE_ENUM, "in_progress", "\"in_progress\"", NULL, "CNY", NULL},
    {"a choice in Chinese", TYPE_ENUM, "已完成", "\"completed\"", NULL, "CNY", NULL},
    {"a choice in capitals", TYPE_ENUM, "In Progress", "\"in_progress\"", NULL, "CNY", NULL},
    {"a choice that is a capital", TYPE_ENUM, "a", "\"A\"", NULL, "CNY", NULL},
    {"not a choice", TYPE_ENUM, "done", NULL, "not_a_choice", "CNY", NULL},
    {"composed", TYPE_TEXT, "Cafe\xcc\x81", "\"Caf\xc3\xa9\"", NULL, "CNY", NULL},
    {"text is trimmed", TYPE_TEXT, " 上海 ", "\"上海\"", NULL, "CNY", NULL},
    {"notes aren't", TYPE_NOTE, " a\n", "\" a\\u000a\"", NULL, "CNY", NULL},
    {"broken UTF-8", TYPE_TEXT, "a\xff", NULL, "not_utf8", "CNY", NULL},
    {"an overlong slash", TYPE_TEXT, "\xc0\xaf", NULL, "not_utf8", "CNY", NULL},
    {"degrees", TYPE_DEGREES, "31.2304", "31.2304", NULL, "CNY", NULL},
    {"degrees aren't infinite", TYPE_DEGREES, "inf", NULL, "malformed", "CNY", NULL},
    {"nor hexadecimal", TYPE_DEGREES, "0x1p3", NULL, "malformed", "CNY", NULL},
    {"an id", TYPE_UUID, "0192F0C1-2345-7abc-8def-0123456789ab",
     "\"0192f0c1-2345-7abc-8def-0123456789ab\"", NULL, "CNY", NULL},
    {"half an id", TYPE_UUID, "0192f0c1", NULL, "malformed", "CNY", NULL},
    {"an id with a stray letter", TYPE_UUID, "0192f0c1-2345-7abc-8def-0123456789ag", NULL,
     "malformed", "CNY", NULL},
    {"JSON as it is", TYPE_JSON, "{\"a\": 1}", "{\"a\": 1}", NULL, "CNY", NULL},
    {"not JSON", TYPE_JSON, "{a:1}", NULL, "malformed", "CNY", NULL},
};

static void test_what_people_write(void **state)
{
    (void)state;
    for (size_t i = 0; i < count_of(reads); i++) {
        const struct read_case *r = &reads[i];
        struct column c = {.name = "field",
                           .type = r->type,
                           .choices = "in_progress completed A",
                           .choices_zh = "进行中 已完成 甲"};
        struct text_rules rules = rules_of(r->currency, r->format);
        struct arena arena;
        struct buf json;
        struct complaint why = {0};
        struct value v;
        arena_init(&arena, 1 << 20);
        buf_init(&json, 1 << 16);
        bool good = column_parse(&c, bytes_text(r->text), &rules, &arena, &v, &why);
        if (good != (r->json != NULL)) {
            fail_msg("%s: %s, %s", r->says, good ? "taken" : "refused", why.code);
        }
        if (good) {
            column_json(&c, &v, &json);
            assert_string_equal(buf_text(&json), r->json);
        } else {
            assert_string_equal(why.code, r->code);
            assert_string_equal(why.field, "field");
        }
        buf_release(&json);
        arena_release(&arena);
    }
}

struct print_case {
    enum column_type type;
    struct value value;
    const char *english;
    const char *chinese;
};

static void test_what_people_read(void **state)
{
    (void)state;
    uint8_t id[16] = {0x01, 0x92};
    const struct print_case prints[] = {
        {TYPE_MONEY, value_int(-5), "-0.05", "-0.05"},
        {TYPE_MONEY, value_int(INT64_MIN), "-92233720368547758.08", "-92233720368547758.08"},
        {TYPE_MONEY, value_int(180000), "1800.00", "1800.00"},
        {TYPE_QUANTITY, value_int(1500), "1.5", "1.5"},
        {TYPE_QUANTITY, value_int(10000), "10", "10"},
        {TYPE_BASIS_POINTS, value_int(1500), "15%", "15%"},
        {TYPE_BASIS_POINTS, value_int(825), "8.25%", "8.25%"},
        {TYPE_BOOL, value_int(1), "yes", "是"},
        {TYPE_ENUM, value_text(bytes_text("completed")), "completed", "已完成"},
        {TYPE_ENUM, value_text(bytes_text("unheard_of")), "unheard_of", "unheard_of"},
        {TYPE_TIME, value_int(INT64_C(836496000000)), "1996-07-05 00:00:00", "1996-07-05 00:00:00"},
        {TYPE_TAGS, value_text(bytes_text("[\"a\",\"b\"]")), "a,b", "a,b"},
        {TYPE_UUID, value_blob(bytes_of(id, 16)), "01920000-0000-0000-0000-000000000000",
         "01920000-0000-0000-0000-000000000000"},
        {TYPE_TEXT, value_null(), "", ""},
    };
    for (size_t i = 0; i < count_of(prints); i++) {
        struct column c = {.name = "field",
                           .type = prints[i].type,
                           .choices = "in_progress completed",
                           .choices_zh = "进行中 已完成"};
        struct text_rules rules = rules_of("CNY", NULL);
        struct buf out;
        buf_init(&out, 1 << 16);
        column_print(&c, &prints[i].value, &rules, &out);
        assert_string_equal(buf_text(&out), prints[i].english);
        buf_clear(&out);
        rules.chinese = true;
        column_print(&c, &prints[i].value, &rules, &out);
        assert_string_equal(buf_text(&out), prints[i].chinese);
        buf_release(&out);
    }
}

/* Whatever a damaged file holds, the answer is JSON. */
static void test_json_is_always_valid(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1 << 16);
    json_put_text(bytes_of("a\"\\\n\x01\xff\x7f", 7), &out);
    assert_string_equal(buf_text(&out), "\"a\\\"\\\\\\u000a\\u0001\\ufffd\\u007f\"");
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_people_write),
        cmocka_unit_test(test_what_people_read),
        cmocka_unit_test(test_json_is_always_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
