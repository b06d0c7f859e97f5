/* A line is composed in the caller's memory and leaves with one fwrite; see log.h. */
#include "common/base/log.h"

#include "common/base/base.h"
#include "common/base/day.h"

#define LOG_TAIL_MAX 8 /* room kept for " cut=1\n" */

/* Appends whole or not at all. */
static bool put(struct log_line *line, const char *text, size_t size)
{
    if (line->cut || size > LOG_LINE_MAX - LOG_TAIL_MAX - line->size) {
        return false;
    }
    memcpy(line->text + line->size, text, size);
    line->size += size;
    return true;
}

static void put_field(struct log_line *line, const char *key, const char *value, size_t size)
{
    size_t before = line->size;
    if (!put(line, " ", 1) || !put(line, key, strlen(key)) || !put(line, "=", 1) ||
        !put(line, value, size)) {
        line->size = before;
        line->cut = true;
    }
}

void log_begin(struct log_line *line, int64_t wall_ms, const char *event)
{
    line->size = 0;
    line->cut = false;
    struct civil c;
    civil_of_ms(wall_ms, &c);
    char stamp[64];
    int n = snprintf(stamp, sizeof stamp, "ts=%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", c.year, c.month,
                     c.day, c.hour, c.minute, c.second, c.ms);
    (void)put(line, stamp, (size_t)n);
    put_field(line, "event", event, strlen(event));
}

static bool is_plain(uint8_t c)
{
    return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

/* `to` holds the quoted text; false where it doesn't fit. */
static bool quote(struct bytes value, char *to, size_t room, size_t *size)
{
    size_t n = 0;
    to[n++] = '"';
    for (size_t i = 0; i < value.size; i++) {
        uint8_t c = value.at[i];
        if (n + 6 > room) {
            return false;
        }
        if (is_plain(c) || c == ' ' || c == '=') {
            to[n++] = (char)c;
        } else if (c == '"' || c == '\\') {
            to[n++] = '\\';
            to[n++] = (char)c;
        } else {
            n += (size_t)snprintf(to + n, room - n, "\\x%02x", c);
        }
    }
    to[n++] = '"';
    *size = n;
    return true;
}

void log_bytes(struct log_line *line, const char *key, struct bytes value)
{
    bool plain = value.size > 0;
    for (size_t i = 0; plain && i < value.size; i++) {
        plain = is_plain(value.at[i]);
    }
    if (plain) {
        put_field(line, key, (const char *)value.at, value.size);
        return;
    }
    char quoted[LOG_LINE_MAX];
    size_t size;
    if (!quote(value, quoted, sizeof quoted, &size)) {
        line->cut = true;
        return;
    }
    put_field(line, key, quoted, size);
}

void log_text(struct log_line *line, const char *key, const char *value)
{
    log_bytes(line, key, bytes_text(value));
}

void log_int(struct log_line *line, const char *key, int64_t value)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%" PRId64, value);
    put_field(line, key, digits, (size_t)n);
}

void log_err(struct log_line *line, struct err err)
{
    if (err.code == ERR_OK) {
        return;
    }
    log_text(line, "err", err_name(err.code));
    log_int(line, "cause", err.cause);
    log_text(line, "where", err.where != NULL ? err.where : "");
}

void log_end(struct log_line *line, FILE *to)
{
    if (line->cut) {
        memcpy(line->text + line->size, " cut=1", 6);
        line->size += 6;
    }
    line->text[line->size++] = '\n';
    (void)fwrite(line->text, 1, line->size, to); /* a log that can't be written stops nothing */
}
