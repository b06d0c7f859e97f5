/* See erase.h. */
#include "common/changelog/server/erase.h"

#include "common/changelog/server/shred.h"
#include "common/changelog/server/verdict_shred.h"

#define ERASE_ARENA_MAX ((size_t)256 * 1024 * 1024)

/* What takes the place of a value. */
enum blank { TO_NULL, TO_WORD, TO_LOGIN, TO_NO, TO_TIME };

static const struct {
    uint16_t table;
    uint8_t column;
    enum blank blank;
} blanks[] = {
    {TABLE_person, COLUMN_person_login, TO_LOGIN},
    {TABLE_person, COLUMN_person_name, TO_WORD},
    {TABLE_person, COLUMN_person_title, TO_NULL},
    {TABLE_person, COLUMN_person_phone, TO_NULL},
    {TABLE_person, COLUMN_person_active, TO_NO},
    {TABLE_person, COLUMN_person_erased_at, TO_TIME},
    {TABLE_book, COLUMN_book_name, TO_WORD},
    {TABLE_device, COLUMN_device_name, TO_NULL},
    {TABLE_contact, COLUMN_contact_name, TO_WORD},
    {TABLE_contact, COLUMN_contact_title, TO_NULL},
    {TABLE_contact, COLUMN_contact_phones, TO_NULL},
    {TABLE_contact, COLUMN_contact_email, TO_NULL},
    {TABLE_contact, COLUMN_contact_birthday, TO_NULL},
    {TABLE_contact, COLUMN_contact_note, TO_NULL},
    {TABLE_contact, COLUMN_contact_erased_at, TO_TIME},
    {TABLE_customer, COLUMN_customer_name, TO_WORD},
    {TABLE_customer, COLUMN_customer_postal_code, TO_NULL},
    {TABLE_customer, COLUMN_customer_address, TO_NULL},
    {TABLE_customer, COLUMN_customer_lat, TO_NULL},
    {TABLE_customer, COLUMN_customer_lng, TO_NULL},
    {TABLE_customer, COLUMN_customer_geo_accuracy_m, TO_NULL},
    {TABLE_customer, COLUMN_customer_geo_source, TO_NULL},
    {TABLE_customer, COLUMN_customer_phones, TO_NULL},
    {TABLE_customer, COLUMN_customer_note, TO_NULL},
    {TABLE_customer, COLUMN_customer_erased_at, TO_TIME},
    {TABLE_visit, COLUMN_visit_lat, TO_NULL},
    {TABLE_visit, COLUMN_visit_lng, TO_NULL},
    {TABLE_visit, COLUMN_visit_acc_m, TO_NULL},
    {TABLE_media, COLUMN_media_lat, TO_NULL},
    {TABLE_media, COLUMN_media_lng, TO_NULL},
    {TABLE_media, COLUMN_media_acc_m, TO_NULL},
    {TABLE_media, COLUMN_media_note, TO_NULL},
    {TABLE_media, COLUMN_media_thumb, TO_NULL},
    {TABLE_kept_value, COLUMN_kept_value_kept, TO_NULL},
    {TABLE_kept_value, COLUMN_kept_value_winner, TO_NULL},
    {TABLE_proposal, COLUMN_proposal_wanted, TO_NULL},
    {TABLE_proposal, COLUMN_proposal_before, TO_NULL},
};

/* Rows that hold something of a subject (?2); the last two, of the rows that the job (?1) names. */
static const struct {
    uint16_t subject; /* 0: any */
    uint16_t table;
    const char *sql;
} parts[] = {
    {TABLE_person, TABLE_person, "SELECT id FROM person WHERE id = ?2"},
    {TABLE_person, TABLE_book, "SELECT id FROM book WHERE home_of_id = ?2"},
    {TABLE_person, TABLE_device, "SELECT id FROM device WHERE person_id = ?2"},
    {TABLE_person, TABLE_visit, "SELECT id FROM visit WHERE person_id = ?2"},
    {TABLE_person, TABLE_media,
     "SELECT m.id FROM media m LEFT JOIN visit v ON v.id = m.visit_id"
     " WHERE v.person_id = ?2 OR m.created_by = ?2"},
    {TABLE_contact, TABLE_contact, "SELECT id FROM contact WHERE id = ?2"},
    {TABLE_customer, TABLE_customer, "SELECT id FROM customer WHERE id = ?2"},
    {TABLE_customer, TABLE_contact, "SELECT id FROM contact WHERE customer_id = ?2"},
    {TABLE_customer, TABLE_media, "SELECT id FROM media WHERE customer_id = ?2"},
    {0, TABLE_kept_value,
     "SELECT k.id FROM erase_item i JOIN kept_value k ON k.row_id = i.row WHERE i.job = ?1"},
    {0, TABLE_proposal,
     "SELECT p.id FROM erase_item i JOIN proposal p ON p.row_id = i.row WHERE i.job = ?1"},
};

bool erase_is_of(const struct table *t)
{
    return t->number == TABLE_person || t->number == TABLE_contact || t->number == TABLE_customer;
}

/* ---- naming ---- */

static struct err name_part(struct store *st, int64_t job, uint16_t table, const char *select,
                            const uint8_t id[16])
{
    char sql[400];
    struct stmt q;
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO erase_item (job, tbl, row) SELECT ?1, %u, id FROM (%s) r WHERE"
                   " true ON CONFLICT DO NOTHING",
                   (unsigned)table, select);
    struct err err = db_use(st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, job);
    if (strstr(select, "?2") != NULL) {
        bind_id(&q, 2, id);
    }
    return db_step_done(&q, "name_part");
}

/* A customer's contacts are erased as what they are, for good. */
static struct err mark_erased(struct store *st, int64_t job, const struct table *t,
                              const uint8_t id[16], int64_t now_ms)
{
    static const char itself[] =
        "INSERT INTO erased (tbl, row, at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    static const char contacts[] =
        "INSERT INTO erased (tbl, row, at) SELECT tbl, row, CAST(?1 AS BIGINT) FROM erase_item"
        " WHERE job = ?2 AND tbl = ?3 ON CONFLICT DO NOTHING";
    struct stmt q;
    struct err err = db_use(st->db, itself, &q);
    if (err.code == ERR_OK) {
        bind_int(&q, 1, t->number);
        bind_id(&q, 2, id);
        bind_int(&q, 3, now_ms);
        err = db_step_done(&q, "mark_erased");
    }
    if (err.code == ERR_OK) {
        err = db_use(st->db, contacts, &q);
    }
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, now_ms);
    bind_int(&q, 2, job);
    bind_int(&q, 3, TABLE_contact);
    return db_step_done(&q, "mark_erased");
}

static struct err insert_job(struct store *st, const struct table *t, const uint8_t id[16],
                             int64_t now_ms, int64_t *no)
{
    static const char sql[] =
        "INSERT INTO erase_job (tbl, row, made_at) VALUES (?1, ?2, ?3) RETURNING no";
    struct stmt q;
    struct err err = db_use(st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, t->number);
    bind_id(&q, 2, id);
    bind_int(&q, 3, now_ms);
    if (!db_step_row(&q)) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_INTERNAL, 0, "insert_job");
    }
    *no = col_int(&q, 0);
    return db_step_done(&q, "insert_job");
}

struct err erase_begin(struct store *st, const struct table *t, const uint8_t id[16],
                       int64_t now_ms, int64_t *no)
{
    assert(erase_is_of(t));
    struct err err = insert_job(st, t, id, now_ms, no);
    for (size_t i = 0; i < count_of(parts) && err.code == ERR_OK; i++) {
        if (parts[i].subject == t->number || parts[i].subject == 0) {
            err = name_part(st, *no, parts[i].table, parts[i].sql, id);
        }
    }
    if (err.code == ERR_OK) {
        err = mark_erased(st, *no, t, id, now_ms);
    }
    return err.code == ERR_OK ? store_note(st, LEDGER_ERASED, bytes_of(id, 16), t->number, now_ms)
                              : err;
}

struct err erase_open(struct store *st, int64_t *no)
{
    struct err err =
        db_one_int(st->db, "SELECT coalesce(min(no), 0) FROM erase_job WHERE done_at IS NULL", no);
    return err.code == ERR_OK && *no == 0 ? err_make(ERR_NOT_FOUND, 0, "erase_open") : err;
}

struct err erase_read(struct store *st, int64_t no, struct erase_job *out)
{
    static const char sql[] = "SELECT count(*), count(entries), coalesce(sum(entries), 0)"
                              " FROM erase_item WHERE job = ?1";
    struct stmt q;
    struct err err = db_use(st->db, sql, &q);
    *out = (struct erase_job){.no = no};
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, no);
    if (db_step_row(&q)) {
        out->total = col_int(&q, 0);
        out->emptied = col_int(&q, 1);
        out->entries = col_int(&q, 2);
        stmt_reset(&q);
    }
    return stmt_err(&q, "erase_read");
}

/* ---- one row ---- */

struct item {
    struct store *st;
    int64_t job;
    const struct table *table;
    uint8_t id[16];
    int64_t made_ms;
    int64_t now_ms;
    bool chinese;
    char login[20];
};

/* ERR_NOT_FOUND: all have had their turn. */
static struct err next_item(struct item *out)
{
    static const char sql[] =
        "SELECT i.tbl, i.row, j.made_at, coalesce((SELECT locale LIKE 'zh%' FROM company LIMIT 1),"
        " 0) FROM erase_item i JOIN erase_job j ON j.no = i.job"
        " WHERE i.job = ?1 AND i.entries IS NULL ORDER BY i.tbl <> j.tbl, i.tbl, i.row LIMIT 1";
    struct stmt q;
    struct err err = db_use(out->st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, out->job);
    if (!db_step_row(&q)) {
        return q.err.code != ERR_OK ? q.err : err_make(ERR_NOT_FOUND, 0, "next_item");
    }
    out->table = catalogue_table((uint16_t)col_int(&q, 0));
    bool good = col_id(&q, 1, out->id) && out->table != NULL;
    out->made_ms = col_int(&q, 2);
    out->chinese = col_int(&q, 3) != 0;
    stmt_reset(&q);
    return good ? err_ok() : err_make(ERR_CORRUPT, 0, "next_item");
}

static struct value blank_value(struct item *item, enum blank blank)
{
    switch (blank) {
    case TO_NULL:
        return value_null();
    case TO_WORD:
        return value_text(bytes_text(item->chinese ? "已删除" : "erased"));
    case TO_LOGIN: /* unique, and what can't be asked back: the end of the id is chance alone */
        (void)snprintf(item->login, sizeof item->login, "erased-%02x%02x%02x%02x%02x", item->id[11],
                       item->id[12], item->id[13], item->id[14], item->id[15]);
        return value_text(bytes_text(item->login));
    case TO_NO:
        return value_int(0);
    case TO_TIME:
        return value_int(item->made_ms);
    }
    abort(); /* our own bug */
}

static size_t blank_cells(struct item *item, struct cell cells[COLUMNS_MAX])
{
    size_t count = 0;
    assert(item->table != NULL);
    for (size_t i = 0; i < count_of(blanks); i++) {
        if (blanks[i].table == item->table->number) {
            cells[count++] = (struct cell){.column = blanks[i].column,
                                           .value = blank_value(item, blanks[i].blank)};
        }
    }
    return count;
}

/* Pictures go as a whole: a row without its picture is no use to anybody. */
static struct err overwrite(struct item *item)
{
    struct cell cells[COLUMNS_MAX];
    struct server_write *w = NULL;
    struct complaint why = {0};
    int64_t seq = 0;
    size_t count = blank_cells(item, cells);
    struct err err = server_write_begin(item->st, NULL, SERVER_WRITE_ERASE, item->now_ms, &w);
    if (err.code != ERR_OK) {
        return err;
    }
    err = server_write_put(w, item->table, item->id, cells, count, -1, &seq, NULL, &why);
    if (err.code == ERR_OK && item->table->number == TABLE_media) {
        err = server_write_delete(w, item->table, item->id, -1, &why);
        err = err.code == ERR_REFUSED && strcmp(why.code, "deleted") == 0 ? err_ok() : err;
    }
    if (err.code == ERR_OK) {
        return server_write_end(w, &why);
    }
    server_write_cancel(w);
    return err;
}

/* What else names the row by its id: 16 bytes of which 74 bits are chance stand nowhere else. */
static struct err shred_copies(const struct item *item)
{
    static const char *const steps[] = {
        "UPDATE import_row SET old = x'' WHERE row = ?1 AND length(old) > 0",
        ("UPDATE quarantine SET body = x'', state = CASE state WHEN 'waiting' THEN 'discarded' ELSE"
         " state END, decided_by = coalesce(decided_by, 'erase')"
         " WHERE instr(body, ?1) > 0 OR (row = ?1 AND length(body) > 0)"),
        /* the next time its device speaks it is refused and goes; a revoked one never does */
        ("DELETE FROM parked WHERE instr(body, ?1) > 0 AND device IN"
         " (SELECT number FROM device_key WHERE revoked_at IS NOT NULL)"),
        "UPDATE parked SET parked_at = 0, body = x'' WHERE instr(body, ?1) > 0",
        "DELETE FROM password WHERE person = ?1",
    };
    struct err err = err_ok();
    for (size_t i = 0; i < count_of(steps) && err.code == ERR_OK; i++) {
        struct stmt q;
        err = db_use(item->st->db, steps[i], &q);
        if (err.code == ERR_OK) {
            bind_id(&q, 1, item->id);
            err = db_step_done(&q, "shred_copies");
        }
    }
    return err.code == ERR_OK ? verdicts_shred(item->st, item->id) : err;
}

static struct err mark_item(const struct item *item, size_t entries)
{
    struct stmt q;
    struct err err =
        db_use(item->st->db,
               "UPDATE erase_item SET entries = ?4 WHERE job = ?1 AND tbl = ?2 AND row = ?3", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, item->job);
    bind_int(&q, 2, item->table->number);
    bind_id(&q, 3, item->id);
    bind_int(&q, 4, (int64_t)entries);
    return db_step_done(&q, "mark_item");
}

static struct err mark_job(struct store *st, int64_t job, int64_t now_ms)
{
    struct stmt q;
    struct err err =
        db_use(st->db, "UPDATE erase_job SET done_at = ?2 WHERE no = ?1 AND done_at IS NULL", &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, job);
    bind_int(&q, 2, now_ms);
    return db_step_done(&q, "mark_job");
}

static struct err empty_row(struct item *item)
{
    struct arena arena;
    size_t entries = 0;
    arena_init(&arena, ERASE_ARENA_MAX);
    struct err err = overwrite(item);
    if (err.code == ERR_OK) {
        err = shred_row(item->st, item->table, item->id, &arena, &entries);
    }
    if (err.code == ERR_OK) {
        err = shred_copies(item);
    }
    arena_release(&arena);
    return err.code == ERR_OK ? mark_item(item, entries) : err;
}

struct err erase_step(struct store *st, int64_t no, int64_t now_ms, bool *ended)
{
    struct item item = {.st = st, .job = no, .now_ms = now_ms};
    *ended = false;
    struct err err = db_begin(st->db, DB_LOCK_WRITE);
    if (err.code != ERR_OK) {
        return err;
    }
    err = next_item(&item);
    if (err.code == ERR_NOT_FOUND) {
        *ended = true;
        err = mark_job(st, no, now_ms);
    } else if (err.code == ERR_OK) {
        err = empty_row(&item);
    }
    return db_end(st->db, err);
}

struct err erase_settle(struct store *st)
{
    return db_checkpoint(st->db);
}

/* ---- who is erased ---- */

static struct err is_named(struct store *st, const char *sql, uint16_t table, const uint8_t id[16],
                           bool *out)
{
    struct stmt q;
    struct err err = db_use(st->db, sql, &q);
    if (err.code != ERR_OK) {
        return err;
    }
    bind_int(&q, 1, table);
    bind_id(&q, 2, id);
    *out = db_step_row(&q);
    err = stmt_err(&q, "erase: is_named");
    stmt_reset(&q);
    return err;
}

struct err erase_is_begun(struct store *st, uint16_t table, const uint8_t id[16], bool *out)
{
    return is_named(st, "SELECT 1 FROM erased WHERE tbl = ?1 AND row = ?2", table, id, out);
}

struct err erase_has_emptied(struct store *st, uint16_t table, const uint8_t id[16], bool *out)
{
    return is_named(st,
                    "SELECT 1 FROM erased WHERE tbl = ?1 AND row = ?2"
                    " UNION SELECT 1 FROM erase_item WHERE tbl = ?1 AND row = ?2",
                    table, id, out);
}
