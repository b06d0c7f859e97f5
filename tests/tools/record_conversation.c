/* record_conversation DIR: writes the conversations of this program's version into folders below
 * DIR. Run once, when a version is about to be shipped (tests/conversations/v1 was made by the
 * program that spoke protocol 1 and catalogue 1); what was recorded is never written anew, as it
 * stands for devices and servers that are out there. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/world_test.h"

#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>

#include "protocol/codec.h"
#include "tests/support/conversation.h"

struct scene {
    const char *name;
    int device;
    void (*prepare)(struct world *w, struct world_device *d);
    struct client_session_options options;
};

static const struct fault_plan lost = {.kind = FAULT_REQUEST_LOST};

static void nothing_yet(struct world *w, struct world_device *d)
{
    uint8_t id[16], other[16];
    (void)d;
    world_customer(w, ANN, "Lisbon Tiles", id);
    world_customer(w, ANN, "北京茶行", id);
    world_customer(w, BOB, "Not Ann's", other);
    device_sync(&w->devices[ANN_TABLET]);
    device_visit(&w->devices[ANN_TABLET], id, other);
    device_order(&w->devices[ANN_TABLET], id, 3000, 1000, true, other);
    device_payment(&w->devices[ANN_TABLET], id, other);
    device_sync(&w->devices[ANN_TABLET]);
}

static void new_work(struct world *w, struct world_device *d)
{
    uint8_t id[16], mine[16], other[16];
    everybody_holds(w, "Lisbon Tiles", id);
    device_customer(d, "New one", mine);
    device_visit(d, mine, other);
    device_order(d, id, 2000, 1000, true, other);
    device_order(d, mine, 1000, 1000, false, other);
    device_payment(d, id, other);
    set_city(d, id, "Porto");
    device_delete(d, TABLE_sales_order, other);
    world_pass(w, 5000);
}

static void both_edit(struct world *w, struct world_device *d)
{
    uint8_t id[16];
    everybody_holds(w, "Lisbon Tiles", id);
    set_city(d, id, "Earlier");
    set_region(d, id, "South");
    world_pass(w, 5000);
    set_city(&w->devices[BOSS_LAPTOP], id, "Later");
    device_sync(&w->devices[BOSS_LAPTOP]);
    const struct cell tags = cell_text(COLUMN_customer_tags, "[\"a\",\"b\"]");
    device_update(d, TABLE_customer, id, &tags, 1);
}

static void refused_work(struct world *w, struct world_device *d)
{
    uint8_t id[16], order[16], visit[16], planted[16];
    everybody_holds(w, "Lisbon Tiles", id);
    device_order(d, id, 2000, 900, true, order);
    const struct cell limit = cell_int(COLUMN_customer_credit_limit, 1000000);
    device_update(d, TABLE_customer, id, &limit, 1);
    const struct cell cells[] = {cell_text(COLUMN_customer_name, "Planted"),
                                 cell_text(COLUMN_customer_kind, "prospect"),
                                 cell_id(COLUMN_customer_book_id, w->books[BOB])};
    world_new_id(w, planted);
    device_insert(d, TABLE_customer, planted, cells, 3);
    device_visit(d, planted, visit);
    device_visit(d, id, visit);
}

/* A transaction of which another one's first part never comes. */
static void parked_work(struct world *w, struct world_device *d)
{
    uint8_t id[16], mine[16], visit[16];
    everybody_holds(w, "Lisbon Tiles", id);
    device_customer(d, "Lost", mine);
    device_visit(d, mine, visit);
    device_sync_with(d, &lost, NULL);
    world_must(w, d->db,
               db_exec(d->db, "DELETE FROM outbox WHERE tx = (SELECT min(tx) FROM sent"
                              " WHERE state = 0);"
                              "DELETE FROM sent WHERE tx = (SELECT min(tx) FROM sent"
                              " WHERE state = 0)"));
    device_restart(d);
}

/* The first download breaks off in the middle. */
static void cut_short(struct world *w, struct world_device *d)
{
    const struct fault_plan whole = {.kind = FAULT_NONE};
    nothing_yet(w, d);
    device_copy(d, "before");
    size_t size = device_sync_with(d, &whole, NULL).answer_bytes;
    device_copy_back(d, "before");
    const struct fault_plan cut = {.kind = FAULT_ANSWER_CUT, .at = size * 2 / 3};
    device_sync_with(d, &cut, NULL);
}

static void older_copy(struct world *w, struct world_device *d)
{
    uint8_t id[16], visit[16];
    everybody_holds(w, "Lisbon Tiles", id);
    device_visit(d, id, visit);
    device_copy(d, "older");
    set_city(d, id, "Faro");
    device_sync(d);
    device_sync(d);
    device_copy_back(d, "older");
    set_region(d, id, "North");
    world_pass(w, 1000);
}

static void another_book(struct world *w, struct world_device *d)
{
    uint8_t id[16], other[16], holder[16];
    struct complaint why = {0};
    everybody_holds(w, "Lisbon Tiles", id);
    world_customer(w, BOB, "Bob's", other);
    const struct cell cells[] = {cell_id(COLUMN_book_holder_book_id, w->books[BOB]),
                                 cell_id(COLUMN_book_holder_person_id, w->people[d->who])};
    world_new_id(w, holder);
    world_put(w, TABLE_book_holder, holder, cells, 2, -1, &why);
}

static void book_taken_away(struct world *w, struct world_device *d)
{
    uint8_t id[16], other[16], holder[16];
    struct complaint why = {0};
    everybody_holds(w, "Lisbon Tiles", id);
    world_customer(w, BOB, "Bob's", other);
    const struct cell cells[] = {cell_id(COLUMN_book_holder_book_id, w->books[BOB]),
                                 cell_id(COLUMN_book_holder_person_id, w->people[d->who])};
    world_new_id(w, holder);
    world_put(w, TABLE_book_holder, holder, cells, 2, -1, &why);
    device_sync(d);
    world_delete(w, TABLE_book_holder, holder, -1, &why);
}

static void customer_moves(struct world *w, struct world_device *d)
{
    uint8_t id[16], stays[16], visit[16];
    everybody_holds(w, "Stays", stays);
    everybody_holds(w, "Moves", id);
    device_visit(d, id, visit);
    device_sync(d);
    set_city(d, id, "Made before");
    world_move(w, id, BOB);
}

static void damaged(struct world *w, struct world_device *d)
{
    uint8_t id[16];
    everybody_holds(w, "Gone", id);
    everybody_holds(w, "Stale", id);
    d->replica.applying = true;
    world_must(w, d->db,
               db_exec(d->db, "DELETE FROM customer WHERE name = 'Gone';"
                              "UPDATE customer SET _seq = 1, name = 'Old' WHERE name = 'Stale'"));
    d->replica.applying = false;
}

static void wider_role(struct world *w, struct world_device *d)
{
    uint8_t id[16];
    struct complaint why = {0};
    everybody_holds(w, "Lisbon Tiles", id);
    const struct cell cell = cell_text(COLUMN_person_role, "manager");
    world_put(w, TABLE_person, w->people[d->who], &cell, 1, -1, &why);
}

static void nothing_new(struct world *w, struct world_device *d)
{
    uint8_t id[16];
    (void)d;
    everybody_holds(w, "Lisbon Tiles", id);
}

/* ---- recording ---- */

static void save_db(const struct conversation *c, struct world *w, struct db *db, const char *name)
{
    char path[128], sql[256];
    struct buf content;
    buf_init(&content, CONVERSATION_BYTES_MAX);
    (void)snprintf(sql, sizeof sql, "VACUUM INTO '%s'", scratch_path(&w->scratch, name, path));
    world_must(w, db, db_exec(db, sql));
    conversation_read_file(path, &content);
    conversation_write(c, name, buf_bytes(&content));
    buf_release(&content);
}

/* What a server says to a version that isn't there yet. */
static void record_upgrade(const struct conversation *c, struct world *w, struct world_device *d)
{
    struct message hello = {
        .kind = MESSAGE_HELLO,
        .hello = {.protocol = PROTOCOL_VERSION + 1, .catalogue = CATALOGUE_VERSION + 1}};
    const struct message end = {.kind = MESSAGE_END};
    struct packer *packer = packer_new(3);
    struct buf request, answer;
    buf_init(&request, CONVERSATION_BYTES_MAX);
    buf_init(&answer, CONVERSATION_BYTES_MAX);
    memcpy(hello.hello.device, d->replica.device, sizeof hello.hello.device);
    assert_int_equal(packer_put(packer, &hello, &request), WIRE_OK);
    assert_int_equal(packer_put(packer, &end, &request), WIRE_OK);
    assert_int_equal(packer_end(packer, &request), WIRE_OK);
    conversation_serve(&w->writer, &w->reader, c, &w->server, buf_bytes(&request), &answer);
    conversation_write(c, "upgrade.answer", buf_bytes(&answer));
    packer_free(packer);
    buf_release(&request);
    buf_release(&answer);
}

static void record_exchange(struct conversation *c, struct world *w, struct client_session *s,
                            struct bytes body)
{
    char name[32];
    struct buf answer;
    buf_init(&answer, CONVERSATION_BYTES_MAX);
    (void)snprintf(name, sizeof name, "%d.request", ++c->requests);
    conversation_write(c, name, body);
    conversation_serve(&w->writer, &w->reader, c, &w->server, body, &answer);
    (void)snprintf(name, sizeof name, "%d.answer", c->requests);
    conversation_write(c, name, buf_bytes(&answer));
    struct err err = client_session_received(s, buf_bytes(&answer));
    assert_int_equal(err.code, ERR_OK);
    client_session_ended(s, 200, err, NULL);
    buf_release(&answer);
}

static void record_end(const struct conversation *c, const struct world *w,
                       const struct world_device *d)
{
    struct buf text;
    buf_init(&text, CONVERSATION_BYTES_MAX);
    conversation_rows(w->reader_db, CATALOGUE_VERSION, &text);
    conversation_write(c, "store.txt", buf_bytes(&text));
    buf_clear(&text);
    conversation_rows(d->db, CATALOGUE_VERSION, &text);
    conversation_work(d->db, &text);
    conversation_write(c, "replica.txt", buf_bytes(&text));
    buf_release(&text);
}

static void record(const struct scene *scene, const char *dir)
{
    struct world *w = calloc(1, sizeof *w);
    struct conversation c = {0};
    struct client_session *s = NULL;
    (void)snprintf(c.dir, sizeof c.dir, "%s/%s", dir, scene->name);
    assert_int_equal(mkdir(c.dir, 0755), 0);
    world_init(w, 7);
    struct world_device *d = &w->devices[scene->device];
    scene->prepare(w, d);
    c.device = d->replica.number;
    c.server_ms = w->server.wall_ms;
    c.wall_ms = d->host.wall_ms;
    c.mono_ms = d->host.mono_ms;
    memcpy(c.boot, d->host.boot, sizeof c.boot);
    record_upgrade(&c, w, d);
    save_db(&c, w, w->writer_db, "store.db.zst");
    save_db(&c, w, d->db, "replica.db.zst");
    world_must(w, d->db, client_session_new(&d->replica, &scene->options, &s));
    struct client_action action = client_session_next(s);
    for (; action.kind == CLIENT_REQUEST; action = client_session_next(s)) {
        record_exchange(&c, w, s, action.body);
    }
    assert_int_equal(action.kind, CLIENT_DONE);
    client_session_free(s);
    record_end(&c, w, d);
    conversation_write_about(&c);
    (void)printf("%s: %d requests\n", scene->name, c.requests);
    world_release(w);
    free(w);
}

/* One message each way, uncompressed. */
static void record_enrol(const char *dir)
{
    struct world *w = calloc(1, sizeof *w);
    struct conversation c = {.requests = 1};
    struct message ask = {.kind = MESSAGE_ENROL,
                          .enrol = {.name = bytes_text("phone"), .app = bytes_text("legwork 1")}};
    struct message told = {.kind = MESSAGE_ENROLLED};
    struct buf body;
    struct arena arena;
    uint8_t hash[32];
    arena_init(&arena, 1u << 20);
    buf_init(&body, CONVERSATION_BYTES_MAX);
    (void)snprintf(c.dir, sizeof c.dir, "%s/enrol", dir);
    assert_int_equal(mkdir(c.dir, 0755), 0);
    world_init(w, 7);
    c.server_ms = w->server.wall_ms;
    memset(ask.enrol.secret, 7, sizeof ask.enrol.secret);
    memset(ask.enrol.public_key, 9, sizeof ask.enrol.public_key);
    crypto_hash_sha256(hash, ask.enrol.secret, sizeof ask.enrol.secret);
    world_must(w, w->writer_db, db_begin(w->writer_db, DB_LOCK_WRITE));
    world_must(w, w->writer_db,
               store_invite(&w->writer, w->people[ANN], hash, c.server_ms, c.server_ms + 1000000));
    world_must(w, w->writer_db, db_end(w->writer_db, err_ok()));
    save_db(&c, w, w->writer_db, "store.db.zst");
    assert_int_equal(message_encode(&ask, &body), WIRE_OK);
    conversation_write(&c, "1.request", buf_bytes(&body));
    world_must(w, w->writer_db, db_begin(w->writer_db, DB_LOCK_WRITE));
    world_must(w, w->writer_db,
               store_enrol(&w->writer, &ask.enrol, c.server_ms, &arena, &told.enrolled));
    world_must(w, w->writer_db, db_end(w->writer_db, err_ok()));
    buf_clear(&body);
    assert_int_equal(message_encode(&told, &body), WIRE_OK);
    conversation_write(&c, "1.answer", buf_bytes(&body));
    conversation_write_about(&c);
    buf_release(&body);
    arena_release(&arena);
    world_release(w);
    free(w);
}

static void record_all(void **state)
{
    const char *const *into = (const char *const *)state;
    static const struct scene scenes[] = {
        {"first_sync", ANN_PHONE, nothing_yet, {.verify = true}},
        {"first_sync_manager", BOSS_LAPTOP, nothing_yet, {.verify = true}},
        {"accepted", ANN_PHONE, new_work, {.verify = true}},
        {"many_requests", ANN_TABLET, new_work, {.push_tx_max = 2}},
        {"merged", ANN_PHONE, both_edit, {.verify = false}},
        {"refused", ANN_PHONE, refused_work, {.verify = true}},
        {"parked", ANN_PHONE, parked_work, {.verify = true}},
        {"resumed", ANN_PHONE, cut_short, {.verify = true}},
        {"new_epoch", ANN_PHONE, older_copy, {.verify = true}},
        {"scope_enters", ANN_PHONE, another_book, {.verify = true}},
        {"scope_leaves", ANN_PHONE, book_taken_away, {.verify = true}},
        {"departure", ANN_PHONE, customer_moves, {.verify = true}},
        {"digest_differs", ANN_PHONE, damaged, {.verify = true}},
        {"wider_role", ANN_PHONE, wider_role, {.verify = true}},
        {"nothing_new", BOB_PHONE, nothing_new, {.verify = false}},
    };
    for (size_t i = 0; i < count_of(scenes); i++) {
        record(&scenes[i], *into);
    }
    record_enrol(*into);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fputs("usage: record_conversation DIR\n", stderr);
        return 2;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test_prestate(record_all, argv[1])};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
