/* legworkd undelete: brings deleted rows back. Nothing else ever does: an old edit that comes late
 * is refused, and its author may send it again afterwards. */
#include "common/base/base.h"

#include "common/catalogue/text.h"
#include "server/admin/command.h"
#include "server/admin/data.h"
#include "server/admin/edit.h"
#include "server/admin/find.h"
#include "server/admin/options.h"
#include "server/admin/say.h"

#define UNDELETE_MAX 1000

struct undelete {
    struct data *d;
    const struct table *table;
    size_t count;
    uint8_t (*ids)[16];
    int64_t *seqs;
};

static bool find_all(struct undelete *u, const struct arguments *rest)
{
    for (size_t i = 1; i < rest->count; i++) {
        if (!find_row(u->d, u->table, rest->at[i], true, u->ids[u->count])) {
            return false;
        }
        u->count++;
    }
    return true;
}

static int refuse_row(struct err err, const struct complaint *why, const char *name)
{
    if (err.code == ERR_REFUSED && strcmp(why->code, "state") == 0) {
        return refuse_with("%s: isn't deleted", "%s：并未删除", name);
    }
    if (err.code == ERR_REFUSED && strcmp(why->code, "not_found") == 0 && why->field[0] == 0) {
        return refuse_with(
            "%s: there is no such row; a deleted row that all devices have heard of is"
            " purged in time",
            "%s：没有该记录；所有设备均已获知的删除记录会被定期清除", name);
    }
    return refuse_err(err, why, name, NULL);
}

/* All of them, or none. */
static int bring_back(struct undelete *u, const char *const *names)
{
    struct edit edit;
    struct err err = edit_begin(&edit, &u->d->store, "undelete");
    if (err.code != ERR_OK) {
        return refuse_err(err, NULL, "undelete", db_message(u->d->db));
    }
    size_t at = 0;
    while (at < u->count && err.code == ERR_OK) {
        err = server_write_undelete(edit.write, u->table, u->ids[at], &u->seqs[at], &edit.why);
        at += err.code == ERR_OK;
    }
    const char *name = at < u->count ? names[at] : "undelete";
    err = edit_end(&edit, err);
    return err.code == ERR_OK ? EXIT_DONE : refuse_row(err, &edit.why, name);
}

static void tell(const struct undelete *u, bool json)
{
    for (size_t i = 0; i < u->count; i++) {
        char id[37];
        id_text(u->ids[i], id);
        if (json) {
            printf("%s{\"table\":\"%s\",\"id\":\"%s\",\"seq\":%" PRId64 "}", i == 0 ? "[" : ",\n ",
                   u->table->name, id, u->seqs[i]);
        } else {
            say("%s %s: restored", "%s %s：已恢复", say_choose(u->table->label, u->table->label_zh),
                id);
        }
    }
    (void)fputs(json ? "]\n" : "", stdout);
}

static int run(struct undelete *u, const struct arguments *rest, bool json)
{
    int status = find_all(u, rest) ? bring_back(u, &rest->at[1]) : EXIT_REFUSED;
    if (status == EXIT_DONE) {
        tell(u, json);
    }
    return status;
}

int cmd_undelete(int argc, char **argv)
{
    struct option json = {"--json", OPTION_FLAG, 0, {0}};
    struct arguments rest;
    struct data d;
    if (!options_read(&json, 1, argc, argv, 2, UNDELETE_MAX, &rest)) {
        return EXIT_USAGE;
    }
    const struct table *t = catalogue_table_named(rest.at[0]);
    if (t == NULL || t->scope == SCOPED_PRIVATE) { /* memos are their author's alone */
        return usage_wrong("no table is called %s", "没有名为 %s 的表", rest.at[0]);
    }
    if (!data_open(&d, true)) {
        return EXIT_REFUSED;
    }
    struct undelete u = {.d = &d, .table = t};
    u.ids = calloc(rest.count, sizeof *u.ids);
    u.seqs = calloc(rest.count, sizeof *u.seqs);
    int status = u.ids == NULL || u.seqs == NULL ? refuse_with("out of memory", "内存不足")
                                                 : run(&u, &rest, json.count > 0);
    free(u.ids);
    free(u.seqs);
    data_close(&d);
    return status;
}
