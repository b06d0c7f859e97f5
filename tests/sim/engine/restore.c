/* Backups of the server's store, and restores of it to any of them, as `legworkd backup` and
 * `restore` do it over this run's disks; and what must come of a restore: the oracle goes back to
 * where it was then, what devices kept is judged again, what they hold beyond it is handed in. */
#include "common/changelog/server/chain_noted.h"
#include "common/changelog/server/timeline.h"
#include "tests/sim/engine/sim.h"

#define LEDGER_BYTES_MAX ((size_t)1 << 20)
#define REPORT_BYTES_MAX ((size_t)1 << 16)

/* ---- the ledger: a file beside the store that only grows ---- */

static struct err append(void *context, const struct ledger_entry *entry)
{
    struct sim *s = context;
    ledger_entry_put(entry, &s->past.ledger_text);
    return s->past.ledger_text.bad ? err_make(ERR_NOMEM, 0, "ledger") : err_ok();
}

void past_begin(struct sim *s)
{
    struct past *p = &s->past;
    buf_init(&p->ledger_text, LEDGER_BYTES_MAX);
    p->ledger = (struct store_ledger){.context = s, .append = append};
    memset(p->ledger.key, 0x5c, sizeof p->ledger.key);
}

void past_release(struct sim *s)
{
    struct past *p = &s->past;
    for (size_t i = 0; i < p->backup_count; i++) {
        simdisk_image_free(p->backups[i].image);
        oracle_fork_free(p->backups[i].oracle);
    }
    simdisk_image_free(p->replaced);
    buf_release(&p->ledger_text);
}

/* ---- a disk of its own for a copy of the store ---- */

static uint64_t no_chance(void *context, uint64_t n)
{
    (void)context;
    (void)n;
    return 0;
}

struct vault {
    struct simdisk *disk;
    struct db *db;
    struct store store;
};

static struct err vault_open(struct sim *s, struct vault *v, const struct simdisk_image *image,
                             enum db_mode mode)
{
    struct host host = host_of(&s->server.host);
    if (v->disk == NULL) {
        v->disk = simdisk_new("vault", no_chance, NULL);
        simdisk_load(v->disk, image);
    }
    const struct db_options options = {.mode = mode, .vfs = simdisk_name(v->disk)};
    struct err err = db_open(&v->db, SIM_STORE_PATH, &options);
    if (err.code == ERR_OK) {
        err = store_open(&v->store, v->db, &host, mode == DB_WRITE);
    }
    if (err.code == ERR_OK) {
        store_use_ledger(&v->store, &s->past.ledger);
    }
    return err;
}

static void vault_close(struct vault *v)
{
    if (v->store.cache != NULL) {
        store_close(&v->store);
    }
    v->store.cache = NULL;
    db_close(v->db);
    v->db = NULL;
}

static void vault_free(struct vault *v)
{
    vault_close(v);
    if (v->disk != NULL) {
        simdisk_free(v->disk);
    }
}

static int64_t wall_ms(struct sim *s)
{
    struct clocks now;
    host_now(&s->server.host, &now);
    return now.wall_ms;
}

/* ---- backups ---- */

static struct err seal(struct sim *s, struct vault *v, const struct simdisk_image *image)
{
    struct host host = host_of(&s->server.host);
    struct err err = vault_open(s, v, image, DB_WRITE);
    if (err.code == ERR_OK) {
        err = db_begin(v->db, DB_LOCK_WRITE);
    }
    if (err.code == ERR_OK) {
        err = db_end(v->db, backup_seal(v->db, &host, wall_ms(s)));
    }
    vault_close(v);
    return err;
}

/* Sealed, opened anew, looked through. */
static bool make_copy(struct sim *s, struct vault *v, struct backup_facts *facts)
{
    struct simdisk_image *image = simdisk_save(s->server.disk);
    struct buf report;
    buf_init(&report, REPORT_BYTES_MAX);
    struct err err = seal(s, v, image);
    if (err.code == ERR_OK) {
        err = vault_open(s, v, NULL, DB_READ);
    }
    if (err.code == ERR_OK) {
        err = backup_check(&v->store, &report, facts);
    }
    if (err.code != ERR_OK) {
        sim_break(s, INV_SOUND, "a backup isn't whole: %s in %s, %.200s", err_name(err.code),
                  err.where, buf_text(&report));
    }
    buf_release(&report);
    simdisk_image_free(image);
    return err.code == ERR_OK;
}

static struct err record(struct sim *s, struct vault *v, const struct backup_facts *facts, int no)
{
    struct sim_server *server = &s->server;
    char path[16];
    (void)snprintf(path, sizeof path, "b%d", no);
    const struct backup_file file = {.path = path, .bytes = 1};
    struct err err = chain_note(&server->writer, wall_ms(s));
    if (err.code == ERR_OK) {
        err = db_begin(server->writer_db, DB_LOCK_WRITE);
    }
    return err.code == ERR_OK
               ? db_end(server->writer_db, backup_record(&server->writer, v->db, facts, &file))
               : err;
}

static struct past_work *find_work(struct past_work *list, size_t count, uint32_t device,
                                   const uint8_t identity[32])
{
    for (size_t i = 0; i < count; i++) {
        if (list[i].device == device && memcmp(list[i].identity, identity, 32) == 0) {
            return &list[i];
        }
    }
    return NULL;
}

static void add_work(struct sim *s, struct past_work *list, size_t *count,
                     const struct oracle_judged *j)
{
    struct past_work *known = find_work(list, *count, j->device, j->identity);
    if (known != NULL) {
        known->outcome = (enum outcome)j->outcome; /* what its author was told last */
        return;
    }
    if (*count == PAST_LOST_MAX) {
        sim_break(s, INV_BOUNDED, "more work than this run can remember");
        return;
    }
    list[*count] = (struct past_work){
        .device = j->device, .outcome = (enum outcome)j->outcome, .empty = j->empty};
    memcpy(list[(*count)++].identity, j->identity, 32);
}

/* What two backups hold that the store knows of, its device may drop from now on. */
static void note_covered(struct sim *s)
{
    struct past *p = &s->past;
    for (size_t i = 0; i < s->oracle.judged_count; i++) {
        const struct oracle_judged *j = &s->oracle.judged[i];
        int held = 0;
        for (size_t k = 0; k < p->backup_count; k++) {
            held += (p->known >> k & 1) != 0 &&
                    oracle_fork_has(p->backups[k].oracle, j->device, j->identity);
        }
        if (held >= 2) {
            add_work(s, p->covered, &p->covered_count, j);
        }
    }
}

void operate_backup(struct sim *s)
{
    struct past *p = &s->past;
    struct vault v = {.disk = NULL};
    struct backup_facts facts;
    if (!s->server.up || p->backup_count == PAST_BACKUPS_MAX) {
        return;
    }
    feed_oracle(s);
    if (make_copy(s, &v, &facts) && facts.log_no == s->server.log_no) {
        size_t no = p->backup_count++;
        struct past_backup *b = &p->backups[no];
        *b = (struct past_backup){.image = simdisk_save(v.disk),
                                  .oracle = oracle_fork(&s->oracle),
                                  .facts = facts,
                                  .known = p->known,
                                  .saved_count = s->saved_count};
        for (size_t i = 0; i < s->saved_count; i++) {
            b->gone[i] = s->saved[i].gone;
        }
        struct err err = record(s, &v, &facts, (int)no);
        sim_trace(s, "backup %zu at %" PRId64 ": %s", no, facts.log_no, err_name(err.code));
        if (err.code == ERR_OK) {
            p->known |= 1u << no;
            note_covered(s);
        }
    }
    vault_free(&v);
    (void)server_is_gone(s);
}

/* ---- restores ---- */

struct reading {
    struct sim *s;
    struct store *st;
    uint32_t highest; /* timeline; first pass */
    bool applies;     /* second pass */
};

static struct err read_entry(void *context, const struct ledger_entry *entry)
{
    struct reading *r = context;
    if (entry->kind == LEDGER_TIMELINE && entry->number > r->highest) {
        r->highest = (uint32_t)entry->number;
    }
    return r->applies ? timeline_apply(r->st, entry, wall_ms(r->s)) : err_ok();
}

static struct err begin_timeline(struct sim *s, struct store *st, const struct backup_facts *facts)
{
    struct reading r = {.s = s, .st = st, .highest = facts->timeline};
    size_t broken = 0;
    struct buf text; /* the ledger grows while it is read */
    buf_init(&text, LEDGER_BYTES_MAX);
    buf_put(&text, buf_bytes(&s->past.ledger_text));
    struct err err = ledger_entries(buf_bytes(&text), read_entry, &r, &broken);
    if (err.code == ERR_OK) {
        err = timeline_begin(st, r.highest + 1, facts, wall_ms(s));
    }
    r.applies = true;
    if (err.code == ERR_OK) {
        err = ledger_entries(buf_bytes(&text), read_entry, &r, &broken);
    }
    buf_release(&text);
    return err;
}

/* The ledger may have a line too many: of a revocation whose commit failed. */
static struct err note_revoked(struct sim *s, struct db *db)
{
    struct err err = err_ok();
    for (int i = 0; i < SIM_DEVICES && err.code == ERR_OK; i++) {
        char sql[96];
        int64_t revoked = 0;
        (void)snprintf(sql, sizeof sql,
                       "SELECT revoked_at IS NOT NULL FROM device_key WHERE number = %u",
                       s->devices[i].number);
        err = db_one_int(db, sql, &revoked);
        s->devices[i].revoked = s->devices[i].revoked || revoked != 0;
    }
    return err;
}

/* The copy becomes the store, under a new timeline. */
static struct err make_store(struct sim *s, const struct past_backup *b, int64_t *log_end)
{
    struct vault v = {.disk = NULL};
    struct err err = vault_open(s, &v, b->image, DB_WRITE);
    if (err.code == ERR_OK) {
        err = db_begin(v.db, DB_LOCK_WRITE);
    }
    if (err.code == ERR_OK) {
        err = db_end(v.db, begin_timeline(s, &v.store, &b->facts));
    }
    if (err.code == ERR_OK) {
        s->past.timeline = v.store.timeline.counter;
        err = db_one_int(v.db, "SELECT max(no) FROM change_log", log_end);
    }
    if (err.code == ERR_OK) {
        err = note_revoked(s, v.db);
    }
    vault_close(&v);
    if (err.code == ERR_OK) {
        struct simdisk_image *image = simdisk_save(v.disk);
        simdisk_load(s->server.disk, image);
        simdisk_image_free(image);
    }
    vault_free(&v);
    return err;
}

/* What was judged and isn't in the backup; and what was lost once and is. */
static void note_lost(struct sim *s, const struct past_backup *b)
{
    struct past *p = &s->past;
    for (size_t i = 0; i < s->oracle.judged_count; i++) {
        const struct oracle_judged *j = &s->oracle.judged[i];
        if (!oracle_fork_has(b->oracle, j->device, j->identity)) {
            add_work(s, p->lost, &p->lost_count, j);
        }
    }
}

static void note_texts(struct sim *s, const struct past_backup *b)
{
    for (size_t i = 0; i < s->saved_count; i++) {
        struct sim_saved *saved = &s->saved[i];
        if (saved->device < 0) {
            saved->gone = i >= b->saved_count || b->gone[i];
            continue;
        }
        bool known = saved->judged || saved->lost;
        uint32_t number = s->devices[saved->device].number;
        const struct oracle_judged *j =
            known ? oracle_judged_as(&s->oracle, number, saved->identity) : NULL;
        if (j != NULL) {
            saved->judged = true;
            saved->outcome = (enum outcome)j->outcome;
        } else if (known && saved->outcome != OUTCOME_REFUSED) { /* that stays: it was told */
            saved->judged = false;
            saved->lost = true;
        }
    }
}

static bool is_live(const struct sim_device *d)
{
    return d->db != NULL && !d->revoked && !d->was_rolled_back;
}

/* What a device brings back itself moves the row before anything is handed in. */
static bool wrote(const struct sim_device *d, const struct oracle_row *row)
{
    bool any = false;
    for (unsigned c = 0; c <= row->table->columns[row->table->column_count - 1].number; c++) {
        any = any || row->versions[c].author == d->number;
    }
    return any;
}

/* A row that some device holds as it was at the lost part's end. */
static void note_witness(struct sim *s, const struct oracle_row *row)
{
    struct past *p = &s->past;
    for (int i = 0; i < SIM_DEVICES && p->witness_count < PAST_WITNESSES_MAX; i++) {
        struct sim_device *d = &s->devices[i];
        char sql[96];
        struct stmt q;
        (void)snprintf(sql, sizeof sql, "SELECT _seq FROM %s WHERE id = ?1", row->table->name);
        if (!is_live(d) || wrote(d, row) || db_use(d->db, sql, &q).code != ERR_OK) {
            continue;
        }
        bind_id(&q, 1, row->id);
        int64_t seq = db_step_row(&q) ? col_int(&q, 0) : 0;
        stmt_reset(&q);
        if (seq == row->seq) {
            struct past_witness *w = &p->witnesses[p->witness_count++];
            *w = (struct past_witness){.table = row->table->number, .device = i, .seq = seq};
            memcpy(w->id, row->id, sizeof w->id);
        }
    }
}

/* What stands just so in the backup, under another number, needs no witness; of columns that not
 * everybody sees nobody can be sure. */
static bool stands(const struct oracle_row *now, const struct oracle_row *row)
{
    bool same = now != NULL && now->deleted_at == 0;
    for (size_t i = 0; i < row->table->column_count && same; i++) {
        uint8_t c = row->table->columns[i].number;
        same = value_equal(&now->values[c], &row->values[c]) ||
               (row->table->columns[i].sees & ROLE_REP) == 0;
    }
    return same && row->table->write_class != CLASS_SERVER;
}

/* The oracle has gone back already; `before` is how it was. */
static void note_witnesses(struct sim *s, const struct oracle *before)
{
    s->past.witness_count = 0;
    for (size_t i = 0; i < before->row_count; i++) {
        const struct oracle_row *row = before->rows[i];
        const struct oracle_row *now = oracle_find(&s->oracle, row->table->number, row->id);
        bool lost = now == NULL || now->seq < row->seq;
        if (lost && !stands(now, row) && row->table->number != TABLE_device) {
            note_witness(s, row);
        }
    }
}

static void go_back(struct sim *s, const struct past_backup *b)
{
    struct oracle *before = malloc(sizeof *before);
    if (before == NULL) {
        abort();
    }
    note_lost(s, b);
    *before = s->oracle;
    oracle_return(&s->oracle, b->oracle, s->past.timeline, timeline_start(s->past.timeline));
    note_texts(s, b);
    note_witnesses(s, before);
    free(before);
    s->page.open = false;
    s->past.known = b->known;
    s->server.log_no = b->facts.log_no;
}

void operate_restore(struct sim *s)
{
    struct past *p = &s->past;
    int64_t log_end = 0;
    if (p->backup_count == 0 || p->restores == PAST_RESTORES_MAX) {
        return;
    }
    size_t no = (size_t)sim_below(s, p->backup_count);
    const struct past_backup *b = &p->backups[p->backup_count - 1 - no]; /* rather the newest */
    if (s->server.up) {
        server_dies(s, false, 500 + (int64_t)sim_below(s, 30000));
    }
    simdisk_heal(s->server.disk);
    simdisk_image_free(p->replaced);
    p->replaced = simdisk_save(s->server.disk);
    p->restores++;
    struct err err = make_store(s, b, &log_end);
    if (err.code != ERR_OK) {
        sim_break(s, INV_SOUND, "a restore fails: %s in %s", err_name(err.code), err.where);
        return;
    }
    go_back(s, b);
    p->made_until = log_end;
    sim_trace(s, "restored to %" PRId64 ": timeline %u, %zu were lost", b->facts.log_no,
              p->timeline, p->lost_count);
}

/* ---- the server that was replaced, and still runs ---- */

static void ask(struct sim *s, struct vault *v, const struct sim_conn *c, bool last)
{
    struct host host = host_of(&s->server.host);
    struct server_session *session = NULL;
    struct fault fault;
    struct err err =
        server_session_new(buf_bytes(&c->request), c->number, wall_ms(s), &host, &session);
    if (err.code == ERR_OK) {
        err = db_begin(v->db, DB_LOCK_WRITE);
    }
    if (err.code == ERR_OK) {
        err = db_end(v->db, server_session_judge(session, &v->store));
    }
    if (err.code == ERR_OK &&
        (server_session_next(session) != SERVER_FAULT ||
         server_session_fault(session, &fault) != 503 || strcmp(fault.code, "superseded") != 0)) {
        sim_break(s, INV_TIMELINE, "a replaced server goes on%s", last ? " after its restart" : "");
    }
    server_session_free(session);
}

void past_overhears(struct sim *s, const struct sim_conn *c)
{
    struct past *p = &s->past;
    struct vault v = {.disk = NULL};
    if (p->replaced == NULL || c->timeline != p->timeline) {
        return;
    }
    for (int round = 0; round < 2; round++) {
        if (vault_open(s, &v, p->replaced, DB_WRITE).code == ERR_OK) {
            ask(s, &v, c, round == 1);
        }
        vault_close(&v);
    }
    vault_free(&v);
    simdisk_image_free(p->replaced);
    p->replaced = NULL;
}

/* ---- what must hold ---- */

bool past_is_behind(struct sim_device *d)
{
    static const char sql[] = "SELECT timeline = ?1 AND recovering = 0 FROM device_state";
    struct sim *s = d->sim;
    struct stmt q;
    if (s->past.restores == 0) {
        return false;
    }
    if (db_use(d->db, sql, &q).code != ERR_OK) {
        return true;
    }
    bind_int(&q, 1, s->past.timeline);
    bool done = db_step_row(&q) && col_int(&q, 0) != 0;
    stmt_reset(&q);
    return !done;
}

bool past_is_covered(struct sim *s, uint32_t device, const uint8_t identity[32])
{
    return find_work(s->past.covered, s->past.covered_count, device, identity) != NULL;
}

int64_t past_unjudged(const struct sim *s, uint32_t device)
{
    int64_t n = 0;
    for (size_t i = 0; i < s->past.lost_count; i++) {
        const struct past_work *w = &s->past.lost[i];
        n += w->device == device && oracle_judged_as(&s->oracle, device, w->identity) == NULL;
    }
    return n;
}

static const struct sim_device *device_of(const struct sim *s, uint32_t number)
{
    for (int i = 0; i < SIM_DEVICES; i++) {
        if (s->devices[i].number == number) {
            return &s->devices[i];
        }
    }
    return NULL;
}

/* Acknowledged work is judged again where its device has kept it, and that it must. */
static void check_returned(struct sim *s)
{
    for (size_t i = 0; i < s->past.lost_count && s->broken == INV_NONE; i++) {
        const struct past_work *w = &s->past.lost[i];
        const struct sim_device *d = device_of(s, w->device);
        bool back = oracle_judged_as(&s->oracle, w->device, w->identity) != NULL;
        bool kept = d != NULL && is_live(d) && !past_is_covered(s, w->device, w->identity);
        if (!back && kept && !w->empty && w->outcome != OUTCOME_REFUSED) {
            sim_break(s, INV_RETURNED,
                      "work of device %d that a restore lost (%02x%02x) isn't back", d->index,
                      w->identity[0], w->identity[1]);
        }
    }
}

static int64_t quarantined(struct sim *s, const struct past_witness *w)
{
    struct stmt q;
    if (db_use(s->server.writer_db, "SELECT count(*) FROM quarantine WHERE tbl = ?1 AND row = ?2",
               &q)
            .code != ERR_OK) {
        return -1;
    }
    bind_int(&q, 1, w->table);
    bind_id(&q, 2, w->id);
    int64_t n = db_step_row(&q) ? col_int(&q, 0) : -1;
    stmt_reset(&q);
    return n;
}

/* What a device held of the lost part, and what nobody brought again, is there to be looked at. */
static void check_witnesses(struct sim *s)
{
    for (size_t i = 0; i < s->past.witness_count && s->broken == INV_NONE; i++) {
        const struct past_witness *w = &s->past.witnesses[i];
        const struct oracle_row *row = oracle_find(&s->oracle, w->table, w->id);
        bool again = row != NULL && row->seq > s->oracle.start;
        if (is_live(&s->devices[w->device]) && !again && quarantined(s, w) == 0) {
            sim_break(s, INV_WITNESSED, "a row of %s (%" PRId64 ") that device %d held is nowhere",
                      catalogue_table(w->table)->name, w->seq, w->device);
        }
    }
}

void audit_past(struct sim *s)
{
    if (s->past.restores > 0 && s->server.up) {
        check_returned(s);
        check_witnesses(s);
    }
}
