/* Rows on their way to a device, grouped by table and set of columns, between two checkpoints. */
#ifndef CHANGELOG_SERVER_CHUNK_H
#define CHANGELOG_SERVER_CHUNK_H

#include "common/base/base.h"
#include "protocol/messages.h"

struct chunk_group {
    struct chunk_group *next;
    uint64_t mask;
    size_t room;
    struct rows rows;
};

struct chunk {
    struct arena arena;
    struct chunk_group *groups;
    struct chunk_group **groups_end;
    size_t row_count;
    size_t size; /* of the values, about */
    size_t departure_count;
    struct departure *departures; /* room for ROWS_PER_CHUNK */
};

void chunk_init(struct chunk *c);
void chunk_release(struct chunk *c);
void chunk_clear(struct chunk *c);
bool chunk_is_full(const struct chunk *c);

/* All below give NULL or false without memory. */
struct rows *chunk_group(struct chunk *c, const struct scope_id *scope, uint16_t table,
                         uint64_t columns, bool whole);
/* A new row of the group, its values still NULL. */
struct row *chunk_row(struct chunk *c, struct rows *group, const uint8_t id[16], int64_t seq);
/* The value's bytes become the chunk's. */
bool chunk_keep(struct chunk *c, struct value *v);
bool chunk_departure(struct chunk *c, const struct departure *d);

#endif
