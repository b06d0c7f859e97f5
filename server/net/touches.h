/* Which scopes moved lately, in order, each touch with a number; the oldest are forgotten. It
 * answers whether anything since a number concerns a device: who can't tell any more says yes.
 * Pure. */
#ifndef SERVER_NET_TOUCHES_H
#define SERVER_NET_TOUCHES_H

#include "common/base/base.h"
#include "protocol/messages.h"

#define TOUCHES_MAX 4096

struct touch {
    struct scope_id scope;
    uint32_t author; /* device number; 0: the server or another process */
};

struct touches {
    uint64_t count;                 /* ever; also the next number */
    struct touch ring[TOUCHES_MAX]; /* number n stands at n % TOUCHES_MAX */
};

void touches_add(struct touches *t, const struct scope_id *scope, uint32_t author);
/* The order that touches_concern wants a device's scopes in. */
void touches_sort(struct scope_id *scopes, size_t count);
/* Whether a touch from number `since` on, not by the device itself, is of one of its scopes. */
bool touches_concern(const struct touches *t, uint64_t since, uint32_t device_number,
                     const struct scope_id *sorted, size_t count);
/* Whether a scope of this kind was touched from number `since` on. */
bool touches_have(const struct touches *t, uint64_t since, enum scope_kind kind);

#endif
