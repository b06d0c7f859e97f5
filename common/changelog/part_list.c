/* See part_list.h. */
#include "common/changelog/part_list.h"

#define ROOM_FIRST 256

void part_list_init(struct part_list *l)
{
    memset(l, 0, sizeof *l);
}

void part_list_release(struct part_list *l)
{
    free(l->rows);
    l->rows = NULL;
    l->count = 0;
    l->room = 0;
}

static bool make_room(struct part_list *l)
{
    if (l->count < l->room) {
        return true;
    }
    size_t room = l->room == 0 ? ROOM_FIRST : l->room * 2;
    struct part_row *rows = realloc(l->rows, room * sizeof *rows);
    if (rows == NULL) {
        return false;
    }
    l->rows = rows;
    l->room = room;
    return true;
}

struct err part_list_add(struct part_list *l, const struct contents_row *row)
{
    const struct digest_sum one = {.words = {row->words[0], row->words[1]}, .rows = 1};
    digest_join(&l->sums[row->id[15]], &one);
    if (!l->listed[row->id[15]]) {
        return err_ok();
    }
    if (l->count == PART_ROWS_MAX || !make_room(l)) {
        return err_make(l->count == PART_ROWS_MAX ? ERR_LIMIT : ERR_NOMEM, 0, "part_list_add");
    }
    struct part_row *to = &l->rows[l->count++];
    *to = (struct part_row){.seq = row->seq};
    memcpy(to->id, row->id, sizeof to->id);
    digest_sum_bytes(&one, to->sum);
    return err_ok();
}

int part_row_compare(const void *a, const void *b)
{
    const struct part_row *x = a;
    const struct part_row *y = b;
    return x->id[15] != y->id[15] ? x->id[15] - y->id[15] : memcmp(x->id, y->id, sizeof x->id);
}

void part_list_sort(struct part_list *l)
{
    if (l->count > 1) {
        qsort(l->rows, l->count, sizeof *l->rows, part_row_compare);
    }
}

struct reading {
    const struct contents *asked;
    struct part_list *list;
};

static uint64_t sees(void *context, const struct table *t, const struct stmt *st, int first)
{
    const struct reading *r = context;
    return r->asked->sees(r->asked->context, t, st, first);
}

static struct err each(void *context, const struct contents_row *row)
{
    const struct reading *r = context;
    return part_list_add(r->list, row);
}

struct err part_list_read(struct part_list *l, const struct contents *c, int64_t scope,
                          const struct table *t)
{
    struct reading reading = {.asked = c, .list = l};
    struct contents all = *c;
    all.sees = c->sees == NULL ? NULL : sees;
    all.each = each;
    all.context = &reading;
    struct err err = contents_scan(&all, scope, t);
    part_list_sort(l);
    return err;
}
