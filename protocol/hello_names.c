/* See hello_names.h. */
#include "protocol/hello_names.h"

#include <string.h>

static const uint8_t nobody[16];

void hello_leave_out(struct hello *h, const uint8_t person[16])
{
    memset(h->device, 0, sizeof h->device);
    for (size_t i = 0; i < h->cursor_count; i++) {
        struct scope_id *scope = &h->cursors[i].scope;
        bool own = scope->kind == SCOPE_COMPANY || memcmp(scope->id, person, 16) == 0;
        if (own) {
            memset(scope->id, 0, sizeof scope->id);
        }
    }
}

void hello_fill_in(struct hello *h, const uint8_t device[16], const uint8_t person[16],
                   const uint8_t company[16])
{
    if (memcmp(h->device, nobody, sizeof h->device) == 0) {
        memcpy(h->device, device, sizeof h->device);
    }
    for (size_t i = 0; i < h->cursor_count; i++) {
        struct scope_id *scope = &h->cursors[i].scope;
        if (memcmp(scope->id, nobody, sizeof scope->id) == 0) {
            memcpy(scope->id, scope->kind == SCOPE_COMPANY ? company : person, sizeof scope->id);
        }
    }
}

void answer_fill_in(struct answer *a, const struct timeline *said)
{
    struct timeline *t = &a->timeline;
    if (t->counter == said->counter && memcmp(t->id, nobody, sizeof t->id) == 0) {
        *t = *said;
    }
}

bool answer_is_of(const struct answer *a, const struct timeline *said)
{
    return said->counter == 0 || (said->counter == a->timeline.counter &&
                                  memcmp(said->id, a->timeline.id, sizeof said->id) == 0);
}
