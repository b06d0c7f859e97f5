/* legworkd move: customers, and all that hangs on them, into the home book of another person. */
#include "common/base/base.h"

#include "server/admin/command.h"
#include "server/admin/data.h"
#include "server/admin/edit.h"
#include "server/admin/find.h"
#include "server/admin/options.h"
#include "server/admin/say.h"

#define CUSTOMERS_MAX 10000

enum { TO, DRY_RUN, OPTION_COUNT };

static bool home_book(struct data *d, const uint8_t person[16], const char *login, uint8_t id[16])
{
    static const char sql[] = "SELECT id FROM book WHERE home_of_id = ?1 AND kind = 'home'"
                              " AND _deleted_at IS NULL";
    struct stmt st;
    bool found = false;
    struct err err = db_use(d->db, sql, &st);
    if (err.code == ERR_OK) {
        bind_id(&st, 1, person);
        if (db_step_row(&st)) {
            found = col_id(&st, 0, id);
            stmt_reset(&st);
        }
        err = stmt_err(&st, "home_book");
    }
    if (err.code != ERR_OK) {
        refuse_err(err, NULL, login, db_message(d->db));
    } else if (!found) {
        complain("%s has no book of customers", "%s 没有客户簿", login);
    }
    return found && err.code == ERR_OK;
}

static struct err move_one(struct data *d, const uint8_t customer[16], const uint8_t book[16],
                           int64_t *rows, struct complaint *why)
{
    struct server_write *w = NULL;
    struct err err = server_write_begin(&d->store, NULL, "move", edit_now_ms(), &w);
    if (err.code != ERR_OK) {
        return err;
    }
    err = server_write_move(w, customer, book, rows);
    if (err.code == ERR_OK) {
        return server_write_end(w, why);
    }
    server_write_cancel(w);
    return err;
}

struct moving {
    const uint8_t (*customers)[16];
    size_t count;
    const uint8_t *book;
    int64_t rows; /* moved, with all that hangs on the customers */
    bool dry;     /* do it, count, and undo */
};

/* One change-log transaction for each customer, since each is a fact of its own; one database
 * transaction for all, so that a mistake moves nobody. */
static struct err move_all(struct data *d, struct moving *m, struct complaint *why)
{
    struct err err = db_begin(d->db, DB_LOCK_WRITE);
    if (err.code != ERR_OK) {
        return err;
    }
    for (size_t i = 0; i < m->count && err.code == ERR_OK; i++) {
        int64_t rows = 0;
        err = move_one(d, m->customers[i], m->book, &rows, why);
        m->rows += rows;
    }
    bool undone = err.code == ERR_OK && m->dry;
    err = db_end(d->db, undone ? err_make(ERR_CANCELLED, 0, "move_all") : err);
    return undone && err.code == ERR_CANCELLED ? err_ok() : err;
}

static void say_moved(const struct moving *m)
{
    if (m->dry) {
        say("would move %zu customers, %" PRId64 " rows", "将移交 %zu 个客户，共 %" PRId64 " 行",
            m->count, m->rows);
    } else {
        say("moved %zu customers, %" PRId64 " rows", "已移交 %zu 个客户，共 %" PRId64 " 行",
            m->count, m->rows);
    }
}

static int move_named(struct data *d, const struct arguments *names, const char *login, bool dry)
{
    uint8_t person[16];
    uint8_t book[16];
    if (!person_find(d, login, person) || !home_book(d, person, login, book)) {
        return EXIT_REFUSED;
    }
    uint8_t(*ids)[16] = calloc(names->count, sizeof *ids);
    if (ids == NULL) {
        return refuse_err(err_make(ERR_NOMEM, 0, "move"), NULL, login, NULL);
    }
    int status = EXIT_DONE;
    for (size_t i = 0; i < names->count; i++) { /* all wrong names are said at once */
        if (!find_one(d, &find_customer, names->at[i], ids[i])) {
            status = EXIT_REFUSED;
        }
    }
    if (status == EXIT_DONE) {
        struct complaint why = {0};
        struct moving m = {.customers = (const uint8_t(*)[16])ids,
                           .count = names->count,
                           .book = book,
                           .dry = dry};
        struct err err = move_all(d, &m, &why);
        if (err.code == ERR_OK) {
            say_moved(&m);
        } else {
            status = refuse_err(err, &why, "move", db_message(d->db));
        }
    }
    free(ids);
    return status;
}

int cmd_move(int argc, char **argv)
{
    struct option options[OPTION_COUNT] = {
        [TO] = {"--to", OPTION_TEXT, 0, {0}},
        [DRY_RUN] = {"--dry-run", OPTION_FLAG, 0, {0}},
    };
    struct arguments rest;
    if (!options_read(options, OPTION_COUNT, argc, argv, 1, CUSTOMERS_MAX, &rest)) {
        return EXIT_USAGE;
    }
    if (options[TO].count == 0) {
        return usage_wrong("--to LOGIN is needed", "需要 --to 登录名");
    }
    struct data d;
    if (!data_open(&d, true)) {
        return EXIT_REFUSED;
    }
    int status = move_named(&d, &rest, option_text(&options[TO]), options[DRY_RUN].count > 0);
    data_close(&d);
    return status;
}
