/* See password.h. 19 MiB and 3 passes are what OWASP names as a floor; 22 ms on a small server. */
#include "server/admin/password.h"

#include <sodium.h>

#include "server/admin/data.h"
#include "server/admin/say.h"

#define PASSWORD_BYTES_MIN 8
#define PASSWORD_BYTES_MAX 1024
#define HASH_PASSES        3
#define HASH_MEMORY        (19 * 1024 * 1024)

static struct bytes first_line(struct bytes text)
{
    size_t size = 0;
    while (size < text.size && text.at[size] != '\n' && text.at[size] != '\r') {
        size++;
    }
    return bytes_of(text.at, size);
}

bool password_hash(const char *path, char hash[PASSWORD_HASH_SIZE])
{
    static_assert(PASSWORD_HASH_SIZE >= crypto_pwhash_STRBYTES, "room for any hash");
    struct buf text;
    buf_init(&text, DATA_FILE_MAX);
    bool good = file_read(path, &text);
    struct bytes password = first_line(buf_bytes(&text));
    if (good && (password.size < PASSWORD_BYTES_MIN || password.size > PASSWORD_BYTES_MAX)) {
        complain("a password has %d to %d bytes", "密码长度须为 %d 到 %d 字节", PASSWORD_BYTES_MIN,
                 PASSWORD_BYTES_MAX);
        good = false;
    }
    if (good && crypto_pwhash_str_alg(hash, (const char *)password.at, password.size, HASH_PASSES,
                                      HASH_MEMORY, crypto_pwhash_ALG_ARGON2ID13) != 0) {
        complain("hashing the password: out of memory", "计算密码摘要：内存不足");
        good = false;
    }
    if (text.at != NULL) {
        sodium_memzero(text.at, text.room);
    }
    buf_release(&text);
    return good;
}

struct err password_put(struct db *db, const uint8_t person[16], const char *hash)
{
    static const char sql[] = "INSERT INTO password (person, hash) VALUES (?1, ?2)"
                              " ON CONFLICT (person) DO UPDATE SET hash = excluded.hash";
    struct stmt st;
    struct err err = db_use(db, sql, &st);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_id(&st, 1, person);
    bind_text(&st, 2, hash);
    return db_step_done(&st, "password_put");
}
