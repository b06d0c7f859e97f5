/* Any three header values: no crash, and what is accepted is exactly one of our forms, so writing
 * it again gives the same bytes. The values stand in the input one behind the other, each ended by
 * a newline. */
#include "protocol/buf.h"
#include "protocol/signature.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bytes take_line(struct bytes *in)
{
    const uint8_t *end = in->size > 0 ? memchr(in->at, '\n', in->size) : NULL;
    size_t size = end != NULL ? (size_t)(end - in->at) : in->size;
    struct bytes line = bytes_of(in->at, size);
    size += end != NULL;
    *in = bytes_of(in->at + size, in->size - size);
    return line;
}

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t public_key[32] = {1};
    struct bytes in = bytes_of(data, size);
    struct bytes digest = take_line(&in);
    struct bytes input = take_line(&in);
    struct bytes signature = take_line(&in);
    struct signature_claim claim;
    if (!signature_parse(digest, input, signature, &claim)) {
        return 0;
    }
    struct buf again;
    buf_init(&again, 1024);
    buf_printf(&again, "s=(\"@method\" \"@path\"%s);created=%lld;keyid=\"%s\"",
               claim.covers_digest ? " \"content-digest\"" : "", (long long)claim.created_s,
               claim.keyid);
    must(bytes_equal(input, buf_bytes(&again)));
    must(strlen(claim.keyid) <= SIGNATURE_KEYID_MAX && claim.keyid[0] != 0);
    must(bytes_equal(bytes_text(claim.params), bytes_of(input.at + 2, input.size - 2)));
    must(!signature_verify(&claim, "POST", "/v1/sync", in, public_key)); /* nobody has that key */
    buf_release(&again);
    return 0;
}
