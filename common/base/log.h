/* Log lines: one event a line, `ts=… event=… key=value …`. A value with anything but plain
 * printable ASCII in it stands in quotes with the rest escaped (\n, \x1b, …), so that no input can
 * make a line of its own or colour a terminal. Never customer data: ids, codes, sizes, times.
 *
 *   struct log_line line;
 *   log_begin(&line, wall_ms, "request");
 *   log_text(&line, "route", "sync");
 *   log_int(&line, "status", 200);
 *   log_end(&line, stderr);
 *
 * A line that outgrows its room is cut at a whole field and says `cut=1`. */
#ifndef COMMON_BASE_LOG_H
#define COMMON_BASE_LOG_H

#include <stdio.h>

#include "common/base/err.h"

#define LOG_LINE_MAX 1024

struct log_line {
    char text[LOG_LINE_MAX];
    size_t size;
    bool cut;
};

/* `wall_ms` is UTC; it is written as 2026-11-23T09:57:06.123Z. */
void log_begin(struct log_line *line, int64_t wall_ms, const char *event);
void log_text(struct log_line *line, const char *key, const char *value);
void log_bytes(struct log_line *line, const char *key, struct bytes value);
void log_int(struct log_line *line, const char *key, int64_t value);
/* code, cause and step, as `err=FULL cause=13 where=db_end`; nothing for ERR_OK. */
void log_err(struct log_line *line, struct err err);
/* Writes the line at once, so that lines of several threads don't mix. */
void log_end(struct log_line *line, FILE *to);

#endif
