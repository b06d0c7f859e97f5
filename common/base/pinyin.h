/* First letters of pinyin, for finding 厦门食品 by typing xmsp. */
#ifndef COMMON_BASE_PINYIN_H
#define COMMON_BASE_PINYIN_H

#include "common/base/base.h"

/* 'a' to 'z', or 0 where the code point is no Chinese character with a known reading. */
char pinyin_initial(uint32_t code_point);
/* The second common reading's letter of a character that has one (长: chang, zhang), or 0. */
char pinyin_second(uint32_t code_point);

#endif
