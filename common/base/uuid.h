/* Row ids: UUID version 7 (RFC 9562), 16 bytes that rise with time. Made once, for life. */
#ifndef COMMON_BASE_UUID_H
#define COMMON_BASE_UUID_H

#include "common/base/base.h"

#define UUID_RANDOM_SIZE 10

/* `ms` is UTC and may come from a wrong clock: outside 48 bits it is taken for the nearest end. */
void uuid_v7(int64_t ms, const uint8_t random[UUID_RANDOM_SIZE], uint8_t id[16]);
/* The time in a version 7 id. */
int64_t uuid_ms(const uint8_t id[16]);

#endif
