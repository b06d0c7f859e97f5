/* See request.h. */
#include "server/net/request.h"

#include "common/base/base.h"
#include "server/net/limits.h"

#define FIELD_OVERHEAD 32 /* RFC 9113 §6.5.2 counts it for each field */

/* Copies a value that may stand once. One that is too long can't be ours: "?" matches nothing. */
static void keep(char *to, size_t room, struct bytes value, bool *repeated)
{
    *repeated = *repeated || to[0] != 0;
    if (value.size >= room || memchr(value.at, 0, value.size) != NULL) {
        value = bytes_text("?");
    }
    memcpy(to, value.at, value.size);
    to[value.size] = 0;
}

static void keep_path(struct request *r, struct request_head *head, struct bytes path)
{
    head->path_too_long = path.size > PATH_BYTES_MAX;
    keep(r->path, sizeof r->path, path, &head->repeated); /* all of ours are short */
}

static int64_t parse_length(struct bytes value)
{
    int64_t n = 0;
    for (size_t i = 0; i < value.size; i++) {
        if (value.at[i] < '0' || value.at[i] > '9' || n > INT64_MAX / 10 - 1) {
            return INT64_MAX; /* nghttp2 refuses what isn't a number; the rest is too much */
        }
        n = n * 10 + (value.at[i] - '0');
    }
    return n;
}

static bool is(struct bytes name, const char *text)
{
    return bytes_equal(name, bytes_text(text));
}

void request_header(struct request *r, struct request_head *head, struct bytes name,
                    struct bytes value)
{
    head->fields++;
    head->bytes += name.size + value.size + FIELD_OVERHEAD;
    if (head->fields > HEADER_FIELDS_MAX || head->bytes > HEADER_BYTES_MAX) {
        head->path_too_long =
            head->path_too_long || (is(name, ":path") && value.size > PATH_BYTES_MAX);
        return;
    }
    if (is(name, ":path")) {
        keep_path(r, head, value);
    } else if (is(name, ":method")) {
        keep(r->method, sizeof r->method, value, &head->repeated);
    } else if (is(name, "content-type")) {
        keep(r->type, sizeof r->type, value, &head->repeated);
    } else if (is(name, "content-encoding")) {
        keep(r->encoding, sizeof r->encoding, value, &head->repeated);
    } else if (is(name, "content-length")) {
        head->content_length = parse_length(value);
    } else if (is(name, "content-digest")) {
        keep(r->digest, sizeof r->digest, value, &head->repeated);
    } else if (is(name, "signature-input")) {
        keep(r->signature_input, sizeof r->signature_input, value, &head->repeated);
    } else if (is(name, "signature")) {
        keep(r->signature, sizeof r->signature, value, &head->repeated);
    }
}

static bool no(struct refusal *out, int status, const char *code, int64_t limit)
{
    *out = (struct refusal){.status = status, .code = code, .limit = limit};
    return false;
}

bool request_head_check(struct request *r, const struct request_head *head, struct refusal *out)
{
    if (head->path_too_long) {
        return no(out, 414, "uri_too_long", PATH_BYTES_MAX);
    }
    if (head->fields > HEADER_FIELDS_MAX || head->bytes > HEADER_BYTES_MAX) {
        return no(out, 431, "headers_too_large", HEADER_BYTES_MAX);
    }
    bool known;
    r->route = route_of(r->method, r->path, &known);
    if (r->route == ROUTE_NONE) {
        return known ? no(out, 405, "method", 0) : no(out, 404, "not_found", 0);
    }
    const struct route_entry *entry = route_entry(r->route);
    if (head->repeated) {
        return no(out, 400, "malformed", 0);
    }
    if (head->content_length > (int64_t)entry->body_max) {
        return no(out, 413, "too_large", (int64_t)entry->body_max);
    }
    if (entry->body_max > 0 &&
        (strcmp(r->type, entry->type) != 0 || strcmp(r->encoding, entry->encoding) != 0)) {
        return no(out, 415, "unsupported", 0);
    }
    return true;
}
