/* What a test needs to speak to the server without a client: keys, signatures, bodies, and a reader
 * of answers. Each command reads and writes plain files or stdout.
 *
 *   wire_tool enrol CODE KEYFILE > body      makes a key, writes the ENROL message
 *   wire_tool hello STATE > body     STATE: what `read` printed of ENROLLED
 *   wire_tool sign KEYFILE METHOD PATH BODY CREATED_S     header lines; BODY "" = none
 *   wire_tool pack < plain > body            zstd of anything
 *   wire_tool zeros SIZE > body              zstd of SIZE zero bytes
 *   wire_tool read < answer                  a JSON line for each message, zstd or not
 */
#include "common/base/base.h"

#include <sodium.h>
#include <unistd.h>
#include <zstd.h>

#include "protocol/codec.h"
#include "protocol/signature.h"

#define FILE_BYTES_MAX  ((size_t)512 * 1024 * 1024)
#define ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)

static void fail(const char *why)
{
    (void)fprintf(stderr, "wire_tool: %s\n", why);
    exit(1);
}

static struct buf read_all(FILE *from)
{
    struct buf b;
    uint8_t piece[65536];
    buf_init(&b, FILE_BYTES_MAX);
    if (from == NULL) {
        fail("a file can't be opened");
    }
    for (size_t n; (n = fread(piece, 1, sizeof piece, from)) > 0;) {
        buf_put(&b, bytes_of(piece, n));
    }
    return b;
}

static void write_out(const struct buf *b)
{
    if (b->bad || fwrite(b->at, 1, b->size, stdout) != b->size || fflush(stdout) != 0) {
        fail("can't write");
    }
}

static void unhex(const char *text, uint8_t *to, size_t size)
{
    size_t got;
    if (sodium_hex2bin(to, size, text, strlen(text), NULL, &got, NULL) != 0 || got != size) {
        fail("not hex of the size wanted");
    }
}

static void print_hex(const char *name, const uint8_t *at, size_t size)
{
    (void)printf("\"%s\":\"", name);
    for (size_t i = 0; i < size; i++) {
        (void)printf("%02x", at[i]);
    }
    (void)printf("\",");
}

static int cmd_enrol(char **args)
{
    uint8_t secret_key[64];
    struct message m = {.kind = MESSAGE_ENROL,
                        .enrol = {.name = bytes_text("wire"), .app = bytes_text("wire_tool")}};
    const char *secret = strrchr(args[0], ',');
    size_t size;
    if (secret == NULL ||
        sodium_base642bin(m.enrol.secret, sizeof m.enrol.secret, secret + 1, strlen(secret + 1),
                          NULL, &size, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0) {
        fail("not an invitation");
    }
    (void)crypto_sign_keypair(m.enrol.public_key, secret_key);
    FILE *f = fopen(args[1], "wb");
    if (f == NULL || fwrite(secret_key, 1, sizeof secret_key, f) != sizeof secret_key ||
        fclose(f) != 0) {
        fail("can't write the key");
    }
    struct buf out;
    buf_init(&out, FILE_BYTES_MAX);
    if (message_encode(&m, &out) != WIRE_OK) {
        fail("can't encode");
    }
    write_out(&out);
    buf_release(&out);
    return 0;
}

/* STATE: device:epoch:token:timeline:timeline_id, as `read` prints under "state". */
static void parse_state(char *text, struct hello *h)
{
    char *part[5];
    size_t n = 0;
    for (char *at = text; at != NULL && n < 5; n++) {
        part[n] = at;
        at = strchr(at, ':');
        if (at != NULL) {
            *at++ = 0;
        }
    }
    if (n != 5) {
        fail("not a state");
    }
    unhex(part[0], h->device, sizeof h->device);
    h->epoch = (uint32_t)strtoul(part[1], NULL, 10);
    unhex(part[2], h->token, sizeof h->token);
    h->timeline.counter = (uint32_t)strtoul(part[3], NULL, 10);
    unhex(part[4], h->timeline.id, sizeof h->timeline.id);
}

static int cmd_hello(char **args)
{
    struct message hello = {.kind = MESSAGE_HELLO,
                            .hello = {.protocol = PROTOCOL_VERSION, .catalogue = 1}};
    struct message end = {.kind = MESSAGE_END};
    parse_state(args[0], &hello.hello);
    hello.hello.wall_ms = (int64_t)time(NULL) * 1000;
    struct packer *p = packer_new(3);
    struct buf out;
    buf_init(&out, FILE_BYTES_MAX);
    if (p == NULL || packer_put(p, &hello, &out) != WIRE_OK ||
        packer_put(p, &end, &out) != WIRE_OK || packer_end(p, &out) != WIRE_OK) {
        fail("can't encode");
    }
    write_out(&out);
    buf_release(&out);
    packer_free(p);
    return 0;
}

static int cmd_sign(char **args)
{
    struct buf key = read_all(fopen(args[0], "rb"));
    struct buf body = {0};
    struct signature_headers h;
    uint8_t public_key[32];
    if (key.size != 64) {
        fail("not a key");
    }
    if (args[3][0] != 0) {
        body = read_all(fopen(args[3], "rb"));
    }
    (void)crypto_sign_ed25519_sk_to_pk(public_key, key.at);
    signature_make(args[1], args[2], buf_bytes(&body), strtoll(args[4], NULL, 10), public_key,
                   key.at, &h);
    if (h.digest[0] != 0) {
        (void)printf("content-digest: %s\n", h.digest);
    }
    (void)printf("signature-input: %s\nsignature: %s\n", h.input, h.signature);
    buf_release(&key);
    buf_release(&body);
    return 0;
}

static int compress(struct bytes plain)
{
    struct buf out;
    buf_init(&out, FILE_BYTES_MAX);
    uint8_t *to = buf_reserve(&out, ZSTD_compressBound(plain.size));
    if (to == NULL) {
        fail("too large");
    }
    out.size = ZSTD_compress(to, out.room, plain.at, plain.size, 3);
    if (ZSTD_isError(out.size)) {
        fail("zstd");
    }
    write_out(&out);
    buf_release(&out);
    return 0;
}

static int cmd_pack(char **args)
{
    (void)args;
    struct buf plain = read_all(stdin);
    int status = compress(buf_bytes(&plain));
    buf_release(&plain);
    return status;
}

static int cmd_zeros(char **args)
{
    size_t size = (size_t)strtoull(args[0], NULL, 10);
    void *zeros = calloc(1, size);
    int status = zeros == NULL ? 1 : compress(bytes_of(zeros, size));
    free(zeros);
    return status;
}

static void print_message(const struct message *m)
{
    (void)printf("{\"kind\":\"%s\",", message_name(m->kind));
    if (m->kind == MESSAGE_FAULT) {
        (void)printf("\"code\":\"%s\",\"limit\":%" PRId64 ",", m->fault.code, m->fault.limit);
    } else if (m->kind == MESSAGE_ANSWER) {
        (void)printf("\"status\":%u,\"epoch\":%u,", m->answer.status, m->answer.epoch);
        print_hex("token", m->answer.token, sizeof m->answer.token);
    } else if (m->kind == MESSAGE_HINT) {
        (void)printf("\"advanced\":%s,", m->hint.advanced ? "true" : "false");
    } else if (m->kind == MESSAGE_ROWS) {
        (void)printf("\"rows\":%zu,", m->rows.count);
    } else if (m->kind == MESSAGE_ENROLLED) {
        const struct enrolled *e = &m->enrolled;
        char device[33], token[33], timeline[33];
        (void)sodium_bin2hex(device, sizeof device, e->device, sizeof e->device);
        (void)sodium_bin2hex(token, sizeof token, e->token, sizeof e->token);
        (void)sodium_bin2hex(timeline, sizeof timeline, e->timeline.id, sizeof e->timeline.id);
        (void)printf("\"number\":%u,\"state\":\"%s:%u:%s:%u:%s\",", e->device_number, device,
                     e->epoch, token, e->timeline.counter, timeline);
    }
    (void)printf("\"end\":0}\n");
}

static struct buf unpacked(struct buf in)
{
    static const uint8_t magic[4] = {0x28, 0xb5, 0x2f, 0xfd};
    if (in.size < 4 || memcmp(in.at, magic, sizeof magic) != 0) {
        return in;
    }
    struct buf plain;
    buf_init(&plain, FILE_BYTES_MAX);
    ZSTD_DStream *d = ZSTD_createDStream();
    ZSTD_inBuffer from = {in.at, in.size, 0};
    for (size_t more = 1; d != NULL && more != 0 && from.pos <= from.size;) {
        uint8_t *to = buf_reserve(&plain, 65536);
        ZSTD_outBuffer piece = {to, 65536, 0};
        more = to == NULL ? 0 : ZSTD_decompressStream(d, &piece, &from);
        if (ZSTD_isError(more) || (piece.pos == 0 && from.pos == from.size && more != 0)) {
            fail("a broken zstd frame");
        }
        plain.size += piece.pos;
    }
    (void)ZSTD_freeDStream(d);
    buf_release(&in);
    return plain;
}

static int cmd_read(char **args)
{
    (void)args;
    struct buf in = unpacked(read_all(stdin));
    struct bytes left = buf_bytes(&in);
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    while (left.size > 0) {
        struct message m;
        size_t used;
        arena_clear(&arena);
        if (message_decode(left, &arena, &m, &used) != WIRE_OK) {
            fail("not a message");
        }
        print_message(&m);
        left = bytes_of(left.at + used, left.size - used);
    }
    arena_release(&arena);
    buf_release(&in);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int args;
        int (*run)(char **args);
    } commands[] = {{"enrol", 2, cmd_enrol}, {"hello", 1, cmd_hello}, {"sign", 5, cmd_sign},
                    {"pack", 0, cmd_pack},   {"zeros", 1, cmd_zeros}, {"read", 0, cmd_read}};
    if (sodium_init() < 0) {
        fail("no randomness");
    }
    for (size_t i = 0; argc > 1 && i < count_of(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0 && argc - 2 == commands[i].args) {
            return commands[i].run(argv + 2);
        }
    }
    fail("see the top of wire_tool.c");
    return 2;
}
