/* The oracle's memory at some moment, to which a restore of that moment's backup takes it back.
 * What has been judged since then hasn't been; devices bring it again, and it is judged like
 * anything new. */
#include "tests/sim/engine/oracle_internal.h"

struct oracle_fork {
    struct oracle at; /* its arena is the living oracle's */
};

static struct oracle_row *copy_row(struct arena *arena, const struct oracle_row *row)
{
    size_t room = (size_t)row->table->columns[row->table->column_count - 1].number + 1;
    struct oracle_row *copy = arena_alloc(arena, sizeof *copy);
    if (copy == NULL) {
        abort();
    }
    *copy = *row;
    copy->values = arena_array(arena, room, sizeof *copy->values);
    copy->versions = arena_array(arena, room, sizeof *copy->versions);
    if (copy->values == NULL || copy->versions == NULL) {
        abort();
    }
    memcpy(copy->values, row->values, room * sizeof *copy->values);
    memcpy(copy->versions, row->versions, room * sizeof *copy->versions);
    return copy;
}

/* Values are never changed in place, so copies may share them. */
static void copy_rows(struct arena *arena, struct oracle *to)
{
    for (size_t i = 0; i < to->row_count; i++) {
        to->rows[i] = copy_row(arena, to->rows[i]);
    }
}

struct oracle_fork *oracle_fork(struct oracle *o)
{
    struct oracle_fork *f = malloc(sizeof *f);
    if (f == NULL) {
        abort();
    }
    f->at = *o;
    copy_rows(&o->arena, &f->at);
    return f;
}

void oracle_fork_free(struct oracle_fork *f)
{
    free(f);
}

bool oracle_fork_has(const struct oracle_fork *f, uint32_t device, const uint8_t identity[32])
{
    return oracle_judged_as(&f->at, device, identity) != NULL;
}

const struct oracle_judged *oracle_judged_as(const struct oracle *o, uint32_t device,
                                             const uint8_t identity[32])
{
    for (size_t i = o->judged_count; i > 0; i--) {
        const struct oracle_judged *j = &o->judged[i - 1];
        if (j->device == device && memcmp(j->identity, identity, 32) == 0) {
            return j;
        }
    }
    return NULL;
}

void oracle_return(struct oracle *o, const struct oracle_fork *f, uint32_t timeline, int64_t start)
{
    struct arena arena = o->arena;
    int64_t commit = o->commit;
    *o = f->at;
    o->arena = arena;
    o->commit = commit + 1; /* places are told by it: it never goes back */
    o->start = start;
    o->timelines |= UINT64_C(1) << timeline;
    copy_rows(&o->arena, o);
    for (size_t i = 0; i < o->head_count; i++) {
        oracle_raise(o, &o->heads[i].scope, start);
    }
}
