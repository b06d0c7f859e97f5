/* SQL composed from the catalogue for each row, so it must cost next to nothing: plain appends
 * into a fixed place, no formatting. The connection then finds the statement by its text. Names
 * come from the catalogue alone: 63 columns of at most 31 characters, twice, fit. */
#ifndef COMMON_CHANGELOG_SQLTEXT_H
#define COMMON_CHANGELOG_SQLTEXT_H

#include "common/base/base.h"

#define SQLTEXT_MAX 8192

struct sqltext {
    size_t size;
    char at[SQLTEXT_MAX]; /* always ended by a zero */
};

static inline void sqltext_put(struct sqltext *sql, const char *text)
{
    size_t size = strlen(text);
    assert(size < sizeof sql->at - sql->size);
    memcpy(sql->at + sql->size, text, size + 1);
    sql->size += size;
}

static inline void sqltext_begin(struct sqltext *sql, const char *text)
{
    sql->size = 0;
    sqltext_put(sql, text);
}

/* "?12"; statements have at most 999 parameters. */
static inline void sqltext_parameter(struct sqltext *sql, size_t number)
{
    char text[8];
    char *at = text + sizeof text - 1;
    assert(number > 0 && number < 1000);
    *at = 0;
    for (; number > 0; number /= 10) {
        *--at = (char)('0' + number % 10);
    }
    *--at = '?';
    sqltext_put(sql, at);
}

#endif
