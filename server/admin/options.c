/* See options.h. */
#include "server/admin/options.h"

#include "common/base/decimal.h"
#include "server/admin/say.h"

/* The option that `arg` names, up to a "=". */
static struct option *option_find(struct option *options, size_t count, const char *arg)
{
    size_t size = strcspn(arg, "=");
    for (size_t i = 0; i < count; i++) {
        if (strlen(options[i].name) == size && memcmp(options[i].name, arg, size) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

static bool option_take(struct option *o, const char *value)
{
    if (o->kind != OPTION_LIST && o->count > 0) {
        complain("%s is given twice", "%s 重复", o->name);
        return false;
    }
    if (o->count == OPTION_VALUES_MAX) {
        complain("%s is given too often", "%s 过多", o->name);
        return false;
    }
    o->values[o->count++] = value;
    return true;
}

/* Reads the option at argv[*i]; *i then stands on the last word that belongs to it. */
static bool option_read(struct option *options, size_t count, int argc, char **argv, int *i)
{
    const char *arg = argv[*i];
    struct option *o = option_find(options, count, arg);
    const char *equals = strchr(arg, '=');
    if (o == NULL) {
        complain("unknown option %s", "未知选项 %s", arg);
        return false;
    }
    if (o->kind == OPTION_FLAG) {
        if (equals != NULL) {
            complain("%s takes no value", "%s 不带值", o->name);
            return false;
        }
        return option_take(o, "");
    }
    if (equals != NULL) {
        return option_take(o, equals + 1);
    }
    if (*i + 1 >= argc) {
        complain("%s needs a value", "%s 需要一个值", arg);
        return false;
    }
    *i += 1;
    return option_take(o, argv[*i]);
}

bool options_read(struct option *options, size_t option_count, int argc, char **argv,
                  size_t rest_min, size_t rest_max, struct arguments *rest)
{
    size_t count = 0;
    bool ended = false;
    for (int i = 1; i < argc; i++) {
        if (!ended && strcmp(argv[i], "--") == 0) {
            ended = true;
        } else if (!ended && argv[i][0] == '-' && argv[i][1] == '-') {
            if (!option_read(options, option_count, argc, argv, &i)) {
                return false;
            }
        } else {
            argv[1 + count++] = argv[i];
        }
    }
    *rest = (struct arguments){.at = (const char *const *)argv + 1, .count = count};
    if (count < rest_min) {
        complain("%s: an argument is missing", "%s：缺少参数", argv[0]);
        return false;
    }
    if (count > rest_max) {
        complain("%s: one argument too many: %s", "%s：多余的参数：%s", argv[0],
                 rest->at[rest_max]);
        return false;
    }
    return true;
}

const char *option_text(const struct option *o)
{
    return o->count == 0 ? NULL : o->values[0];
}

bool option_int(const struct option *o, int64_t min, int64_t max, int64_t fallback, int64_t *out)
{
    *out = fallback;
    if (o->count == 0) {
        return true;
    }
    if (decimal_parse(bytes_text(o->values[0]), 0, out) != DECIMAL_OK || *out < min || *out > max) {
        complain("%s: a whole number from %" PRId64 " to %" PRId64 " is needed",
                 "%s：需要 %" PRId64 " 到 %" PRId64 " 之间的整数", o->name, min, max);
        return false;
    }
    return true;
}
