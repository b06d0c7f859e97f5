/* Who listens, found by device and by scope, so that a change costs as much as it has holders and
 * not as there are listeners.
 *
 *   scope ──► crowd ──► holding ⇄ holding ⇄ …      a listener has one holding for each of its
 * scopes device ──► listener ──► its holdings
 *
 * A crowd also remembers who touched its scope last: a listener that comes later asks whether it
 * missed anything. Who sees everything (an admin) stands in one crowd for all books and persons,
 * those to come included. Pure; one thread at a time. */
#ifndef SERVER_NET_AUDIENCE_H
#define SERVER_NET_AUDIENCE_H

#include "common/base/base.h"
#include "protocol/messages.h"
#include "server/net/ring.h"

/* The last touch, and the last one by anybody else: so each device can ask about others' alone. */
struct touched {
    uint64_t last, other; /* numbers of touches; 0: none */
    uint32_t author;      /* of `last`: a device's number; 0: the server or another process */
};

struct crowd {
    struct crowd *next; /* of the same bucket */
    struct ring holders;
    size_t count;
    struct touched touched;
    struct scope_id scope;
};

struct holding {
    struct ring link; /* of the crowd's holders */
    struct crowd *crowd;
    struct listener *who;
};

struct listener {
    uint32_t device_number;
    struct holding *holdings; /* the audience's */
    size_t holding_count;
};

struct audience {
    struct crowd **buckets;
    size_t bucket_count; /* a power of two */
    size_t crowd_count;
    struct crowd everything;
    struct listener **devices; /* by number */
    size_t device_room;
    uint8_t hash_key[16];
};

MUST_USE bool audience_init(struct audience *a, const uint8_t hash_key[16]); /* false: no memory */
void audience_release(struct audience *a); /* after everybody has left */

/* `l` comes in, holding nothing yet, in place of the listener that its device had, if any: `*old`
 * still holds what it held, until it leaves. False: no memory, or no such number. */
MUST_USE bool audience_enter(struct audience *a, struct listener *l, struct listener **old);
void audience_leave(struct audience *a, struct listener *l);
struct listener *audience_find(const struct audience *a, uint32_t device_number); /* or NULL */

/* What `l` holds from now on, each scope once. `all`: also every book, pool and person. False: no
 * memory, and it holds what it held. */
MUST_USE bool audience_hold(struct audience *a, struct listener *l, const struct scope_id *scopes,
                            size_t count, bool all);

/* `crowd`: how many hold this scope. */
typedef void (*audience_tell)(void *context, struct listener *l, size_t crowd);
/* Touch `number` (above all earlier ones) of a scope: tells each holder but the author. False: no
 * memory to remember it by; all that hold it were told. */
MUST_USE bool audience_touch(struct audience *a, const struct scope_id *scope, uint32_t author,
                             uint64_t number, audience_tell tell, void *context);
/* Whether anybody else touched one of its scopes after touch number `since`. */
bool audience_missed(const struct listener *l, uint64_t since);

#endif
