/* Reading a request's headers: what is kept of them, and what refuses the request before its body
 * is read. Pure: no session, no clock. */
#ifndef SERVER_NET_REQUEST_H
#define SERVER_NET_REQUEST_H

#include "server/net/exchange.h"

/* What the limits count while headers come in. */
struct request_head {
    size_t fields, bytes;
    int64_t content_length; /* 0: not said */
    bool path_too_long;
    bool repeated; /* a field that may stand once stood twice */
};

struct refusal {
    int status;
    const char *code;
    int64_t limit;
};

/* One header field, in the order of arrival; pseudo-headers too. */
void request_header(struct request *r, struct request_head *head, struct bytes name,
                    struct bytes value);
/* Whether the body is worth reading. */
MUST_USE bool request_head_check(struct request *r, const struct request_head *head,
                                 struct refusal *out);

#endif
