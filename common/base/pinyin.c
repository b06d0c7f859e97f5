/* A letter for each character from U+4E00 to U+9FFF; made by tests/tools/make_pinyin.py. Characters
 * with two common readings in names of people, places and firms stand in a short list beside it:
 * the index takes both, since no table knows that 长 is chang in 长沙 and zhang in 行长. */
#include "common/base/pinyin.h"

#define FIRST 0x4e00u

static const char initials[] =
#include "common/base/pinyin_table.inc"
    ;

static const struct {
    uint32_t code_point;
    char letter;
} seconds[] = {
    {0x4e50, 'y'}, /* 乐 le, yue */
    {0x4f20, 'z'}, /* 传 chuan, zhuan */
    {0x5355, 's'}, /* 单 dan, shan */
    {0x533a, 'o'}, /* 区 qu, ou */
    {0x53c2, 's'}, /* 参 can, shen */
    {0x66fe, 'c'}, /* 曾 zeng, ceng */
    {0x671d, 'z'}, /* 朝 chao, zhao */
    {0x67e5, 'z'}, /* 查 cha, zha */
    {0x76db, 'c'}, /* 盛 sheng, cheng */
    {0x85cf, 'z'}, /* 藏 cang, zang */
    {0x884c, 'x'}, /* 行 hang, xing */
    {0x89e3, 'x'}, /* 解 jie, xie */
    {0x8c03, 't'}, /* 调 diao, tiao */
    {0x91cd, 'c'}, /* 重 zhong, chong */
    {0x957f, 'z'}, /* 长 chang, zhang */
    {0x964d, 'x'}, /* 降 jiang, xiang */
    {0x53a6, 's'}, /* 厦 xia, sha */
};

char pinyin_initial(uint32_t code_point)
{
    if (code_point < FIRST || code_point - FIRST >= sizeof initials - 1) {
        return 0;
    }
    char letter = initials[code_point - FIRST];
    return letter == '_' ? 0 : letter;
}

char pinyin_second(uint32_t code_point)
{
    for (size_t i = 0; i < count_of(seconds); i++) {
        if (seconds[i].code_point == code_point) {
            return seconds[i].letter;
        }
    }
    return 0;
}
