/* CSV as other programs write it (RFC 4180): fields parted by commas, rows by LF or CRLF, quotes
 * around what holds either, doubled quotes inside, a byte order mark at the start. The reader holds
 * one row at a time, however long the file is.
 *
 * A row that is wrong is told and passed over, so that one run can tell all that is wrong. */
#ifndef COMMON_BASE_CSV_H
#define COMMON_BASE_CSV_H

#include "common/base/base.h"

#define CSV_FIELDS_MAX      256
#define CSV_FIELD_BYTES_MAX (1 << 20)
#define CSV_ROW_BYTES_MAX   (4 << 20)

/* Up to `size` bytes into `to`; 0 at the end, negative on an error. */
typedef int64_t (*csv_read)(void *context, uint8_t *to, size_t size);

enum csv_state {
    CSV_AT_FIELD,   /* nothing of the field was read yet */
    CSV_IN_PLAIN,   /* in a field without quotes */
    CSV_IN_QUOTES,  /* between quotes */
    CSV_AFTER_QUOTE /* behind a quote: its end, or the first of two */
};

struct csv {
    csv_read read;
    void *context;
    uint8_t chunk[65536];
    size_t chunk_at;
    size_t chunk_size;
    bool ended;
    bool failed;    /* reading failed, not parsing */
    size_t columns; /* of the first row; 0: none yet */
    uint64_t bytes; /* read so far */
    uint64_t line;  /* of the next byte, from 1 */
    enum csv_state state;
    uint64_t quote_line; /* where the open quote stands */
    struct buf row;      /* the fields' bytes, one after the other */
    size_t ends[CSV_FIELDS_MAX];
    size_t count;
};

struct csv_row {
    uint64_t line; /* of its first byte */
    size_t count;
    struct bytes fields[CSV_FIELDS_MAX]; /* valid until the next call */
};

enum csv_result { CSV_ROW, CSV_END, CSV_WRONG, CSV_UNREADABLE };

void csv_init(struct csv *c, csv_read read, void *context);
void csv_release(struct csv *c);
/* The next row that isn't empty. CSV_WRONG: `why` has a code (stray_quote, unterminated_quote,
 * wrong_count, too_long, not_utf8, malformed), the field's number from 1 in `field`, and
 * `row->line` the line; the call after goes on behind it. */
enum csv_result csv_next(struct csv *c, struct csv_row *row, struct complaint *why);

#endif
