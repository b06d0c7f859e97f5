/* How a command line is read: what each row of the table allows, and what is said of the rest. */
#include "client/cmd/app.h"
#include "client/cmd/invitation.h"

#include <setjmp.h>
#include <cmocka.h>

#define WORDS_MAX 8

struct line {
    const char *what;
    const char *words[WORDS_MAX];
    bool fits;
    const char *about; /* of the mistake */
    enum phrase phrase;
};

static const struct line lines[] = {
    {"both operands", {"one", "two"}, true, "", 0},
    {"the second may be left out", {"one"}, true, "", 0},
    {"the first may not", {NULL}, false, "FIRST", PHRASE_USAGE_MISSING},
    {"one too many", {"one", "two", "three"}, false, "three", PHRASE_USAGE_TOO_MANY},
    {"an option with a value", {"one", "--note", "text"}, true, "", 0},
    {"the value behind =", {"one", "--note=text"}, true, "", 0},
    {"the value is missing", {"one", "--note"}, false, "--note", PHRASE_USAGE_NEEDS_VALUE},
    {"a value where none goes", {"one", "--plain=x"}, false, "--plain", PHRASE_USAGE_NO_VALUE},
    {"unknown", {"one", "--nota", "x"}, false, "--nota", PHRASE_USAGE_UNKNOWN_OPTION},
    {"a placeholder isn't an option",
     {"one", "--NOTE"},
     false,
     "--NOTE",
     PHRASE_USAGE_UNKNOWN_OPTION},
    {"a number may be negative", {"-5"}, true, "", 0},
    {"behind -- all are operands", {"--", "--note", "--plain"}, true, "", 0},
    {"help needs nothing else", {"--help"}, true, "", 0},
    {"common options go everywhere", {"--json", "one", "--home", "/x"}, true, "", 0},
};

static void test_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < count_of(lines); i++) {
        char *words[WORDS_MAX];
        int count = 0;
        while (count < WORDS_MAX && lines[i].words[count] != NULL) {
            words[count] = (char *)(uintptr_t)lines[i].words[count];
            count++;
        }
        struct arguments a = {0};
        struct usage_error why = {0};
        bool fits =
            arguments_parse(&a, count, words, "FIRST [SECOND]", "--note TEXT --plain", &why);
        if (fits != lines[i].fits || strcmp(why.about, lines[i].about) != 0 ||
            (!fits && why.phrase != lines[i].phrase)) {
            fail_msg("%s: fits %d, about \"%s\"", lines[i].what, fits, why.about);
        }
    }
}

static void test_values_are_found(void **state)
{
    (void)state;
    char *words[] = {(char[]){"a"},      (char[]){"--note=first"}, (char[]){"--plain"},
                     (char[]){"--note"}, (char[]){"last"},         (char[]){"b"}};
    struct arguments a = {0};
    struct usage_error why;
    assert_true(arguments_parse(&a, count_of(words), words, "WORD…", "--note TEXT --plain", &why));
    assert_string_equal(arguments_option(&a, "--note"), "last");
    assert_string_equal(arguments_option(&a, "--plain"), "");
    assert_null(arguments_option(&a, "--other"));
    assert_int_equal(a.operand_count, 2);
    assert_null(arguments_operand(&a, 2));
}

/* A text that asks for an argument in one language asks for it in the other too. */
static void test_both_languages(void **state)
{
    (void)state;
    for (int p = 0; p < PHRASE_COUNT; p++) {
        const char *texts[] = {phrase_text((enum phrase)p, false),
                               phrase_text((enum phrase)p, true)};
        unsigned places[2] = {0, 0};
        for (int i = 0; i < 2; i++) {
            assert_true(texts[i][0] != 0);
            for (const char *at = texts[i]; (at = strchr(at, '{')) != NULL; at += 3) {
                assert_true(at[1] >= '0' && at[1] < '0' + PHRASE_ARGS_MAX && at[2] == '}');
                places[i] |= 1u << (at[1] - '0');
            }
        }
        if (places[0] != places[1]) {
            fail_msg("places differ: %s", texts[0]);
        }
    }
    for (size_t i = 0; i < command_count(); i++) {
        assert_true(command_at(i)->help[0] != 0 && command_at(i)->help_zh[0] != 0);
    }
}

static const struct {
    const char *what;
    const char *text;
    bool fits;
} codes[] = {
    {"as invited",
     "lw1,legwork.example:8443,47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,"
     "AAECAwQFBgcICQoLDA0ODxAREhM",
     true},
    {"pasted with spaces",
     "  lw1,[::1]:8443,47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,AAECAwQFBgcICQoLDA0ODxAREhM\n",
     true},
    {"another version",
     "lw2,a:1,47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,AAECAwQFBgcICQoLDA0ODxAREhM", false},
    {"a short hash", "lw1,a:1,47DEQpj8,AAECAwQFBgcICQoLDA0ODxAREhM", false},
    {"a secret too long",
     "lw1,a:1,47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,AAECAwQFBgcICQoLDA0ODxAREhMU", false},
    {"a path in the address",
     "lw1,a:1/x@y,47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,AAECAwQFBgcICQoLDA0ODxAREhM", false},
    {"no port", "lw1,a,47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,AAECAwQFBgcICQoLDA0ODxAREhM",
     false},
    {"cut", "lw1,a:1", false},
    {"empty", "", false},
    {"a part too many",
     "lw1,a:1,47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,AAECAwQFBgcICQoLDA0ODxAREhM,", false},
};

static void test_invitations(void **state)
{
    (void)state;
    for (size_t i = 0; i < count_of(codes); i++) {
        struct invitation invitation;
        if (invitation_parse(codes[i].text, &invitation) != codes[i].fits) {
            fail_msg("%s", codes[i].what);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_values_are_found),
        cmocka_unit_test(test_both_languages),
        cmocka_unit_test(test_invitations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
