/* The packing told in rowmeta.h. Our own bytes: a blob that doesn't parse is a damaged file. */
#include "common/changelog/server/rowmeta.h"

#define VERSION_FIELDS 5

static void put_varint(struct buf *out, uint64_t n)
{
    while (n >= 0x80) {
        buf_put_u8(out, (uint8_t)(n | 0x80));
        n >>= 7;
    }
    buf_put_u8(out, (uint8_t)n);
}

static uint64_t take_varint(struct bytes *in, bool *bad)
{
    uint64_t n = 0;
    for (unsigned shift = 0; shift < 64 && in->size > 0; shift += 7) {
        uint8_t byte = *in->at;
        in->at++;
        in->size--;
        n |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return n;
        }
    }
    *bad = true;
    return 0;
}

static void put_version(struct buf *out, const struct version *v)
{
    assert(v->seq >= 0 && v->effective_ms >= 0);
    put_varint(out, (uint64_t)v->seq);
    put_varint(out, (uint64_t)v->effective_ms);
    put_varint(out, v->author);
    put_varint(out, v->epoch);
    put_varint(out, v->device_seq);
}

static struct version take_version(struct bytes *in, bool *bad)
{
    uint64_t n[VERSION_FIELDS];
    for (size_t i = 0; i < VERSION_FIELDS; i++) {
        n[i] = take_varint(in, bad);
    }
    if (n[0] > INT64_MAX || n[1] > INT64_MAX || n[2] > UINT32_MAX || n[3] > UINT32_MAX) {
        *bad = true;
    }
    return (struct version){.seq = (int64_t)n[0],
                            .effective_ms = (int64_t)n[1],
                            .author = (uint32_t)n[2],
                            .epoch = (uint32_t)n[3],
                            .device_seq = n[4]};
}

/* A group takes at least as many bytes as it has fields, which bounds their number. */
bool rowmeta_read(struct bytes made, struct bytes cols, struct arena *arena, struct row_meta *out)
{
    bool bad = false;
    *out = (struct row_meta){.made = take_version(&made, &bad)};
    if (bad || made.size > 0) {
        return false;
    }
    if (cols.size == 0) {
        return true;
    }
    size_t room = cols.size / (1 + VERSION_FIELDS) + 1;
    out->groups = arena_array(arena, room, sizeof *out->groups);
    if (out->groups == NULL) {
        return false;
    }
    while (cols.size > 0 && !bad && out->group_count + 1 < room) {
        struct column_group *g = &out->groups[out->group_count++];
        g->columns = take_varint(&cols, &bad);
        g->at = take_version(&cols, &bad);
    }
    return !bad && cols.size == 0;
}

void rowmeta_put_made(const struct row_meta *meta, struct buf *out)
{
    put_version(out, &meta->made);
}

void rowmeta_put_cols(const struct row_meta *meta, struct buf *out)
{
    for (size_t i = 0; i < meta->group_count; i++) {
        put_varint(out, meta->groups[i].columns);
        put_version(out, &meta->groups[i].at);
    }
}

const struct version *rowmeta_of(const struct row_meta *meta, unsigned column)
{
    for (size_t i = 0; i < meta->group_count; i++) {
        if ((meta->groups[i].columns >> column & 1) != 0) {
            return &meta->groups[i].at;
        }
    }
    return &meta->made;
}

/* The new array has no group that lost all its columns, and room for the next one. */
bool rowmeta_set(struct row_meta *meta, uint64_t mask, const struct version *at,
                 struct arena *arena)
{
    struct column_group *groups = arena_array(arena, meta->group_count + 2, sizeof *groups);
    if (groups == NULL) {
        return false;
    }
    size_t count = 0;
    for (size_t i = 0; i < meta->group_count; i++) {
        struct column_group g = meta->groups[i];
        if (g.at.seq == at->seq) { /* the same transaction goes on */
            mask |= g.columns;
            continue;
        }
        g.columns &= ~mask;
        if (g.columns != 0) {
            groups[count++] = g;
        }
    }
    groups[count++] = (struct column_group){.columns = mask, .at = *at};
    meta->groups = groups;
    meta->group_count = count;
    return true;
}

uint64_t rowmeta_newer(const struct row_meta *meta, uint64_t among, int64_t seq)
{
    uint64_t changed = 0;
    uint64_t newer = 0;
    for (size_t i = 0; i < meta->group_count; i++) {
        changed |= meta->groups[i].columns;
        if (meta->groups[i].at.seq > seq) {
            newer |= meta->groups[i].columns;
        }
    }
    if (meta->made.seq > seq) {
        newer |= ~changed;
    }
    return newer & among;
}

const struct version *rowmeta_at(const struct row_meta *meta, int64_t seq)
{
    for (size_t i = 0; i < meta->group_count; i++) {
        if (meta->groups[i].at.seq == seq) {
            return &meta->groups[i].at;
        }
    }
    return meta->made.seq == seq ? &meta->made : NULL;
}
