/* See csv.h. Byte by byte through four states:
 *
 *                ┌──────────── , LF ────────────┐
 *                ▼                              │
 *     AT_FIELD ──── other ───► IN_PLAIN ────────┤
 *        │ "                                    │
 *        ▼                                      │
 *     IN_QUOTES ──── " ──► AFTER_QUOTE ─────────┘
 *        ▲                      │ "
 *        └──────────────────────┘
 */
#include "common/base/csv.h"

#include "common/base/complaint.h"
#include "common/base/utf8.h"

void csv_init(struct csv *c, csv_read read, void *context)
{
    *c = (struct csv){.read = read, .context = context, .line = 1};
    buf_init(&c->row, CSV_ROW_BYTES_MAX);
}

void csv_release(struct csv *c)
{
    buf_release(&c->row);
}

/* The next byte, or -1 at the end. */
static int next_byte(struct csv *c)
{
    if (c->chunk_at == c->chunk_size && !c->ended) {
        int64_t size = c->read(c->context, c->chunk, sizeof c->chunk);
        c->failed = size < 0;
        c->ended = size <= 0;
        c->chunk_at = 0;
        c->chunk_size = size > 0 ? (size_t)size : 0;
    }
    return c->chunk_at < c->chunk_size ? c->chunk[c->chunk_at++] : -1;
}

/* The first complaint of a row stays; the rest of the row is only passed over. */
static void complain_of(const struct csv *c, const char *code, uint64_t line, struct csv_row *row,
                        struct complaint *why)
{
    if (why->code[0] == 0) {
        char field[24];
        (void)snprintf(field, sizeof field, "%zu", c->count + 1);
        complaint_make(why, code, field, "%s", "");
        row->line = line;
    }
}

static size_t field_start(const struct csv *c)
{
    return c->count == 0 ? 0 : c->ends[c->count - 1];
}

static void put_byte(struct csv *c, int byte, struct csv_row *row, struct complaint *why)
{
    if (c->row.size - field_start(c) >= CSV_FIELD_BYTES_MAX) {
        complain_of(c, "too_long", row->line, row, why);
    }
    if (why->code[0] == 0) {
        buf_put_u8(&c->row, (uint8_t)byte);
    }
    if (c->row.bad) {
        complain_of(c, "too_long", row->line, row, why);
    }
}

static void end_field(struct csv *c, struct csv_row *row, struct complaint *why)
{
    if (c->count == CSV_FIELDS_MAX) {
        complain_of(c, "wrong_count", row->line, row, why);
        return;
    }
    c->ends[c->count++] = c->row.size;
    c->state = CSV_AT_FIELD;
}

/* A CR counts as part of the line's end only right before LF. */
static void drop_carriage_return(struct csv *c)
{
    if (c->row.size > field_start(c) && c->row.at[c->row.size - 1] == '\r') {
        c->row.size--;
    }
}

static void take_plain(struct csv *c, int byte, struct csv_row *row, struct complaint *why)
{
    if (byte == '"') {
        complain_of(c, "stray_quote", c->line, row, why);
    }
    c->state = CSV_IN_PLAIN;
    put_byte(c, byte, row, why);
}

/* Behind a closing quote only a separator may stand, or the CR of the line's end. */
static void take_after_quote(struct csv *c, int byte, struct csv_row *row, struct complaint *why)
{
    if (byte == '"') {
        c->state = CSV_IN_QUOTES;
        put_byte(c, byte, row, why);
    } else if (byte != '\r') {
        complain_of(c, "stray_quote", c->line, row, why);
    }
}

static void open_quote(struct csv *c)
{
    c->state = CSV_IN_QUOTES;
    c->quote_line = c->line;
}

/* True: the row ends with this byte. */
static bool take_byte(struct csv *c, int byte, struct csv_row *row, struct complaint *why)
{
    if (c->state == CSV_IN_QUOTES) {
        if (byte == '"') {
            c->state = CSV_AFTER_QUOTE;
        } else {
            put_byte(c, byte, row, why);
        }
        return false;
    }
    if (byte == '\n') {
        if (c->state == CSV_IN_PLAIN) {
            drop_carriage_return(c);
        }
        end_field(c, row, why);
        return true;
    }
    if (byte == ',') {
        end_field(c, row, why);
    } else if (c->state == CSV_AFTER_QUOTE) {
        take_after_quote(c, byte, row, why);
    } else if (c->state == CSV_AT_FIELD && byte == '"') {
        open_quote(c);
    } else {
        take_plain(c, byte, row, why);
    }
    return false;
}

/* A byte order mark isn't part of the first field, which may begin with a quote behind it. */
static void skip_mark(struct csv *c)
{
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf};
    if (c->row.size == sizeof mark && memcmp(c->row.at, mark, sizeof mark) == 0) {
        buf_clear(&c->row);
        c->state = CSV_AT_FIELD;
    }
}

/* Reads to the end of a row; false: the file ended before it. */
static bool read_row(struct csv *c, struct csv_row *row, struct complaint *why)
{
    bool any = false;
    for (int byte = next_byte(c); byte >= 0; byte = next_byte(c)) {
        any = true;
        bool done = take_byte(c, byte, row, why);
        c->line += byte == '\n' ? 1 : 0;
        c->bytes++;
        if (c->bytes == 3) {
            skip_mark(c);
        }
        if (done) {
            return true;
        }
    }
    if (any && c->state == CSV_IN_QUOTES) {
        complain_of(c, "unterminated_quote", c->quote_line, row, why);
    }
    if (any) {
        end_field(c, row, why);
    }
    return any;
}

/* Splits the row's bytes, and looks at what can be judged only now. */
static void finish_row(struct csv *c, struct csv_row *row, struct complaint *why)
{
    const char *text = buf_text(&c->row); /* also an empty row has an address */
    size_t count = c->count;
    row->count = count;
    for (c->count = 0; c->count < count && why->code[0] == 0; c->count++) {
        size_t start = field_start(c);
        struct bytes field = bytes_of(text + start, c->ends[c->count] - start);
        row->fields[c->count] = field;
        if (!utf8_is_valid(field)) {
            complain_of(c, "not_utf8", row->line, row, why);
        } else if (memchr(field.at, 0, field.size) != NULL) {
            complain_of(c, "malformed", row->line, row, why);
        }
    }
    if (c->columns == 0) {
        c->columns = count;
    } else if (count != c->columns && why->code[0] == 0) {
        c->count = count < c->columns ? count : c->columns; /* the first missing, or too much */
        complain_of(c, "wrong_count", row->line, row, why);
        (void)snprintf(why->detail, sizeof why->detail, "%zu, not %zu", count, c->columns);
    }
}

enum csv_result csv_next(struct csv *c, struct csv_row *row, struct complaint *why)
{
    for (;;) {
        *why = (struct complaint){0};
        row->line = c->line;
        buf_clear(&c->row);
        c->count = 0;
        c->state = CSV_AT_FIELD;
        if (!read_row(c, row, why) || c->failed) {
            return c->failed ? CSV_UNREADABLE : CSV_END;
        }
        bool empty = c->count == 1 && c->row.size == 0 && why->code[0] == 0;
        if (!empty) {
            finish_row(c, row, why);
            return why->code[0] == 0 ? CSV_ROW : CSV_WRONG;
        }
    }
}
