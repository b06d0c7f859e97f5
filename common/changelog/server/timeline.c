/* See timeline.h. */
#include "common/changelog/server/timeline.h"

#include "common/changelog/server/chain_noted.h"
#include "common/changelog/server/erase.h"

#define HUMAN_NUMBERS_SKIPPED "10000" /* C-000123 must not be two customers' */

static void mac_of(const struct store *st, const struct timeline *t, uint8_t mac[LEDGER_MAC_SIZE])
{
    uint8_t content[12] = {(uint8_t)(t->counter >> 24), (uint8_t)(t->counter >> 16),
                           (uint8_t)(t->counter >> 8), (uint8_t)t->counter};
    memcpy(content + 4, t->id, 8);
    ledger_mac(st->ledger, "timeline", bytes_of(content, sizeof content), mac);
}

bool timeline_is_genuine(const struct store *st, const struct timeline *t)
{
    uint8_t mac[LEDGER_MAC_SIZE];
    if (st->ledger == NULL) {
        return false;
    }
    mac_of(st, t, mac);
    return memcmp(mac, t->id + 8, 8) == 0;
}

static void make_id(struct store *st, uint32_t counter)
{
    uint8_t mac[LEDGER_MAC_SIZE];
    st->timeline.counter = counter;
    st->host.random(st->host.context, st->timeline.id, 8);
    mac_of(st, &st->timeline, mac);
    memcpy(st->timeline.id + 8, mac, 8);
}

static struct err store_timeline(struct store *st, const struct backup_facts *facts, int64_t now_ms)
{
    static const char remember[] =
        "INSERT INTO timeline (counter, id, began_at, backup_at) VALUES (?1, ?2, ?3, ?4)";
    struct stmt q;
    struct err err = db_use(st->db,
                            "UPDATE store_state SET timeline = ?1, timeline_id = ?2,"
                            " superseded = 0",
                            &q);
    if (err.code == ERR_OK) {
        bind_int(&q, 1, st->timeline.counter);
        bind_id(&q, 2, st->timeline.id);
        err = db_step_done(&q, "timeline_begin");
    }
    if (err.code == ERR_OK) {
        err = db_use(st->db, remember, &q);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, st->timeline.counter);
    bind_id(&q, 2, st->timeline.id);
    bind_int(&q, 3, now_ms);
    bind_int(&q, 4, facts->made_at);
    return db_step_done(&q, "timeline_begin");
}

/* The company's chain tells of it, behind all that the backup held. */
static struct err log_beginning(struct store *st, int64_t now_ms)
{
    struct server_write *w = NULL;
    struct complaint why = {0};
    struct err err = server_write_begin(st, NULL, TIMELINE_INTENT, now_ms, &w);
    if (err.code != ERR_OK) {
        return err;
    }
    err = server_write_note(w);
    if (err.code != ERR_OK) {
        server_write_cancel(w);
        return err;
    }
    err = server_write_end(w, &why);
    return err.code == ERR_OK ? chain_note(st, now_ms) : err;
}

static struct err run_from(struct store *st, const char *sql, int64_t start)
{
    struct stmt q;
    struct err err = db_use(st->db, sql, &q);
    if (err.code == ERR_OK) {
        bind_int(&q, 1, st->timeline.counter);
        bind_int(&q, 2, start);
        err = db_step_done(&q, "timeline_begin");
    }
    return err;
}

struct err timeline_begin(struct store *st, uint32_t counter, const struct backup_facts *facts,
                          int64_t now_ms)
{
    static const char *const jumps[] = {
        ("INSERT INTO timeline_scope (counter, scope, seq) SELECT ?1, no, counter FROM scope"
         " WHERE counter < ?2"),
        "UPDATE scope SET counter = ?2 WHERE counter < ?2 AND ?1 > 0",
        "UPDATE device_key SET verdict_last = ?2 WHERE verdict_last < ?2 AND ?1 > 0",
    };
    assert(st->ledger != NULL && counter > st->timeline.counter);
    make_id(st, counter);
    struct err err =
        store_note(st, LEDGER_TIMELINE, bytes_of(st->timeline.id, 16), counter, now_ms);
    for (size_t i = 0; i < count_of(jumps) && err.code == ERR_OK; i++) {
        err = run_from(st, jumps[i], planted(NUMBERS_GO_ON) ? 0 : timeline_start(counter));
    }
    if (err.code == ERR_OK) {
        err = db_exec(st->db, "UPDATE number_counter SET next = next + " HUMAN_NUMBERS_SKIPPED ";"
                              "DELETE FROM backup_seal; DELETE FROM backup_rows");
    }
    if (err.code == ERR_OK) {
        err = store_timeline(st, facts, now_ms);
    }
    store_forget(st); /* the counters it remembers are those of before */
    return err.code == ERR_OK ? log_beginning(st, now_ms) : err;
}

/* ---- the ledger ---- */

static struct err apply_revoked(struct store *st, const struct ledger_entry *entry)
{
    struct stmt q;
    struct err err = db_use(st->db,
                            "INSERT INTO revoked_device (device, revoked_at) VALUES (?1, ?2)"
                            " ON CONFLICT DO NOTHING",
                            &q);
    if (err.code == ERR_OK) {
        bind_id(&q, 1, entry->subject);
        bind_int(&q, 2, entry->at_ms);
        err = db_step_done(&q, "timeline_apply");
    }
    if (err.code == ERR_OK) {
        err = store_revoke(st, entry->subject, entry->at_ms);
    }
    return err.code == ERR_NOT_FOUND ? err_ok() : err; /* revoked in the backup, or not in it */
}

static struct err apply_used(struct store *st, const struct ledger_entry *entry)
{
    struct stmt q;
    struct err err = db_use(st->db,
                            "UPDATE invitation SET used_at = ?2, used_by = ?3"
                            " WHERE secret_hash = ?1 AND used_at IS NULL",
                            &q);
    if (err.code == ERR_OK) {
        bind_blob(&q, 1, bytes_of(entry->subject, 32));
        bind_int(&q, 2, entry->at_ms);
        bind_int(&q, 3, entry->number);
        err = db_step_done(&q, "timeline_apply");
    }
    if (err.code == ERR_OK) { /* its device may come back, with its number */
        err = db_use(st->db, "UPDATE store_state SET next_device = max(next_device, ?1)", &q);
    }
    if (err.code == ERR_OK) {
        bind_int(&q, 1, entry->number + 1);
        err = db_step_done(&q, "timeline_apply");
    }
    return err;
}

static struct err has_person(struct store *st, const uint8_t id[16], bool *has)
{
    struct stmt q;
    struct err err =
        db_use(st->db, "SELECT 1 FROM person WHERE id = ?1 AND _deleted_at IS NULL", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, id);
    *has = db_step_row(&q);
    if (*has) {
        stmt_reset(&q);
        return err_ok();
    }
    return stmt_err(&q, "timeline_apply");
}

static struct err apply_active(struct store *st, const struct ledger_entry *entry, int64_t now_ms)
{
    const struct cell cell = {.column = COLUMN_person_active,
                              .value = value_int(entry->kind == LEDGER_ENABLED ? 1 : 0)};
    struct server_write *w = NULL;
    struct complaint why = {0};
    int64_t seq = 0;
    bool has = false;
    struct err err = has_person(st, entry->subject, &has);
    if (err.code != ERR_OK || !has) {
        return err;
    }
    err = server_write_begin(st, NULL, "restore", now_ms, &w);
    if (err.code != ERR_OK) {
        return err;
    }
    err = server_write_put(w, catalogue_table(TABLE_person), entry->subject, &cell, 1, -1, &seq,
                           NULL, &why);
    if (err.code == ERR_OK) {
        return server_write_end(w, &why);
    }
    server_write_cancel(w);
    return err;
}

/* Finished by the job that it begins; a line without a table is of a person. */
static struct err apply_erased(struct store *st, const struct ledger_entry *entry, int64_t now_ms)
{
    int64_t job = 0;
    bool known = false; /* the backup was made later, and has the job */
    int64_t number = entry->number == 0 ? TABLE_person : entry->number;
    const struct table *t = number > UINT16_MAX ? NULL : catalogue_table((uint16_t)number);
    if (t == NULL || !erase_is_of(t)) {
        return err_ok(); /* of a newer program */
    }
    struct err err = erase_is_begun(st, t->number, entry->subject, &known);
    return err.code == ERR_OK && !known ? erase_begin(st, t, entry->subject, now_ms, &job) : err;
}

struct err timeline_apply(struct store *st, const struct ledger_entry *entry, int64_t now_ms)
{
    const struct store_ledger *ledger = st->ledger;
    struct err err = err_ok();
    st->ledger = NULL; /* what it says needn't be noted in it again */
    switch (entry->kind) {
    case LEDGER_REVOKED:
        err = apply_revoked(st, entry);
        break;
    case LEDGER_USED:
        err = apply_used(st, entry);
        break;
    case LEDGER_DISABLED:
    case LEDGER_ENABLED:
        err = apply_active(st, entry, now_ms);
        break;
    case LEDGER_KEY:
    case LEDGER_TIMELINE:
    case LEDGER_BACKUP:
    case LEDGER_CHAIN:
        break;
    case LEDGER_ERASED:
        err = apply_erased(st, entry, now_ms);
        break;
    }
    st->ledger = ledger;
    return err;
}

/* ---- devices of another timeline ---- */

/* A device may have missed several restores: what all of them kept. */
static struct err kept_of(struct store *st, const struct scope_id *scope, uint32_t after,
                          int64_t *kept)
{
    static const char sql[] =
        "SELECT coalesce(min(coalesce(s.seq, 0)), 0) FROM timeline t LEFT JOIN timeline_scope s"
        " ON s.counter = t.counter AND s.scope = ?1 WHERE t.counter > ?2";
    struct stmt q;
    int64_t no = 0;
    *kept = 0;
    struct err err = store_scope(st, scope, false, &no);
    if (err.code != ERR_OK) {
        return err.code == ERR_NOT_FOUND ? err_ok() : err;
    }
    err = db_use(st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, no);
    bind_int(&q, 2, after);
    if (db_step_row(&q)) {
        *kept = col_int(&q, 0);
        stmt_reset(&q);
    }
    return stmt_err(&q, "timeline_kept");
}

static struct err note_head(struct store *st, const struct cursor *cursor)
{
    static const char sql[] =
        "INSERT INTO lost_head (timeline, scope_kind, scope_id, seq) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT (timeline, scope_kind, scope_id) DO UPDATE SET seq = excluded.seq"
        " WHERE excluded.seq > lost_head.seq";
    struct stmt q;
    struct err err = db_use(st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, st->timeline.counter);
    bind_int(&q, 2, cursor->scope.kind);
    bind_id(&q, 3, cursor->scope.id);
    bind_int(&q, 4, cursor->pos > cursor->done ? cursor->pos : cursor->done);
    return db_step_done(&q, "timeline_kept");
}

struct err timeline_kept(struct store *st, const struct hello *hello, struct arena *arena,
                         struct cursor **out, size_t *count)
{
    uint32_t after = hello->timeline.counter;
    *count = 0;
    *out = arena_array(arena, hello->cursor_count, sizeof **out);
    struct err err = *out == NULL ? err_make(ERR_NOMEM, 0, "timeline_kept") : err_ok();
    if (after >= st->timeline.counter) { /* another one under our number: nothing newer is known */
        after = st->timeline.counter - 1;
    }
    for (size_t i = 0; i < hello->cursor_count && err.code == ERR_OK; i++) {
        const struct cursor *said = &hello->cursors[i];
        int64_t kept = 0;
        err = kept_of(st, &said->scope, after, &kept);
        if (err.code == ERR_OK && said->pos > kept &&
            said->pos < timeline_start(hello->timeline.counter + 1)) {
            err = note_head(st, said);
        }
        if (kept > 0) {
            (*out)[(*count)++] = (struct cursor){.scope = said->scope, .done = kept, .pos = kept};
        }
    }
    return err;
}

struct err timeline_stand_down(struct store *st, const struct timeline *t)
{
    struct stmt q;
    struct err err = db_use(st->db, "UPDATE store_state SET superseded = ?1", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    st->superseded = t->counter;
    bind_int(&q, 1, t->counter);
    return db_step_done(&q, "timeline_stand_down");
}
