/* See server_verdicts.h. */
#include "common/sync/server_verdicts.h"

#include "common/changelog/server/reoffer.h"
#include "common/changelog/server/verdict_sight.h"

#define VERDICTS_PER_MESSAGE 500
#define VERDICTS_BYTES       ((size_t)2 * 1024 * 1024) /* of one message, far below its limit */
#define ARENA_BYTES_MAX      ((size_t)128 * 1024 * 1024)

struct telling {
    struct store *st;
    const struct verdicts_told *what;
    struct packer *packer;
    struct buf *out;
    struct arena arena; /* of a message's proof */
    struct verdict verdicts[VERDICTS_PER_MESSAGE];
    struct offered entries[VERDICTS_PER_MESSAGE]; /* the same, as they would be offered again */
    size_t count;
    size_t size; /* about */
};

/* What the device would offer again of these verdicts carries the server's word. */
static struct err prove(struct telling *t, uint8_t mac[LEDGER_MAC_SIZE])
{
    struct reoffer offer = {.received_ms = t->what->answer_ms, .entries = t->entries};
    arena_clear(&t->arena);
    for (size_t i = 0; i < t->count; i++) {
        const struct verdict *v = &t->verdicts[i];
        if (v->outcome > OUTCOME_MERGED) {
            continue;
        }
        struct offered *e = &t->entries[offer.count];
        memmove(e->identity, t->entries[i].identity, sizeof e->identity);
        e->seq_count = v->row_count;
        e->seqs = arena_array(&t->arena, v->row_count, sizeof *e->seqs);
        if (e->seqs == NULL) {
            return err_make(ERR_NOMEM, 0, "server_verdicts");
        }
        for (size_t k = 0; k < v->row_count; k++) {
            e->seqs[k] = v->rows[k].seq;
        }
        offer.count++;
    }
    return offer.count == 0 ? err_ok() : reoffer_mac(t->st->ledger, t->what->id, &offer, mac);
}

static struct err tell_now(struct telling *t)
{
    struct message m = {.kind = MESSAGE_VERDICTS,
                        .verdicts = {.count = t->count, .verdicts = t->verdicts}};
    struct err err = err_ok();
    if (t->what->proven && t->st->ledger != NULL) {
        err = prove(t, m.verdicts.mac);
    }
    bool packed = t->count == 0 || packer_put(t->packer, &m, t->out) == WIRE_OK;
    t->count = 0;
    t->size = 0;
    return packed ? err : err_make(ERR_LIMIT, 0, "server_verdicts");
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

static struct err tell(void *context, const struct verdict *v, const uint8_t identity[32])
{
    struct telling *t = context;
    struct verdict now = *v; /* it may have been judged some time ago */
    struct err err = verdict_trim(t->st, t->what->permit, t->what->catalogue, &now);
    size_t size = size_of(&now);
    if (err.code == ERR_OK &&
        (t->count == VERDICTS_PER_MESSAGE || (t->count > 0 && t->size + size > VERDICTS_BYTES))) {
        err = tell_now(t);
    }
    memcpy(t->entries[t->count].identity, identity, sizeof t->entries[0].identity);
    t->verdicts[t->count++] = now;
    t->size += size;
    return err;
}

struct err server_verdicts_put(struct store *st, const struct verdicts_told *what,
                               struct packer *packer, struct buf *out)
{
    struct telling *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return err_make(ERR_NOMEM, 0, "server_verdicts");
    }
    t->st = st;
    t->what = what;
    t->packer = packer;
    t->out = out;
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    arena_init(&t->arena, ARENA_BYTES_MAX);
    struct err err = verdicts_each(st, what->device, what->epoch, what->after, &arena, tell, t);
    if (err.code == ERR_OK) {
        err = tell_now(t);
    }
    arena_release(&t->arena);
    arena_release(&arena);
    free(t);
    return err;
}
