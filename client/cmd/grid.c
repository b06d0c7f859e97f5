/* See grid.h. */
#include "client/cmd/grid.h"

#include "common/base/utf8.h"

void put_visible(struct bytes text, struct buf *out)
{
    while (text.size > 0) {
        uint32_t point = 0;
        size_t size = utf8_next(text, &point);
        if (size == 0) {
            buf_printf(out, "\\x%02x", text.at[0]);
            size = 1;
        } else if (utf8_is_invisible(point)) {
            buf_printf(out, "\\u{%x}", point);
        } else {
            buf_put(out, bytes_of(text.at, size));
        }
        text = bytes_of(text.at + size, text.size - size);
    }
}

void grid_init(struct grid *g, struct arena *arena, size_t columns)
{
    assert(columns > 0 && columns <= GRID_COLUMNS_MAX);
    *g = (struct grid){.arena = arena, .columns = columns};
}

static bool grow(struct grid *g)
{
    size_t room = g->room == 0 ? 64 * g->columns : g->room * 2;
    const char **cells = arena_array(g->arena, room, sizeof *cells);
    if (cells == NULL) {
        g->bad = true;
        return false;
    }
    if (g->count > 0) {
        memcpy(cells, g->cells, g->count * sizeof *cells);
    }
    g->cells = cells;
    g->room = room;
    return true;
}

void grid_put(struct grid *g, struct bytes text)
{
    if (g->bad || (g->count == g->room && !grow(g))) {
        return;
    }
    struct buf visible;
    buf_init(&visible, text.size * 10 + 1); /* the longest form of one byte */
    put_visible(text, &visible);
    struct bytes copy = arena_copy(g->arena, buf_bytes(&visible));
    g->bad = g->bad || copy.at == NULL || visible.bad;
    g->cells[g->count++] = copy.at ? (const char *)copy.at : "";
    buf_release(&visible);
}

void grid_put_text(struct grid *g, const char *text)
{
    grid_put(g, bytes_text(text));
}

/* Places that a text takes; with `most`, the bytes of its beginning that take at most so many. */
static size_t places(const char *text, size_t most, size_t *bytes)
{
    struct bytes rest = bytes_text(text);
    size_t sum = 0;
    while (rest.size > 0) {
        uint32_t point = 0;
        size_t size = utf8_next(rest, &point);
        size_t width = (size_t)utf8_width(point);
        if (size == 0 || sum + width > most) {
            break;
        }
        sum += width;
        rest = bytes_of(rest.at + size, rest.size - size);
    }
    *bytes = (size_t)((const char *)rest.at - text);
    return sum;
}

void grid_print(const struct grid *g, FILE *to)
{
    size_t widths[GRID_COLUMNS_MAX] = {0};
    size_t bytes;
    for (size_t i = 0; i < g->count; i++) {
        size_t width = places(g->cells[i], GRID_CELL_WIDTH, &bytes);
        size_t *widest = &widths[i % g->columns];
        *widest = width > *widest ? width : *widest;
    }
    for (size_t i = 0; i < g->count; i++) {
        bool last = i % g->columns == g->columns - 1;
        size_t width = places(g->cells[i], last ? SIZE_MAX : GRID_CELL_WIDTH, &bytes);
        fprintf(to, "%.*s", (int)bytes, g->cells[i]);
        if (last) {
            fputc('\n', to);
        } else {
            fprintf(to, "%*s", (int)(widths[i % g->columns] - width) + 2, "");
        }
    }
}
