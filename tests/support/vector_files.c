/* Composes the vectors' files; see vector_files.h. */
#include "tests/support/vector_files.h"

#include "protocol/codec.h"
#include "protocol/signature.h"
#include "tests/support/message_json.h"
#include "tests/support/vector_set.h"

#include <sodium.h>
#include <stdio.h>

#define FILES_MAX      256
#define HEX_LINE_BYTES 40
#define FILE_BYTES_MAX ((size_t)4 * 1024 * 1024)

struct file_list {
    struct arena *arena;
    struct vector_file *files;
    size_t count;
    bool bad;
};

/* Takes what `content` holds, and empties it. */
static void add(struct file_list *list, const char *folder, const char *name, const char *ending,
                struct buf *content)
{
    struct buf path;
    buf_init(&path, 256);
    buf_printf(&path, "%s/%s.%s", folder, name, ending);
    struct bytes kept_path = arena_copy(list->arena, buf_bytes(&path));
    struct bytes kept = arena_copy(list->arena, buf_bytes(content));
    list->bad = list->bad || content->bad || path.bad || kept_path.at == NULL || kept.at == NULL ||
                list->count == FILES_MAX;
    if (!list->bad) {
        list->files[list->count++] =
            (struct vector_file){.name = (const char *)kept_path.at, .content = kept};
    }
    buf_release(&path);
    buf_clear(content);
}

static void put_hex_lines(struct buf *out, struct bytes bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        buf_printf(out, "%02x%s", bytes.at[i], (i + 1) % HEX_LINE_BYTES == 0 ? "\n" : "");
    }
    if (bytes.size % HEX_LINE_BYTES != 0 || bytes.size == 0) {
        buf_put_u8(out, '\n');
    }
}

static void add_message(struct file_list *list, const struct valid_vector *vector)
{
    struct message m = {0};
    struct buf bytes, text;
    buf_init(&bytes, MESSAGE_BYTES_MAX);
    buf_init(&text, FILE_BYTES_MAX);
    vector->make(list->arena, &m);
    list->bad = list->bad || message_encode(&m, &bytes) != WIRE_OK;
    put_hex_lines(&text, buf_bytes(&bytes));
    add(list, "valid", vector->name, "hex", &text);
    message_json(&m, &text);
    add(list, "valid", vector->name, "json", &text);
    buf_release(&bytes);
    buf_release(&text);
}

/* A transaction in row form; its JSON says the identity, too. */
static void add_transaction(struct file_list *list, const struct transaction *tx, size_t index)
{
    struct buf bytes, text;
    char name[48];
    uint8_t identity[32];
    buf_init(&bytes, TX_BYTES_MAX);
    buf_init(&text, FILE_BYTES_MAX);
    (void)snprintf(name, sizeof name, "transaction_%zu", index);
    list->bad = list->bad || transaction_encode(tx, &bytes) != WIRE_OK;
    put_hex_lines(&text, buf_bytes(&bytes));
    add(list, "identity", name, "hex", &text);
    transaction_identity(buf_bytes(&bytes), identity);
    buf_put_text(&text, "{\"identity\": \"");
    for (size_t i = 0; i < sizeof identity; i++) {
        buf_printf(&text, "%02x", identity[i]);
    }
    buf_put_text(&text, "\",\n\"transaction\": ");
    transaction_json(tx, true, &text);
    buf_put_text(&text, "}\n");
    add(list, "identity", name, "json", &text);
    buf_release(&bytes);
    buf_release(&text);
}

static void add_invalid(struct file_list *list, const struct invalid_vector *vector)
{
    struct buf bytes, text;
    buf_init(&bytes, FILE_BYTES_MAX);
    buf_init(&text, FILE_BYTES_MAX);
    list->bad = list->bad || !vector_unhex(bytes_text(vector->hex), &bytes);
    put_hex_lines(&text, buf_bytes(&bytes));
    add(list, "invalid", vector->name, "hex", &text);
    buf_printf(&text, "{\"code\": \"%s\", \"why\": \"%s\"}\n", vector->code, vector->why);
    add(list, "invalid", vector->name, "json", &text);
    buf_release(&bytes);
    buf_release(&text);
}

static void put_quoted(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, "\"%s\": \"", name);
    for (; *text != 0; text++) {
        buf_put_text(out, *text == '"' ? "\\" : "");
        buf_put_u8(out, (uint8_t)*text);
    }
    buf_put_text(out, "\",\n");
}

/* A signed request, made with the key that grows from 32 bytes of 01. */
static void add_signature(struct file_list *list)
{
    uint8_t seed[32], public_key[32], secret_key[64];
    char hex[65];
    struct signature_headers h;
    struct buf text;
    memset(seed, 1, sizeof seed);
    crypto_sign_seed_keypair(public_key, secret_key, seed);
    signature_make("POST", "/v1/sync", bytes_text("abc"), 1764000000, public_key, secret_key, &h);
    buf_init(&text, FILE_BYTES_MAX);
    buf_put_u8(&text, '{');
    put_quoted(&text, "seed", sodium_bin2hex(hex, sizeof hex, seed, sizeof seed));
    put_quoted(&text, "public_key", sodium_bin2hex(hex, sizeof hex, public_key, 32));
    put_quoted(&text, "method", "POST");
    put_quoted(&text, "path", "/v1/sync");
    put_quoted(&text, "body", "abc");
    put_quoted(&text, "content-digest", h.digest);
    put_quoted(&text, "signature-input", h.input);
    put_quoted(&text, "signature", h.signature);
    text.size -= 2;
    buf_put_text(&text, "}\n");
    add(list, "signature", "request", "json", &text);
    buf_release(&text);
}

const struct vector_file *vector_files(struct arena *arena, size_t *count)
{
    struct file_list list = {.arena = arena};
    struct batch batch;
    *count = 0;
    list.files = arena_array(arena, FILES_MAX, sizeof *list.files);
    if (list.files == NULL) {
        return NULL;
    }
    for (const struct valid_vector *v = valid_vectors; v->name != NULL; v++) {
        add_message(&list, v);
    }
    vector_transactions(arena, &batch);
    for (size_t i = 0; i < batch.count; i++) {
        add_transaction(&list, &batch.transactions[i], i + 1);
    }
    for (const struct invalid_vector *v = invalid_vectors; v->name != NULL; v++) {
        add_invalid(&list, v);
    }
    add_signature(&list);
    if (list.bad) {
        return NULL;
    }
    *count = list.count;
    return list.files;
}

static int digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool vector_unhex(struct bytes hex, struct buf *out)
{
    int high = -1;
    for (size_t i = 0; i < hex.size; i++) {
        if (hex.at[i] == ' ' || hex.at[i] == '\n') {
            continue;
        }
        int digit = digit_of(hex.at[i]);
        if (digit < 0) {
            return false;
        }
        if (high < 0) {
            high = digit;
        } else {
            buf_put_u8(out, (uint8_t)(high << 4 | digit));
            high = -1;
        }
    }
    return high < 0 && !out->bad;
}
