/* Any bytes as a courier file, and any bytes as what a good one holds: no crash, nothing beyond the
 * limits, and what is written again from a file that was taken reads as the same. The first byte
 * says which: 'f' a file, 'r' requests. */
#include "common/sync/courier.h"
#include "common/sync/server_request.h"

#include <sodium.h>
#include <stdlib.h>

#define ARENA_MAX ((size_t)64 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t server_secret[32] = {7};

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void read_requests(struct bytes in)
{
    struct bytes request;
    while (courier_next(&in, &request)) {
        struct server_request read;
        struct server_refusal why;
        struct arena arena;
        arena_init(&arena, ARENA_MAX);
        struct err err = server_request_read(request, &arena, &read, &why);
        must(err.code == ERR_OK || why.status >= 400);
        arena_release(&arena);
    }
}

static void read_file(struct bytes in)
{
    struct courier_file file;
    struct buf requests;
    if (courier_read(in, &file) != COURIER_OK) {
        return;
    }
    must(file.sealed.size < in.size);
    buf_init(&requests, COURIER_BYTES_MAX);
    if (courier_open(&file, server_secret, &requests) == COURIER_OK) {
        read_requests(buf_bytes(&requests));
    }
    buf_release(&requests);
}

/* What is in a file that was written here comes out of it. */
static void write_and_read(struct bytes requests)
{
    uint8_t server_key[32], public_key[32], secret_key[64];
    static const uint8_t seed[32] = {3};
    struct courier_head head = {.epoch = 9, .made_ms = 1764000000000};
    struct courier_file file;
    struct buf written, opened;
    buf_init(&written, 2 * COURIER_BYTES_MAX);
    buf_init(&opened, COURIER_BYTES_MAX);
    must(crypto_scalarmult_base(server_key, server_secret) == 0);
    (void)crypto_sign_seed_keypair(public_key, secret_key, seed);
    must(courier_write(&head, requests, server_key, secret_key, &written).code == ERR_OK);
    must(courier_read(buf_bytes(&written), &file) == COURIER_OK && file.head.epoch == 9);
    must(courier_open(&file, server_secret, &opened) == COURIER_OK);
    must(bytes_equal(buf_bytes(&opened), requests));
    buf_release(&written);
    buf_release(&opened);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == 'f') {
        read_file(bytes_of(data + 1, size - 1));
    } else if (size > 0 && data[0] == 'r') {
        read_requests(bytes_of(data + 1, size - 1));
        write_and_read(bytes_of(data + 1, size - 1));
    }
    return 0;
}
