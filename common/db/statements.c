/* See statements.h. */
#include "common/db/statements.h"

static uint64_t hash_text(const char *text)
{
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
    for (; *text != 0; text++) {
        hash = (hash ^ (uint8_t)*text) * UINT64_C(1099511628211);
    }
    return hash;
}

/* Two texts that are used in turn may share a slot: both stay in it. */
static struct near *near_slot(struct statements *s, const char *address)
{
    return s->near[((uintptr_t)address >> 3) % STATEMENT_NEAR];
}

static int *bucket_of(struct statements *s, uint64_t hash)
{
    return &s->buckets[hash % STATEMENT_BUCKETS];
}

static void make_empty(struct statements *s)
{
    s->kept_count = 0;
    memset(s->near, 0, sizeof s->near);
    for (size_t i = 0; i < STATEMENT_BUCKETS; i++) {
        s->buckets[i] = -1;
    }
}

void statements_init(struct statements *s, bool (*busy)(const void *handle),
                     void (*drop)(void *handle))
{
    s->busy = busy;
    s->drop = drop;
    make_empty(s);
}

void statements_release(struct statements *s)
{
    for (int i = 0; i < s->kept_count; i++) {
        if (s->kept[i].handle != NULL) {
            s->drop(s->kept[i].handle);
            free(s->kept[i].text);
        }
    }
    make_empty(s);
}

static struct kept *find_kept(struct statements *s, const char *sql, uint64_t *hash)
{
    const struct near *near = near_slot(s, sql);
    for (int i = 0; i < 2; i++) {
        struct kept *k = &s->kept[near[i].index];
        if (near[i].address == sql && k->handle != NULL && strcmp(k->text, sql) == 0) {
            return k;
        }
    }
    *hash = hash_text(sql);
    for (int i = *bucket_of(s, *hash); i >= 0; i = s->kept[i].next) {
        if (s->kept[i].hash == *hash && strcmp(s->kept[i].text, sql) == 0) {
            return &s->kept[i];
        }
    }
    return NULL;
}

static void note_use(struct statements *s, const char *sql, struct kept *k)
{
    k->last_use = ++s->uses;
    struct near *near = near_slot(s, sql);
    if (near[0].address != sql) {
        near[1] = near[0];
    }
    near[0] = (struct near){.address = sql, .index = (int)(k - s->kept)};
}

void *statements_find(struct statements *s, const char *sql, uint64_t *hash)
{
    struct kept *k = find_kept(s, sql, hash);
    if (k == NULL) {
        return NULL;
    }
    note_use(s, sql, k);
    return k->handle;
}

static void drop_kept(struct statements *s, int index)
{
    struct kept *k = &s->kept[index];
    int *link = bucket_of(s, k->hash);
    while (*link != index) {
        link = &s->kept[*link].next;
    }
    *link = k->next;
    s->drop(k->handle);
    free(k->text);
    *k = (struct kept){0};
}

/* A place for one more; -1 where every statement is being stepped just now. */
static int free_place(struct statements *s)
{
    if (s->kept_count < STATEMENTS_MAX) {
        return s->kept_count++;
    }
    int oldest = -1;
    for (int i = 0; i < STATEMENTS_MAX; i++) {
        if (s->kept[i].handle == NULL) {
            return i;
        }
        bool older = oldest < 0 || s->kept[i].last_use < s->kept[oldest].last_use;
        if (older && !s->busy(s->kept[i].handle)) {
            oldest = i;
        }
    }
    if (oldest >= 0) {
        drop_kept(s, oldest);
    }
    return oldest;
}

bool statements_put(struct statements *s, const char *sql, uint64_t hash, void *handle)
{
    char *text = strdup(sql);
    int index = text == NULL ? -1 : free_place(s);
    if (index < 0) {
        s->drop(handle);
        free(text);
        return false;
    }
    int *bucket = bucket_of(s, hash);
    s->kept[index] = (struct kept){.handle = handle, .text = text, .hash = hash, .next = *bucket};
    *bucket = index;
    note_use(s, sql, &s->kept[index]);
    return true;
}
