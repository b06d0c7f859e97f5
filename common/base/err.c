/* The texts of err.h's list. */
#include "common/base/base.h"

#include <stddef.h>

static const struct {
    const char *name;
    const char *en;
    const char *zh;
    bool retry;
} codes[] = {
#define X(name, retry, en, zh) [ERR_##name] = {#name, en, zh, retry},
    ERR_CODES(X)
#undef X
};

const char *err_name(enum err_code code)
{
    return codes[code].name;
}

const char *err_text(enum err_code code, bool chinese)
{
    return chinese ? codes[code].zh : codes[code].en;
}

bool err_is_retryable(enum err_code code)
{
    return codes[code].retry;
}

enum err_code err_code_of_errno(int number, enum err_code otherwise)
{
    switch (number) {
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_READONLY;
    case ENOSPC:
    case EDQUOT:
        return ERR_FULL;
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case ENOMEM:
        return ERR_NOMEM;
    default: /* errno is no enum: any other number says no more than "failed" */
        return otherwise;
    }
}
