/* Floats in their shortest form: deterministic CBOR writes 2, 4 or 8 bytes, whichever is the least
 * that still holds the value exactly. */
#include "protocol/cbor.h"

#define HALF_MANTISSA_BITS 10
#define HALF_BIAS          15
#define FLOAT_BIAS         127

double cbor_widen_half(uint16_t half)
{
    unsigned exponent = (half >> HALF_MANTISSA_BITS) & 0x1fu;
    double mantissa = (double)(half & 0x3ffu);
    double scale = 1.0 / 1024;
    if (exponent == 0) {
        exponent = 1; /* subnormal: no hidden bit */
    } else {
        mantissa += 1024;
    }
    for (unsigned e = exponent; e > HALF_BIAS; e--) {
        scale *= 2;
    }
    for (unsigned e = exponent; e < HALF_BIAS; e++) {
        scale /= 2;
    }
    return (half & 0x8000u) ? -(mantissa * scale) : mantissa * scale;
}

/* Half precision of a finite float, as close as cutting bits off gets; the caller checks whether
 * that was exact. */
static uint16_t cut_to_half(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    uint16_t sign = (uint16_t)((bits >> 16) & 0x8000u);
    int exponent = (int)((bits >> 23) & 0xffu) - FLOAT_BIAS + HALF_BIAS;
    uint32_t mantissa = bits & 0x7fffffu;
    if (exponent >= 31 || exponent < -HALF_MANTISSA_BITS) {
        return sign;
    }
    if (exponent <= 0) { /* subnormal: the hidden bit becomes a plain one */
        mantissa |= 0x800000u;
        return (uint16_t)(sign | (mantissa >> (14 - exponent)));
    }
    return (uint16_t)(sign | ((unsigned)exponent << HALF_MANTISSA_BITS) | (mantissa >> 13));
}

unsigned cbor_shrink_double(double d, uint64_t *bits)
{
    float f = (float)d;
    if ((double)f != d) {
        memcpy(bits, &d, sizeof d);
        return 8;
    }
    uint16_t half = cut_to_half(f);
    if (cbor_widen_half(half) == d) {
        *bits = half;
        return 2;
    }
    uint32_t single;
    memcpy(&single, &f, sizeof single);
    *bits = single;
    return 4;
}
