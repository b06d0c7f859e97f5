/* Who may hold what, and what they lost: a device that can't have heard of a loss still has its
 * work judged by what it held. */
#include "tests/sim/engine/oracle_internal.h"

/* ---- rights, from the rows themselves ---- */

static const struct value *value_of(const struct oracle_row *row, uint8_t column)
{
    return &row->values[column];
}

static bool names(const struct value *v, const uint8_t id[16])
{
    return v->kind == VALUE_BLOB && v->b.size == 16 && memcmp(v->b.at, id, 16) == 0;
}

static void hold(struct oracle_rights *r, enum scope_kind kind, const uint8_t id[16])
{
    struct scope_id scope = {.kind = (uint8_t)kind};
    memcpy(scope.id, id, 16);
    if (!rights_hold(r, &scope) && r->count < ORACLE_SCOPES_MAX) {
        r->scopes[r->count++] = scope;
    }
}

static void hold_books(const struct oracle *o, struct oracle_rights *r, const uint8_t person[16])
{
    for (size_t i = 0; i < o->row_count; i++) {
        const struct oracle_row *row = o->rows[i];
        if (row->table->number == TABLE_book_holder && row->deleted_at == 0 &&
            names(value_of(row, COLUMN_book_holder_person_id), person)) {
            hold(r, SCOPE_BOOK, value_of(row, COLUMN_book_holder_book_id)->b.at);
        }
    }
}

/* The firm of the simulator is two steps deep: who is below, and who is below those. */
static void hold_below(const struct oracle *o, struct oracle_rights *r, const uint8_t manager[16],
                       int depth)
{
    for (size_t i = 0; i < o->row_count && depth < 3; i++) {
        const struct oracle_row *row = o->rows[i];
        if (row->table->number != TABLE_person || row->deleted_at != 0 ||
            !names(value_of(row, COLUMN_person_manager_id), manager) || r->below_count == 8) {
            continue;
        }
        memcpy(r->below[r->below_count++], row->id, 16);
        hold(r, SCOPE_USER, row->id);
        hold_books(o, r, row->id);
        hold_below(o, r, row->id, depth + 1);
    }
}

void oracle_rights(const struct oracle *o, const uint8_t person[16], struct oracle_rights *out)
{
    static const char *const roles[] = {"rep", "manager", "admin", "analyst"};
    const struct oracle_row *row = oracle_find(o, TABLE_person, person);
    memset(out, 0, sizeof *out);
    memcpy(out->person, person, 16);
    if (row == NULL || row->deleted_at != 0 || value_of(row, COLUMN_person_active)->i != 1) {
        return;
    }
    for (size_t i = 0; i < count_of(roles); i++) {
        if (bytes_equal(value_of(row, COLUMN_person_role)->b, bytes_text(roles[i]))) {
            out->role = 1u << i;
        }
    }
    hold(out, SCOPE_COMPANY, o->company);
    hold(out, SCOPE_PRIVATE, person);
    hold(out, SCOPE_USER, person);
    if (value_of(row, COLUMN_person_team_id)->kind == VALUE_BLOB) {
        hold(out, SCOPE_TEAM, value_of(row, COLUMN_person_team_id)->b.at);
    }
    hold_books(o, out, person);
    if (out->role == ROLE_MANAGER) {
        hold_below(o, out, person, 0);
    }
}

bool rights_hold(const struct oracle_rights *r, const struct scope_id *scope)
{
    for (size_t i = 0; i < r->count; i++) {
        if (scope_equal(&r->scopes[i], scope)) {
            return true;
        }
    }
    return false;
}

/* ---- losses ---- */

static void note_loss(struct oracle *o, const uint8_t person[16], const struct scope_id *scope,
                      unsigned role, int64_t at_ms)
{
    struct oracle_loss *l = NULL;
    for (size_t i = 0; i < o->loss_count && l == NULL; i++) {
        struct oracle_loss *old = &o->losses[i];
        if (memcmp(old->person, person, 16) == 0 && scope_equal(&old->scope, scope)) {
            l = old;
        }
    }
    if (l == NULL) {
        assert(o->loss_count < ORACLE_LOSSES_MAX);
        l = &o->losses[o->loss_count++];
    }
    *l = (struct oracle_loss){.scope = *scope, .role = role, .at_ms = at_ms};
    memcpy(l->person, person, 16);
}

void oracle_rights_lost(struct oracle *o, const struct oracle_rights *before, int64_t at_ms)
{
    static const struct scope_id none = {.kind = 0};
    struct oracle_rights after;
    oracle_rights(o, before->person, &after);
    if (before->role != 0 && before->role != after.role) {
        note_loss(o, before->person, &none, before->role, at_ms);
    }
    for (size_t i = 0; i < before->count; i++) {
        if (!rights_hold(&after, &before->scopes[i])) {
            note_loss(o, before->person, &before->scopes[i], 0, at_ms);
        }
    }
}

static const struct cursor *cursor_of(const struct cursor *cursors, size_t count,
                                      const struct scope_id *scope)
{
    for (size_t i = 0; i < count; i++) {
        if (scope_equal(&cursors[i].scope, scope)) {
            return &cursors[i];
        }
    }
    return NULL;
}

static int64_t *done_of(struct oracle *o, uint32_t device, const struct scope_id *scope)
{
    for (size_t i = 0; i < o->done_count; i++) {
        if (o->dones[i].device == device && scope_equal(&o->dones[i].scope, scope)) {
            return &o->dones[i].done;
        }
    }
    assert(o->done_count < ORACLE_DONES_MAX);
    o->dones[o->done_count].device = device;
    o->dones[o->done_count].scope = *scope;
    return &o->dones[o->done_count++].done;
}

void oracle_hear(struct oracle *o, uint32_t device, const uint8_t person[16], unsigned mask,
                 const struct cursor *cursors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t *done = done_of(o, device, &cursors[i].scope);
        *done = cursors[i].done > *done ? cursors[i].done : *done;
    }
    for (size_t i = 0; i < o->loss_count; i++) {
        struct oracle_loss *l = &o->losses[i];
        bool knows =
            l->role != 0 ? (mask & l->role) == 0 : cursor_of(cursors, count, &l->scope) == NULL;
        if (memcmp(l->person, person, 16) == 0 && knows) {
            l->heard |= UINT64_C(1) << device;
        }
    }
}

bool oracle_heard(struct oracle *o, const struct oracle_push *push, const struct scope_id *scope,
                  int64_t seq)
{
    const struct cursor *shown = cursor_of(push->dones, push->done_count, scope);
    return shown == NULL || shown->done >= seq || *done_of(o, push->device, scope) >= seq;
}

void oracle_rights_of_author(const struct oracle *o, const struct oracle_push *push,
                             struct oracle_rights *out)
{
    struct oracle_rights now;
    oracle_rights(o, push->person, &now);
    *out = now;
    for (size_t i = 0; i < o->loss_count; i++) {
        const struct oracle_loss *l = &o->losses[i];
        bool knows = l->role != 0 ? (push->mask & l->role) == 0
                                  : cursor_of(push->dones, push->done_count, &l->scope) == NULL;
        bool counts = memcmp(l->person, push->person, 16) == 0 && !push->as_now && !knows &&
                      (l->heard >> push->device & 1) == 0 &&
                      l->at_ms > push->received_ms - ORACLE_LEFT_MS_MAX &&
                      l->at_ms >= o->enrolled_ms;
        if (!counts || (l->role == 0 && rights_hold(&now, &l->scope))) {
            continue;
        }
        out->role |= l->role;
        if (l->role == 0) {
            hold(out, (enum scope_kind)l->scope.kind, l->scope.id);
        }
        if (l->scope.kind == SCOPE_USER && out->below_count < 8) {
            memcpy(out->below[out->below_count++], l->scope.id, 16);
        }
    }
}
