/* Old devices and old servers are out there for years. What they said is replayed with today's
 * code, and must come to what it came to then. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>

#include "common/base/uuid.h"
#include "common/sync/client_session.h"
#include "protocol/codec.h"
#include "tests/support/conversation.h"
#include "tests/support/scratch.h"

#define EXCHANGES_MAX 32
#define ARENA_MAX     ((size_t)64 * 1024 * 1024)

struct version { /* what a peer of that time knows */
    const char *name;
    uint32_t protocol, catalogue;
    uint8_t kinds;      /* the highest kind of message */
    uint8_t fields[24]; /* by kind: items of its array, the kind included */
};
static const struct version versions[] = {
    {"v1",
     1,
     1,
     MESSAGE_ENROLLED,
     {[MESSAGE_HELLO] = 16,
      [MESSAGE_BATCH] = 14,
      [MESSAGE_END] = 1,
      [MESSAGE_ANSWER] = 11,
      [MESSAGE_VERDICTS] = 19,
      [MESSAGE_SCOPE_ENTER] = 2,
      [MESSAGE_SCOPE_LEAVE] = 2,
      [MESSAGE_ROWS] = 9,
      [MESSAGE_DEPARTURE] = 5,
      [MESSAGE_CHECKPOINT] = 5,
      [MESSAGE_DIGEST] = 2,
      [MESSAGE_FAULT] = 5,
      [MESSAGE_HINT] = 3,
      [MESSAGE_ENROL] = 5,
      [MESSAGE_ENROLLED] = 11}},
};

struct stage { /* one conversation, unpacked into a folder of its own */
    const struct version *version;
    struct conversation c;
    struct scratch scratch;
    struct fake_host server, device;
    char store_path[128], replica_path[128];
    struct db *writer_db, *reader_db, *device_db;
    struct store writer, reader;
    struct replica replica;
    struct buf bytes; /* of the file read last */
    struct arena arena;
};

#define OK(call)                                                                                   \
    do {                                                                                           \
        struct err ok_ = (call);                                                                   \
        if (ok_.code != ERR_OK) {                                                                  \
            fail_msg("%s: %s %d in %s", s->c.dir, err_name(ok_.code), ok_.cause, ok_.where);       \
        }                                                                                          \
    } while (0)

static struct bytes file(struct stage *s, const char *name)
{
    buf_clear(&s->bytes);
    conversation_read(&s->c, name, &s->bytes);
    return buf_bytes(&s->bytes);
}

static struct bytes part(struct stage *s, int number, const char *what)
{
    char name[32];
    (void)snprintf(name, sizeof name, "%d.%s", number, what);
    return file(s, name);
}

static struct db *open_file(struct stage *s, const char *path, enum db_mode mode)
{
    const struct db_options options = {.mode = mode, .busy_timeout_ms = 1000, .sync_normal = true};
    struct db *db = NULL;
    OK(db_open(&db, path, &options));
    return db;
}

static void open_store(struct stage *s)
{
    struct host host = fake_host_as_host(&s->server);
    conversation_write_file(scratch_path(&s->scratch, "store.db", s->store_path),
                            file(s, "store.db.zst"));
    s->writer_db = open_file(s, s->store_path, DB_WRITE);
    OK(store_open(&s->writer, s->writer_db, &host, true));
    s->reader_db = open_file(s, s->store_path, DB_READ);
    OK(store_open(&s->reader, s->reader_db, &host, false));
}

static void open_replica(struct stage *s)
{
    struct host host = fake_host_as_host(&s->device);
    conversation_write_file(scratch_path(&s->scratch, "replica.db", s->replica_path),
                            file(s, "replica.db.zst"));
    s->device_db = open_file(s, s->replica_path, DB_WRITE);
    OK(replica_open(&s->replica, s->device_db, &host));
}

static void stage_init(struct stage *s, const struct version *version, const char *name)
{
    *s = (struct stage){.version = version};
    (void)snprintf(s->c.dir, sizeof s->c.dir, CONVERSATIONS_DIR "/%s/%s", version->name, name);
    scratch_init(&s->scratch);
    buf_init(&s->bytes, CONVERSATION_BYTES_MAX);
    arena_init(&s->arena, ARENA_MAX);
    conversation_read_about(&s->c);
    fake_host_init(&s->server, 1, s->c.server_ms);
    fake_host_init(&s->device, 2, s->c.wall_ms);
    s->device.mono_ms = s->c.mono_ms;
    memcpy(s->device.boot, s->c.boot, sizeof s->device.boot);
    open_store(s);
}

static void stage_release(struct stage *s)
{
    if (s->device_db != NULL) {
        replica_close(&s->replica);
        db_close(s->device_db);
    }
    store_close(&s->reader);
    db_close(s->reader_db);
    store_close(&s->writer);
    db_close(s->writer_db);
    buf_release(&s->bytes);
    arena_release(&s->arena);
    scratch_release(&s->scratch);
}

/* Names the first line that differs. */
static void assert_text(struct stage *s, const char *name, const struct buf *now)
{
    const struct bytes then = file(s, name);
    const char *a = (const char *)then.at, *b = (const char *)now->at;
    size_t line = 0, at = 0;
    size_t size = then.size < now->size ? then.size : now->size;
    for (; at < size && a[at] == b[at]; at++) {
        line = a[at] == '\n' ? at + 1 : line;
    }
    if (at < then.size || at < now->size) {
        fail_msg("%s/%s\nwas: %.*s\nis:  %.*s", s->c.dir, name,
                 (int)strcspn(a + line, "\n") < (int)(then.size - line)
                     ? (int)strcspn(a + line, "\n")
                     : (int)(then.size - line),
                 a + line, line < now->size ? (int)strcspn(b + line, "\n") : 0, b + line);
    }
}

static void assert_store(struct stage *s)
{
    struct buf now;
    buf_init(&now, CONVERSATION_BYTES_MAX);
    conversation_rows(s->reader_db, s->version->catalogue, &now);
    buf_put(&now, bytes_of("", 1)); /* ended by a zero, for what prints it */
    now.size--;
    assert_text(s, "store.txt", &now);
    buf_release(&now);
}

static void assert_replica(struct stage *s)
{
    struct buf now;
    buf_init(&now, CONVERSATION_BYTES_MAX);
    conversation_rows(s->device_db, s->version->catalogue, &now);
    conversation_work(s->device_db, &now);
    buf_put(&now, bytes_of("", 1));
    now.size--;
    assert_text(s, "replica.txt", &now);
    buf_release(&now);
}

/* ---- what an old device can read ---- */

/* The number of a CBOR head that counts less than 65,536; `*at` moves behind it. */
static unsigned head(const uint8_t **at)
{
    unsigned low = *(*at)++ & 31u;
    if (low == 24) {
        return *(*at)++;
    }
    if (low == 25) {
        unsigned high = *(*at)++;
        return high << 8 | *(*at)++;
    }
    return low;
}

static void check_column(const struct stage *s, uint16_t table, uint8_t column)
{
    const struct table *t = catalogue_table(table);
    assert_non_null(t);
    assert_true(t->since <= s->version->catalogue);
    if (column != COLUMN_DELETED) {
        const struct column *c = table_column(t, column);
        assert_non_null(c);
        assert_true(c->since <= s->version->catalogue);
    }
}

static void check_verdict(const struct stage *s, const struct verdict *v)
{
    for (size_t i = 0; i < v->row_count; i++) {
        check_column(s, v->rows[i].table, COLUMN_DELETED);
        for (size_t k = 0; k < v->rows[i].unseen_count; k++) {
            check_column(s, v->rows[i].table, v->rows[i].unseen[k].column);
        }
    }
    for (size_t i = 0; i < v->loser_count; i++) {
        check_column(s, v->losers[i].table, v->losers[i].column);
    }
}

static void check_names(const struct stage *s, const struct message *m)
{
    if (m->kind == MESSAGE_ROWS) {
        for (size_t i = 0; i < m->rows.column_count; i++) {
            check_column(s, m->rows.table, m->rows.columns[i]);
        }
    } else if (m->kind == MESSAGE_VERDICTS) {
        for (size_t i = 0; i < m->verdicts.count; i++) {
            check_verdict(s, &m->verdicts.verdicts[i]);
        }
    } else if (m->kind == MESSAGE_DIGEST) {
        for (size_t i = 0; i < m->digest.entry_count; i++) {
            if (m->digest.entries[i].table != 0) {
                check_column(s, m->digest.entries[i].table, COLUMN_DELETED);
            }
        }
    } else if (m->kind == MESSAGE_ANSWER) {
        assert_int_equal(m->answer.protocol, s->version->protocol);
    }
}

/* Every message of a packed answer: no kind, no field, no column that came later. */
static void check_answer(struct stage *s, struct bytes packed, struct answer *answer)
{
    struct unpacker *u = unpacker_new(CONVERSATION_BYTES_MAX);
    struct buf one;
    struct message m;
    buf_init(&one, CONVERSATION_BYTES_MAX);
    assert_int_equal(unpacker_feed(u, packed), WIRE_OK);
    arena_clear(&s->arena);
    while (unpacker_next(u, &s->arena, &m) == WIRE_OK) {
        buf_clear(&one);
        assert_int_equal(message_encode(&m, &one), WIRE_OK);
        const uint8_t *at = one.at;
        unsigned fields = head(&at), kind = head(&at);
        assert_true(kind <= s->version->kinds);
        if (fields > s->version->fields[kind]) {
            fail_msg("%s: %s has %u fields", s->c.dir, message_name(m.kind), fields);
        }
        check_names(s, &m);
        if (m.kind == MESSAGE_ANSWER) {
            *answer = m.answer;
        }
    }
    assert_true(unpacker_is_complete(u));
    unpacker_free(u);
    buf_release(&one);
}

/* ---- an old device, today's server ---- */

/* The next request was made with the token of the answer that was recorded. */
static void take_over_token(struct stage *s, struct bytes recorded)
{
    struct answer then = {0};
    struct stmt st;
    check_answer(s, recorded, &then);
    OK(db_begin(s->writer_db, DB_LOCK_WRITE));
    OK(db_use(s->writer_db, "UPDATE device_key SET token_pending = ?1 WHERE number = ?2", &st));
    bind_id(&st, 1, then.token);
    bind_int(&st, 2, s->c.device);
    OK(db_end(s->writer_db, db_step_done(&st, "take_over_token")));
}

static void feed(struct stage *s, struct client_session *c, struct bytes answer)
{
    struct err err = client_session_received(c, answer);
    OK(err);
    client_session_ended(c, 200, err, NULL);
}

/* As if it had long been known that the server is older. */
static void speak_old(struct stage *s)
{
    struct stmt st;
    OK(db_begin(s->device_db, DB_LOCK_WRITE));
    OK(db_use(s->device_db,
              "UPDATE device_state SET server_protocol = ?1, server_catalogue = ?2,"
              " server_older_at = ?3",
              &st));
    bind_int(&st, 1, s->version->protocol);
    bind_int(&st, 2, s->version->catalogue);
    bind_int(&st, 3, replica_now_ms(&s->replica));
    OK(db_end(s->device_db, db_step_done(&st, "speak_old")));
}

static void end_session(struct stage *s, struct client_session *c)
{
    struct client_action action = client_session_next(c);
    if (action.kind != CLIENT_DONE) {
        fail_msg("%s: %s", s->c.dir, action.kind == CLIENT_FAILED ? action.code : "goes on");
    }
    client_session_free(c);
}

static struct client_session_options options_of(const char *name)
{
    bool many = strcmp(name, "many_requests") == 0;
    bool plain = many || strcmp(name, "merged") == 0 || strcmp(name, "nothing_new") == 0;
    return (struct client_session_options){.verify = !plain, .push_tx_max = many ? 2 : 0};
}

/* Its requests are understood, have the effect that they had, and what it hears holds nothing that
 * it can't know: a device that takes these answers ends with the rows of then. */
static void old_device_new_server(const struct version *version, const char *name)
{
    struct stage stage, *s = &stage;
    struct client_session_options options = options_of(name);
    struct client_session *c = NULL;
    struct buf answer;
    struct answer now;
    stage_init(s, version, name);
    open_replica(s);
    speak_old(s);
    buf_init(&answer, CONVERSATION_BYTES_MAX);
    OK(client_session_new(&s->replica, &options, &c));
    for (int i = 1; i <= s->c.requests; i++) {
        assert_int_equal(client_session_next(c).kind, CLIENT_REQUEST);
        buf_clear(&answer);
        conversation_serve(&s->writer, &s->reader, &s->c, &s->server, part(s, i, "request"),
                           &answer);
        check_answer(s, buf_bytes(&answer), &now);
        feed(s, c, buf_bytes(&answer));
        take_over_token(s, part(s, i, "answer"));
    }
    end_session(s, c);
    assert_store(s);
    assert_replica(s);
    buf_release(&answer);
    stage_release(s);
}

/* ---- today's device, an old server ---- */

static void check_hello(struct stage *s, struct bytes request, uint32_t protocol,
                        uint32_t catalogue)
{
    struct unpacker *u = unpacker_new(CONVERSATION_BYTES_MAX);
    struct message m;
    assert_int_equal(unpacker_feed(u, request), WIRE_OK);
    assert_int_equal(unpacker_next(u, &s->arena, &m), WIRE_OK);
    assert_int_equal(m.kind, MESSAGE_HELLO);
    assert_int_equal(m.hello.protocol, protocol);
    assert_int_equal(m.hello.catalogue, catalogue);
    assert_true(m.hello.cursors_under <= catalogue);
    unpacker_free(u);
}

/* It speaks its newest, is told to be older, speaks that, and hears what the old server said. */
static void new_device_old_server(const struct version *version, const char *name)
{
    struct stage stage, *s = &stage;
    struct client_session_options options = options_of(name);
    struct client_session *c = NULL;
    stage_init(s, version, name);
    open_replica(s);
    OK(client_session_new(&s->replica, &options, &c));
    struct client_action action = client_session_next(c);
    check_hello(s, action.body, PROTOCOL_VERSION, CATALOGUE_VERSION);
    feed(s, c, file(s, "upgrade.answer"));
    for (int i = 1; i <= s->c.requests; i++) {
        action = client_session_next(c);
        assert_int_equal(action.kind, CLIENT_REQUEST);
        check_hello(s, action.body, version->protocol, version->catalogue);
        feed(s, c, part(s, i, "answer"));
    }
    end_session(s, c);
    assert_replica(s);
    stage_release(s);
}

/* ---- both brought up to date ---- */

static void both_new(const struct version *version, const char *name)
{
    struct stage stage, *s = &stage;
    struct client_session_options options = options_of(name);
    struct client_session *c = NULL;
    struct buf answer;
    int requests = 0;
    stage_init(s, version, name);
    open_replica(s);
    options.verify = true;
    buf_init(&answer, CONVERSATION_BYTES_MAX);
    OK(client_session_new(&s->replica, &options, &c));
    struct client_action action = client_session_next(c);
    for (; action.kind == CLIENT_REQUEST && requests < EXCHANGES_MAX; requests++) {
        buf_clear(&answer);
        conversation_serve(&s->writer, &s->reader, &s->c, &s->server, action.body, &answer);
        feed(s, c, buf_bytes(&answer));
        action = client_session_next(c);
    }
    assert_true(client_session_tally(c)->digest_equal);
    end_session(s, c);
    assert_store(s);
    assert_replica(s);
    buf_release(&answer);
    stage_release(s);
}

/* ---- enrolment ---- */

static void old_enrolment(const struct version *version)
{
    struct stage stage, *s = &stage;
    struct message ask, told = {.kind = MESSAGE_ENROLLED};
    struct buf body;
    size_t used;
    stage_init(s, version, "enrol");
    buf_init(&body, CONVERSATION_BYTES_MAX);
    assert_int_equal(message_decode(part(s, 1, "request"), &s->arena, &ask, &used), WIRE_OK);
    OK(db_begin(s->writer_db, DB_LOCK_WRITE));
    OK(store_enrol(&s->writer, &ask.enrol, s->c.server_ms, &s->arena, &told.enrolled));
    OK(db_end(s->writer_db, err_ok()));
    assert_int_equal(message_encode(&told, &body), WIRE_OK);
    const uint8_t *at = body.at;
    assert_true(head(&at) <= version->fields[MESSAGE_ENROLLED]);
    assert_int_equal(head(&at), MESSAGE_ENROLLED);
    assert_int_equal(message_decode(part(s, 1, "answer"), &s->arena, &told, &used), WIRE_OK);
    s->device_db = open_file(s, scratch_path(&s->scratch, "new.db", s->replica_path), DB_CREATE);
    OK(replica_create(s->device_db, &told.enrolled));
    struct host host = fake_host_as_host(&s->device);
    OK(replica_open(&s->replica, s->device_db, &host));
    buf_release(&body);
    stage_release(s);
}

/* ---- all of them ---- */

static void each(void (*replay)(const struct version *version, const char *name))
{
    for (size_t i = 0; i < count_of(versions); i++) {
        char path[256];
        int count = 0;
        (void)snprintf(path, sizeof path, CONVERSATIONS_DIR "/%s", versions[i].name);
        DIR *dir = opendir(path);
        assert_non_null(dir);
        for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
            if (entry->d_name[0] != '.' && strcmp(entry->d_name, "enrol") != 0) {
                replay(&versions[i], entry->d_name);
                count++;
            }
        }
        closedir(dir);
        assert_true(count > 0);
        (void)printf("%s: %d conversations\n", versions[i].name, count);
    }
}

static void an_old_device_speaks_to_todays_server(void **state)
{
    (void)state;
    each(old_device_new_server);
}

static void todays_device_speaks_to_an_old_server(void **state)
{
    (void)state;
    each(new_device_old_server);
}

static void old_files_are_brought_up_to_date(void **state)
{
    (void)state;
    each(both_new);
}

static void an_old_device_enrols(void **state)
{
    (void)state;
    for (size_t i = 0; i < count_of(versions); i++) {
        old_enrolment(&versions[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_old_device_speaks_to_todays_server),
        cmocka_unit_test(todays_device_speaks_to_an_old_server),
        cmocka_unit_test(old_files_are_brought_up_to_date),
        cmocka_unit_test(an_old_device_enrols),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
