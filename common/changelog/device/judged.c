/* See judged.h. */
#include "common/changelog/device/judged.h"

struct walk {
    struct stmt st;
    bool open; /* on the row of: */
    uint32_t epoch;
    uint64_t device_seq;
};

/* The next row is the one that is looked for, or close before it; else the walk begins anew. */
static struct err walk_to(struct replica *r, struct walk *w, const struct verdict *v)
{
    static const char sql[] = "SELECT device_seq, tx, state, identity FROM sent WHERE epoch = ?1"
                              " AND device_seq >= ?2 ORDER BY device_seq";
    bool goes_on = w->open && w->epoch == v->epoch && w->device_seq + 1 == v->device_seq;
    if (!goes_on) {
        if (w->open) {
            stmt_reset(&w->st);
        }
        struct err err = db_use(r->db, sql, &w->st);
        if (err.code != ERR_OK) {
            w->open = false;
            return err;
        }
        bind_int(&w->st, 1, v->epoch);
        bind_int(&w->st, 2, (int64_t)v->device_seq);
    }
    w->open = db_step_row(&w->st);
    w->epoch = v->epoch;
    w->device_seq = w->open ? (uint64_t)col_int(&w->st, 0) : 0;
    return stmt_err(&w->st, "judged_find");
}

static void take(const struct walk *w, const struct verdict *v, struct judged *out)
{
    *out = (struct judged){.found = w->open && w->device_seq == v->device_seq};
    if (out->found) {
        struct bytes identity = col_bytes(&w->st, 3);
        out->tx = col_int(&w->st, 1);
        out->state = (enum sent_state)col_int(&w->st, 2);
        out->has_identity = identity.size == sizeof out->identity;
        if (out->has_identity) {
            memcpy(out->identity, identity.at, sizeof out->identity);
        }
    }
}

static struct err find(struct replica *r, const struct verdict *verdicts, size_t count,
                       struct judged *out)
{
    struct walk w = {.open = false};
    struct err err = err_ok();
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        err = walk_to(r, &w, &verdicts[i]);
        take(&w, &verdicts[i], &out[i]);
    }
    if (w.open) {
        stmt_reset(&w.st);
    }
    return err;
}

struct err judged_find(struct replica *r, const struct verdicts *verdicts, struct arena *arena,
                       struct judged **out)
{
    *out = arena_array(arena, verdicts->count, sizeof **out);
    return *out == NULL ? err_make(ERR_NOMEM, 0, "judged_find")
                        : find(r, verdicts->verdicts, verdicts->count, *out);
}

struct err judged_find_one(struct replica *r, const struct verdict *v, struct judged *out)
{
    return find(r, v, 1, out);
}
