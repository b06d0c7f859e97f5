/* See phrase.h. */
#include "client/phrase.h"

static const struct {
    const char *en;
    const char *zh;
} phrases[] = {
#define PHRASE(name, en, zh) [PHRASE_##name] = {en, zh},
#include "client/phrases.def"
#undef PHRASE
};

static bool starts_chinese(const char *locale)
{
    return strncmp(locale, "zh", 2) == 0;
}

bool language_is_chinese(void)
{
    const char *own = getenv("LEGWORK_LANG");
    if (own != NULL && (starts_chinese(own) || strncmp(own, "en", 2) == 0)) {
        return starts_chinese(own);
    }
    static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    for (size_t i = 0; i < count_of(names); i++) {
        const char *locale = getenv(names[i]);
        if (locale != NULL && locale[0] != 0) {
            return starts_chinese(locale);
        }
    }
    return false;
}

const char *phrase_text(enum phrase phrase, bool chinese)
{
    assert(phrase < PHRASE_COUNT);
    return chinese ? phrases[phrase].zh : phrases[phrase].en;
}

void phrase_fill(enum phrase phrase, bool chinese, const char *const *args, struct buf *out)
{
    size_t count = 0;
    while (args[count] != NULL) {
        count++;
    }
    for (const char *at = phrase_text(phrase, chinese); *at != 0;) {
        size_t plain = strcspn(at, "{");
        buf_put(out, bytes_of(at, plain));
        at += plain;
        if (*at == 0) {
            break;
        }
        size_t place = (size_t)(at[1] - '0');
        assert(place < count && at[2] == '}'); /* a text asks for what its caller gives */
        buf_put_text(out, args[place]);
        at += 3;
    }
}

struct number number_text(int64_t n)
{
    struct number number;
    snprintf(number.text, sizeof number.text, "%" PRId64, n);
    return number;
}

struct number size_text(int64_t bytes)
{
    struct number number;
    if (bytes < 1000) {
        snprintf(number.text, sizeof number.text, "%" PRId64 " B", bytes);
    } else if (bytes < 1000000) {
        snprintf(number.text, sizeof number.text, "%.1f KB", (double)bytes / 1e3);
    } else {
        snprintf(number.text, sizeof number.text, "%.1f MB", (double)bytes / 1e6);
    }
    return number;
}
