/* Reading JSON from outside through jansson, which doesn't say whether a text is wrong or memory
 * was short: the two must never be taken for each other, as one is a refusal and the other a reason
 * to try again. */
#ifndef COMMON_BASE_JSON_READ_H
#define COMMON_BASE_JSON_READ_H

#include <jansson.h>

#include "common/base/base.h"

/* `flags` as json_loadb takes them. ERR_INVALID: no JSON; ERR_NOMEM. `*out` is json_decref'ed by
 * the caller, and NULL after an error. */
MUST_USE struct err json_read(struct bytes text, size_t flags, json_t **out);

#endif
