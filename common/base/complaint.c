/* See complaint.h. */
#include "common/base/complaint.h"

const char *complaint_text(const char *code, bool chinese)
{
    static const struct {
        const char *code;
        const char *english;
        const char *chinese;
    } texts[] = {
#define X(code_, english_, chinese_) {#code_, english_, chinese_},
        COMPLAINT_CODES(X)
#undef X
    };
    for (size_t i = 0; i < count_of(texts); i++) {
        if (strcmp(texts[i].code, code) == 0) {
            return chinese ? texts[i].chinese : texts[i].english;
        }
    }
    return code;
}

void complaint_print(const struct complaint *why, bool chinese, struct buf *out)
{
    if (why->field[0] != 0) {
        buf_printf(out, chinese ? "%s：" : "%s: ", why->field);
    }
    buf_put_text(out, complaint_text(why->code, chinese));
    if (why->detail[0] != 0) {
        buf_printf(out, chinese ? "（%s）" : " (%s)", why->detail);
    }
}

bool complaint_is_no_memory(const struct complaint *why)
{
    return strcmp(why->code, "no_memory") == 0;
}

struct err complaint_err(const struct complaint *why, const char *where)
{
    return err_make(complaint_is_no_memory(why) ? ERR_NOMEM : ERR_INVALID, 0, where);
}

void complaint_make(struct complaint *why, const char *code, const char *field,
                    const char *detail_format, ...)
{
    va_list args;
    va_start(args, detail_format);
    (void)snprintf(why->code, sizeof why->code, "%s", code);
    (void)snprintf(why->field, sizeof why->field, "%s", field);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is */
    (void)vsnprintf(why->detail, sizeof why->detail, detail_format, args);
    va_end(args);
}
