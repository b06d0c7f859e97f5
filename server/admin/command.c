/* See command.h. */
#include "common/base/base.h"

#include "server/admin/command.h"
#include "server/admin/say.h"

struct command {
    const char *name; /* one word or two */
    int (*run)(int argc, char **argv);
    const char *arguments;
    const char *english;
    const char *chinese;
};

static const struct command commands[] = {
    {"init", cmd_init,
     "--company NAME [--currency CNY] [--timezone Asia/Shanghai] [--host NAME]…\n"
     "        [--admin LOGIN --password-file F]",
     "make the firm's store, its certificates and the first admin",
     "创建公司的数据库、证书和首位管理员"},
    {"serve", cmd_serve,
     "[--listen 127.0.0.1:8443] [--metrics 127.0.0.1:9464] [--photo-quota MIB]\n"
     "        [--streams MAX] [--keep-alive SECONDS]",
     "run the server", "运行服务器"},
    {"user add", cmd_user_add,
     "LOGIN --name NAME --role rep|manager|admin|analyst [--manager LOGIN]\n"
     "        [--team NAME] [--title T] [--phone P] [--password-file F]",
     "add a person", "添加人员"},
    {"user list", cmd_user_list, "[--json]", "list the persons", "列出人员"},
    {"user edit", cmd_user_edit,
     "LOGIN [--name NAME] [--role R] [--manager LOGIN] [--team NAME] [--title T]\n"
     "        [--phone P] [--password-file F] [--enable]",
     "change a person", "修改人员"},
    {"user disable", cmd_user_disable, "LOGIN", "shut a person and all of his devices out",
     "停用人员及其所有设备"},
    {"invite", cmd_invite, "LOGIN [--qr] [--hours 24] [--host NAME] [--port 8443]",
     "print a line that enrols one device, once", "打印一次性的设备绑定码"},
    {"device list", cmd_device_list, "[--json]",
     "list the devices, and what each holds back from purging",
     "列出设备，以及各设备阻止清除的记录"},
    {"device revoke", cmd_device_revoke, "ID", "shut a device out", "吊销设备"},
    {"purge", cmd_purge, "", "let go of deleted rows that every live device has heard of",
     "清除所有在用设备均已获知的删除记录"},
    {"courier import", cmd_courier_import, "FILE… [--json]",
     "take in work that devices wrote with 'legwork courier export'",
     "导入设备用 legwork courier export 写出的工作"},
    {"courier list", cmd_courier_list, "[--json]", "what revoked devices sent and waits for a word",
     "列出已吊销设备送来、等待决定的工作"},
    {"courier release", cmd_courier_release, "NO… [--as LOGIN]",
     "judge it as its author's work, or with the rights of LOGIN",
     "按作者（或 LOGIN 的权限）接受这些工作"},
    {"courier discard", cmd_courier_discard, "NO…", "let it go", "放弃这些工作"},
    {"import", cmd_import,
     "TABLE FILE.csv [--map column=field,…] [--set field=value]\n"
     "        [--value field:Theirs=ours] [--null TEXT] [--date-format F] [--key field]\n"
     "        [--dry-run] [--errors FILE] [--json]",
     "take a CSV file in, whole or not at all", "导入 CSV 文件，要么全部成功要么不导入"},
    {"import undo", cmd_import_undo, "BATCH", "take an import back", "撤销一次导入"},
    {"move", cmd_move,
     "CUSTOMER… --to LOGIN [--from-file FILE] [--dry-run] [--json]\n"
     "        | --resume [--json] | --list [--json]",
     "hand customers and all that hangs on them to another rep", "把客户及其资料移交给他人"},
    {"book list", cmd_book_list, "[--json]", "list the books of customers and who holds them",
     "列出客户簿及其持有人"},
    {"book give", cmd_book_give, "LOGIN --to LOGIN [--book NAME] [--dry-run] [--json]",
     "hand over whole books: all that a person holds, or one of them",
     "整本移交客户簿：某人持有的全部或其中一本"},
    {"erase", cmd_erase, "person|contact|customer ID --dry-run|--yes [--json] | --resume [--json]",
     "erase somebody's data for good: rows, change log, pictures, and on every device",
     "永久抹除某人的数据：记录、变更日志、图片以及各设备上的副本"},
    {"query", cmd_query,
     "'SELECT …' | --report team_day [--from DAY] [--to DAY] [--user LOGIN]\n"
     "        [--team NAME] [--format table|json|csv]",
     "ask the store", "查询数据"},
    {"backup", cmd_backup, "FILE [--pictures FOLDER | --no-pictures] [--replace] [--json]",
     "copy the store to a file, beside a running server, and look it through; pictures go to "
     "FOLDER "
     "('pictures' beside FILE), each once",
     "在服务器运行时备份数据库，并校验备份文件；图片复制到 FOLDER（默认为 FILE 旁的 pictures）"},
    {"history", cmd_history, "TABLE ID [--as-of TIME] [--json]",
     "what became of a row, or the row as it stood; a day as TIME means its end",
     "记录的全部变更，或某一时刻的内容（TIME 为日期时指当日结束）"},
    {"undelete", cmd_undelete, "TABLE ID… [--json]",
     "bring deleted rows back as they were; work on them that was refused may then be sent again",
     "恢复已删除的记录；针对它们被拒绝的工作可随后重新发送"},
    {"restore", cmd_restore, "FILE [--pictures FOLDER] | --report [--json]",
     "make a backup the store, with the pictures of FOLDER ('pictures' beside FILE); what devices "
     "have comes back, the report says what is missing",
     "用备份恢复数据库，并取回 FOLDER（默认为 FILE 旁的 pictures）中的图片；设备会带回各自的数据，"
     "--report 列出仍缺少的内容"},
    {"quarantine list", cmd_quarantine_list, "[--json]",
     "what devices held that a restore lost, and else waits for your word",
     "列出恢复后只有设备持有的行及其他待处理内容"},
    {"quarantine show", cmd_quarantine_show, "NO [--json]", "the row as the device had it",
     "显示设备上的那一行"},
    {"quarantine release", cmd_quarantine_release, "NO…", "write the row again as it was",
     "按原样写回该行"},
    {"quarantine discard", cmd_quarantine_discard, "NO…", "leave the row out for good",
     "永久丢弃该行"},
    {"photos check", cmd_photos_check, "[--ask] [--json]",
     "look through the pictures' files; --ask: have devices bring again what is gone or damaged",
     "检查图片文件；--ask：要求设备重新上传缺失或损坏的图片"},
    {"photos sweep", cmd_photos_sweep, "[--days N]",
     "remove pictures that nothing names any more and that are older than N days (7)",
     "删除不再被引用且超过 N 天（默认 7）的图片"},
    {"photos backup", cmd_photos_backup, "FOLDER",
     "copy the pictures that FOLDER lacks, without the store; 'backup' does both",
     "仅复制目录中缺少的图片；backup 会同时备份数据库和图片"},
    {"verify", cmd_verify, "[--repair-rows | --accept-rows] [--json]",
     "check the store and print its digests; --repair-rows puts values back that were changed in "
     "its "
     "file, where it is proven what they were, --accept-rows also takes the others as they are",
     "检查数据库并打印摘要；--repair-rows 还原文件中被改动且能证明原值的内容，--accept-rows "
     "并接受其余现状"},
};

static void print_help(FILE *to)
{
    (void)fputs(say_choose("usage: legworkd [--data DIR] COMMAND …   (or LEGWORK_DATA=DIR)\n\n",
                           "用法：legworkd [--data 目录] 命令 …（或设置 LEGWORK_DATA）\n\n"),
                to);
    for (size_t i = 0; i < count_of(commands); i++) {
        const struct command *c = &commands[i];
        (void)fprintf(to, "  %s %s\n        %s\n", c->name, c->arguments,
                      say_choose(c->english, c->chinese));
    }
}

static void print_usage(const struct command *c, FILE *to)
{
    (void)fprintf(to, "%s: legworkd %s %s\n", say_choose("usage", "用法"), c->name, c->arguments);
}

/* Takes --data DIR out of the words, wherever it stands, and leaves it in LEGWORK_DATA. */
static bool take_data(int *argc, char **argv)
{
    int kept = 1;
    for (int i = 1; i < *argc; i++) {
        const char *dir = NULL;
        if (strcmp(argv[i], "--data") == 0) {
            if (i + 1 == *argc) {
                complain("--data needs a value", "--data 需要一个值");
                return false;
            }
            dir = argv[++i];
        } else if (strncmp(argv[i], "--data=", strlen("--data=")) == 0) {
            dir = argv[i] + strlen("--data=");
        } else {
            argv[kept++] = argv[i];
        }
        if (dir != NULL && setenv("LEGWORK_DATA", dir, 1) != 0) {
            complain("--data: out of memory", "--data：内存不足");
            return false;
        }
    }
    argv[kept] = NULL;
    *argc = kept;
    return true;
}

/* How many words of argv name this command; 0: it isn't meant. */
static int words_named(const struct command *c, int argc, char **argv)
{
    const char *space = strchr(c->name, ' ');
    if (space == NULL) {
        return strcmp(argv[1], c->name) == 0 ? 1 : 0;
    }
    size_t first = (size_t)(space - c->name);
    bool meant = argc > 2 && strlen(argv[1]) == first && memcmp(argv[1], c->name, first) == 0 &&
                 strcmp(argv[2], space + 1) == 0;
    return meant ? 2 : 0;
}

static bool is_help(const char *word)
{
    return strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* Two words go before one: "import undo" isn't the import of a table called undo. */
static const struct command *command_find(int argc, char **argv, int *words)
{
    const struct command *found = NULL;
    *words = 0;
    for (size_t i = 0; i < count_of(commands); i++) {
        int named = words_named(&commands[i], argc, argv);
        if (named > *words) {
            *words = named;
            found = &commands[i];
        }
    }
    return found;
}

/* "user" alone: the commands that begin so are told. */
static int say_unknown(const char *word)
{
    size_t size = strlen(word);
    complain("unknown command %s; see legworkd --help", "未知命令 %s，参见 legworkd --help", word);
    for (size_t i = 0; i < count_of(commands); i++) {
        if (strncmp(commands[i].name, word, size) == 0 && commands[i].name[size] == ' ') {
            print_usage(&commands[i], stderr);
        }
    }
    return EXIT_USAGE;
}

int command_main(int argc, char **argv)
{
    if (!take_data(&argc, argv)) {
        return EXIT_USAGE;
    }
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (is_help(argv[1])) {
        print_help(stdout);
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)puts("legworkd " LEGWORK_VERSION);
        return EXIT_DONE;
    }
    int words;
    const struct command *c = command_find(argc, argv, &words);
    if (c == NULL) {
        return say_unknown(argv[1]);
    }
    if (argc > words + 1 && is_help(argv[words + 1])) {
        print_usage(c, stdout);
        return EXIT_DONE;
    }
    int status = c->run(argc - words, argv + words);
    if (status == EXIT_USAGE) {
        print_usage(c, stderr);
    }
    if (fflush(stdout) != 0 && status == EXIT_DONE) {
        return refuse_with("the output can't be written", "无法写出结果");
    }
    return status;
}
