/* See audience.h. */
#include "server/net/audience.h"

#include <sodium.h>

#define BUCKETS_FIRST 256
#define DEVICES_MAX   ((uint32_t)1 << 20)

bool audience_init(struct audience *a, const uint8_t hash_key[16])
{
    memset(a, 0, sizeof *a);
    ring_init(&a->everything.holders);
    memcpy(a->hash_key, hash_key, sizeof a->hash_key);
    a->buckets = calloc(BUCKETS_FIRST, sizeof *a->buckets);
    a->bucket_count = a->buckets != NULL ? BUCKETS_FIRST : 0;
    return a->buckets != NULL;
}

void audience_release(struct audience *a)
{
    for (size_t i = 0; i < a->bucket_count; i++) {
        for (struct crowd *c = a->buckets[i], *next; c != NULL; c = next) {
            next = c->next;
            assert(c->count == 0);
            free(c);
        }
    }
    free(a->buckets);
    free(a->devices);
    memset(a, 0, sizeof *a);
}

/* ---- by scope ---- */

static struct crowd **bucket_of(struct audience *a, const struct scope_id *scope)
{
    uint8_t hash[crypto_shorthash_BYTES];
    uint64_t h;
    static_assert(sizeof *scope == 17, "a scope is hashed as bytes");
    (void)crypto_shorthash(hash, (const uint8_t *)scope, sizeof *scope, a->hash_key);
    memcpy(&h, hash, sizeof h);
    return &a->buckets[h & (a->bucket_count - 1)];
}

/* Without memory for it the old buckets go on, with longer chains. */
static void grow(struct audience *a)
{
    struct audience wide = *a;
    wide.bucket_count = a->bucket_count * 2;
    wide.buckets = calloc(wide.bucket_count, sizeof *wide.buckets);
    if (wide.buckets == NULL) {
        return;
    }
    for (size_t i = 0; i < a->bucket_count; i++) {
        for (struct crowd *c = a->buckets[i], *next; c != NULL; c = next) {
            next = c->next;
            struct crowd **to = bucket_of(&wide, &c->scope);
            c->next = *to;
            *to = c;
        }
    }
    free(a->buckets);
    a->buckets = wide.buckets;
    a->bucket_count = wide.bucket_count;
}

/* A crowd stays once it was there: there are as many as the store has scopes. */
static struct crowd *crowd_of(struct audience *a, const struct scope_id *scope)
{
    for (struct crowd *c = *bucket_of(a, scope); c != NULL; c = c->next) {
        if (memcmp(&c->scope, scope, sizeof *scope) == 0) {
            return c;
        }
    }
    struct crowd *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    if (a->crowd_count >= a->bucket_count) {
        grow(a);
    }
    struct crowd **bucket = bucket_of(a, scope);
    ring_init(&c->holders);
    c->scope = *scope;
    c->next = *bucket;
    *bucket = c;
    a->crowd_count++;
    return c;
}

/* ---- by device ---- */

static bool make_room(struct audience *a, uint32_t number)
{
    if (number < a->device_room) {
        return true;
    }
    size_t room = (size_t)number * 2 + 64;
    struct listener **more =
        number >= DEVICES_MAX ? NULL : realloc(a->devices, room * sizeof *more);
    if (more == NULL) {
        return false;
    }
    memset(more + a->device_room, 0, (room - a->device_room) * sizeof *more);
    a->devices = more;
    a->device_room = room;
    return true;
}

bool audience_enter(struct audience *a, struct listener *l, struct listener **old)
{
    *old = NULL;
    if (!make_room(a, l->device_number)) {
        return false;
    }
    *old = a->devices[l->device_number];
    a->devices[l->device_number] = l;
    l->holdings = NULL;
    l->holding_count = 0;
    return true;
}

struct listener *audience_find(const struct audience *a, uint32_t device_number)
{
    return device_number < a->device_room ? a->devices[device_number] : NULL;
}

static void drop_holdings(struct listener *l)
{
    for (size_t i = 0; i < l->holding_count; i++) {
        ring_out(&l->holdings[i].link);
        l->holdings[i].crowd->count--;
    }
    free(l->holdings);
    l->holdings = NULL;
    l->holding_count = 0;
}

void audience_leave(struct audience *a, struct listener *l)
{
    drop_holdings(l);
    if (audience_find(a, l->device_number) == l) {
        a->devices[l->device_number] = NULL;
    }
}

/* ---- holding ---- */

/* What somebody who sees everything holds through the one crowd for it. */
static bool is_of_everything(const struct scope_id *scope)
{
    return scope->kind != SCOPE_COMPANY && scope->kind != SCOPE_PRIVATE &&
           scope->kind != SCOPE_TEAM;
}

static void note(struct holding *h, struct listener *l, struct crowd *crowd)
{
    h->crowd = crowd;
    h->who = l;
    ring_init(&h->link);
}

bool audience_hold(struct audience *a, struct listener *l, const struct scope_id *scopes,
                   size_t count, bool all)
{
    struct holding *holdings = calloc(count + 1, sizeof *holdings);
    if (holdings == NULL) {
        return false;
    }
    size_t held = 0;
    if (all) {
        note(&holdings[held++], l, &a->everything);
    }
    for (size_t i = 0; i < count; i++) {
        if (all && is_of_everything(&scopes[i])) {
            continue;
        }
        struct crowd *crowd = crowd_of(a, &scopes[i]);
        if (crowd == NULL) {
            free(holdings);
            return false;
        }
        note(&holdings[held++], l, crowd);
    }
    drop_holdings(l);
    l->holdings = holdings;
    l->holding_count = held;
    for (size_t i = 0; i < held; i++) {
        ring_put(&holdings[i].crowd->holders, &holdings[i].link);
        holdings[i].crowd->count++;
    }
    return true;
}

/* ---- touches ---- */

static void remember(struct touched *t, uint32_t author, uint64_t number)
{
    if (author != t->author) {
        t->other = t->last;
        t->author = author;
    }
    t->last = number;
}

static void tell_crowd(struct crowd *crowd, uint32_t author, uint64_t number, audience_tell tell,
                       void *context)
{
    remember(&crowd->touched, author, number);
    for (struct ring *r = crowd->holders.next; r != &crowd->holders; r = r->next) {
        struct listener *l = container_of(r, struct holding, link)->who;
        if (author == 0 || l->device_number != author) {
            tell(context, l, crowd->count);
        }
    }
}

bool audience_touch(struct audience *a, const struct scope_id *scope, uint32_t author,
                    uint64_t number, audience_tell tell, void *context)
{
    struct crowd *crowd = crowd_of(a, scope);
    if (crowd != NULL) {
        tell_crowd(crowd, author, number, tell, context);
    }
    if (is_of_everything(scope)) {
        tell_crowd(&a->everything, author, number, tell, context);
    }
    return crowd != NULL;
}

bool audience_missed(const struct listener *l, uint64_t since)
{
    for (size_t i = 0; i < l->holding_count; i++) {
        const struct touched *t = &l->holdings[i].crowd->touched;
        uint64_t last = t->author != 0 && t->author == l->device_number ? t->other : t->last;
        if (last > since) {
            return true;
        }
    }
    return false;
}
