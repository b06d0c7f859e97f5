/* legworkd user add, list, edit, disable. */
#include "common/base/base.h"

#include <sodium.h>

#include "server/admin/command.h"
#include "server/admin/data.h"
#include "server/admin/options.h"
#include "server/admin/output.h"
#include "server/admin/password.h"
#include "server/admin/person.h"
#include "server/admin/say.h"

enum { NAME, ROLE, MANAGER, TEAM, TITLE, PHONE, PASSWORD, ENABLE, FORM_OPTIONS };

struct typed { /* a form with the password's hash that it points to */
    struct person_form form;
    char hash[PASSWORD_HASH_SIZE];
};

/* EXIT_DONE, or what is wrong. */
static int read_form(int argc, char **argv, struct arguments *rest, struct typed *t)
{
    struct option options[FORM_OPTIONS] = {
        [NAME] = {"--name", OPTION_TEXT, 0, {0}},
        [ROLE] = {"--role", OPTION_TEXT, 0, {0}},
        [MANAGER] = {"--manager", OPTION_TEXT, 0, {0}},
        [TEAM] = {"--team", OPTION_TEXT, 0, {0}},
        [TITLE] = {"--title", OPTION_TEXT, 0, {0}},
        [PHONE] = {"--phone", OPTION_TEXT, 0, {0}},
        [PASSWORD] = {"--password-file", OPTION_TEXT, 0, {0}},
        [ENABLE] = {"--enable", OPTION_FLAG, 0, {0}},
    };
    if (!options_read(options, FORM_OPTIONS, argc, argv, 1, 1, rest)) {
        return EXIT_USAGE;
    }
    t->form = (struct person_form){.name = option_text(&options[NAME]),
                                   .role = option_text(&options[ROLE]),
                                   .manager = option_text(&options[MANAGER]),
                                   .team = option_text(&options[TEAM]),
                                   .title = option_text(&options[TITLE]),
                                   .phone = option_text(&options[PHONE]),
                                   .active = options[ENABLE].count > 0 ? 1 : -1};
    if (options[PASSWORD].count > 0) {
        if (!password_hash(option_text(&options[PASSWORD]), t->hash)) {
            return EXIT_REFUSED;
        }
        t->form.hash = t->hash;
    }
    return EXIT_DONE;
}

typedef struct err (*person_write)(struct edit *e, const char *login,
                                   const struct person_form *form);

/* One change of one person; says `done` with the login. */
static int write_person(const char *login, const struct person_form *form, person_write write,
                        const char *intent, const char *english, const char *chinese)
{
    struct data d;
    if (!data_open(&d, true)) {
        return EXIT_REFUSED;
    }
    struct edit e;
    struct err err = edit_begin(&e, &d.store, intent);
    if (err.code == ERR_OK) {
        err = edit_end(&e, write(&e, login, form));
    }
    int status = EXIT_DONE;
    if (err.code != ERR_OK) {
        status = refuse_err(err, &e.why, login, db_message(d.db));
    } else {
        (void)printf("%s: %s\n", login, say_choose(english, chinese));
    }
    data_close(&d);
    return status;
}

int cmd_user_add(int argc, char **argv)
{
    struct arguments rest;
    struct typed t = {0};
    int status = read_form(argc, argv, &rest, &t);
    if (status == EXIT_DONE && (t.form.name == NULL || t.form.role == NULL)) {
        status = usage_wrong("--name and --role are needed", "需要 --name 和 --role");
    }
    if (status == EXIT_DONE) {
        t.form.active = 1;
        status = write_person(rest.at[0], &t.form, person_add, "user.add", "added", "已添加");
    }
    sodium_memzero(t.hash, sizeof t.hash);
    return status;
}

int cmd_user_edit(int argc, char **argv)
{
    struct arguments rest;
    struct typed t = {0};
    int status = read_form(argc, argv, &rest, &t);
    if (status == EXIT_DONE) {
        status = write_person(rest.at[0], &t.form, person_change, "user.edit", "changed", "已修改");
    }
    sodium_memzero(t.hash, sizeof t.hash);
    return status;
}

/* The server asks for `active` at every request, so this shuts all devices out at once. */
int cmd_user_disable(int argc, char **argv)
{
    struct arguments rest;
    const struct person_form form = {.active = 0};
    if (!options_read(NULL, 0, argc, argv, 1, 1, &rest)) {
        return EXIT_USAGE;
    }
    return write_person(rest.at[0], &form, person_change, "user.disable",
                        "disabled, with all devices", "已停用，其设备同时停用");
}

int cmd_user_list(int argc, char **argv)
{
    static const char sql[] =
        "SELECT p.login, p.name, p.role, m.login AS manager, t.name AS team, p.title, p.active,"
        " (SELECT count(*) FROM device_key k WHERE k.person = p.id AND k.revoked_at IS NULL)"
        " AS devices FROM person p LEFT JOIN person m ON m.id = p.manager_id"
        " LEFT JOIN team t ON t.id = p.team_id WHERE p._deleted_at IS NULL ORDER BY p.login";
    return print_list(argc, argv, sql);
}
