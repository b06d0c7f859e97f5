/* CSV files as they come, good and bad. Rows are shown as [a|b] one after the other, complaints as
 * code@line:field. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/csv.h"

struct source { /* gives at most `piece` bytes at a time */
    struct bytes left;
    size_t piece;
};

static int64_t read_source(void *context, uint8_t *to, size_t size)
{
    struct source *s = context;
    size_t n = s->left.size < size ? s->left.size : size;
    n = n < s->piece ? n : s->piece;
    if (n > 0) {
        memcpy(to, s->left.at, n);
        s->left = bytes_of(s->left.at + n, s->left.size - n);
    }
    return (int64_t)n;
}

static void show(struct bytes text, size_t piece, struct buf *out)
{
    struct source source = {.left = text, .piece = piece};
    struct csv *c = malloc(sizeof *c);
    struct csv_row *row = malloc(sizeof *row);
    struct complaint why;
    assert_non_null(c);
    assert_non_null(row);
    csv_init(c, read_source, &source);
    for (enum csv_result r = csv_next(c, row, &why); r != CSV_END; r = csv_next(c, row, &why)) {
        assert_int_not_equal(r, CSV_UNREADABLE);
        if (r == CSV_WRONG) {
            buf_printf(out, "%s@%d:%s", why.code, (int)row->line, why.field);
            continue;
        }
        for (size_t i = 0; i < row->count; i++) {
            buf_put_u8(out, i == 0 ? '[' : '|');
            buf_put(out, row->fields[i]);
        }
        buf_put_u8(out, ']');
    }
    csv_release(c);
    free(row);
    free(c);
}

static void test_files(void **state)
{
    (void)state;
    static const struct {
        const char *says;
        const char *text;
        const char *shown;
    } cases[] = {
        {"nothing", "", ""},
        {"one field", "a", "[a]"},
        {"rows", "a,b\n1,2\n", "[a|b][1|2]"},
        {"no newline at the end", "a,b\n1,2", "[a|b][1|2]"},
        {"as Windows writes it",
         "\xef\xbb\xbf"
         "a,b\r\n1,2\r\n",
         "[a|b][1|2]"},
        {"a mark before a quote",
         "\xef\xbb\xbf"
         "\"a\",b\n",
         "[a|b]"},
        {"quotes", "a,b\n\"x, y\",\"say \"\"hi\"\"\"\n", "[a|b][x, y|say \"hi\"]"},
        {"quotes at a Windows line's end", "a,b\r\n1,\"2\"\r\n", "[a|b][1|2]"},
        {"a line break in a field", "a,b\n\"1\n2\",3\n4,5\n", "[a|b][1\n2|3][4|5]"},
        {"empty fields", ",\n,\n", "[|][|]"},
        {"empty lines don't count", "a,b\n\n1,2\n\r\n3,4\n", "[a|b][1|2][3|4]"},
        {"an empty quoted field does", "a\n\"\"\n", "[a]"},
        {"a lone carriage return is a character", "a\rb,c\n", "[a\rb|c]"},
        {"one column too few", "a,b\n1\n3,4\n", "[a|b]wrong_count@2:2[3|4]"},
        {"one too many", "a,b\n1,2,3\n3,4\n", "[a|b]wrong_count@2:3[3|4]"},
        {"a quote in the middle", "a,b\nx\"y,2\n3,4\n", "[a|b]stray_quote@2:1[3|4]"},
        {"text behind a quote", "a,b\n1,\"x\"y\n3,4\n", "[a|b]stray_quote@2:2[3|4]"},
        {"a quote that never ends", "a,b\n1,2\n3,\"4\n5,6\n", "[a|b][1|2]unterminated_quote@3:2"},
        {"not UTF-8", "a,b\n1,\xff\n3,4\n", "[a|b]not_utf8@2:2[3|4]"},
        {"Latin-1", "a\nM\xfcnster\nx\n", "[a]not_utf8@2:1[x]"},
        {"lines are counted through quotes", "a,b\n\"1\n\n\",2\n3\n",
         "[a|b][1\n\n|2]wrong_count@5:2"},
        {"Chinese", "客户,城市\n茶庄,上海\n", "[客户|城市][茶庄|上海]"},
    };
    for (size_t i = 0; i < count_of(cases); i++) {
        for (size_t piece = 1; piece < 80; piece += 13) { /* how it arrives changes nothing */
            struct buf out;
            buf_init(&out, 1 << 16);
            show(bytes_text(cases[i].text), piece, &out);
            if (strcmp(buf_text(&out), cases[i].shown) != 0) {
                fail_msg("%s (pieces of %zu): %s", cases[i].says, piece, buf_text(&out));
            }
            buf_release(&out);
        }
    }
}

static void test_a_zero_byte(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1 << 16);
    show(bytes_of("a,b\n1,x\0y\n3,4\n", 14), 1000, &out);
    assert_string_equal(buf_text(&out), "[a|b]malformed@2:2[3|4]");
    buf_release(&out);
}

/* What is too long is passed over with bounded memory, and the next row is read. */
static void test_too_long(void **state)
{
    (void)state;
    struct buf text;
    struct buf out;
    buf_init(&text, 16 << 20);
    buf_init(&out, 1 << 16);
    buf_put_text(&text, "a,b\n1,");
    for (int i = 0; i < (6 << 20); i++) {
        buf_put_u8(&text, 'x');
    }
    buf_put_text(&text, "\n3,4\n");
    show(buf_bytes(&text), 100000, &out);
    assert_string_equal(buf_text(&out), "[a|b]too_long@2:2[3|4]");
    buf_clear(&text);
    buf_clear(&out);
    for (int i = 0; i <= CSV_FIELDS_MAX; i++) {
        buf_put_text(&text, "x,");
    }
    show(buf_bytes(&text), 100000, &out);
    assert_string_equal(buf_text(&out), "wrong_count@1:257");
    buf_release(&text);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_a_zero_byte),
        cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
