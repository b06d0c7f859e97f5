/* The first include of every .c file of common/, client/ and server/: the standard headers, then
 * the functions that nobody here may call. */
#ifndef COMMON_BASE_BASE_H
#define COMMON_BASE_BASE_H

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/err.h"
#include "common/base/planted.h"
#include "protocol/arena.h"
#include "protocol/buf.h"
#include "protocol/bytes.h"
#include "protocol/value.h"

/* The owner of an embedded member. */
#define container_of(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
#define count_of(array) (sizeof(array) / sizeof((array)[0]))

#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol gmtime localtime gets

#endif
