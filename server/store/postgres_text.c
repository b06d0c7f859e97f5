/* Our SQL in PostgreSQL's form. Little differs, since SQL is written for both: placeholders and the
 * literals of bytes. */
#include "common/base/base.h"

#include "server/store/postgres_driver.h"

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

void postgres_text(struct buf *out, const char *sql)
{
    bool in_word = false;
    while (*sql != 0) {
        const char *end = sql + 1;
        if (*sql == '\'' || *sql == '"') {
            end = quoted_end(sql);
        } else if (sql[0] == '-' && sql[1] == '-') {
            end = comment_end(sql);
        } else if (!in_word && (*sql == 'x' || *sql == 'X') && sql[1] == '\'') {
            sql = put_bytes(out, sql);
            in_word = false;
            continue;
        }
        in_word = is_word(*sql);
        if (*sql == '?') {
            buf_put_u8(out, '$');
        } else {
            buf_put(out, bytes_of(sql, (size_t)(end - sql)));
        }
        sql = end;
    }
}
