/* See chunk.h. */
#include "common/changelog/server/chunk.h"

#define CHUNK_BYTES           ((size_t)512 * 1024) /* of values, after which a chunk is full */
#define CHUNK_ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define ROOM_FIRST            16

void chunk_init(struct chunk *c)
{
    *c = (struct chunk){0};
    c->groups_end = &c->groups;
    arena_init(&c->arena, CHUNK_ARENA_BYTES_MAX);
}

void chunk_release(struct chunk *c)
{
    arena_release(&c->arena);
}

void chunk_clear(struct chunk *c)
{
    arena_clear(&c->arena);
    c->groups = NULL;
    c->groups_end = &c->groups;
    c->row_count = 0;
    c->size = 0;
    c->departure_count = 0;
    c->departures = NULL;
}

bool chunk_is_full(const struct chunk *c)
{
    return c->row_count + c->departure_count >= ROWS_PER_CHUNK || c->size >= CHUNK_BYTES;
}

struct rows *chunk_group(struct chunk *c, const struct scope_id *scope, uint16_t table,
                         uint64_t columns, bool whole)
{
    for (struct chunk_group *g = c->groups; g != NULL; g = g->next) {
        if (g->rows.table == table && g->mask == columns && g->rows.whole == whole &&
            memcmp(&g->rows.scope, scope, sizeof *scope) == 0) {
            return &g->rows;
        }
    }
    struct chunk_group *g = arena_alloc(&c->arena, sizeof *g);
    if (g == NULL) {
        return NULL;
    }
    g->mask = columns;
    g->rows = (struct rows){.scope = *scope, .table = table, .whole = whole};
    for (unsigned n = 0; n <= COLUMNS_MAX; n++) {
        if ((columns >> n & 1) != 0) {
            g->rows.columns[g->rows.column_count++] = (uint8_t)n;
        }
    }
    *c->groups_end = g;
    c->groups_end = &g->next;
    return &g->rows;
}

static bool grow(struct chunk *c, struct chunk_group *g)
{
    size_t room = g->room == 0 ? ROOM_FIRST : g->room * 2;
    struct row *rows = arena_array(&c->arena, room, sizeof *rows);
    if (rows == NULL) {
        return false;
    }
    if (g->rows.count > 0) {
        memcpy(rows, g->rows.rows, g->rows.count * sizeof *rows);
    }
    g->rows.rows = rows;
    g->room = room;
    return true;
}

struct row *chunk_row(struct chunk *c, struct rows *group, const uint8_t id[16], int64_t seq)
{
    struct chunk_group *g = container_of(group, struct chunk_group, rows);
    struct value *values = arena_array(&c->arena, group->column_count, sizeof *values);
    if (values == NULL || (group->count == g->room && !grow(c, g))) {
        return NULL;
    }
    struct row *row = &group->rows[group->count++];
    row->seq = seq;
    row->values = values;
    memcpy(row->id, id, sizeof row->id);
    c->row_count++;
    c->size += sizeof row->id + group->column_count;
    return row;
}

bool chunk_keep(struct chunk *c, struct value *v)
{
    if (v->kind == VALUE_TEXT || v->kind == VALUE_BLOB) {
        v->b = arena_copy(&c->arena, v->b);
        c->size += v->b.size;
        return v->b.at != NULL;
    }
    c->size += sizeof v->i;
    return true;
}

bool chunk_departure(struct chunk *c, const struct departure *d)
{
    if (c->departures == NULL) {
        c->departures = arena_array(&c->arena, ROWS_PER_CHUNK, sizeof *c->departures);
    }
    if (c->departures == NULL || c->departure_count == ROWS_PER_CHUNK) {
        return false;
    }
    c->departures[c->departure_count++] = *d;
    return true;
}
