/* Values as they go over the wire, in PostgreSQL's binary form: integers and floats big-endian,
 * text and bytea as they are, uuid as its 16 bytes. */
#include "common/base/base.h"

#include "server/store/postgres_driver.h"

#include <math.h>

/* Of the types that our tables and expressions have (pg_type.dat). */
enum {
    BOOL = 16,
    BYTEA = 17,
    NAME = 19,
    INT8 = 20,
    INT2 = 21,
    INT4 = 23,
    FLOAT8 = 701,
    NUMERIC = 1700,
    UUID = 2950
};

static void put_big_endian(struct postgres_param *p, uint64_t bits, int size)
{
    for (int i = 0; i < size; i++) {
        p->fixed[i] = (char)(bits >> (8 * (size - 1 - i)));
    }
    p->at = p->fixed;
    p->size = size;
}

static uint64_t take_big_endian(const char *at, int size)
{
    uint64_t bits = 0;
    for (int i = 0; i < size; i++) {
        bits = bits << 8 | (uint8_t)at[i];
    }
    return bits;
}

static struct err encode_real(double d, struct postgres_param *out)
{
    uint64_t bits = 0;
    memcpy(&bits, &d, sizeof bits);
    put_big_endian(out, bits, 8);
    return err_ok();
}

static struct err encode_int(Oid type, int64_t i, struct postgres_param *out)
{
    switch (type) {
    case INT8:
        put_big_endian(out, (uint64_t)i, 8);
        return err_ok();
    case INT4:
        put_big_endian(out, (uint64_t)i, 4);
        return i < INT32_MIN || i > INT32_MAX ? err_make(ERR_INVALID, (int)type, "bind") : err_ok();
    case INT2:
        put_big_endian(out, (uint64_t)i, 2);
        return i < INT16_MIN || i > INT16_MAX ? err_make(ERR_INVALID, (int)type, "bind") : err_ok();
    case BOOL:
        put_big_endian(out, i != 0, 1);
        return err_ok();
    case FLOAT8:
        return encode_real((double)i, out);
    default:
        return err_make(ERR_INVALID, (int)type, "bind");
    }
}

static struct err encode_bytes(Oid type, const struct value *v, struct postgres_param *out)
{
    bool number = type == INT8 || type == INT4 || type == INT2 || type == BOOL || type == FLOAT8 ||
                  type == NUMERIC;
    bool blob = type == BYTEA || type == UUID;
    bool fits = !number && blob == (v->kind == VALUE_BLOB) && v->b.size <= INT_MAX &&
                (type != UUID || v->b.size == 16);
    out->at = v->b.at == NULL ? "" : (const char *)v->b.at;
    out->size = (int)v->b.size;
    return fits ? err_ok() : err_make(ERR_INVALID, (int)type, "bind");
}

struct err postgres_encode(Oid type, const struct value *value, struct postgres_param *out)
{
    switch (value->kind) {
    case VALUE_NULL:
        *out = (struct postgres_param){0};
        return err_ok();
    case VALUE_INT:
        return encode_int(type, value->i, out);
    case VALUE_REAL:
        return type == FLOAT8 ? encode_real(value->d, out)
                              : err_make(ERR_INVALID, (int)type, "bind");
    case VALUE_TEXT:
    case VALUE_BLOB:
        return encode_bytes(type, value, out);
    }
    return err_make(ERR_INTERNAL, 0, "bind");
}

/* Digits of base 10,000 behind four 16-bit numbers: how many, the first one's power, sign, scale.
 * What a sum or an average of bigints gives. */
static struct value decode_numeric(const char *at, int size)
{
    enum { HEAD = 8, NEGATIVE = 0x4000, BASE = 10000 };
    if (size < HEAD) {
        return value_null();
    }
    const int digits = (int)take_big_endian(at, 2);
    int power = (int16_t)take_big_endian(at + 2, 2);
    const bool negative = take_big_endian(at + 4, 2) == NEGATIVE;
    const bool whole = take_big_endian(at + 6, 2) == 0;
    double real = 0;
    int64_t sum = 0;
    bool fits = true;
    for (int i = 0; i < digits && HEAD + 2 * i + 2 <= size; i++, power--) {
        int64_t digit = (int64_t)take_big_endian(at + HEAD + (ptrdiff_t)2 * i, 2);
        real += (double)digit * pow(BASE, power);
        for (int p = 0; p < power && fits && digit != 0; p++) {
            fits = !__builtin_mul_overflow(digit, BASE, &digit);
        }
        fits = fits && power >= 0 && !__builtin_add_overflow(sum, digit, &sum);
    }
    return whole && fits ? value_int(negative ? -sum : sum) : value_real(negative ? -real : real);
}

void postgres_show(const struct value *number, char out[POSTGRES_NUMBER_MAX])
{
    if (number->kind == VALUE_INT) {
        (void)snprintf(out, POSTGRES_NUMBER_MAX, "%" PRId64, number->i);
        return;
    }
    int size = snprintf(out, POSTGRES_NUMBER_MAX, "%.15g", number->d);
    if (strspn(out, "-0123456789") == (size_t)size) {
        (void)snprintf(out + size, POSTGRES_NUMBER_MAX - (size_t)size, ".0");
    }
}

struct value postgres_decode(const PGresult *result, int row, int column)
{
    if (PQgetisnull(result, row, column)) {
        return value_null();
    }
    const char *at = PQgetvalue(result, row, column);
    const int size = PQgetlength(result, row, column);
    switch (PQftype(result, column)) {
    case BOOL:
        return value_int(at[0] != 0);
    case INT8:
        return value_int((int64_t)take_big_endian(at, 8));
    case INT4:
        return value_int((int32_t)take_big_endian(at, 4));
    case INT2:
        return value_int((int16_t)take_big_endian(at, 2));
    case FLOAT8: {
        uint64_t bits = take_big_endian(at, 8);
        double d = 0;
        memcpy(&d, &bits, sizeof d);
        return value_real(d);
    }
    case NUMERIC:
        return decode_numeric(at, size);
    case BYTEA:
    case UUID:
        return value_blob(bytes_of(at, (size_t)size));
    default: /* text in all its kinds */
        return value_text(bytes_of(at, (size_t)size));
    }
}
