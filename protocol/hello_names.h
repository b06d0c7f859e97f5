/* What a hello needn't say (protocol 2): the key that signed it tells whose it is. The device's own
 * id is left out, and of the scopes that are the device's own of their kind (the firm; the person's
 * `user`, `private` and home book) the id. An id of zeros stands for what is left out. */
#ifndef PROTOCOL_HELLO_NAMES_H
#define PROTOCOL_HELLO_NAMES_H

#include "protocol/messages.h"

void hello_leave_out(struct hello *h, const uint8_t person[16]);
void hello_fill_in(struct hello *h, const uint8_t device[16], const uint8_t person[16],
                   const uint8_t company[16]);
/* An answer doesn't repeat the timeline's id that hello said. */
void answer_fill_in(struct answer *a, const struct timeline *said);
/* Whether it is of the timeline that hello said, if any. */
bool answer_is_of(const struct answer *a, const struct timeline *said);

#endif
