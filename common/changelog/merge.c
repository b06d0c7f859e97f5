/* Policies and sets; see merge.h. */
#include "common/changelog/merge.h"

#include "common/base/json_read.h"

static bool is_later(const struct merge_write *a, const struct merge_write *b)
{
    if (planted(TIE_TO_THE_FIRST)) {
        return true;
    }
    if (a->at_ms != b->at_ms) {
        return (a->at_ms > b->at_ms) != planted(LATER_LOSES);
    }
    int devices = memcmp(a->device, b->device, sizeof a->device);
    if (devices != 0) {
        return devices > 0;
    }
    return a->epoch != b->epoch ? a->epoch > b->epoch : a->device_seq > b->device_seq;
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
        return theirs->rank != ours->rank && !planted(FORWARD_AS_LATEST) ? theirs->rank > ours->rank
                                                                         : is_later(theirs, ours);
    case MERGE_SERVER:
        return theirs->by_server && (!ours->by_server || is_later(theirs, ours));
    case MERGE_UNION:
        break;
    }
    abort(); /* our own bug: sets are merged, not chosen */
}

static struct err no_memory(void)
{
    return err_make(ERR_NOMEM, 0, "merge_union");
}

static bool set_put(json_t *set, const char *member)
{
    return json_object_set_new(set, member, json_true()) == 0;
}

/* Sets are JSON objects whose keys are the members: jansson keeps them distinct and sorts them. */
static struct err set_of_array(const json_t *array, json_t *set)
{
    if (!json_is_array(array)) {
        return err_make(ERR_INVALID, 0, "merge_union");
    }
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *member = json_string_value(json_array_get(array, i));
        if (member == NULL) {
            return err_make(ERR_INVALID, 0, "merge_union");
        }
        if (!set_put(set, member)) {
            return no_memory();
        }
    }
    return err_ok();
}

static struct err set_read(const struct value *v, json_t **out)
{
    *out = json_object();
    if (*out == NULL) {
        return no_memory();
    }
    if (v->kind == VALUE_NULL) {
        return err_ok();
    }
    json_t *array = NULL;
    struct err err = v->kind == VALUE_TEXT ? json_read(v->b, 0, &array)
                                           : err_make(ERR_INVALID, 0, "merge_union");
    if (err.code == ERR_OK) {
        err = set_of_array(array, *out);
    }
    json_decref(array);
    return err;
}

static bool set_apply(json_t *before, json_t *after, json_t *set)
{
    const char *member;
    json_t *unused;
    bool good = true;
    json_object_foreach(before, member, unused)
    {
        if (json_object_get(after, member) == NULL) {
            (void)json_object_del(set, member); /* fails only where it is gone already */
        }
    }
    json_object_foreach(after, member, unused)
    {
        good = (json_object_get(before, member) != NULL || set_put(set, member)) && good;
    }
    return good;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b); /* UTF-8: by code point */
}

static json_t *array_of(const char *const *members, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count && array != NULL; i++) {
        if (json_array_append_new(array, json_string(members[i])) != 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return array;
}

static struct err set_write(json_t *set, struct arena *arena, struct value *out)
{
    size_t count = json_object_size(set);
    *out = value_null();
    if (count == 0) {
        return err_ok();
    }
    const char **members = arena_array(arena, count, sizeof *members);
    if (members == NULL) {
        return err_make(arena->full ? ERR_LIMIT : ERR_NOMEM, 0, "merge_union");
    }
    size_t at = 0;
    const char *member;
    json_t *unused;
    json_object_foreach(set, member, unused)
    {
        members[at++] = member;
    }
    qsort(members, count, sizeof *members, by_bytes);
    json_t *array = array_of(members, count);
    char *text = array == NULL ? NULL : json_dumps(array, JSON_COMPACT);
    json_decref(array);
    struct bytes copy = text != NULL ? arena_copy(arena, bytes_text(text)) : bytes_of(NULL, 0);
    free(text);
    *out = value_text(copy);
    return copy.at != NULL ? err_ok() : err_make(arena->full ? ERR_LIMIT : ERR_NOMEM, 0, "union");
}

struct err merge_union(const struct value *before, const struct value *after,
                       const struct value *current, struct arena *arena, struct value *out)
{
    json_t *from = NULL;
    json_t *to = NULL;
    json_t *set = NULL;
    struct err err = set_read(before, &from);
    if (err.code == ERR_OK) {
        err = set_read(after, &to);
    }
    if (err.code == ERR_OK) {
        err = set_read(current, &set);
    }
    if (err.code == ERR_OK && !set_apply(from, to, set)) {
        err = no_memory();
    }
    if (err.code == ERR_OK) {
        err = set_write(set, arena, out);
    }
    json_decref(from);
    json_decref(to);
    json_decref(set);
    return err;
}
