/* See day.h. Days and dates are turned into each other over eras of 400 years that begin on the
 * first of March, so that the leap day is the last of its year (Howard Hinnant's algorithms). */
#include "common/base/day.h"

#define DAYS_PER_ERA     146097
#define DAYS_TO_1970     719468 /* from 0000-03-01 */
#define DAYS_PER_YEAR    365
#define YEAR_MAX         9999
#define MINUTE_MS        60000
#define SECOND_MS        1000
#define OFFSET_HOURS_MAX 18

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

bool civil_is_valid(const struct civil *c)
{
    return c->year >= 1 && c->year <= YEAR_MAX && c->month >= 1 && c->month <= 12 && c->day >= 1 &&
           c->day <= days_of_month(c->year, c->month) && c->hour >= 0 && c->hour <= 23 &&
           c->minute >= 0 && c->minute <= 59 && c->second >= 0 && c->second <= 59 && c->ms >= 0 &&
           c->ms <= 999;
}

int64_t civil_to_ms(const struct civil *c)
{
    assert(civil_is_valid(c));
    int64_t year = c->month <= 2 ? c->year - 1 : c->year;
    int64_t era = year / 400;
    int64_t of_era = year % 400;
    int64_t of_year = (153 * (c->month + (c->month > 2 ? -3 : 9)) + 2) / 5 + c->day - 1;
    int64_t days = era * DAYS_PER_ERA + of_era * DAYS_PER_YEAR + of_era / 4 - of_era / 100 +
                   of_year - DAYS_TO_1970;
    int64_t minutes = (int64_t)c->hour * 60 + c->minute;
    return days * DAY_MS + minutes * MINUTE_MS + (int64_t)c->second * SECOND_MS + c->ms;
}

/* Whole days, rounded down also before 1970. */
static int64_t days_of_ms(int64_t ms)
{
    return ms / DAY_MS - (ms % DAY_MS < 0 ? 1 : 0);
}

void civil_of_ms(int64_t ms, struct civil *out)
{
    int64_t days = days_of_ms(ms);
    int64_t rest = ms - days * DAY_MS;
    days += DAYS_TO_1970;
    int64_t era = days / DAYS_PER_ERA - (days % DAYS_PER_ERA < 0 ? 1 : 0);
    int64_t of_era = days - era * DAYS_PER_ERA;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / DAYS_PER_YEAR;
    int64_t of_year = of_era - (DAYS_PER_YEAR * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153; /* from March */
    *out = (struct civil){
        .year = (int)(year + era * 400 + (month >= 10 ? 1 : 0)),
        .month = (int)(month + (month < 10 ? 3 : -9)),
        .day = (int)(of_year - (153 * month + 2) / 5 + 1),
        .hour = (int)(rest / (60 * MINUTE_MS)),
        .minute = (int)(rest / MINUTE_MS % 60),
        .second = (int)(rest / SECOND_MS % 60),
        .ms = (int)(rest % SECOND_MS),
    };
}

enum weekday day_weekday(int64_t ms)
{
    int64_t days = (days_of_ms(ms) + THURSDAY) % 7; /* 1970-01-01 was a Thursday */
    return (enum weekday)(days < 0 ? days + 7 : days);
}

/* What is left to read of a text; `bad` stays set. */
struct scan {
    struct bytes left;
    bool bad;
};

static bool scan_is_at(const struct scan *s, char c)
{
    return s->left.size > 0 && s->left.at[0] == (uint8_t)c;
}

static void scan_skip(struct scan *s)
{
    s->left.at++;
    s->left.size--;
}

static void scan_expect(struct scan *s, char c)
{
    if (scan_is_at(s, c)) {
        scan_skip(s);
    } else {
        s->bad = true;
    }
}

/* A number of `min` to `max` digits. */
static int scan_number(struct scan *s, int min, int max)
{
    int number = 0;
    int digits = 0;
    while (digits < max && s->left.size > 0 && s->left.at[0] >= '0' && s->left.at[0] <= '9') {
        number = number * 10 + (s->left.at[0] - '0');
        scan_skip(s);
        digits++;
    }
    if (digits < min) {
        s->bad = true;
    }
    return number;
}

static void scan_day(struct scan *s, struct civil *out)
{
    out->year = scan_number(s, 4, 4);
    scan_expect(s, '-');
    out->month = scan_number(s, 2, 2);
    scan_expect(s, '-');
    out->day = scan_number(s, 2, 2);
}

/* A fraction of a second: three digits count, further ones are dropped. */
static int scan_fraction_ms(struct scan *s)
{
    int ms = 0;
    int digits = 0;
    while (s->left.size > 0 && s->left.at[0] >= '0' && s->left.at[0] <= '9') {
        if (digits < 3) {
            ms = ms * 10 + (s->left.at[0] - '0');
        }
        digits++;
        scan_skip(s);
    }
    if (digits == 0) {
        s->bad = true;
    }
    return digits == 1 ? ms * 100 : digits == 2 ? ms * 10 : ms;
}

static void scan_time(struct scan *s, struct civil *out)
{
    out->hour = scan_number(s, 2, 2);
    scan_expect(s, ':');
    out->minute = scan_number(s, 2, 2);
    if (scan_is_at(s, ':')) {
        scan_skip(s);
        out->second = scan_number(s, 2, 2);
        if (scan_is_at(s, '.')) {
            scan_skip(s);
            out->ms = scan_fraction_ms(s);
        }
    }
}

static void scan_zone(struct scan *s, struct civil_zone *out)
{
    out->given = true;
    if (scan_is_at(s, 'Z')) {
        scan_skip(s);
        return;
    }
    int sign = scan_is_at(s, '-') ? -1 : 1;
    if (sign > 0) {
        scan_expect(s, '+');
    } else {
        scan_skip(s);
    }
    int hours = scan_number(s, 2, 2);
    if (scan_is_at(s, ':')) {
        scan_skip(s);
    }
    int minutes = s->left.size > 0 ? scan_number(s, 2, 2) : 0;
    s->bad = s->bad || hours > OFFSET_HOURS_MAX || minutes > 59;
    out->offset_min = sign * (hours * 60 + minutes);
}

bool day_parse(struct bytes text, int64_t *ms)
{
    struct scan s = {.left = text};
    struct civil c = {0};
    scan_day(&s, &c);
    if (s.bad || s.left.size > 0 || !civil_is_valid(&c)) {
        return false;
    }
    *ms = civil_to_ms(&c);
    return true;
}

void day_print(int64_t ms, char text[DAY_TEXT_SIZE])
{
    struct civil c;
    civil_of_ms(ms, &c);
    unsigned year = (unsigned)c.year % (YEAR_MAX + 1);
    (void)snprintf(text, DAY_TEXT_SIZE, "%04u-%02u-%02u", year, (unsigned)c.month % 100,
                   (unsigned)c.day % 100);
}

bool civil_parse(struct bytes text, struct civil *out, struct civil_zone *zone)
{
    struct scan s = {.left = text};
    *out = (struct civil){0};
    *zone = (struct civil_zone){0};
    scan_day(&s, out);
    if (!s.bad && (scan_is_at(&s, 'T') || scan_is_at(&s, ' '))) {
        scan_skip(&s);
        scan_time(&s, out);
        if (!s.bad && scan_is_at(&s, ' ')) {
            scan_skip(&s);
        }
        if (!s.bad && s.left.size > 0) {
            scan_zone(&s, zone);
        }
    }
    return !s.bad && s.left.size == 0 && civil_is_valid(out);
}

/* The number that a letter of the format stands for. */
static void scan_letter(struct scan *s, char letter, struct civil *out)
{
    switch (letter) {
    case 'Y':
        out->year = scan_number(s, 4, 4);
        break;
    case 'm':
        out->month = scan_number(s, 1, 2);
        break;
    case 'd':
        out->day = scan_number(s, 1, 2);
        break;
    case 'H':
        out->hour = scan_number(s, 1, 2);
        break;
    case 'M':
        out->minute = scan_number(s, 1, 2);
        break;
    case 'S':
        out->second = scan_number(s, 1, 2);
        break;
    case '%':
        scan_expect(s, '%');
        break;
    default: /* not an enumeration: letters that we don't know */
        s->bad = true;
        break;
    }
}

bool civil_parse_format(struct bytes text, const char *format, struct civil *out)
{
    struct scan s = {.left = text};
    *out = (struct civil){0};
    for (const char *at = format; *at != 0 && !s.bad; at++) {
        if (*at == '%' && at[1] != 0) {
            at++;
            scan_letter(&s, *at, out);
        } else {
            scan_expect(&s, *at);
        }
    }
    return !s.bad && s.left.size == 0 && civil_is_valid(out);
}
