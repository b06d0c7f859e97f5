/* Log lines can't be forged by what stands in them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/base.h"
#include "common/base/log.h"

static void test_values_are_escaped(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        const char *expected;
    } cases[] = {
        {"sync", " k=sync"},
        {"", " k=\"\""},
        {"two words", " k=\"two words\""},
        {"a=b", " k=\"a=b\""},
        {"x\nts=1 event=forged", " k=\"x\\x0ats=1 event=forged\""},
        {"x\r", " k=\"x\\x0d\""},
        {"\x1b[31mred", " k=\"\\x1b[31mred\""},
        {"say \"hi\" \\", " k=\"say \\\"hi\\\" \\\\\""},
        {"\xe4\xb8\xad", " k=\"\\xe4\\xb8\\xad\""},
    };
    for (size_t i = 0; i < count_of(cases); i++) {
        struct log_line line;
        log_begin(&line, 0, "e");
        size_t start = line.size;
        log_text(&line, "k", cases[i].value);
        assert_int_equal(line.size - start, strlen(cases[i].expected));
        assert_memory_equal(line.text + start, cases[i].expected, line.size - start);
    }
}

static void test_times(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *expected;
    } cases[] = {
        {0, "ts=1970-01-01T00:00:00.000Z event=e"},
        {951782400123, "ts=2000-02-29T00:00:00.123Z event=e"},
        {1795427826999, "ts=2026-11-23T09:57:06.999Z event=e"},
        {-1, "ts=1969-12-31T23:59:59.999Z event=e"},
    };
    for (size_t i = 0; i < count_of(cases); i++) {
        struct log_line line;
        log_begin(&line, cases[i].ms, "e");
        assert_int_equal(line.size, strlen(cases[i].expected));
        assert_memory_equal(line.text, cases[i].expected, line.size);
    }
}

static void test_a_long_line_is_cut_at_a_field(void **state)
{
    (void)state;
    char big[LOG_LINE_MAX * 2];
    memset(big, 'x', sizeof big);
    struct log_line line;
    log_begin(&line, 0, "e");
    size_t before = line.size;
    log_bytes(&line, "big", bytes_of(big, sizeof big));
    log_int(&line, "after", 1);
    assert_int_equal(line.size, before);
    FILE *to = tmpfile();
    assert_non_null(to);
    log_end(&line, to);
    assert_int_equal(ftell(to), before + strlen(" cut=1\n"));
    (void)fclose(to);
}

static void test_an_error_names_its_step(void **state)
{
    (void)state;
    struct log_line line;
    log_begin(&line, 0, "e");
    size_t start = line.size;
    log_err(&line, err_ok());
    assert_int_equal(line.size, start);
    log_err(&line, err_make(ERR_FULL, 13, "db_end"));
    static const char expected[] = " err=FULL cause=13 where=db_end";
    assert_memory_equal(line.text + start, expected, sizeof expected - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_escaped),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_a_long_line_is_cut_at_a_field),
        cmocka_unit_test(test_an_error_names_its_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
