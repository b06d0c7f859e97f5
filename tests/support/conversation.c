/* See conversation.h. */
#include "tests/support/conversation.h"

#include <setjmp.h>
#include <stdio.h>
#include <zstd.h>

#include <cmocka.h>

#include "common/sync/server_session.h"

#define PACK_LEVEL 19

static void must(const struct db *db, struct err err)
{
    if (err.code != ERR_OK) {
        fail_msg("%s %d in %s: %s", err_name(err.code), err.cause, err.where,
                 db == NULL ? "" : db_message(db));
    }
}

/* ---- files ---- */

void conversation_write_file(const char *path, struct bytes content)
{
    FILE *f = fopen(path, "wb");
    bool whole = f != NULL && fwrite(content.at, 1, content.size, f) == content.size;
    if (f == NULL || fclose(f) != 0 || !whole) {
        fail_msg("can't write %s", path);
    }
}

void conversation_read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "rb");
    uint8_t part[65536];
    size_t size;
    if (f == NULL) {
        fail_msg("can't read %s", path);
        return;
    }
    while ((size = fread(part, 1, sizeof part, f)) > 0) {
        buf_put(out, bytes_of(part, size));
    }
    fclose(f);
}

static bool is_packed(const char *name)
{
    size_t size = strlen(name);
    return size > 4 && strcmp(name + size - 4, ".zst") == 0;
}

static const char *path_of(const struct conversation *c, const char *name, char path[512])
{
    (void)snprintf(path, 512, "%s/%s", c->dir, name);
    return path;
}

void conversation_write(const struct conversation *c, const char *name, struct bytes content)
{
    char path[512];
    if (!is_packed(name)) {
        conversation_write_file(path_of(c, name, path), content);
        return;
    }
    size_t most = ZSTD_compressBound(content.size);
    uint8_t *packed = malloc(most);
    size_t size = ZSTD_compress(packed, most, content.at, content.size, PACK_LEVEL);
    assert_false(ZSTD_isError(size));
    conversation_write_file(path_of(c, name, path), bytes_of(packed, size));
    free(packed);
}

void conversation_read(const struct conversation *c, const char *name, struct buf *out)
{
    char path[512];
    if (!is_packed(name)) {
        conversation_read_file(path_of(c, name, path), out);
        return;
    }
    struct buf packed;
    buf_init(&packed, CONVERSATION_BYTES_MAX);
    conversation_read_file(path_of(c, name, path), &packed);
    unsigned long long size = ZSTD_getFrameContentSize(packed.at, packed.size);
    assert_true(size < CONVERSATION_BYTES_MAX);
    uint8_t *plain = malloc((size_t)size);
    assert_true(ZSTD_decompress(plain, (size_t)size, packed.at, packed.size) == size);
    buf_put(out, bytes_of(plain, (size_t)size));
    free(plain);
    buf_release(&packed);
}

#define ABOUT                                                                                      \
    "device %" SCNu32 " requests %d server_ms %" SCNd64 " wall_ms %" SCNd64 " mono_ms %" SCNd64    \
    " boot "

void conversation_write_about(const struct conversation *c)
{
    struct buf text;
    buf_init(&text, 4096);
    buf_printf(&text,
               "device %" PRIu32 "\nrequests %d\nserver_ms %" PRId64 "\nwall_ms %" PRId64
               "\nmono_ms %" PRId64 "\nboot ",
               c->device, c->requests, c->server_ms, c->wall_ms, c->mono_ms);
    for (size_t i = 0; i < sizeof c->boot; i++) {
        buf_printf(&text, "%02x", c->boot[i]);
    }
    buf_put_text(&text, "\n");
    conversation_write(c, "about", buf_bytes(&text));
    buf_release(&text);
}

void conversation_read_about(struct conversation *c)
{
    struct buf text;
    int used = 0;
    buf_init(&text, 4096);
    conversation_read(c, "about", &text);
    const char *at = buf_text(&text);
    int count = sscanf(at, ABOUT "%n", &c->device, &c->requests, &c->server_ms, &c->wall_ms,
                       &c->mono_ms, &used);
    assert_int_equal(count, 5);
    for (size_t i = 0; i < sizeof c->boot; i++) {
        unsigned byte = 0;
        assert_int_equal(sscanf(at + used + 2 * i, "%2x", &byte), 1);
        c->boot[i] = (uint8_t)byte;
    }
    buf_release(&text);
}

/* ---- the server ---- */

void conversation_serve(struct store *writer, struct store *reader, const struct conversation *c,
                        struct fake_host *host, struct bytes request, struct buf *answer)
{
    struct host as_host = fake_host_as_host(host);
    struct server_session *s = NULL;
    bool done = false;
    must(NULL, server_session_new(request, c->device, c->server_ms, &as_host, &s));
    assert_int_equal(server_session_next(s), SERVER_JUDGE);
    must(writer->db, db_begin(writer->db, DB_LOCK_WRITE));
    struct err err = server_session_judge(s, writer);
    must(writer->db, err);
    err = db_end(writer->db, err_ok());
    server_session_committed(s, err);
    must(writer->db, err);
    while (!done) {
        assert_int_equal(server_session_next(s), SERVER_READ);
        must(reader->db, server_session_read(s, reader, answer, &done));
    }
    server_session_read_end(s, reader);
    server_session_free(s);
}

/* ---- what is there ---- */

static void put_rows(struct db *db, const struct table *t, uint32_t catalogue, struct buf *out)
{
    struct buf sql;
    struct stmt st;
    buf_init(&sql, 65536);
    buf_printf(
        &sql,
        "SELECT %s || ' ' || coalesce((SELECT kind || hex(id) FROM scope WHERE no = _scope), '-')"
        " || ' ' || coalesce(_seq, '-') || ' ' || quote(_deleted_at)",
        t->number == TABLE_kept_value ? "'*'" : "hex(t.id)");
    for (size_t i = 0; i < t->column_count; i++) {
        if (t->columns[i].since <= catalogue) {
            buf_printf(&sql, " || ' ' || quote(%s)", t->columns[i].name);
        }
    }
    buf_printf(&sql, " FROM %s t ORDER BY 1", t->name);
    must(db, db_prepare(db, buf_text(&sql), &st, NULL));
    while (db_step_row(&st)) {
        buf_printf(out, "%s %s\n", t->name, col_text(&st, 0));
    }
    must(db, stmt_err(&st, "put_rows"));
    stmt_close(&st);
    buf_release(&sql);
}

void conversation_rows(struct db *db, uint32_t catalogue, struct buf *out)
{
    for (size_t i = 0; i < catalogue_table_count(); i++) {
        const struct table *t = catalogue_table_at(i);
        if (t->since <= catalogue) {
            put_rows(db, t, catalogue, out);
        }
    }
}

void conversation_work(struct db *db, struct buf *out)
{
    static const char *const queries[] = {
        "SELECT 'waiting ' || count(*) FROM outbox",
        "SELECT 'sent ' || device_seq || ' state ' || state || ' ' || hex(identity) FROM sent"
        " ORDER BY device_seq",
        "SELECT 'inbox ' || kind || ' ' || coalesce(nullif(code, ''), '-') FROM inbox WHERE done "
        "IS NULL"
        " ORDER BY id",
        "SELECT 'cursor ' || s.kind || hex(s.id) || ' ' || c.done || ' ' || c.pos || ' ' || c.goal"
        " FROM cursor c JOIN scope s ON s.no = c.scope WHERE s.held = 1 ORDER BY 1",
    };
    for (size_t i = 0; i < count_of(queries); i++) {
        struct stmt st;
        must(db, db_prepare(db, queries[i], &st, NULL));
        while (db_step_row(&st)) {
            buf_printf(out, "%s\n", col_text(&st, 0));
        }
        must(db, stmt_err(&st, "conversation_work"));
        stmt_close(&st);
    }
}
