/* Civil days and clock times as arithmetic: the Gregorian calendar, no zones, no system calls.
 * Milliseconds count from 1970-01-01 00:00 of the same clock face, so UTC in gives UTC out and
 * local in gives local out; who knows the zone adds or takes the offset. */
#ifndef COMMON_BASE_DAY_H
#define COMMON_BASE_DAY_H

#include "common/base/base.h"

#define DAY_MS        86400000
#define DAY_TEXT_SIZE 11 /* "YYYY-MM-DD" and its zero */

struct civil {
    int year;  /* 1 to 9999 */
    int month; /* 1 to 12 */
    int day;
    int hour;
    int minute;
    int second;
    int ms;
};

enum weekday { MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY };

bool civil_is_valid(const struct civil *c);
int64_t civil_to_ms(const struct civil *c); /* of a valid one */
void civil_of_ms(int64_t ms, struct civil *out);
enum weekday day_weekday(int64_t ms);

/* Exactly YYYY-MM-DD, and a day that exists; `ms` is its midnight. */
MUST_USE bool day_parse(struct bytes text, int64_t *ms);
/* The day that `ms` lies in. */
void day_print(int64_t ms, char text[DAY_TEXT_SIZE]);

/* What a time says of its zone. */
struct civil_zone {
    bool given;
    int offset_min; /* east is positive */
};
/* ISO 8601: a day, or a day and a time to the minute, second or fraction, parted by T or a space,
 * with Z, +08:00, +0800, +08 or no zone. */
MUST_USE bool civil_parse(struct bytes text, struct civil *out, struct civil_zone *zone);
/* As `format` says: %Y %m %d %H %M %S, %% and literal characters; numbers may lack leading zeros.
 */
MUST_USE bool civil_parse_format(struct bytes text, const char *format, struct civil *out);

#endif
