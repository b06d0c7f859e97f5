/* Digests and scopes of a device, as the store sees them. */
#include "common/changelog/digest.h"
#include "common/changelog/server/gate.h"
#include "common/changelog/server/permit.h"

static struct err permit_of(struct store *st, uint32_t number, struct arena *arena,
                            struct permit *out)
{
    struct gate g;
    struct err err = gate_load(st, number, &g);
    if (err.code == ERR_OK && g.revoked) {
        *out = (struct permit){0};
        return err;
    }
    return err.code == ERR_OK ? permit_load(st, g.person, arena, out) : err;
}

struct err store_device_hears(struct store *st, uint32_t device_number, struct arena *arena,
                              struct scope_id **out, size_t *count, bool *all)
{
    struct permit permit;
    *count = 0;
    struct err err = permit_of(st, device_number, arena, &permit);
    if (err.code != ERR_OK) {
        return err;
    }
    *out = arena_array(arena, permit.scope_count, sizeof **out);
    if (*out == NULL) {
        return err_make(ERR_NOMEM, 0, "store_device_hears");
    }
    for (size_t i = 0; i < permit.scope_count; i++) {
        (*out)[(*count)++] = permit.scopes[i].id;
    }
    *all = permit.role == ROLE_ADMIN || permit.role == ROLE_ANALYST;
    return err_ok();
}

struct err store_device_scopes(struct store *st, uint32_t device_number, struct arena *arena,
                               struct scope_id **out, size_t *count)
{
    bool all;
    return store_device_hears(st, device_number, arena, out, count, &all);
}

static int by_no(const void *a, const void *b)
{
    const struct digest_scope *x = a;
    const struct digest_scope *y = b;
    return (x->no > y->no) - (x->no < y->no);
}

static struct err scopes_of_device(struct store *st, uint32_t number, struct arena *arena,
                                   struct digest_scope **out, size_t *count)
{
    struct permit permit;
    struct err err = permit_of(st, number, arena, &permit);
    if (err.code != ERR_OK) {
        return err;
    }
    *out = arena_array(arena, permit.scope_count, sizeof **out);
    if (*out == NULL) {
        return err_make(ERR_NOMEM, 0, "scopes_of_device");
    }
    for (size_t i = 0; i < permit.scope_count; i++) {
        if (permit.scopes[i].no != 0) { /* a device isn't told of scopes without rows */
            (*out)[(*count)++] =
                (struct digest_scope){.no = permit.scopes[i].no, .id = permit.scopes[i].id};
        }
    }
    return err_ok();
}

static struct err all_scopes(struct store *st, struct arena *arena, struct digest_scope **out,
                             size_t *count)
{
    int64_t total = 0;
    struct err err = db_one_int(st->db, "SELECT count(*) FROM scope", &total);
    struct stmt q;
    if (err.code == ERR_OK) {
        *out = arena_array(arena, (size_t)total, sizeof **out);
        err = *out == NULL ? err_make(ERR_NOMEM, 0, "all_scopes")
                           : db_use(st->db, "SELECT no, kind, id FROM scope", &q);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    while (*count < (size_t)total && db_step_row(&q)) {
        struct digest_scope *s = &(*out)[*count];
        s->no = col_int(&q, 0);
        s->id.kind = (uint8_t)col_int(&q, 1);
        *count += col_id(&q, 2, s->id.id);
    }
    err = stmt_err(&q, "all_scopes");
    stmt_reset(&q);
    return err;
}

/* What the device said in its last hello. */
static struct err catalogue_of(struct store *st, uint32_t device_number, uint32_t *out)
{
    struct stmt q;
    struct err err = db_use(st->db, "SELECT catalogue FROM device_key WHERE number = ?1", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, device_number);
    if (db_step_row(&q) && col_int(&q, 0) > 0) {
        *out = (uint32_t)col_int(&q, 0);
    }
    stmt_reset(&q);
    return stmt_err(&q, "catalogue_of");
}

struct err store_digest(struct store *st, uint32_t device_number, struct arena *arena,
                        struct digest *out)
{
    struct digest_scope *scopes = NULL;
    size_t count = 0;
    struct err err = device_number > 0 ? scopes_of_device(st, device_number, arena, &scopes, &count)
                                       : all_scopes(st, arena, &scopes, &count);
    if (err.code != ERR_OK) {
        return err;
    }
    if (count > 0) {
        qsort(scopes, count, sizeof *scopes, by_no);
    }
    uint32_t catalogue = CATALOGUE_VERSION;
    if (device_number > 0) {
        err = catalogue_of(st, device_number, &catalogue);
    }
    return err.code == ERR_OK ? sums_digest(st->db, scopes, count, catalogue, arena, out) : err;
}
