/* Lines of the ledger: what is written is read, and what a power failure cut is left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/changelog/server/store_ledger.h"

struct seen {
    size_t count;
    struct ledger_entry entries[8];
};

static struct err see(void *context, const struct ledger_entry *entry)
{
    struct seen *s = context;
    assert_true(s->count < count_of(s->entries));
    s->entries[s->count++] = *entry;
    return err_ok();
}

static const struct ledger_entry samples[] = {
    {.kind = LEDGER_KEY, .subject = {1, 2, 3}, .at_ms = 17},
    {.kind = LEDGER_REVOKED, .subject = {0xab, 0xcd}, .number = 7, .at_ms = 1764000000000},
    {.kind = LEDGER_USED, .subject = {9}, .number = -1, .at_ms = -5},
    {.kind = LEDGER_BACKUP, .subject = {[47] = 0xff}, .number = 3, .at_ms = 0},
    {.kind = LEDGER_CHAIN, .subject = {[15] = 4, [47] = 0xee}, .number = 12, .at_ms = 18},
};

static void write_all(struct buf *text)
{
    for (size_t i = 0; i < count_of(samples); i++) {
        ledger_entry_put(&samples[i], text);
    }
    assert_false(text->bad);
}

static void test_written_is_read(void **state)
{
    (void)state;
    struct buf text;
    struct seen seen = {.count = 0};
    size_t broken = 1;
    buf_init(&text, 4096);
    write_all(&text);
    assert_int_equal(ledger_entries(buf_bytes(&text), see, &seen, &broken).code, ERR_OK);
    assert_int_equal(seen.count, count_of(samples));
    assert_int_equal(broken, 0);
    for (size_t i = 0; i < count_of(samples); i++) {
        assert_int_equal(seen.entries[i].kind, samples[i].kind);
        assert_memory_equal(seen.entries[i].subject, samples[i].subject, 48);
        assert_true(seen.entries[i].number == samples[i].number);
        assert_true(seen.entries[i].at_ms == samples[i].at_ms);
    }
    buf_release(&text);
}

/* Cut anywhere, with or without a later line behind the cut: all whole lines are read. */
static void test_a_torn_line_tells_nothing(void **state)
{
    (void)state;
    struct buf text;
    struct buf torn;
    buf_init(&text, 4096);
    buf_init(&torn, 8192);
    write_all(&text);
    size_t last = text.size;
    while (text.at[last - 2] != '\n') {
        last--;
    }
    for (size_t cut = last; cut < text.size - 1; cut++) {
        struct seen seen = {.count = 0};
        size_t broken = 0;
        buf_clear(&torn);
        buf_put(&torn, bytes_of(text.at, cut));
        buf_put_u8(&torn, '\n');
        ledger_entry_put(&samples[1], &torn);
        assert_int_equal(ledger_entries(buf_bytes(&torn), see, &seen, &broken).code, ERR_OK);
        assert_int_equal(seen.count, count_of(samples));
        assert_int_equal(seen.entries[count_of(samples) - 1].kind, LEDGER_REVOKED);
        assert_int_equal(broken, cut > last - 1 + (text.at[last - 1] == '\n') ? 1 : 0);
    }
    buf_release(&torn);
    buf_release(&text);
}

static void test_any_changed_byte_is_noticed(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 4096);
    ledger_entry_put(&samples[1], &text);
    for (size_t at = 0; at < text.size - 1; at++) {
        struct seen seen = {.count = 0};
        size_t broken = 0;
        text.at[at] ^= 1;
        assert_int_equal(ledger_entries(buf_bytes(&text), see, &seen, &broken).code, ERR_OK);
        assert_int_equal(seen.count, 0);
        text.at[at] ^= 1;
    }
    buf_release(&text);
}

static void test_a_word_of_ours_is_bound_to_its_use(void **state)
{
    (void)state;
    const struct store_ledger ours = {.key = {1}};
    const struct store_ledger theirs = {.key = {2}};
    struct bytes content = bytes_text("content");
    uint8_t mac[LEDGER_MAC_SIZE];
    ledger_mac(&ours, "verdicts", content, mac);
    struct bytes said = bytes_of(mac, sizeof mac);
    assert_true(ledger_mac_fits(&ours, "verdicts", content, said));
    assert_false(ledger_mac_fits(&theirs, "verdicts", content, said));
    assert_false(ledger_mac_fits(&ours, "enrolled", content, said));
    assert_false(ledger_mac_fits(&ours, "verdicts", bytes_text("contenT"), said));
    assert_false(ledger_mac_fits(&ours, "verdicts", content, bytes_of(mac, sizeof mac - 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_is_read),
        cmocka_unit_test(test_a_torn_line_tells_nothing),
        cmocka_unit_test(test_any_changed_byte_is_noticed),
        cmocka_unit_test(test_a_word_of_ours_is_bound_to_its_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
