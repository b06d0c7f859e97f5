/* See chain_heads.h. */
#include "common/changelog/server/chain_heads.h"

#include "common/catalogue/text.h"
#include "common/changelog/server/store_internal.h"

static const char *kind_name(uint8_t kind)
{
    switch ((enum scope_kind)kind) {
    case SCOPE_COMPANY:
        return "company";
    case SCOPE_TEAM:
        return "team";
    case SCOPE_BOOK:
        return "book";
    case SCOPE_USER:
        return "user";
    case SCOPE_PRIVATE:
        return "private";
    case SCOPE_POOL:
        return "pool";
    }
    return "?"; /* a kind that only a damaged file can hold */
}

void scope_text(const struct scope_id *id, char out[SCOPE_TEXT_SIZE])
{
    char text[37];
    id_text(id->id, text);
    (void)snprintf(out, SCOPE_TEXT_SIZE, "%s:%s", kind_name(id->kind), text);
}

static bool claim_take(const struct stmt *q, struct chain_claim *out)
{
    struct chain_head head;
    out->scope.kind = (uint8_t)col_int(q, 0);
    if (!col_id(q, 1, out->scope.id) || !chain_take_head(col_bytes(q, 2), &head)) {
        return false;
    }
    out->no = head.no;
    memcpy(out->head, head.hash, sizeof out->head);
    return true;
}

struct err chain_heads(struct store *st, struct arena *arena, struct chain_claim **out,
                       size_t *count)
{
    int64_t room = 0;
    struct stmt q;
    struct err err = db_one_int(st->db, "SELECT count(*) FROM scope WHERE head IS NOT NULL", &room);
    *count = 0;
    if (err.code == ERR_OK) {
        err = db_use(st->db, "SELECT kind, id, head FROM scope WHERE head IS NOT NULL ORDER BY no",
                     &q);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    *out = arena_array(arena, (size_t)room, sizeof **out);
    bool good = *out != NULL;
    while (good && *count < (size_t)room && db_step_row(&q)) {
        good = claim_take(&q, &(*out)[(*count)++]);
    }
    err = good ? stmt_err(&q, "chain_heads")
               : err_make(*out == NULL ? ERR_NOMEM : ERR_CORRUPT, 0, "chain_heads");
    stmt_reset(&q);
    return err;
}

static bool has_part(struct bytes chain, int64_t scope, const uint8_t head[CHAIN_SHORT_SIZE])
{
    int64_t at = 0;
    struct chain_head part;
    while (chain_take_part(&chain, &at, &part)) {
        if (at == scope) {
            return memcmp(part.hash, head, CHAIN_SHORT_SIZE) == 0;
        }
    }
    return false;
}

struct err chain_knows(struct store *st, const struct chain_claim *claim, bool *known)
{
    int64_t scope = 0;
    struct stmt q;
    *known = false;
    struct err err = store_scope(st, &claim->scope, false, &scope);
    if (err.code != ERR_OK) {
        return err.code == ERR_NOT_FOUND ? err_ok() : err;
    }
    err = db_use(st->db, "SELECT chain FROM change_log WHERE no = ?1", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, claim->no);
    if (!db_step_row(&q)) {
        return stmt_err(&q, "chain_knows");
    }
    *known = has_part(col_bytes(&q, 0), scope, claim->head);
    stmt_reset(&q);
    return err_ok();
}

struct err chain_alarm(struct store *st, uint32_t device, const struct chain_claim *claim,
                       int64_t now_ms, bool *fresh)
{
    static const char sql[] = "INSERT INTO chain_alarm (device, scope, no, head, at)"
                              " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    int64_t scope = 0;
    struct stmt q;
    *fresh = false;
    struct err err = store_scope(st, &claim->scope, true, &scope);
    if (err.code == ERR_OK) {
        err = db_use(st->db, sql, &q);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, device);
    bind_int(&q, 2, scope);
    bind_int(&q, 3, claim->no);
    bind_blob(&q, 4, bytes_of(claim->head, sizeof claim->head));
    bind_int(&q, 5, now_ms);
    err = db_step_done(&q, "chain_alarm");
    *fresh = err.code == ERR_OK && db_changes(st->db) > 0;
    return err;
}
