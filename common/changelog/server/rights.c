/* See rights.h. */
#include "common/changelog/server/rights.h"

#define PEOPLE_MAX 64 /* above somebody */

/* ---- losing ---- */

static struct err person_of_holder(struct work *w, const uint8_t holder[16], uint8_t person[16],
                                   bool *found)
{
    struct stmt q;
    struct err err = db_use(w->st->db, "SELECT person_id FROM book_holder WHERE id = ?1", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, holder);
    *found = db_step_row(&q) && col_id(&q, 0, person);
    err = stmt_err(&q, "person_of_holder");
    stmt_reset(&q);
    return err;
}

/* Themselves and everybody above, who hold what they hold. */
static struct err people_above(struct work *w, const uint8_t person[16], uint8_t (*people)[16],
                               size_t *count)
{
    static const char sql[] =
        "WITH RECURSIVE up (id) AS (SELECT manager_id FROM person WHERE id = ?1"
        " UNION SELECT p.manager_id FROM person p JOIN up ON p.id = up.id)"
        " SELECT id FROM up WHERE id IS NOT NULL AND id <> ?1 LIMIT ?2";
    struct stmt q;
    memcpy(people[0], person, sizeof people[0]);
    *count = 1;
    struct err err = db_use(w->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, person);
    bind_int(&q, 2, PEOPLE_MAX - 1);
    while (db_step_row(&q)) {
        *count += *count < PEOPLE_MAX && col_id(&q, 0, people[*count]);
    }
    err = stmt_err(&q, "people_above");
    stmt_reset(&q);
    return err;
}

struct err rights_before(struct work *w, const struct work_row *row, struct rights *out)
{
    uint8_t person[16];
    uint8_t people[PEOPLE_MAX][16];
    size_t count = 0;
    bool concerns = row->table->number == TABLE_person;
    struct err err = err_ok();
    *out = (struct rights){.count = 0};
    if (row->fresh) {
        return err;
    }
    memcpy(person, row->id, sizeof person);
    if (row->table->number == TABLE_book_holder) {
        err = person_of_holder(w, row->id, person, &concerns);
    }
    if (err.code != ERR_OK || !concerns) {
        return err;
    }
    err = people_above(w, person, people, &count);
    out->before = arena_array(w->arena, count, sizeof *out->before);
    if (out->before == NULL) {
        return err_make(ERR_LIMIT, 0, "rights_before");
    }
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        err = permit_load(w->st, people[i], w->arena, &out->before[out->count++]);
    }
    return err;
}

static struct err put_lost(struct work *w, const uint8_t person[16], int64_t scope, unsigned role)
{
    static const char *const sql[] = {
        "DELETE FROM right_lost_heard WHERE scope = ?2"
        " AND device IN (SELECT number FROM device_key WHERE person = ?1)",
        "INSERT INTO right_lost (person, scope, role, lost_at) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT (person, scope) DO UPDATE SET role = ?3, lost_at = ?4"};
    struct err err = err_ok();
    for (size_t i = 0; i < count_of(sql) && err.code == ERR_OK; i++) {
        struct stmt q;
        err = db_use(w->st->db, sql[i], &q);
        if (err.code != ERR_OK) {
            break;
        }
        bind_id(&q, 1, person);
        bind_int(&q, 2, scope);
        if (i == 1) {
            bind_int(&q, 3, role);
            bind_int(&q, 4, w->received_ms);
        }
        err = db_step_done(&q, "put_lost");
    }
    return err;
}

static struct err note_book(struct work *w, const uint8_t person[16], const uint8_t book[16])
{
    struct work_lost *lost = arena_alloc(w->arena, sizeof *lost);
    if (lost == NULL) {
        return err_make(ERR_LIMIT, 0, "note_book");
    }
    memcpy(lost->person, person, sizeof lost->person);
    memcpy(lost->book, book, sizeof lost->book);
    lost->next = w->lost;
    w->lost = lost;
    return err_ok();
}

static struct err compare(struct work *w, const struct permit *before)
{
    struct permit after;
    struct err err = permit_load(w->st, before->person, w->arena, &after);
    if (err.code == ERR_OK && before->role != 0 && before->role != after.role) {
        err = put_lost(w, before->person, 0, before->role);
    }
    for (size_t i = 0; i < before->scope_count && err.code == ERR_OK; i++) {
        const struct permit_scope *scope = &before->scopes[i];
        if (scope->no != 0 && permit_find(&after, &scope->id) == NULL) {
            err = put_lost(w, before->person, scope->no, 0);
            bool works_on = after.role != 0 && scope->id.kind == SCOPE_BOOK;
            err = err.code == ERR_OK && works_on ? note_book(w, before->person, scope->id.id) : err;
        }
    }
    return err;
}

struct err rights_after(struct work *w, const struct rights *before)
{
    struct err err = err_ok();
    for (size_t i = 0; i < before->count && err.code == ERR_OK; i++) {
        err = compare(w, &before->before[i]);
    }
    return err;
}

/* ---- judging by it ---- */

struct lost {
    int64_t scope;
    unsigned role;
    int64_t at_ms;
    bool heard; /* and showed it once */
};

struct loss_reader {
    struct store *st;
    const struct dones *dones;
    const struct hello *hello;
    const struct permit *now;
    struct permit *author;
    int64_t now_ms;
};

/* What a courier's file doesn't name, its device may have got and lost since. */
static struct err note_heard(struct loss_reader *l, int64_t scope)
{
    struct stmt q;
    if (l->dones->by_file) {
        return err_ok();
    }
    struct err err = db_use(l->st->db,
                            "INSERT INTO right_lost_heard (device, scope) VALUES (?1, ?2)"
                            " ON CONFLICT (device, scope) DO NOTHING",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, l->dones->device);
    bind_int(&q, 2, scope);
    return db_step_done(&q, "note_heard");
}

/* The device was there before it, can't have heard of it, and doesn't come too late. */
static bool still_counts(const struct loss_reader *l, const struct lost *lost)
{
    return !lost->heard && l->dones->enrolled_ms <= lost->at_ms &&
           lost->at_ms > l->now_ms - PERMIT_LEFT_MS_MAX;
}

static struct err take_role(struct loss_reader *l, struct lost *lost)
{
    bool knows = (l->hello->mask & lost->role) == 0;
    struct err err = knows && !lost->heard ? note_heard(l, 0) : err_ok();
    lost->heard |= knows;
    if (still_counts(l, lost)) {
        l->author->role |= lost->role;
    } else {
        l->author->former_role |= lost->role;
    }
    return err;
}

static struct err take_scope(struct loss_reader *l, struct lost *lost)
{
    struct scope *scope = NULL;
    struct err err = scope_get(l->st, lost->scope, &scope);
    if (err.code != ERR_OK || permit_find(l->now, &scope->id) != NULL) {
        return err; /* it has come back */
    }
    bool knows = !dones_has(l->dones, lost->scope);
    err = knows && !lost->heard ? note_heard(l, lost->scope) : err;
    lost->heard |= knows;
    struct permit *author = l->author;
    if (!still_counts(l, lost)) {
        author->former[author->former_count++] = lost->scope;
        return err;
    }
    author->scopes[author->scope_count++] =
        (struct permit_scope){.id = scope->id, .no = lost->scope};
    if (scope->id.kind == SCOPE_USER) {
        memcpy(author->below[author->below_count++], scope->id.id, 16);
    }
    return err;
}

static struct err read_losses(struct loss_reader *l, struct arena *arena, struct lost **out,
                              size_t *count)
{
    static const char sql[] =
        "SELECT l.scope, l.role, l.lost_at, EXISTS (SELECT 1 FROM right_lost_heard h"
        "  WHERE h.device = ?2 AND h.scope = l.scope) FROM right_lost l WHERE l.person = ?1"
        " ORDER BY l.scope LIMIT ?3";
    struct stmt q;
    size_t room = 0;
    *count = 0;
    struct err err = db_use(l->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, l->now->person);
    bind_int(&q, 2, l->dones->device);
    bind_int(&q, 3, SCOPES_MAX);
    while (db_step_row(&q)) {
        if (*count == room) {
            size_t more = room == 0 ? 8 : room * 2;
            struct lost *at = arena_array(arena, more, sizeof *at);
            if (at == NULL) {
                stmt_reset(&q);
                return err_make(ERR_LIMIT, 0, "read_losses");
            }
            if (room > 0) {
                memcpy(at, *out, room * sizeof *at);
            }
            *out = at;
            room = more;
        }
        (*out)[(*count)++] = (struct lost){.scope = col_int(&q, 0),
                                           .role = (unsigned)col_int(&q, 1),
                                           .at_ms = col_int(&q, 2),
                                           .heard = col_int(&q, 3) != 0};
    }
    return stmt_err(&q, "read_losses");
}

/* Copies what is held now, with room for all that was lost. */
static struct err make_room(const struct permit *now, size_t lost, struct arena *arena,
                            struct permit *author)
{
    *author = *now;
    author->scopes = arena_array(arena, now->scope_count + lost, sizeof *author->scopes);
    author->below = arena_array(arena, now->below_count + lost, sizeof *author->below);
    author->former = arena_array(arena, lost, sizeof *author->former);
    if (author->scopes == NULL || author->below == NULL || author->former == NULL) {
        return err_make(ERR_LIMIT, 0, "rights: room");
    }
    if (now->scope_count > 0) {
        memcpy(author->scopes, now->scopes, now->scope_count * sizeof *author->scopes);
    }
    if (now->below_count > 0) {
        memcpy(author->below, now->below, now->below_count * sizeof *author->below);
    }
    return err_ok();
}

struct err rights_of_author(struct store *st, const struct dones *dones, const struct hello *hello,
                            int64_t now_ms, const struct permit *now, struct arena *arena,
                            struct permit *author)
{
    struct loss_reader l = {
        .st = st, .dones = dones, .hello = hello, .now = now, .author = author, .now_ms = now_ms};
    struct lost *lost = NULL;
    size_t count = 0;
    *author = *now;
    struct err err = read_losses(&l, arena, &lost, &count);
    if (err.code == ERR_OK && count > 0) {
        err = make_room(now, count, arena, author);
    }
    for (size_t i = 0; i < count && err.code == ERR_OK; i++) {
        err = lost[i].scope == 0 ? take_role(&l, &lost[i]) : take_scope(&l, &lost[i]);
    }
    author->dones = dones;
    author->now_ms = now_ms;
    permit_sort(author);
    return err;
}
