/* See counters.h. */
#include "server/net/counters.h"

#include "common/base/base.h"

enum counted_status counted_status(int status)
{
    static const int statuses[] = {
#define X(n) [COUNTED_##n] = (n),
        COUNTED_STATUSES(X)
#undef X
    };
    for (size_t i = 0; i < count_of(statuses); i++) {
        if (statuses[i] == status) {
            return (enum counted_status)i;
        }
    }
    return COUNTED_OTHER;
}
