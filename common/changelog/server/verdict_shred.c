/* See verdict_shred.h. Bodies are read one by one, in the order of their key, since each is written
 * before the next is looked for. */
#include "common/changelog/server/verdict_shred.h"

#include "common/changelog/server/verdict_body.h"

#define ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct shredding {
    struct store *st;
    const uint8_t *id;
    int64_t device, number; /* of the body at hand; the next one comes after it */
    struct arena arena;
};

/* ERR_NOT_FOUND: none names the row any more. */
static struct err next_body(struct shredding *s, struct verdict *v)
{
    struct stmt q;
    struct err err = db_use(s->st->db,
                            "SELECT device, number, epoch, device_seq, outcome, body FROM verdict"
                            " WHERE (device, number) > (?2, ?3) AND instr(body, ?1) > 0"
                            " ORDER BY device, number LIMIT 1",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, s->id);
    bind_int(&q, 2, s->device);
    bind_int(&q, 3, s->number);
    if (!db_step_row(&q)) {
        err = stmt_err(&q, "verdicts_shred");
        return err.code == ERR_OK ? err_make(ERR_NOT_FOUND, 0, "verdicts_shred") : err;
    }
    s->device = col_int(&q, 0);
    s->number = col_int(&q, 1);
    *v = (struct verdict){.number = (uint64_t)s->number,
                          .epoch = (uint32_t)col_int(&q, 2),
                          .device_seq = (uint64_t)col_int(&q, 3),
                          .outcome = (uint8_t)col_int(&q, 4)};
    err = verdict_body_take(col_bytes(&q, 5), &s->arena, v);
    stmt_reset(&q);
    return err;
}

static void strip(const struct shredding *s, struct verdict *v)
{
    size_t kept = 0;
    for (size_t i = 0; i < v->row_count; i++) {
        if (memcmp(v->rows[i].id, s->id, sizeof v->rows[i].id) == 0) {
            v->rows[i].unseen_count = 0;
        }
    }
    for (size_t i = 0; i < v->loser_count; i++) {
        if (memcmp(v->losers[i].id, s->id, sizeof v->losers[i].id) != 0) {
            v->losers[kept++] = v->losers[i];
        }
    }
    v->loser_count = kept;
}

static struct err write_body(const struct shredding *s, const struct verdict *v)
{
    struct buf body;
    struct stmt q;
    buf_init(&body, MESSAGE_BYTES_MAX);
    struct err err = verdict_body_put(v, &body);
    if (err.code == ERR_OK) {
        err =
            db_use(s->st->db, "UPDATE verdict SET body = ?3 WHERE device = ?1 AND number = ?2", &q);
    }
    if (err.code == ERR_OK) {
        bind_int(&q, 1, s->device);
        bind_int(&q, 2, s->number);
        bind_blob(&q, 3, buf_bytes(&body));
        err = db_step_done(&q, "verdicts_shred");
    }
    buf_release(&body);
    return err;
}

struct err verdicts_shred(struct store *st, const uint8_t id[16])
{
    struct shredding s = {.st = st, .id = id, .device = -1};
    struct err err = err_ok();
    while (err.code == ERR_OK) {
        struct verdict v;
        arena_init(&s.arena, ARENA_BYTES_MAX);
        err = next_body(&s, &v);
        if (err.code == ERR_OK) {
            strip(&s, &v);
            err = write_body(&s, &v);
        }
        arena_release(&s.arena);
    }
    return err.code == ERR_NOT_FOUND ? err_ok() : err;
}
