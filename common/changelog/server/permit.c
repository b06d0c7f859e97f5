/* Scopes of a person, by role; see permit.h. */
#include "common/changelog/server/permit.h"

#define ROOM_FIRST 16 /* a rep's scopes; managers' arrays grow from it */

struct loader {
    struct store *st;
    struct arena *arena;
    struct permit *out;
    size_t scope_room;
    size_t below_room;
    bool full;
};

static int by_scope(const void *a, const void *b)
{
    const struct permit_scope *x = a;
    const struct permit_scope *y = b;
    int kind = (int)x->id.kind - (int)y->id.kind;
    return kind != 0 ? kind : memcmp(x->id.id, y->id.id, sizeof x->id.id);
}

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, 16);
}

/* Room for one more in an array of `count`; the old copy stays behind in the arena. */
static void *grow(struct loader *l, void *old, size_t count, size_t *room, size_t size)
{
    if (count < *room) {
        return old;
    }
    size_t more = *room == 0 ? ROOM_FIRST : *room * 2;
    void *array = count >= SCOPES_MAX ? NULL : arena_array(l->arena, more, size);
    if (array == NULL) {
        l->full = true;
        return NULL;
    }
    if (count > 0) {
        memcpy(array, old, count * size);
    }
    *room = more;
    return array;
}

static void add(struct loader *l, enum scope_kind kind, const uint8_t id[16], int64_t no)
{
    struct permit_scope *scopes =
        grow(l, l->out->scopes, l->out->scope_count, &l->scope_room, sizeof *scopes);
    if (scopes == NULL) {
        return;
    }
    l->out->scopes = scopes;
    struct permit_scope *scope = &l->out->scopes[l->out->scope_count++];
    *scope = (struct permit_scope){.id.kind = (uint8_t)kind, .no = no};
    memcpy(scope->id.id, id, sizeof scope->id.id);
}

static unsigned role_of(struct bytes name)
{
    static const struct {
        const char *name;
        unsigned role;
    } roles[] = {{"rep", ROLE_REP},
                 {"manager", ROLE_MANAGER},
                 {"admin", ROLE_ADMIN},
                 {"analyst", ROLE_ANALYST}};
    for (size_t i = 0; i < count_of(roles); i++) {
        if (bytes_equal(bytes_text(roles[i].name), name)) {
            return roles[i].role;
        }
    }
    return 0;
}

static void add_below(struct loader *l, const uint8_t id[16])
{
    uint8_t(*below)[16] =
        grow(l, l->out->below, l->out->below_count, &l->below_room, sizeof *below);
    if (below != NULL) {
        l->out->below = below;
        memcpy(below[l->out->below_count++], id, 16);
        add(l, SCOPE_USER, id, 0);
    }
}

static struct err load_role(struct loader *l)
{
    struct stmt q;
    struct err err = db_use(l->st->db,
                            "SELECT role, team_id FROM person"
                            " WHERE id = ?1 AND active = 1 AND _deleted_at IS NULL",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, l->out->person);
    if (!db_step_row(&q)) {
        return stmt_err(&q, "load_role");
    }
    l->out->role = role_of(col_bytes(&q, 0));
    uint8_t team[16];
    if (col_id(&q, 1, team)) {
        add(l, SCOPE_TEAM, team, 0);
    }
    stmt_reset(&q);
    return err_ok();
}

/* UNION drops what it has seen, so a circle of managers ends too. */
static struct err load_below(struct loader *l)
{
    static const char sql[] =
        "WITH RECURSIVE below (id) AS ("
        " SELECT id FROM person WHERE manager_id = ?1 AND _deleted_at IS NULL"
        " UNION SELECT p.id FROM person p JOIN below ON p.manager_id = below.id"
        " WHERE p._deleted_at IS NULL)"
        " SELECT id FROM below WHERE id <> ?1";
    struct stmt q;
    struct err err = db_use(l->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, l->out->person);
    while (db_step_row(&q)) {
        uint8_t id[16];
        if (col_id(&q, 0, id)) {
            add_below(l, id);
        }
    }
    if (l->out->below_count > 0) {
        qsort(l->out->below, l->out->below_count, sizeof l->out->below[0], by_id);
    }
    return stmt_err(&q, "load_below");
}

static struct err load_books(struct loader *l, const uint8_t person[16])
{
    struct stmt q;
    struct err err = db_use(l->st->db,
                            "SELECT book_id FROM book_holder"
                            " WHERE person_id = ?1 AND _deleted_at IS NULL",
                            &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, person);
    while (db_step_row(&q)) {
        uint8_t book[16];
        if (col_id(&q, 0, book)) {
            add(l, SCOPE_BOOK, book, 0);
        }
    }
    return stmt_err(&q, "load_books");
}

static struct err load_all_scopes(struct loader *l)
{
    struct stmt q;
    struct err err =
        db_use(l->st->db, "SELECT kind, id, no FROM scope WHERE kind NOT IN (?1, ?2, ?3)", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, SCOPE_PRIVATE);
    bind_int(&q, 2, SCOPE_COMPANY); /* everybody's; added for all */
    bind_int(&q, 3, SCOPE_TEAM);    /* read-only and so far without rows */
    while (db_step_row(&q)) {
        uint8_t id[16];
        if (col_id(&q, 1, id)) {
            add(l, (enum scope_kind)col_int(&q, 0), id, col_int(&q, 2));
        }
    }
    return stmt_err(&q, "load_all_scopes");
}

static struct err load_scopes(struct loader *l)
{
    struct permit *out = l->out;
    add(l, SCOPE_COMPANY, l->st->company, 0);
    add(l, SCOPE_PRIVATE, out->person, 0);
    if (out->role == ROLE_ADMIN || out->role == ROLE_ANALYST) {
        return load_all_scopes(l);
    }
    add(l, SCOPE_USER, out->person, 0);
    struct err err = load_books(l, out->person);
    if (err.code == ERR_OK && out->role == ROLE_MANAGER) {
        err = load_below(l);
    }
    for (size_t i = 0; i < out->below_count && err.code == ERR_OK; i++) {
        err = load_books(l, out->below[i]);
    }
    return err;
}

/* Sorts, drops doubles (two holders of one book), and finds the scopes' numbers. */
static struct err number_scopes(struct loader *l)
{
    struct permit *out = l->out;
    if (out->scope_count > 0) {
        qsort(out->scopes, out->scope_count, sizeof *out->scopes, by_scope);
    }
    size_t kept = 0;
    struct err err = err_ok();
    for (size_t i = 0; i < out->scope_count && err.code == ERR_OK; i++) {
        struct permit_scope scope = out->scopes[i];
        if (kept > 0 && by_scope(&scope, &out->scopes[kept - 1]) == 0) {
            continue;
        }
        if (scope.no == 0) {
            err = store_scope(l->st, &scope.id, false, &scope.no);
            err = err.code == ERR_NOT_FOUND ? err_ok() : err;
        }
        out->scopes[kept++] = scope;
    }
    out->scope_count = kept;
    return err;
}

struct err permit_load(struct store *st, const uint8_t person[16], struct arena *arena,
                       struct permit *out)
{
    *out = (struct permit){0};
    memcpy(out->person, person, sizeof out->person);
    struct loader l = {.st = st, .arena = arena, .out = out};
    struct err err = load_role(&l);
    if (err.code == ERR_OK && out->role != 0) {
        err = load_scopes(&l);
    }
    if (err.code == ERR_OK) {
        err = number_scopes(&l);
    }
    return err.code == ERR_OK && l.full ? err_make(ERR_LIMIT, 0, "permit_load") : err;
}

const struct permit_scope *permit_find(const struct permit *p, const struct scope_id *id)
{
    struct permit_scope key = {.id = *id};
    return p->scope_count == 0
               ? NULL
               : bsearch(&key, p->scopes, p->scope_count, sizeof *p->scopes, by_scope);
}

struct err permit_holds(const struct permit *p, struct store *st, int64_t no, bool *out)
{
    struct scope *scope = NULL;
    struct err err = scope_get(st, no, &scope);
    *out = err.code == ERR_OK && (permit_find(p, &scope->id) != NULL || planted(SCOPE_UNCHECKED));
    return err;
}

void permit_sort(struct permit *p)
{
    if (p->scope_count > 0) {
        qsort(p->scopes, p->scope_count, sizeof *p->scopes, by_scope);
    }
    if (p->below_count > 0) {
        qsort(p->below, p->below_count, sizeof p->below[0], by_id);
    }
}

static bool is_former(const struct permit *p, int64_t no)
{
    for (size_t i = 0; i < p->former_count; i++) {
        if (p->former[i] == no) {
            return true;
        }
    }
    return false;
}

/* A departure from a scope that the author holds or held. `unheard`: only one of late that the
 * device, which was there then, can't have heard of. */
static struct err has_left(const struct permit *p, struct store *st, const uint8_t row[16],
                           bool unheard, bool *out)
{
    struct stmt q;
    struct err err = db_use(st->db, "SELECT scope, seq, left_at FROM departure WHERE row = ?1", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&q, 1, row);
    while (err.code == ERR_OK && !*out && db_step_row(&q)) {
        bool held = false;
        int64_t scope = col_int(&q, 0);
        int64_t left_ms = col_int(&q, 2);
        err = permit_holds(p, st, scope, &held);
        if (!unheard) {
            *out = held || is_former(p, scope);
        } else if (err.code == ERR_OK && held && left_ms > p->now_ms - PERMIT_LEFT_MS_MAX &&
                   left_ms >= p->dones->enrolled_ms) {
            err = dones_before(p->dones, st, scope, col_int(&q, 1), out);
        }
    }
    if (err.code == ERR_OK && !*out) {
        return stmt_err(&q, "has_left");
    }
    stmt_reset(&q);
    return err;
}

struct err permit_sees(const struct permit *p, struct store *st, const uint8_t row[16], int64_t no,
                       bool *out)
{
    *out = p->vouched;
    struct err err = p->vouched ? err_ok() : permit_holds(p, st, no, out);
    return err.code == ERR_OK && !*out && p->dones != NULL ? has_left(p, st, row, true, out) : err;
}

struct err permit_saw(const struct permit *p, struct store *st, const uint8_t row[16], int64_t no,
                      bool *out)
{
    *out = is_former(p, no);
    return *out ? err_ok() : has_left(p, st, row, false, out);
}

bool permit_speaks_for(const struct permit *p, const uint8_t person[16])
{
    if (p->vouched || (p->role & ROLE_ADMIN) != 0 ||
        memcmp(p->person, person, sizeof p->person) == 0) {
        return true;
    }
    return p->below_count > 0 &&
           bsearch(person, p->below, p->below_count, sizeof p->below[0], by_id) != NULL;
}

/* Facts are corrected by a reversing row, never edited away. */
bool permit_writes_table(const struct permit *p, const struct table *t, enum change_op op)
{
    if (!p->vouched && (p->role == 0 || p->role == ROLE_ANALYST)) {
        return false;
    }
    switch (t->write_class) {
    case CLASS_FACT:
        return op == CHANGE_INSERT;
    case CLASS_RECORD:
    case CLASS_DRAFT:
        return true;
    case CLASS_MANAGED:
        return p->vouched || (p->role & BY_MANAGER) != 0;
    case CLASS_SERVER:
        return op == CHANGE_UPDATE; /* of the columns that say so */
    }
    abort(); /* our own bug: a class without rules */
}

uint64_t permit_hide_quotes(unsigned role, uint32_t catalogue, const struct table *t, int64_t about,
                            uint64_t quoted, uint64_t columns)
{
    const struct table *of = catalogue_table((uint16_t)about);
    uint64_t quotes = 0;
    if (t->number == TABLE_kept_value) {
        quotes = UINT64_C(1) << COLUMN_kept_value_kept | UINT64_C(1) << COLUMN_kept_value_winner;
    } else if (t->number == TABLE_proposal) {
        quotes = UINT64_C(1) << COLUMN_proposal_wanted | UINT64_C(1) << COLUMN_proposal_before;
    }
    bool seen = of != NULL && (quoted & ~table_visible(of, role, catalogue)) == 0;
    return seen ? columns : columns & ~quotes;
}
