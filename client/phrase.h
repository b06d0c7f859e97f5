/* What the program says to people, in English and Chinese. The texts stand in phrases.def, both
 * languages side by side; {0} to {3} are the arguments' places, so that each language may order
 * them as it reads best. */
#ifndef CLIENT_PHRASE_H
#define CLIENT_PHRASE_H

#include "common/base/base.h"

enum phrase {
#define PHRASE(name, en, zh) PHRASE_##name,
#include "client/phrases.def"
#undef PHRASE
    PHRASE_COUNT
};

#define PHRASE_ARGS_MAX 4

/* LEGWORK_LANG where it is zh or en, else LC_ALL, LC_MESSAGES, LANG, the first that is set. */
bool language_is_chinese(void);

const char *phrase_text(enum phrase phrase, bool chinese);
/* Appends the text with its places filled from `args`, a list ended by NULL. */
void phrase_fill(enum phrase phrase, bool chinese, const char *const *args, struct buf *out);

/* A number as text, for an argument: number_text(n).text lives until the end of the expression. */
struct number {
    char text[24];
};
struct number number_text(int64_t n);
/* "12 B", "3.4 KB", "1.2 MB". */
struct number size_text(int64_t bytes);

#endif
