/* Our SQL in PostgreSQL's form. Little differs, since SQL is written for both: placeholders and the
 * literals of bytes, "INSERT OR FAIL", hints of indexes, and max and min of several values (which
 * pass over NULL here, where SQLite gives NULL). */
#include "common/base/base.h"

#include "server/store/postgres_driver.h"

/* What SQLite alone needs to hear; PostgreSQL fails like this by itself. */
static const char OR_FAIL[] = "OR FAIL ";

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The end of what begins with this quotation mark; a doubled one stays inside. */
static const char *quoted_end(const char *at)
{
    const char mark = *at++;
    while (*at != 0 && (*at != mark || at[1] == mark)) {
        at += *at == mark ? 2 : 1;
    }
    return *at == 0 ? at : at + 1;
}

static const char *comment_end(const char *at)
{
    const char *end = strchr(at, '\n');
    return end == NULL ? at + strlen(at) : end;
}

static const char *put_bytes(struct buf *out, const char *at)
{
    const char *end = quoted_end(at + 1);
    buf_put_text(out, "'\\x");
    buf_put(out, bytes_of(at + 2, (size_t)(end - at) - 2));
    buf_put_text(out, "::bytea");
    return end;
}

/* Whether the parentheses that open here hold a comma of their own: max(a, b) isn't max(column). */
static bool takes_several(const char *at)
{
    int depth = 0;
    do {
        if (*at == '\'' || *at == '"') {
            at = quoted_end(at);
            continue;
        }
        depth += (*at == '(') - (*at == ')');
        if (*at == ',' && depth == 1) {
            return true;
        }
        at++;
    } while (*at != 0 && depth > 0);
    return false;
}

/* "INDEXED BY name ": which index to take is PostgreSQL's own choice. */
static size_t index_hint(const char *at)
{
    static const char hint[] = "INDEXED BY ";
    size_t size = sizeof hint - 1;
    if (strncmp(at, hint, size) != 0) {
        return 0;
    }
    while (is_word(at[size])) {
        size++;
    }
    return at[size] == ' ' ? size + 1 : size;
}

/* How a word of ours is said, NULL: the same. `*size` is that of ours. */
static const char *word_of(const char *at, size_t *size)
{
    static const struct {
        const char *ours;
        const char *theirs;
    } of_several[] = {{"max(", "greatest("}, {"min(", "least("}};
    *size = sizeof OR_FAIL - 1;
    if (strncmp(at, OR_FAIL, *size) == 0) {
        return "";
    }
    *size = index_hint(at);
    if (*size > 0) {
        return "";
    }
    for (size_t i = 0; i < count_of(of_several); i++) {
        *size = strlen(of_several[i].ours);
        if (strncmp(at, of_several[i].ours, *size) == 0 && takes_several(at + *size - 1)) {
            return of_several[i].theirs;
        }
    }
    return NULL;
}

/* What begins here, where a word may begin; where it goes on. */
static const char *put_piece(struct buf *out, const char *sql, bool in_word)
{
    size_t size = 0;
    const char *word = in_word ? NULL : word_of(sql, &size);
    if (word != NULL) {
        buf_put_text(out, word);
        return sql + size;
    }
    if (!in_word && (*sql == 'x' || *sql == 'X') && sql[1] == '\'') {
        return put_bytes(out, sql);
    }
    const char *end = sql + 1;
    if (*sql == '\'' || *sql == '"') {
        end = quoted_end(sql);
    } else if (sql[0] == '-' && sql[1] == '-') {
        end = comment_end(sql);
    }
    buf_put(out, *sql == '?' ? bytes_text("$") : bytes_of(sql, (size_t)(end - sql)));
    return end;
}

void postgres_text(struct buf *out, const char *sql)
{
    bool in_word = false;
    while (*sql != 0) {
        const char *next = put_piece(out, sql, in_word);
        in_word = is_word(next[-1]);
        sql = next;
    }
}
