/* Names of messages, for logs. */
#include "protocol/messages.h"

const char *message_name(enum message_kind kind)
{
    switch (kind) {
    case MESSAGE_HELLO:
        return "hello";
    case MESSAGE_BATCH:
        return "batch";
    case MESSAGE_END:
        return "end";
    case MESSAGE_ANSWER:
        return "answer";
    case MESSAGE_VERDICTS:
        return "verdicts";
    case MESSAGE_SCOPE_ENTER:
        return "scope_enter";
    case MESSAGE_SCOPE_LEAVE:
        return "scope_leave";
    case MESSAGE_ROWS:
        return "rows";
    case MESSAGE_DEPARTURE:
        return "departure";
    case MESSAGE_CHECKPOINT:
        return "checkpoint";
    case MESSAGE_DIGEST:
        return "digest";
    case MESSAGE_FAULT:
        return "fault";
    case MESSAGE_HINT:
        return "hint";
    case MESSAGE_ENROL:
        return "enrol";
    case MESSAGE_ENROLLED:
        return "enrolled";
    case MESSAGE_OFFER:
        return "offer";
    case MESSAGE_WITNESS:
        return "witness";
    case MESSAGE_ASK:
        return "ask";
    case MESSAGE_PARTS:
        return "parts";
    case MESSAGE_WANT:
        return "want";
    }
    return "unknown";
}
