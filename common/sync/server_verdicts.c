/* See server_verdicts.h. */
#include "common/sync/server_verdicts.h"

#define VERDICTS_PER_MESSAGE 500
#define VERDICTS_BYTES       ((size_t)2 * 1024 * 1024) /* of one message, far below its limit */
#define ARENA_BYTES_MAX      ((size_t)128 * 1024 * 1024)

struct telling {
    struct packer *packer;
    struct buf *out;
    struct verdict verdicts[VERDICTS_PER_MESSAGE];
    size_t count;
    size_t size; /* about */
};

static struct err tell_now(struct telling *t)
{
    const struct message m = {.kind = MESSAGE_VERDICTS,
                              .verdicts = {.count = t->count, .verdicts = t->verdicts}};
    bool packed = t->count == 0 || packer_put(t->packer, &m, t->out) == WIRE_OK;
    t->count = 0;
    t->size = 0;
    return packed ? err_ok() : err_make(ERR_LIMIT, 0, "server_verdicts");
}

static size_t size_of(const struct verdict *v)
{
    size_t size = 64;
    for (size_t i = 0; i < v->row_count; i++) {
        size += 64;
        for (size_t k = 0; k < v->rows[i].unseen_count; k++) {
            const struct value *value = &v->rows[i].unseen[k].value;
            size += 16 + (value->kind >= VALUE_TEXT ? value->b.size : 0);
        }
    }
    for (size_t i = 0; i < v->loser_count; i++) {
        const struct loser *l = &v->losers[i];
        size += 128 + (l->kept.kind >= VALUE_TEXT ? l->kept.b.size : 0) +
                (l->winner.kind >= VALUE_TEXT ? l->winner.b.size : 0);
    }
    return size;
}

static struct err tell(void *context, const struct verdict *v)
{
    struct telling *t = context;
    size_t size = size_of(v);
    struct err err = err_ok();
    if (t->count == VERDICTS_PER_MESSAGE || (t->count > 0 && t->size + size > VERDICTS_BYTES)) {
        err = tell_now(t);
    }
    t->verdicts[t->count++] = *v;
    t->size += size;
    return err;
}

struct err server_verdicts_put(struct store *st, uint32_t device, uint32_t epoch, uint64_t after,
                               struct packer *packer, struct buf *out)
{
    struct telling *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return err_make(ERR_NOMEM, 0, "server_verdicts");
    }
    t->packer = packer;
    t->out = out;
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    struct err err = verdicts_each(st, device, epoch, after, &arena, tell, t);
    if (err.code == ERR_OK) {
        err = tell_now(t);
    }
    arena_release(&arena);
    free(t);
    return err;
}
