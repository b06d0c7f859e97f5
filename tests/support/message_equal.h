/* Whether two messages say the same, field by field; independent of the codec. */
#ifndef TESTS_SUPPORT_MESSAGE_EQUAL_H
#define TESTS_SUPPORT_MESSAGE_EQUAL_H

#include "protocol/messages.h"

bool message_equal(const struct message *a, const struct message *b);

#endif
