/* See gate.h. */
#include "common/changelog/server/gate.h"

#define BOOT_BYTES 24

static void read_boots(struct bytes packed, struct gate *g)
{
    for (size_t at = 0; at + BOOT_BYTES <= packed.size && g->boot_count < GATE_BOOTS_MAX;
         at += BOOT_BYTES) {
        struct gate_boot *b = &g->boots[g->boot_count++];
        uint64_t mono = 0;
        memcpy(b->boot, packed.at + at, sizeof b->boot);
        for (size_t i = sizeof b->boot; i < BOOT_BYTES; i++) {
            mono = mono << 8 | packed.at[at + i];
        }
        b->mono_ms = (int64_t)mono;
    }
}

static size_t boot_index(const struct gate *g, const uint8_t boot[16])
{
    size_t i = 0;
    while (i < g->boot_count && memcmp(g->boots[i].boot, boot, sizeof g->boots[i].boot) != 0) {
        i++;
    }
    return i;
}

static bool knows_boot(const struct hello *hello)
{
    static const uint8_t unknown[sizeof hello->boot] = {0};
    return memcmp(hello->boot, unknown, sizeof unknown) != 0;
}

bool gate_is_late(const struct gate *g, const struct hello *hello)
{
    size_t i = boot_index(g, hello->boot);
    if (!knows_boot(hello) || i == g->boot_count || planted(LATE_COPY_TAKEN)) {
        return false;
    }
    int64_t behind_ms = 0;
    if (__builtin_sub_overflow(g->boots[i].mono_ms, hello->mono_ms, &behind_ms) ||
        behind_ms > GATE_LATE_MS_MAX) {
        return false; /* nothing is under way for so long: a machine was set back */
    }
    /* Two requests of one millisecond are no surprise; two of a start that is over are. */
    return behind_ms > 0 || (i > 0 && behind_ms == 0);
}

/* The boots with hello's in front, as they are stored. */
static void put_boots(const struct gate *g, const struct hello *hello, struct buf *out)
{
    size_t known = boot_index(g, hello->boot);
    struct gate_boot all[GATE_BOOTS_MAX + 1] = {{.mono_ms = hello->mono_ms}};
    size_t count = knows_boot(hello) ? 1 : 0;
    memcpy(all[0].boot, hello->boot, sizeof all[0].boot);
    for (size_t i = 0; i < g->boot_count; i++) {
        if (i != known) {
            all[count++] = g->boots[i];
        }
    }
    for (size_t i = 0; i < count && i < GATE_BOOTS_MAX; i++) {
        buf_put(out, bytes_of(all[i].boot, sizeof all[i].boot));
        for (int shift = 56; shift >= 0; shift -= 8) {
            buf_put_u8(out, (uint8_t)((uint64_t)all[i].mono_ms >> shift));
        }
    }
}

struct err gate_load(struct store *st, uint32_t number, struct gate *out)
{
    static const char sql[] = "SELECT device, person, revoked_at IS NOT NULL, epoch,"
                              " epoch_pending, token, token_pending, verdict_last, verdict_seen,"
                              " complete_ms, mask, family, wall_ms, mono_ms, boot, offset_ms,"
                              " boots, mark_told, mark_pending, timeline"
                              " FROM device_key WHERE number = ?1";
    struct stmt q;
    struct err err = db_use(st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, number);
    if (!db_step_row(&q)) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_NOT_FOUND, 0, "gate_load");
    }
    *out = (struct gate){.number = number,
                         .revoked = col_int(&q, 2) != 0,
                         .epoch = (uint32_t)col_int(&q, 3),
                         .epoch_pending = (uint32_t)col_int(&q, 4),
                         .verdict_last = (uint64_t)col_int(&q, 7),
                         .verdict_seen = (uint64_t)col_int(&q, 8),
                         .complete_ms = col_int(&q, 9),
                         .mask = (unsigned)col_int(&q, 10),
                         .family = (uint32_t)col_int(&q, 11),
                         .mark_told = col_int(&q, 17),
                         .mark_pending = col_int(&q, 18),
                         .timeline = (uint32_t)col_int(&q, 19)};
    bool good = col_id(&q, 0, out->device) && col_id(&q, 1, out->person) &&
                col_id(&q, 5, out->token) && col_id(&q, 6, out->token_pending);
    out->exchange.clocks = (struct clocks){.wall_ms = col_int(&q, 12), .mono_ms = col_int(&q, 13)};
    out->exchange.known = col_id(&q, 14, out->exchange.clocks.boot); /* NULL: none yet */
    out->exchange.offset_ms = col_int(&q, 15);
    read_boots(col_bytes(&q, 16), out);
    stmt_reset(&q);
    return good ? err_ok() : err_make(ERR_CORRUPT, 0, "gate_load");
}

static bool is_token(const uint8_t a[16], const uint8_t b[16])
{
    return memcmp(a, b, 16) == 0;
}

static struct err close_token(struct store *st, const struct gate *g, const uint8_t token[16])
{
    struct stmt q;
    struct err err = db_use(st->db,
                            "INSERT INTO epoch_closed (device, epoch, token) VALUES (?1, ?2, ?3)"
                            " ON CONFLICT DO NOTHING",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, g->number);
    bind_int(&q, 2, g->epoch);
    bind_id(&q, 3, token);
    return db_step_done(&q, "close_token");
}

static struct err close_both(struct store *st, const struct gate *g)
{
    struct err err = close_token(st, g, g->token);
    return err.code == ERR_OK ? close_token(st, g, g->token_pending) : err;
}

static struct err is_closed(struct store *st, const struct gate *g, const uint8_t token[16],
                            bool *out)
{
    struct stmt q;
    struct err err =
        db_use(st->db, "SELECT 1 FROM epoch_closed WHERE device = ?1 AND token = ?2", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, g->number);
    bind_id(&q, 2, token);
    *out = db_step_row(&q);
    if (*out) {
        stmt_reset(&q);
        return err_ok();
    }
    return stmt_err(&q, "is_closed");
}

static void new_token(struct store *st, struct gate *g)
{
    st->host.random(st->host.context, g->token_pending, sizeof g->token_pending);
}

void gate_ask_epoch(struct store *st, struct gate *g)
{
    g->epoch_pending = g->epoch + 1;
    new_token(st, g);
}

/* `token` becomes what nobody holds: both that were valid belong to another copy. */
static struct err close_epoch(struct store *st, struct gate *g)
{
    struct err err = close_both(st, g);
    gate_ask_epoch(st, g);
    memcpy(g->token, g->token_pending, sizeof g->token);
    return err;
}

/* The device has shown the pending token: from now on it is the one. */
static struct err confirm(struct store *st, struct gate *g)
{
    struct err err = err_ok();
    if (g->epoch_pending > g->epoch && !is_token(g->token, g->token_pending)) {
        err = close_token(st, g, g->token);
    }
    g->epoch = g->epoch_pending;
    memcpy(g->token, g->token_pending, sizeof g->token);
    g->mark_told = g->mark_pending;
    new_token(st, g);
    return err;
}

/* Its tokens may be of the lost part: it is given the next epoch to open, above any that it had
 * there, and is told the same until it shows it. */
static void ask_timeline(struct store *st, struct gate *g, const struct hello *hello)
{
    uint32_t highest = hello->epoch > g->epoch ? hello->epoch : g->epoch;
    if (g->epoch_pending <= highest && highest < UINT32_MAX) {
        g->epoch_pending = highest + 1;
        new_token(st, g);
    }
    g->mark_pending = 0; /* what it kept is what counts, whatever it was told */
    g->mark_told = 0;
}

static struct err check_token(struct store *st, struct gate *g, const struct hello *hello,
                              enum answer_status *out)
{
    if (planted(TOKEN_IGNORED) ||
        (hello->epoch == g->epoch_pending && is_token(hello->token, g->token_pending))) {
        *out = ANSWER_OK;
        return confirm(st, g);
    }
    if (g->epoch_pending == g->epoch && hello->epoch == g->epoch &&
        is_token(hello->token, g->token)) {
        *out = ANSWER_OK;
        return planted(TOKEN_ALWAYS_NEW) ? confirm(st, g) : err_ok();
    }
    *out = ANSWER_NEW_EPOCH;
    return g->epoch_pending > g->epoch ? err_ok() : close_epoch(st, g);
}

static bool is_ours(const struct store *st, const struct timeline *t)
{
    return t->counter == 0 || planted(TIMELINE_IGNORED) ||
           (t->counter == st->timeline.counter &&
            memcmp(t->id, st->timeline.id, sizeof t->id) == 0);
}

static bool is_spoken(const struct hello *hello)
{
    return hello->protocol >= PROTOCOL_VERSION_OLDEST && hello->protocol <= PROTOCOL_VERSION &&
           hello->catalogue >= CATALOGUE_VERSION_OLDEST && hello->catalogue <= CATALOGUE_VERSION;
}

struct err gate_check(struct store *st, struct gate *g, const struct hello *hello,
                      enum answer_status *out)
{
    bool closed = false;
    if (!is_spoken(hello)) {
        *out = ANSWER_UPGRADE;
        return err_ok();
    }
    struct err err = is_closed(st, g, hello->token, &closed);
    if (err.code != ERR_OK) {
        return err;
    }
    if (closed) { /* two live copies: the other one shall enrol again too */
        *out = ANSWER_REENROL;
        return close_both(st, g);
    }
    if (!is_ours(st, &hello->timeline)) {
        *out = ANSWER_NEW_TIMELINE;
        ask_timeline(st, g, hello);
        return err_ok();
    }
    return check_token(st, g, hello, out);
}

struct err gate_check_courier(struct store *st, const struct gate *g, const struct hello *hello,
                              enum answer_status *out)
{
    if (!is_spoken(hello)) {
        *out = ANSWER_UPGRADE;
    } else if (!is_ours(st, &hello->timeline)) {
        *out = ANSWER_NEW_TIMELINE;
    } else {
        *out = hello->epoch > g->epoch_pending ? ANSWER_NEW_EPOCH : ANSWER_OK;
    }
    return err_ok();
}

struct err gate_save_verdicts(struct store *st, const struct gate *g)
{
    struct stmt q;
    struct err err =
        db_use(st->db, "UPDATE device_key SET verdict_last = ?2 WHERE number = ?1", &q);
    if (err.code == ERR_OK) {
        bind_int(&q, 1, g->number);
        bind_int(&q, 2, (int64_t)g->verdict_last);
        err = db_step_done(&q, "gate_save_verdicts");
    }
    return err;
}

/* What people may want to know of the device's clock. */
static void bind_clocks(struct stmt *q, const struct gate *g, const struct hello *hello,
                        int64_t offset_ms)
{
    struct clock_exchange now = {.clocks = {.wall_ms = hello->wall_ms, .mono_ms = hello->mono_ms},
                                 .offset_ms = offset_ms};
    memcpy(now.clocks.boot, hello->boot, sizeof now.clocks.boot);
    bind_int(q, 13, hello->wall_ms);
    bind_int(q, 14, hello->mono_ms);
    bind_id(q, 15, hello->boot);
    bind_int(q, 16, clock_jump_ms(&g->exchange, &now));
}

struct err gate_save(struct store *st, const struct gate *g, const struct hello *hello,
                     unsigned mask, int64_t received_ms)
{
    static const char sql[] =
        "UPDATE device_key SET epoch = ?2, epoch_pending = ?3, token = ?4, token_pending = ?5,"
        " verdict_last = ?6, verdict_seen = ?7, hello_ms = ?8, complete_ms = ?9, offset_ms = ?10,"
        " mask = ?11, catalogue = ?12, wall_ms = ?13, mono_ms = ?14, boot = ?15,"
        " jump_ms = CASE WHEN CAST(?16 AS BIGINT) <> 0 THEN ?16 ELSE jump_ms END,"
        " jumped_at = CASE WHEN ?16 <> 0 THEN ?8 ELSE jumped_at END,"
        " boots = ?17, mark_told = ?18, mark_pending = ?19, timeline = ?20 WHERE number = ?1";
    struct stmt q;
    struct err err = db_use(st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    int64_t offset_ms = 0;
    if (__builtin_sub_overflow(received_ms, hello->wall_ms, &offset_ms)) {
        offset_ms = 0;
    }
    bind_int(&q, 1, g->number);
    bind_int(&q, 2, g->epoch);
    bind_int(&q, 3, g->epoch_pending);
    bind_id(&q, 4, g->token);
    bind_id(&q, 5, g->token_pending);
    bind_int(&q, 6, (int64_t)g->verdict_last);
    bind_int(&q, 7, (int64_t)g->verdict_seen);
    bind_int(&q, 8, received_ms);
    bind_int(&q, 9, g->complete_ms);
    bind_int(&q, 10, offset_ms);
    bind_int(&q, 11, mask);
    bind_int(&q, 12, hello->catalogue);
    bind_int(&q, 18, g->mark_told);
    bind_int(&q, 19, g->mark_pending);
    bind_int(&q, 20, g->timeline);
    bind_clocks(&q, g, hello, offset_ms);
    struct buf boots;
    buf_init(&boots, GATE_BOOTS_MAX * BOOT_BYTES);
    put_boots(g, hello, &boots);
    bind_blob(&q, 17, buf_bytes(&boots));
    err = boots.bad ? err_make(ERR_NOMEM, 0, "gate_save") : db_step_done(&q, "gate_save");
    buf_release(&boots);
    return err;
}
