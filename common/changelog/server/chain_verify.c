/* See chain_verify.h. Each entry is chained anew behind what is stored of the ones before it. Once
 * a scope's chain is broken, it is followed by what is stored: one finding names the place. */
#include "common/changelog/server/chain_verify.h"

#include "common/changelog/server/chain_heads.h"
#include "common/changelog/server/chain_read.h"
#include "common/changelog/server/store_internal.h"

#define SCOPES_MAX_EVER  ((int64_t)1 << 20)
#define WHERE_SIZE       (SCOPE_TEXT_SIZE + 64)
#define BACKUP_WHAT_SIZE 512 /* with the file's path, or the most of it */

struct followed { /* a scope's chain as far as it was read */
    bool broken;
    struct chain_head head;
};

struct check {
    struct store *st;
    chain_finding found;
    void *context;
    size_t room;
    struct followed *scopes; /* at scope.no */
    /* of the entry at hand */
    int64_t no;
    struct bytes stored; /* parts not compared yet */
    bool named;          /* its parts differ, which was said */
};

static void say_entry(struct check *c, const char *what, int64_t no)
{
    char where[WHERE_SIZE];
    (void)snprintf(where, sizeof where, "entry %" PRId64, no);
    c->found(c->context, what, where);
}

static void say_scope(struct check *c, const char *what, int64_t scope, int64_t no)
{
    char where[WHERE_SIZE];
    char name[SCOPE_TEXT_SIZE] = "?";
    struct scope *s = NULL;
    if (scope_get(c->st, scope, &s).code == ERR_OK) {
        scope_text(&s->id, name);
    }
    (void)snprintf(where, sizeof where, "%s entry %" PRId64, name, no);
    c->found(c->context, what, where);
}

static struct followed *followed_at(struct check *c, int64_t scope)
{
    if (scope <= 0 || scope > SCOPES_MAX_EVER) {
        return NULL;
    }
    if ((size_t)scope >= c->room) {
        size_t room = ((size_t)scope + 256) / 256 * 256;
        struct followed *scopes = realloc(c->scopes, room * sizeof *scopes);
        if (scopes == NULL) {
            return NULL;
        }
        memset(&scopes[c->room], 0, (room - c->room) * sizeof *scopes);
        c->scopes = scopes;
        c->room = room;
    }
    return &c->scopes[scope];
}

static struct err before(void *context, int64_t no, struct scope_id *id, struct chain_head *head)
{
    struct check *c = context;
    struct scope *scope = NULL;
    const struct followed *f = followed_at(c, no);
    struct err err = f == NULL ? err_make(ERR_CORRUPT, 0, "before") : scope_get(c->st, no, &scope);
    if (err.code == ERR_OK) {
        *id = scope->id;
        *head = f->head;
    }
    return err;
}

static struct err compare(void *context, int64_t scope, const struct chain_head *computed)
{
    struct check *c = context;
    int64_t at = 0;
    struct chain_head stored;
    if (c->named || !chain_take_part(&c->stored, &at, &stored) || at != scope) {
        if (!c->named) {
            say_entry(c, "log entry stands in other chains than it touched", c->no);
        }
        c->named = true;
        return err_ok();
    }
    struct followed *f = followed_at(c, scope);
    if (f == NULL) {
        return err_make(ERR_NOMEM, 0, "compare");
    }
    if (!f->broken && stored.index != computed->index) {
        say_scope(c, "gap in the chain", scope, c->no);
        f->broken = true;
    } else if (!f->broken && memcmp(stored.hash, computed->hash, CHAIN_HASH_SIZE) != 0) {
        say_scope(c, "entry doesn't fit its hash", scope, c->no);
        f->broken = true;
    }
    f->head = stored;
    f->head.no = c->no;
    return err_ok();
}

static struct err check_parts(struct check *c, const struct chain_read *read)
{
    struct chain_sum sum;
    chain_begin(&sum, &read->entry, before, c);
    struct err err = chain_read_rows(c->st->db, read->entry.no, &sum);
    if (err.code == ERR_OK) {
        err = chain_add_home(&sum, c->st, false);
    }
    if (err.code == ERR_OK) {
        err = chain_end(&sum, compare, c);
    }
    chain_release(&sum);
    if (err.code == ERR_CORRUPT || err.code == ERR_NOT_FOUND) {
        say_entry(c, "log entry can't be read", c->no);
        return err_ok();
    }
    if (err.code == ERR_OK && !c->named && c->stored.size > 0) {
        say_entry(c, "log entry stands in other chains than it touched", c->no);
    }
    return err;
}

static struct err check_entry(struct check *c, const struct chain_read *read, int64_t expected)
{
    c->no = read->entry.no;
    c->stored = read->chain;
    c->named = false;
    if (c->no != expected) {
        say_entry(c, "missing from the change log", expected);
    }
    if (read->chain.size == 0) {
        say_entry(c, "log entry without its hash", c->no);
        return err_ok();
    }
    if (!read->sealed) {
        say_entry(c, "log entry without its salt", c->no);
    }
    return check_parts(c, read);
}

static struct err check_log(struct check *c)
{
    int64_t last = 0;
    struct err err = db_one_int(c->st->db, "SELECT chain_from FROM store_state", &last);
    while (err.code == ERR_OK) {
        struct chain_read read;
        err = chain_read_entry(c->st->db, last + 1, &read);
        if (err.code == ERR_CORRUPT) {
            say_entry(c, "log entry can't be read", read.entry.no);
            last = read.entry.no;
            err = err_ok();
        } else if (err.code == ERR_OK) {
            err = check_entry(c, &read, last + 1);
            last = read.entry.no;
        }
        chain_read_end(&read);
    }
    return err.code == ERR_NOT_FOUND ? err_ok() : err;
}

/* What the store itself says of the ends. */
static struct err check_heads(struct check *c)
{
    struct stmt q;
    struct err err = db_prepare(c->st->db, "SELECT no, head FROM scope ORDER BY no", &q, NULL);
    if (err.code != ERR_OK) {
        return err;
    }
    while (err.code == ERR_OK && db_step_row(&q)) {
        int64_t no = col_int(&q, 0);
        struct chain_head head;
        const struct followed *f = followed_at(c, no);
        if (f == NULL) {
            err = err_make(ERR_NOMEM, 0, "check_heads");
        } else if (!chain_take_head(col_bytes(&q, 1), &head)) {
            say_scope(c, "head of the chain can't be read", no, f->head.no);
        } else if (head.no > f->head.no) {
            say_scope(c, "the chain was cut: its head is an entry that is gone", no, head.no);
        } else if (head.index != f->head.index ||
                   memcmp(head.hash, f->head.hash, sizeof head.hash) != 0) {
            say_scope(c, "head isn't the chain's last entry", no, f->head.no);
        }
    }
    err = err.code == ERR_OK ? stmt_err(&q, "check_heads") : err;
    stmt_close(&q);
    return err;
}

/* What devices showed, and the log at their time didn't know. */
static struct err check_alarms(struct check *c)
{
    struct stmt q;
    struct err err = db_prepare(
        c->st->db, "SELECT scope, no, device FROM chain_alarm ORDER BY scope, no, device", &q,
        NULL);
    if (err.code != ERR_OK) {
        return err;
    }
    while (db_step_row(&q)) {
        char what[64];
        (void)snprintf(what, sizeof what, "cut or replaced: device D%" PRId64 " holds another head",
                       col_int(&q, 2));
        say_scope(c, what, col_int(&q, 0), col_int(&q, 1));
    }
    err = stmt_err(&q, "check_alarms");
    stmt_close(&q);
    return err;
}

static struct err check_backup(struct check *c, const struct stmt *q)
{
    char what[BACKUP_WHAT_SIZE];
    struct chain_head head;
    struct scope *scope = NULL;
    bool known = false;
    int64_t no = col_int(q, 0);
    struct err err = scope_get(c->st, no, &scope);
    if (err.code != ERR_OK) {
        return err;
    }
    if (chain_take_head(col_bytes(q, 1), &head)) {
        struct chain_claim claim = {.scope = scope->id, .no = head.no};
        memcpy(claim.head, head.hash, sizeof claim.head);
        err = chain_knows(c->st, &claim, &known);
    } else {
        head.no = 0;
    }
    if (err.code == ERR_OK && !known) {
        (void)snprintf(what, sizeof what, "cut or replaced: backup %s holds another head",
                       col_text(q, 2));
        say_scope(c, what, no, head.no);
    }
    return err;
}

/* What stood at the ends when backups were made; a head that several hold is looked for once. */
static struct err check_backups(struct check *c)
{
    static const char sql[] =
        "SELECT s.scope, s.head, k.file FROM (SELECT scope, head, min(backup) AS first"
        "  FROM backup_scope WHERE head IS NOT NULL GROUP BY scope, head) s"
        " JOIN backup k ON k.no = s.first ORDER BY s.scope, k.no";
    struct stmt q;
    struct err err = db_prepare(c->st->db, sql, &q, NULL);
    if (err.code != ERR_OK) {
        return err;
    }
    while (err.code == ERR_OK && db_step_row(&q)) {
        err = check_backup(c, &q);
    }
    err = err.code == ERR_OK ? stmt_err(&q, "check_backups") : err;
    stmt_close(&q);
    return err;
}

struct err chain_verify(struct store *st, chain_finding found, void *context)
{
    struct check c = {.st = st, .found = found, .context = context};
    struct err err = check_log(&c);
    if (err.code == ERR_OK) {
        err = check_heads(&c);
    }
    if (err.code == ERR_OK) {
        err = check_alarms(&c);
    }
    if (err.code == ERR_OK) {
        err = check_backups(&c);
    }
    free(c.scopes);
    return err;
}
