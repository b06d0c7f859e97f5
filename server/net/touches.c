/* See touches.h. */
#include "server/net/touches.h"

static_assert(sizeof(struct scope_id) == 17, "a scope is compared as bytes");

static int compare_scopes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct scope_id));
}

void touches_add(struct touches *t, const struct scope_id *scope, uint32_t author)
{
    t->ring[t->count++ % TOUCHES_MAX] = (struct touch){.scope = *scope, .author = author};
}

void touches_sort(struct scope_id *scopes, size_t count)
{
    qsort(scopes, count, sizeof *scopes, compare_scopes);
}

/* Whether every touch from `since` on is still there. A number not given yet comes from elsewhere.
 */
static bool remembers(const struct touches *t, uint64_t since)
{
    return since <= t->count && t->count - since <= TOUCHES_MAX;
}

bool touches_concern(const struct touches *t, uint64_t since, uint32_t device_number,
                     const struct scope_id *sorted, size_t count)
{
    if (!remembers(t, since)) {
        return true;
    }
    for (uint64_t n = since; n < t->count; n++) {
        const struct touch *touch = &t->ring[n % TOUCHES_MAX];
        bool own = touch->author != 0 && touch->author == device_number;
        if (!own && bsearch(&touch->scope, sorted, count, sizeof touch->scope, compare_scopes)) {
            return true;
        }
    }
    return false;
}

bool touches_have(const struct touches *t, uint64_t since, enum scope_kind kind)
{
    if (!remembers(t, since)) {
        return true;
    }
    for (uint64_t n = since; n < t->count; n++) {
        if (t->ring[n % TOUCHES_MAX].scope.kind == kind) {
            return true;
        }
    }
    return false;
}
