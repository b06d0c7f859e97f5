/* See store_ledger.h. */
#include "common/changelog/server/store_ledger.h"

#include "protocol/buf.h"

#include <sodium.h>

#define SUM_SIZE 4 /* of a line's SHA-256: tells a torn line, nothing more */

static const struct {
    const char *word;
    size_t size;
} kinds[] = {
#define X(name, word, size) {word, size},
    LEDGER_KINDS(X)
#undef X
};

static void sum_of(struct bytes line, uint8_t sum[SUM_SIZE])
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    (void)crypto_hash_sha256(hash, line.at, line.size);
    memcpy(sum, hash, SUM_SIZE);
}

static void put_hex(struct buf *out, const uint8_t *at, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        buf_printf(out, "%02x", at[i]);
    }
}

void ledger_entry_put(const struct ledger_entry *entry, struct buf *out)
{
    size_t start = out->size;
    uint8_t sum[SUM_SIZE] = {0};
    buf_printf(out, "%s ", kinds[entry->kind].word);
    put_hex(out, entry->subject, kinds[entry->kind].size);
    buf_printf(out, " %" PRId64 " %" PRId64 " #", entry->number, entry->at_ms);
    if (!out->bad) {
        sum_of(bytes_of(out->at + start, out->size - start), sum);
    }
    put_hex(out, sum, sizeof sum);
    buf_put_u8(out, '\n');
}

/* ---- reading ---- */

/* The word up to a blank (or the end); `*line` goes on behind it. */
static struct bytes take_word(struct bytes *line)
{
    const uint8_t *blank = line->size == 0 ? NULL : memchr(line->at, ' ', line->size);
    size_t size = blank == NULL ? line->size : (size_t)(blank - line->at);
    struct bytes word = bytes_of(line->at, size);
    size_t used = blank == NULL ? size : size + 1;
    *line = bytes_of(line->at + used, line->size - used);
    return word;
}

static bool take_hex(struct bytes word, uint8_t *out, size_t size)
{
    size_t made = 0;
    return word.size == size * 2 &&
           sodium_hex2bin(out, size, (const char *)word.at, word.size, NULL, &made, NULL) == 0 &&
           made == size;
}

static bool take_int(struct bytes word, int64_t *out)
{
    char text[24];
    char *end = text;
    if (word.size == 0 || word.size >= sizeof text) {
        return false;
    }
    memcpy(text, word.at, word.size);
    text[word.size] = 0;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && *end == 0;
}

static bool parse_line(struct bytes line, struct ledger_entry *out)
{
    const uint8_t *mark = line.size == 0 ? NULL : memchr(line.at, '#', line.size);
    uint8_t said[SUM_SIZE];
    uint8_t sum[SUM_SIZE];
    if (mark == NULL) {
        return false;
    }
    size_t head = (size_t)(mark - line.at) + 1;
    sum_of(bytes_of(line.at, head), sum);
    if (!take_hex(bytes_of(line.at + head, line.size - head), said, sizeof said) ||
        memcmp(sum, said, sizeof sum) != 0) {
        return false;
    }
    *out = (struct ledger_entry){.at_ms = 0};
    struct bytes word = take_word(&line);
    for (size_t i = 0; i < count_of(kinds); i++) {
        if (bytes_equal(word, bytes_text(kinds[i].word))) {
            out->kind = (enum ledger_kind)i;
            return take_hex(take_word(&line), out->subject, kinds[i].size) &&
                   take_int(take_word(&line), &out->number) &&
                   take_int(take_word(&line), &out->at_ms);
        }
    }
    return false; /* of a newer program: what it means isn't known here */
}

struct err ledger_entries(struct bytes text,
                          struct err (*each)(void *context, const struct ledger_entry *entry),
                          void *context, size_t *broken)
{
    struct err err = err_ok();
    *broken = 0;
    while (text.size > 0 && err.code == ERR_OK) {
        struct ledger_entry entry;
        const uint8_t *end = memchr(text.at, '\n', text.size);
        size_t size = end == NULL ? text.size : (size_t)(end - text.at);
        if (size > 0 && parse_line(bytes_of(text.at, size), &entry)) {
            err = each(context, &entry);
        } else if (size > 0) {
            (*broken)++;
        }
        size += end == NULL ? 0 : 1;
        text = bytes_of(text.at + size, text.size - size);
    }
    return err;
}

/* ---- the key ---- */

void ledger_mac(const struct store_ledger *ledger, const char *about, struct bytes content,
                uint8_t out[LEDGER_MAC_SIZE])
{
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, ledger->key, sizeof ledger->key, LEDGER_MAC_SIZE);
    (void)crypto_generichash_update(&state, (const uint8_t *)about, strlen(about) + 1);
    (void)crypto_generichash_update(&state, content.at, content.size);
    (void)crypto_generichash_final(&state, out, LEDGER_MAC_SIZE);
}

bool ledger_mac_fits(const struct store_ledger *ledger, const char *about, struct bytes content,
                     struct bytes mac)
{
    uint8_t right[LEDGER_MAC_SIZE];
    if (mac.size != sizeof right) {
        return false;
    }
    ledger_mac(ledger, about, content, right);
    return sodium_memcmp(right, mac.at, sizeof right) == 0;
}
