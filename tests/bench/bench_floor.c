/* The floors of a download: CSV as visit_csv writes it, zstd'd, from stdin straight into a plain
 * table in one transaction, as the simplest program that moves the same rows would do it.
 *
 *     curl … rows.csv.zst | bench_floor pull DB       prints rows and the seconds of the inserts
 *     bench_floor write COUNT DB                      floor.write: seconds for COUNT made rows */
#include <zstd.h>

#include "common/db/db.h"
#include "tests/bench/stopwatch.h"
#include "tests/bench/visits.h"

#define LINE_BYTES_MAX 4096
#define NOW_MS         INT64_C(1795000000000)

struct line {
    char text[LINE_BYTES_MAX];
    size_t size;
};

static struct db *open_plain(const char *path)
{
    struct db *db = NULL;
    struct db_options options = {.mode = DB_CREATE, .busy_timeout_ms = 1000};
    need(db_open(&db, path, &options), "open");
    need(plain_create(db), "plain_create");
    need(db_begin(db, DB_LOCK_WRITE), "begin");
    return db;
}

static void finish(struct db *db, int64_t rows, double start)
{
    need(db_end(db, (struct err){.code = ERR_OK}), "end");
    printf("%" PRId64 " %.6f\n", rows, clock_s() - start);
    db_close(db);
}

static size_t unhex(char *text)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;
    for (; text[2 * n] != 0; n++) {
        const char *high = strchr(digits, text[2 * n]);
        const char *low = strchr(digits, text[2 * n + 1]);
        text[n] = (char)(((high - digits) << 4) | (low - digits));
    }
    return n;
}

/* The column's kind says how a field is read: the first three are ids, text is quoted. */
static struct value field_value(char *text, int column)
{
    if (column < 3) {
        return value_blob(bytes_of(text, unhex(text)));
    }
    if (text[0] == '"') {
        size_t size = strlen(text);
        return value_text(bytes_of(text + 1, size - 2));
    }
    return strchr(text, '.') != NULL ? value_real(strtod(text, NULL))
                                     : value_int(strtoll(text, NULL, 10));
}

static char *field_end(char *at)
{
    if (*at == '"') {
        at = strchr(at + 1, '"') + 1;
    }
    return at + strcspn(at, ",");
}

static void put_line(struct db *db, struct line *line)
{
    struct visit_row row;
    char *at = line->text;
    line->text[line->size] = 0;
    for (int i = 0; i <= VISIT_COLUMNS; i++) {
        char *end = field_end(at);
        bool last = *end == 0;
        *end = 0;
        struct value v = field_value(at, i);
        if (i == 0) {
            memcpy(row.id, v.b.at, 16);
        } else {
            row.cells[i - 1].value = v;
        }
        at = last ? end : end + 1;
    }
    need(plain_insert(db, &row), "plain_insert");
}

static int64_t put_bytes(struct db *db, struct line *line, const char *bytes, size_t size)
{
    int64_t rows = 0;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] == '\n') {
            put_line(db, line);
            line->size = 0;
            rows++;
        } else if (line->size < LINE_BYTES_MAX - 1) {
            line->text[line->size++] = bytes[i];
        }
    }
    return rows;
}

static void pull(const char *path)
{
    static char packed[1 << 17];
    static char plain[1 << 17];
    struct line line = {.size = 0};
    int64_t rows = 0;
    double start = clock_s();
    struct db *db = open_plain(path);
    ZSTD_DStream *z = ZSTD_createDStream();
    for (size_t n; (n = fread(packed, 1, sizeof packed, stdin)) > 0;) {
        ZSTD_inBuffer in = {.src = packed, .size = n};
        while (in.pos < in.size) {
            ZSTD_outBuffer out = {.dst = plain, .size = sizeof plain};
            if (ZSTD_isError(ZSTD_decompressStream(z, &out, &in))) {
                need(err_make(ERR_PROTOCOL, 0, "zstd"), "stdin");
            }
            rows += put_bytes(db, &line, plain, out.pos);
        }
    }
    ZSTD_freeDStream(z);
    finish(db, rows, start);
}

static void write_rows(int64_t count, const char *path)
{
    static const uint8_t customers[][16] = {{1}, {2}, {3}, {4}, {5}, {6}, {7}, {8}};
    struct visit_maker maker = {.customers = customers,
                                .customer_count = count_of(customers),
                                .last_ms = NOW_MS,
                                .total = count,
                                .seed = 1};
    struct visit_row row;
    double start = clock_s();
    struct db *db = open_plain(path);
    for (int64_t i = 0; i < count; i++) {
        visit_make(&maker, i, &row);
        need(plain_insert(db, &row), "plain_insert");
    }
    finish(db, count, start);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "pull") == 0) {
        pull(argv[2]);
    } else if (argc == 4 && strcmp(argv[1], "write") == 0) {
        write_rows(strtoll(argv[2], NULL, 10), argv[3]);
    } else {
        fprintf(stderr, "usage: bench_floor pull DB | write COUNT DB\n");
        return 2;
    }
    return 0;
}
