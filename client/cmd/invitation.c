/* See invitation.h. */
#include "client/cmd/invitation.h"

#include "common/catalogue/text.h"

#include <sodium.h>

/* The text up to the next comma; false where there is none and it isn't the last. */
static bool take_part(struct bytes *rest, bool last, struct bytes *part)
{
    const uint8_t *comma = rest->size > 0 ? memchr(rest->at, ',', rest->size) : NULL;
    if ((comma == NULL) != last) {
        return false;
    }
    size_t size = comma ? (size_t)(comma - rest->at) : rest->size;
    *part = bytes_of(rest->at, size);
    size_t used = comma ? size + 1 : size;
    *rest = bytes_of(rest->at + used, rest->size - used);
    return true;
}

static bool decode(struct bytes text, uint8_t *to, size_t size)
{
    size_t got = 0;
    const char *end = NULL;
    return sodium_base642bin(to, size, (const char *)text.at, text.size, NULL, &got, &end,
                             sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
           got == size && end == (const char *)text.at + text.size;
}

/* host:port with nothing that would lead a URL elsewhere. */
static bool is_address(struct bytes text)
{
    bool port = false;
    for (size_t i = 0; i < text.size; i++) {
        unsigned char byte = text.at[i];
        bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                     (byte >= '0' && byte <= '9') || strchr(".-:[]", byte) != NULL;
        if (!plain || byte == 0) {
            return false;
        }
        port = port || (byte == ':' && i > 0 && i + 1 < text.size);
    }
    return port;
}

bool invitation_parse(const char *text, struct invitation *out)
{
    struct bytes rest = text_trim(bytes_text(text));
    struct bytes kind, address, hash, secret;
    if (!take_part(&rest, false, &kind) || !bytes_equal(kind, bytes_text("lw1")) ||
        !take_part(&rest, false, &address) || !take_part(&rest, false, &hash) ||
        !take_part(&rest, true, &secret)) {
        return false;
    }
    if (!is_address(address) || address.size >= sizeof out->address) {
        return false;
    }
    memcpy(out->address, address.at, address.size);
    out->address[address.size] = 0;
    return decode(hash, out->ca_hash, sizeof out->ca_hash) &&
           decode(secret, out->secret, sizeof out->secret);
}
