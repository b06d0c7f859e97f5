/* A command's arguments: options by name, the rest in order. */
#ifndef SERVER_ADMIN_OPTIONS_H
#define SERVER_ADMIN_OPTIONS_H

#include "common/base/base.h"

#define OPTION_VALUES_MAX 64

enum option_kind {
    OPTION_FLAG, /* --dry-run */
    OPTION_TEXT, /* --name NAME or --name=NAME, once */
    OPTION_LIST  /* the same, any number of times */
};

struct option {
    const char *name; /* with its dashes */
    enum option_kind kind;
    size_t count; /* how often it was given */
    const char *values[OPTION_VALUES_MAX];
};

struct arguments {
    const char *const *at;
    size_t count;
};

/* argv[0] is the command's name. `options` are filled, what is left stands in `rest`, which lies
 * in argv (reordered). "--" ends the options. False: said on stderr what is wrong. */
MUST_USE bool options_read(struct option *options, size_t option_count, int argc, char **argv,
                           size_t rest_min, size_t rest_max, struct arguments *rest);
const char *option_text(const struct option *o); /* NULL: not given */
/* A whole number from `min` to `max`; `fallback` where not given. False: said what is wrong. */
MUST_USE bool option_int(const struct option *o, int64_t min, int64_t max, int64_t fallback,
                         int64_t *out);

#endif
