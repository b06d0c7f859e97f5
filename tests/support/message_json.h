/* What a message says, as JSON that a person or another program can compare: field names of
 * protocol/messages.h, ids and bytes in hex, integers beyond 2^53 as strings. */
#ifndef TESTS_SUPPORT_MESSAGE_JSON_H
#define TESTS_SUPPORT_MESSAGE_JSON_H

#include "protocol/buf.h"
#include "protocol/messages.h"

void message_json(const struct message *m, struct buf *out);
void transaction_json(const struct transaction *tx, bool row_form, struct buf *out);

#endif
