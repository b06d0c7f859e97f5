/* Policies and sets; see merge.h. */
#include "common/changelog/merge.h"

#include <jansson.h>

static bool is_later(const struct merge_write *a, const struct merge_write *b)
{
    if (a->at_ms != b->at_ms) {
        return a->at_ms > b->at_ms;
    }
    return memcmp(a->device, b->device, sizeof a->device) > 0;
}

bool merge_takes_theirs(enum merge_policy policy, const struct merge_write *ours,
                        const struct merge_write *theirs)
{
    switch (policy) {
    case MERGE_LATEST:
    case MERGE_KEEP_BOTH: /* shown together until somebody dismisses the older */
        return is_later(theirs, ours);
    case MERGE_FIRST:
        return is_later(ours, theirs);
    case MERGE_FORWARD: /* a late draft can't reopen a submitted order */
        return theirs->rank != ours->rank ? theirs->rank > ours->rank : is_later(theirs, ours);
    case MERGE_SERVER:
        return theirs->by_server && (!ours->by_server || is_later(theirs, ours));
    case MERGE_UNION:
        break;
    }
    abort(); /* our own bug: sets are merged, not chosen */
}

/* Sets are JSON objects whose keys are the members: jansson keeps them distinct and sorts them. */
static json_t *set_read(const struct value *v)
{
    json_t *set = json_object();
    if (v->kind == VALUE_NULL || set == NULL) {
        return set;
    }
    json_t *array =
        v->kind == VALUE_TEXT ? json_loadb((const char *)v->b.at, v->b.size, 0, NULL) : NULL;
    bool good = json_is_array(array);
    for (size_t i = 0; good && i < json_array_size(array); i++) {
        const char *member = json_string_value(json_array_get(array, i));
        good = member != NULL && json_object_set_new(set, member, json_true()) == 0;
    }
    json_decref(array);
    if (!good) {
        json_decref(set);
        return NULL;
    }
    return set;
}

static void set_apply(json_t *before, json_t *after, json_t *set)
{
    const char *member;
    json_t *unused;
    json_object_foreach(before, member, unused)
    {
        if (json_object_get(after, member) == NULL) {
            (void)json_object_del(set, member); /* fails only where it is gone already */
        }
    }
    json_object_foreach(after, member, unused)
    {
        if (json_object_get(before, member) == NULL) {
            (void)json_object_set_new(set, member, json_true());
        }
    }
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b); /* UTF-8: by code point */
}

static bool set_write(json_t *set, struct arena *arena, struct value *out)
{
    size_t count = json_object_size(set);
    if (count == 0) {
        *out = value_null();
        return true;
    }
    const char **members = arena_array(arena, count, sizeof *members);
    json_t *array = json_array();
    if (members == NULL || array == NULL) {
        json_decref(array);
        return false;
    }
    size_t at = 0;
    const char *member;
    json_t *unused;
    json_object_foreach(set, member, unused)
    {
        members[at++] = member;
    }
    qsort(members, count, sizeof *members, by_bytes);
    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(array, json_string(members[i]));
    }
    char *text = json_array_size(array) == count ? json_dumps(array, JSON_COMPACT) : NULL;
    json_decref(array);
    struct bytes copy = text != NULL ? arena_copy(arena, bytes_text(text)) : bytes_of(NULL, 0);
    free(text);
    *out = value_text(copy);
    return copy.at != NULL;
}

bool merge_union(const struct value *before, const struct value *after, const struct value *current,
                 struct arena *arena, struct value *out)
{
    json_t *from = set_read(before);
    json_t *to = set_read(after);
    json_t *set = set_read(current);
    bool good = from != NULL && to != NULL && set != NULL;
    if (good) {
        set_apply(from, to, set);
        good = set_write(set, arena, out);
    }
    json_decref(from);
    json_decref(to);
    json_decref(set);
    return good;
}
