/* Errors as values. `code` is what a caller can act on, `cause` the library's own number (an
 * SQLite, errno, curl or mbedTLS code), `where` a literal that names the step. */
#ifndef COMMON_BASE_ERR_H
#define COMMON_BASE_ERR_H

#include "protocol/bytes.h"

/*    name, worth a retry?, what it says (English), 中文 */
#define ERR_CODES(X)                                                                               \
    X(OK, false, "done", "完成")                                                                   \
    X(NOMEM, true, "out of memory", "内存不足")                                                    \
    X(IO, true, "reading or writing failed", "读写失败")                                           \
    X(FULL, true, "the disk is full", "磁盘已满")                                                  \
    X(READONLY, false, "no permission to write here, or read-only", "没有写入权限或为只读")        \
    X(BUSY, true, "another process is using it", "另一个进程正在使用")                             \
    X(CORRUPT, false, "the database is damaged", "数据库已损坏")                                   \
    X(NOT_FOUND, false, "not found", "未找到")                                                     \
    X(EXISTS, false, "exists already", "已存在")                                                   \
    X(INVALID, false, "not valid", "无效")                                                         \
    X(AMBIGUOUS, false, "more than one fits", "有多个匹配")                                        \
    X(LIMIT, false, "too large", "超出限制")                                                       \
    X(REFUSED, false, "refused", "被拒绝")                                                         \
    X(NETWORK, true, "can't reach the server", "无法连接服务器")                                   \
    X(TLS, false, "the server's certificate isn't the firm's", "服务器证书不属于本公司")           \
    X(AUTH, false, "this device is not admitted", "此设备未获准入")                                \
    X(PROTOCOL, false, "the other side doesn't keep to the protocol", "对方不符合协议")            \
    X(VERSION, false, "made by a newer program", "由更新版本的程序创建")                           \
    X(OUTDATED, false, "made by an older program", "由较旧版本的程序创建")                         \
    X(CANCELLED, true, "interrupted", "已中断")                                                    \
    X(INTERNAL, false, "internal error", "内部错误")

enum err_code {
#define X(name, retry, en, zh) ERR_##name,
    ERR_CODES(X)
#undef X
};

struct err {
    enum err_code code;
    int cause;
    const char *where;
};

static inline struct err err_ok(void)
{
    return (struct err){.code = ERR_OK};
}
static inline struct err err_make(enum err_code code, int cause, const char *where)
{
    return (struct err){.code = code, .cause = cause, .where = where};
}
const char *err_name(enum err_code code);               /* "NOT_FOUND" */
const char *err_text(enum err_code code, bool chinese); /* "not found" */
bool err_is_retryable(enum err_code code);
/* What a caller can act on of an errno; `otherwise` where it says no more than "failed". */
enum err_code err_code_of_errno(int number, enum err_code otherwise);

/* What is wrong with something that a person or a device gave us: a stable code (as on the wire),
 * the field, and detail. Filled beside ERR_INVALID and ERR_REFUSED. */
struct complaint {
    char code[32];    /* e.g. "too_long", "price_below_list" */
    char field[64];   /* catalogue name, or "" */
    char detail[160]; /* for people: the value's neighbourhood, the limit, the line */
};

#endif
