/* See uuid.h.  48 bits of milliseconds | 0111 | 12 random bits | 10 | 62 random bits */
#include "common/base/uuid.h"

#define MS_MAX ((INT64_C(1) << 48) - 1)

void uuid_v7(int64_t ms, const uint8_t random[UUID_RANDOM_SIZE], uint8_t id[16])
{
    ms = ms < 0 ? 0 : ms > MS_MAX ? MS_MAX : ms;
    for (int i = 0; i < 6; i++) {
        id[i] = (uint8_t)(ms >> (40 - 8 * i));
    }
    memcpy(id + 6, random, UUID_RANDOM_SIZE);
    id[6] = (uint8_t)(0x70 | (id[6] & 0x0f));
    id[8] = (uint8_t)(0x80 | (id[8] & 0x3f));
}

int64_t uuid_ms(const uint8_t id[16])
{
    int64_t ms = 0;
    for (int i = 0; i < 6; i++) {
        ms = ms << 8 | id[i];
    }
    return ms;
}
