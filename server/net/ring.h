/* Doubly linked rings whose links stand in their members: putting one in and taking it out cost the
 * same however long the ring is, and nothing is allocated. A head is a link of its own; a member
 * that is in no ring points at itself. */
#ifndef SERVER_NET_RING_H
#define SERVER_NET_RING_H

#include <stdbool.h>

struct ring {
    struct ring *next, *prev;
};

static inline void ring_init(struct ring *r)
{
    r->next = r->prev = r;
}
/* Of a head: it has no members. Of a member: it is in no ring. */
static inline bool ring_is_alone(const struct ring *r)
{
    return r->next == r;
}
static inline void ring_out(struct ring *member)
{
    member->prev->next = member->next;
    member->next->prev = member->prev;
    ring_init(member);
}
/* As the last; leaves the ring that it was in. */
static inline void ring_put(struct ring *head, struct ring *member)
{
    ring_out(member);
    member->next = head;
    member->prev = head->prev;
    head->prev->next = member;
    head->prev = member;
}
/* All members of `from` come behind those of `to`. */
static inline void ring_move(struct ring *to, struct ring *from)
{
    if (!ring_is_alone(from)) {
        from->next->prev = to->prev;
        from->prev->next = to;
        to->prev->next = from->next;
        to->prev = from->prev;
        ring_init(from);
    }
}

#endif
