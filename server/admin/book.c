/* legworkd book list, give: whole books of customers, by their holders. */
#include "common/base/base.h"

#include "common/changelog/server/book.h"
#include "server/admin/command.h"
#include "server/admin/data.h"
#include "server/admin/edit.h"
#include "server/admin/find.h"
#include "server/admin/options.h"
#include "server/admin/output.h"
#include "server/admin/say.h"

enum { TO, BOOK, DRY_RUN, JSON, OPTION_COUNT };

static const struct finder find_book = {
    .label = "book",
    .label_zh = "客户簿",
    .by_text = "SELECT id FROM book WHERE name = ?1 AND _deleted_at IS NULL LIMIT 2",
    .by_prefix = "SELECT id FROM book WHERE id >= ?1 AND id <= ?2 AND _deleted_at IS NULL LIMIT 2",
};

int cmd_book_list(int argc, char **argv)
{
    static const char sql[] =
        "SELECT b.id, b.name, b.kind, o.login AS home_of,"
        " (SELECT group_concat(p.login, ' ') FROM book_holder h JOIN person p ON p.id = h.person_id"
        "  WHERE h.book_id = b.id AND h._deleted_at IS NULL) AS holders,"
        " count(c.id) AS customers, count(c.archived_at) AS archived"
        " FROM book b LEFT JOIN person o ON o.id = b.home_of_id"
        " LEFT JOIN customer c ON c.book_id = b.id AND c._deleted_at IS NULL"
        " WHERE b._deleted_at IS NULL GROUP BY b.id ORDER BY b.kind DESC, b.name, b.id";
    return print_list(argc, argv, sql);
}

struct giving {
    const char *from_login, *to_login;
    uint8_t from[16], to[16], book[16];
    bool one; /* just `book` */
    bool dry; /* do it, count, and undo */
    struct book_given given;
};

static struct err give(struct data *d, struct giving *g, struct complaint *why)
{
    struct edit e;
    struct err err = edit_begin(&e, &d->store, "book.give");
    if (err.code != ERR_OK) {
        return err;
    }
    err = book_give(e.write, g->from, g->to, g->one ? g->book : NULL, &g->given, &e.why);
    bool undone = err.code == ERR_OK && g->dry;
    err = edit_end(&e, undone ? err_make(ERR_CANCELLED, 0, "give") : err);
    *why = e.why;
    return undone && err.code == ERR_CANCELLED ? err_ok() : err;
}

static void say_given(const struct giving *g, bool json)
{
    if (json) {
        (void)printf("{\"dry_run\":%s,\"books\":%" PRId64 ",\"customers\":%" PRId64 "}\n",
                     g->dry ? "true" : "false", g->given.books, g->given.customers);
        return;
    }
    if (g->given.books == 0) {
        say("%s holds nothing to give", "%s 没有可移交的客户簿", g->from_login);
        return;
    }
    if (g->dry) {
        say("would give %" PRId64 " books with %" PRId64 " customers to %s",
            "将把 %" PRId64 " 本客户簿（%" PRId64 " 个客户）移交给 %s", g->given.books,
            g->given.customers, g->to_login);
    } else {
        say("gave %" PRId64 " books with %" PRId64 " customers to %s",
            "已把 %" PRId64 " 本客户簿（%" PRId64 " 个客户）移交给 %s", g->given.books,
            g->given.customers, g->to_login);
    }
    say("no customer is touched; the devices of %s drop them at their next sync. What %s still "
        "records for them after that reaches %s as a proposal",
        "客户资料不变；%s 的设备下次同步时会移除这些客户，此后 %s 为其记录的内容将作为提议转给 %s",
        g->from_login, g->from_login, g->to_login);
}

static int give_named(struct data *d, struct giving *g, const char *book, bool json)
{
    struct complaint why = {0};
    if (!person_find(d, g->from_login, g->from) || !person_find(d, g->to_login, g->to)) {
        return EXIT_REFUSED;
    }
    g->one = book != NULL;
    if (g->one && !find_one(d, &find_book, book, g->book)) {
        return EXIT_REFUSED;
    }
    struct err err = give(d, g, &why);
    if (err.code != ERR_OK) {
        return refuse_err(err, &why, g->to_login, db_message(d->db));
    }
    say_given(g, json);
    return EXIT_DONE;
}

int cmd_book_give(int argc, char **argv)
{
    struct option options[OPTION_COUNT] = {
        [TO] = {"--to", OPTION_TEXT, 0, {0}},
        [BOOK] = {"--book", OPTION_TEXT, 0, {0}},
        [DRY_RUN] = {"--dry-run", OPTION_FLAG, 0, {0}},
        [JSON] = {"--json", OPTION_FLAG, 0, {0}},
    };
    struct arguments rest;
    struct data d;
    if (!options_read(options, OPTION_COUNT, argc, argv, 1, 1, &rest)) {
        return EXIT_USAGE;
    }
    if (options[TO].count == 0) {
        return usage_wrong("--to LOGIN is needed", "需要 --to 登录名");
    }
    if (!data_open(&d, true)) {
        return EXIT_REFUSED;
    }
    struct giving g = {.from_login = rest.at[0],
                       .to_login = option_text(&options[TO]),
                       .dry = options[DRY_RUN].count > 0};
    int status = give_named(&d, &g, option_text(&options[BOOK]), options[JSON].count > 0);
    data_close(&d);
    return status;
}
