/* See arguments.h. */
#include "client/cmd/arguments.h"

static bool complain(struct usage_error *why, enum phrase phrase, struct bytes about)
{
    why->phrase = phrase;
    snprintf(why->about, sizeof why->about, "%.*s", (int)about.size, (const char *)about.at);
    return false;
}

/* The next word of a row's text; false at its end. */
static bool next_word(const char **at, struct bytes *word)
{
    *at += strspn(*at, " ");
    word->at = (const uint8_t *)*at;
    word->size = strcspn(*at, " ");
    *at += word->size;
    return word->size > 0;
}

enum option_kind { OPTION_UNKNOWN, OPTION_PLAIN, OPTION_VALUE };

static enum option_kind option_kind(const char *options, struct bytes name)
{
    const char *at = options;
    struct bytes word;
    while (next_word(&at, &word)) {
        if (bytes_equal(word, name)) {
            struct bytes value;
            return next_word(&at, &value) && value.at[0] != '-' ? OPTION_VALUE : OPTION_PLAIN;
        }
    }
    return OPTION_UNKNOWN;
}

static bool put_option(struct arguments *a, struct bytes name, const char *value,
                       struct usage_error *why)
{
    if (bytes_equal(name, bytes_text("--json"))) {
        a->json = true;
        return true;
    }
    if (bytes_equal(name, bytes_text("--help"))) {
        a->help = true;
        return true;
    }
    if (bytes_equal(name, bytes_text("--home"))) {
        a->home = value;
        return true;
    }
    if (a->option_count == OPTIONS_MAX || name.size >= sizeof a->options[0].name) {
        return complain(why, PHRASE_USAGE_TOO_MANY, name);
    }
    struct option *o = &a->options[a->option_count++];
    memcpy(o->name, name.at, name.size);
    o->name[name.size] = 0;
    o->value = value;
    return true;
}

/* One option; moves `*at` to the last word that it used. */
static bool read_option(struct arguments *a, int count, char *const *words, int *at,
                        const char *options, struct usage_error *why)
{
    const char *word = words[*at];
    const char *equals = strchr(word, '=');
    struct bytes name = bytes_of(word, equals ? (size_t)(equals - word) : strlen(word));
    enum option_kind kind = option_kind(options, name);
    if (kind == OPTION_UNKNOWN) {
        kind = option_kind("--json --help --home DIR", name);
    }
    switch (kind) {
    case OPTION_UNKNOWN:
        return complain(why, PHRASE_USAGE_UNKNOWN_OPTION, name);
    case OPTION_PLAIN:
        return equals ? complain(why, PHRASE_USAGE_NO_VALUE, name) : put_option(a, name, "", why);
    case OPTION_VALUE:
        if (equals == NULL && *at + 1 >= count) {
            return complain(why, PHRASE_USAGE_NEEDS_VALUE, name);
        }
        return put_option(a, name, equals ? equals + 1 : words[++*at], why);
    }
    abort(); /* our own bug */
}

static bool put_operand(struct arguments *a, const char *word, struct usage_error *why)
{
    if (a->operand_count == OPERANDS_MAX) {
        return complain(why, PHRASE_USAGE_TOO_MANY, bytes_text(word));
    }
    a->operands[a->operand_count++] = word;
    return true;
}

static bool ends_with_dots(struct bytes word)
{
    static const char dots[] = "…";
    size_t size = sizeof dots - 1;
    return word.size >= size && memcmp(word.at + word.size - size, dots, size) == 0;
}

/* As many operands as the row asks for? Names the first that is missing, or one too many. */
static bool check_count(const struct arguments *a, const char *operands, struct usage_error *why)
{
    size_t index = 0;
    bool endless = false;
    struct bytes word;
    for (const char *at = operands; next_word(&at, &word); index++) {
        if (word.at[0] != '[' && index >= a->operand_count) {
            return complain(why, PHRASE_USAGE_MISSING, word);
        }
        struct bytes inner = word;
        inner.size -= word.at[word.size - 1] == ']';
        endless = endless || ends_with_dots(inner);
    }
    if (!endless && a->operand_count > index) {
        return complain(why, PHRASE_USAGE_TOO_MANY, bytes_text(a->operands[index]));
    }
    return true;
}

bool arguments_parse(struct arguments *a, int count, char *const *words, const char *operands,
                     const char *options, struct usage_error *why)
{
    bool only_operands = false;
    for (int i = 0; i < count; i++) {
        const char *word = words[i];
        if (!only_operands && strcmp(word, "--") == 0) {
            only_operands = true;
        } else if (!only_operands && strcmp(word, "-h") == 0) {
            a->help = true;
        } else if (!only_operands && strncmp(word, "--", 2) == 0) {
            if (!read_option(a, count, words, &i, options, why)) {
                return false;
            }
        } else if (!put_operand(a, word, why)) {
            return false;
        }
    }
    return a->help || check_count(a, operands, why);
}

const char *arguments_option(const struct arguments *a, const char *name)
{
    for (size_t i = a->option_count; i-- > 0;) { /* given twice: the last one counts */
        if (strcmp(a->options[i].name, name) == 0) {
            return a->options[i].value;
        }
    }
    return NULL;
}

const char *arguments_operand(const struct arguments *a, size_t index)
{
    return index < a->operand_count ? a->operands[index] : NULL;
}
