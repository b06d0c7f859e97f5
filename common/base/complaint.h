/* What a complaint says to a person. The codes are those of the wire and of value checks. */
#ifndef COMMON_BASE_COMPLAINT_H
#define COMMON_BASE_COMPLAINT_H

#include "common/base/base.h"

/*    code, what it says (English), 中文 */
#define COMPLAINT_CODES(X)                                                                         \
    X(required, "a value is needed", "必填")                                                       \
    X(wrong_type, "a value of another kind is needed", "值的类型不对")                             \
    X(too_long, "too long", "过长")                                                                \
    X(not_utf8, "not UTF-8 text", "不是 UTF-8 文本")                                               \
    X(not_nfc, "not composed text (NFC)", "不是 NFC 规范文本")                                     \
    X(not_a_choice, "not one of the choices", "不在可选范围内")                                    \
    X(out_of_range, "out of range", "超出范围")                                                    \
    X(malformed, "not in the right form", "格式不对")                                              \
    X(stray_quote, "a quote where none may stand", "引号位置不对")                                 \
    X(unterminated_quote, "a quote that never ends", "引号没有结束")                               \
    X(wrong_count, "wrong number of columns", "列数不对")                                          \
    X(invalid, "not valid", "无效")                                                                \
    X(not_found, "not found", "未找到")                                                            \
    X(not_permitted, "not permitted", "无权限")                                                    \
    X(unknown_table, "no such table", "没有此表")                                                  \
    X(unknown_column, "no such field", "没有此字段")                                               \
    X(ambiguous, "more than one fits", "有多个匹配")                                               \
    X(duplicate, "exists already", "已存在")                                                       \
    X(locked, "submitted, so it can't be changed", "已提交，不能再改")                             \
    X(deleted, "was deleted", "已删除")                                                            \
    X(changed_since, "was changed by somebody else meanwhile", "其间已被他人修改")                 \
    X(held, "waits for refused work that it rests on", "所依赖的内容被拒绝")                       \
    X(proposal, "you no longer hold it; it became a proposal",                                     \
      "您已不再持有该资料，内容已成为提议")                                                        \
    X(parent_missing, "what it belongs to never came", "所属记录始终未到")                         \
    X(price_below_list, "price below the list", "价格低于价目表")                                  \
    X(no_price, "no price is valid for it", "没有有效价格")                                        \
    X(total_wrong, "amounts don't add up", "金额不符")                                             \
    X(state, "this step isn't possible in its state", "当前状态不能这样做")                        \
    X(erased, "the data of this person was erased", "此人的数据已被抹除")                          \
    X(has_children, "other records hang on it", "还有其他记录属于它")                              \
    X(no_memory, "out of memory, try again", "内存不足，请重试")

const char *complaint_text(const char *code, bool chinese); /* an unknown code stands for itself */
/* "price: price below the list (14.00)"; field and detail where there are any. */
void complaint_print(const struct complaint *why, bool chinese, struct buf *out);
/* What a check that could not be made for want of memory says; such a value isn't wrong. */
bool complaint_is_no_memory(const struct complaint *why);
/* ERR_NOMEM for that, else ERR_INVALID. */
struct err complaint_err(const struct complaint *why, const char *where);
/* Fills `why`; for the one who complains. */
void complaint_make(struct complaint *why, const char *code, const char *field,
                    const char *detail_format, ...) __attribute__((format(printf, 4, 5)));

#endif
