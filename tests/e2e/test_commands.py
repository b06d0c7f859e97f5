#!/usr/bin/env python3
"""Every command with missing, unknown and malformed words: a status, and a line that names what is wrong
and where help is; nothing is written. Then what people do with entries of the inbox."""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import LEGWORK, Firm, check, environment, equal, main, run

COMMANDS = pathlib.Path(__file__).resolve().parents[2] / "client/cmd/commands.def"
USAGE = 2
REFUSED = 1

# What is typed, the exit status, a piece of what is said.
LINES = [
    ("", USAGE, "legwork"),
    ("nonsense", USAGE, "nonsense"),
    ("--nonsense", USAGE, "--nonsense"),
    ("visit", USAGE, "visit start"),
    ("visit nonsense", USAGE, "visit start"),
    ("enroll", USAGE, "CODE"),
    ("enroll lw1,x lw1,y", USAGE, "lw1,y"),
    ("courier export", USAGE, "legwork courier export"),
    ("courier export /no/such/folder/file --fast", USAGE, "--fast"),
    ("sync now", USAGE, "now"),
    ("sync --watch=1", USAGE, "--watch"),
    ("sync --nonsense", USAGE, "--nonsense"),
    ("status x", USAGE, "x"),
    ("verify x", USAGE, "x"),
    ("today x", USAGE, "x"),
    ("find", USAGE, "WORDS"),
    ("find ---", USAGE, "---"),
    ("new", USAGE, "TABLE"),
    ("new nonsense", USAGE, "nonsense"),
    ("new customer", USAGE, "name"),
    ("new customer name", USAGE, "name"),
    ("new customer =x", USAGE, "=x"),
    ("new customer nonsense=1 name=x", USAGE, "nonsense"),
    ("new customer name=x name=y", USAGE, "name"),
    ("new customer name=x kind=emperor", USAGE, "kind"),
    ("new customer name=x lat=north", USAGE, "lat"),
    ("new customer name=x next_follow_at=soon", USAGE, "next_follow_at"),
    ("new customer name=x credit_limit=much", USAGE, "credit_limit"),
    ("new customer name=x parent_id=Nobody", REFUSED, "Nobody"),
    ("new customer name=" + "x" * 201, USAGE, "name"),
    ("new visit_plan customer_id=C1 on_day=2026-02-30", USAGE, "on_day"),
    ("set", USAGE, "TABLE"),
    ("set customer", USAGE, "ID"),
    ("set customer C1", USAGE, "FIELD=VALUE"),
    ("set customer C9 city=x", REFUSED, "C9"),
    ("set customer C1 city", USAGE, "city"),
    ("set customer C1 created_at=2026-01-01", USAGE, "created_at"),
    ("set customer C1 name=", USAGE, "name"),
    ("set customer Twin city=x", REFUSED, "Twin"),
    ("show", USAGE, "TABLE"),
    ("show customer", USAGE, "ID"),
    ("show customer C9", REFUSED, "C9"),
    ("show customer ffffffff-ffff-7fff-8fff-ffffffffffff", REFUSED, "ffffffff"),
    ("show nonsense C1", USAGE, "nonsense"),
    ("show customer C1 C2", USAGE, "C2"),
    ("list", USAGE, "TABLE"),
    ("list nonsense", USAGE, "nonsense"),
    ("list customer city", USAGE, "city"),
    ("list customer --limit 0", USAGE, "0"),
    ("list customer --limit many", USAGE, "many"),
    ("list customer --limit", USAGE, "--limit"),
    ("delete", USAGE, "TABLE"),
    ("delete customer", USAGE, "ID"),
    ("delete customer C9", REFUSED, "C9"),
    ("visit start", USAGE, "CUSTOMER"),
    ("visit start C9", REFUSED, "C9"),
    ("visit start C1 --at here", USAGE, "lat"),
    ("visit start C1 --at 1", USAGE, "1"),
    ("visit start C1 --at 91,0", USAGE, "lat"),
    ("visit start C1 --at 1,2,3,4", USAGE, "1,2,3,4"),
    ("visit finish", REFUSED, "visit start"),
    ("visit finish x", USAGE, "x"),
    ("visit finish --outcome splendid", USAGE, "outcome"),
    ("visit finish --on someday", USAGE, "someday"),
    ("visit log", USAGE, "CUSTOMER"),
    ("visit log C1", USAGE, "--outcome"),
    ("visit log C1 --outcome splendid", USAGE, "outcome"),
    ("visit log C1 --outcome other --minutes long", USAGE, "long"),
    ("visit log C1 --outcome other --minutes -1", USAGE, "-1"),
    ("visit plan", USAGE, "CUSTOMER"),
    ("visit plan C1", USAGE, "DATE"),
    ("visit plan C1 2026-13-01", USAGE, "2026-13-01"),
    ("visit plan C9 today", REFUSED, "C9"),
    ("visit list --day 32", USAGE, "32"),
    ("visit list x", USAGE, "x"),
    ("order", USAGE, "order new"),
    ("order new", USAGE, "CUSTOMER"),
    ("order new C1", USAGE, "SKU=QTY"),
    ("order new C9 S1=1", REFUSED, "C9"),
    ("order new C1 S1", USAGE, "S1"),
    ("order new C1 S1=", USAGE, "S1="),
    ("order new C1 S1=0", USAGE, "0"),
    ("order new C1 S1=-1", USAGE, "-1"),
    ("order new C1 S1=few", USAGE, "few"),
    ("order new C1 S1=1 S1=2", USAGE, "S1"),
    ("order new C1 S9=1", REFUSED, "S9"),
    ("order new C1 S2=1", REFUSED, "S2"),
    ("order new C1 S1=1 --discount 10001", USAGE, "10001"),
    ("order new C1 S1=1 --discount half", USAGE, "half"),
    ("order new C1 S1=1 --wanted never", USAGE, "never"),
    ("order submit", USAGE, "ID"),
    ("order submit O9", REFUSED, "O9"),
    ("order list --customer C9", REFUSED, "C9"),
    ("pay", USAGE, "CUSTOMER"),
    ("pay C1", USAGE, "AMOUNT"),
    ("pay C1 much", USAGE, "amount"),
    ("pay C1 0", USAGE, "0"),
    ("pay C1 -5", USAGE, "-5"),
    ("pay C1 5.001", USAGE, "amount"),
    ("pay C9 5", REFUSED, "C9"),
    ("pay C1 5 --method gold", USAGE, "method"),
    ("report", USAGE, "report day"),
    ("report day never", USAGE, "never"),
    ("report day today today", USAGE, "today"),
    ("inbox x", USAGE, "x"),
    ("inbox show", USAGE, "ID"),
    ("inbox show 99", REFUSED, "99"),
    ("inbox restore", USAGE, "ID"),
    ("inbox restore 99", REFUSED, "99"),
    ("inbox resend", USAGE, "ID"),
    ("inbox resend 99", REFUSED, "99"),
    ("inbox note 99", REFUSED, "99"),
    ("inbox note", USAGE, "ID"),
    ("inbox accept", USAGE, "ID"),
    ("inbox accept 99", REFUSED, "99"),
    ("inbox dismiss", USAGE, "ID"),
    ("inbox dismiss 99", REFUSED, "99"),
    ("inbox discard", USAGE, "ID"),
    ("inbox discard 99", REFUSED, "99"),
    ("sql", USAGE, "SELECT"),
    ("sql nonsense", REFUSED, "nonsense"),
    ("courier", USAGE, "courier export"),
    ("courier export", USAGE, "FILE"),
    ("courier export a.lwc b.lwc", USAGE, "b.lwc"),
    ("visit photo", USAGE, "missing: VISIT"),
    ("visit photo 0123456789abcdef", USAGE, "missing: FILE"),
    ("order sign nosuch x.png", REFUSED, "Not found"),
    ("photo list --limit 0", USAGE, "malformed: 0"),
    ("photo list --customer Nobody", REFUSED, "Not found"),
    ("photo show", USAGE, "missing: ID"),
    ("photo show nosuch", REFUSED, "Not found"),
    ("photo fetch", USAGE, "missing: ID"),
    ("photo fetch nosuch", REFUSED, "Not found"),
    ("sync --network free", USAGE, "malformed: free"),
]
SQL = [
    ("DELETE FROM customer", REFUSED),
    ("INSERT INTO memo (id) VALUES (1)", REFUSED),
    ("PRAGMA user_version = 7", REFUSED),
    ("ATTACH '/tmp/x.db' AS x", REFUSED),
    ("SELECT 1; SELECT 2", USAGE),
    ("", USAGE),
]


def firm_with_lin():
    firm = Firm()
    firm.user("lin", "rep")
    goods = firm.dir / "goods.csv"
    goods.write_text("sku,name,price\nS1,Tea,10.00\n", encoding="utf-8")
    firm.admin("import", "product", goods, "--set", "active=1")
    lists = firm.dir / "lists.csv"
    lists.write_text("name,currency,is_default\nStandard,CNY,1\n", encoding="utf-8")
    firm.admin("import", "price_list", lists)
    firm.admin("import", "price_item", goods, "--map", "sku=product_id:sku", "--set",
               "price_list_id=Standard")
    bare = firm.dir / "bare.csv"
    bare.write_text("sku,name\nS2,Without a price\n", encoding="utf-8")
    firm.admin("import", "product", bare, "--set", "active=1")
    customers = firm.dir / "customers.csv"
    customers.write_text("no,name,kind\nC1,Corner Shop,customer\nC2,Twin,customer\nC3,Twin,customer\n",
                         encoding="utf-8")
    firm.admin("import", "customer", customers)
    firm.admin("move", "C1", "C2", "C3", "--to", "lin")
    return firm


def test_wrong_words():
    with firm_with_lin() as firm:
        firm.start()
        lin = firm.device("lin")
        lin.sync()
        wrong = []
        for text, code, about in LINES:
            result = lin.run(*text.split(), expect=None)
            if result.code != code or about not in result.err:
                wrong.append(f"{code} and {about!r} expected\n{result}")
        equal("\n".join(wrong), "", "each says what is wrong")
        for text, code in SQL:
            lin.run("sql", text, expect=code)
        equal(lin.json("status")["pending"], 0, "nothing was written")
        for name in re.findall(r'^COMMAND\(\w+, "([^"]+)"', COMMANDS.read_text(), re.M):
            check(any(f"{text} ".startswith(f"{name} ") for text, _, _ in LINES),
                  f"{name} is typed wrongly, too")


def test_help():
    for language, word in (("en", "Help"), ("zh", "帮助")):
        env = environment(LEGWORK_LANG=language)
        out = run([LEGWORK, "--help"], env=env).out
        check("visit start" in out, "all commands are listed")
        for line in out.splitlines():
            if line.startswith("  ") and not line.startswith("   "):
                name = line[2:19].split()
                check(name[0] in run([LEGWORK, *name, "--help"], env=env).out, f"help of {name}")
        check(word in run([LEGWORK, "nonsense"], env=env, expect=USAGE).err, f"in {language}")


def refused_discount(lin, manager_only="tier_manual=A"):
    """Work that the server refuses: a column that reps may not write."""
    lin.run("set", "customer", "C1", manager_only)
    lin.sync()
    entries = [e for e in lin.json("inbox") if e["kind"] == "refused"]
    check(entries, "the refused work is in the inbox")
    return entries[0]


def test_answers_to_refused_work():
    with firm_with_lin() as firm:
        firm.start()
        lin = firm.device("lin")
        lin.sync()
        entry = refused_discount(lin)
        equal(entry["code"], "not_permitted", "why")
        check("C1" in lin.run("inbox", "show", entry["id"]).out or
              "Corner Shop" in lin.run("inbox", "show", entry["id"]).out, "what it was about")
        equal(lin.json("show", "customer", "C1")["tier_manual"], None, "the server's value stands")
        lin.run("inbox", "discard", entry["id"])
        equal(lin.json("inbox"), [], "discarded")
        lin.run("inbox", "discard", entry["id"], expect=REFUSED)

        entry = refused_discount(lin)
        lin.run("inbox", "note", entry["id"], "Please make it an A customer")
        equal(lin.sync()["accepted"], 1, "the note goes out")
        notes = lin.json("list", "market_note") + lin.json("list", "task")
        check(any("A customer" in str(n) for n in notes), f"a note says it: {notes}")

        lin.run("new", "memo", "text=private")
        lin.run("order", "new", "C1", "S1=1", "--submit")
        lin.sync()
        order = lin.json("order", "list")[0]
        lin.run("set", "sales_order", order["no"], "note=too late")
        lin.sync()
        entry = [e for e in lin.json("inbox") if e["kind"] == "refused"][0]
        equal(entry["code"], "locked", "a submitted order is locked")
        lin.run("inbox", "resend", entry["id"], "nonsense=1", expect=USAGE)
        lin.run("inbox", "discard", entry["id"])
        equal(lin.json("status")["needs_you"], 0, "all answered")
        lin.run("verify")


def test_resend_with_a_correction():
    with firm_with_lin() as firm:
        firm.start()
        lin = firm.device("lin")
        lin.sync()
        lin.run("set", "customer", "C1", "city=Shanghai", "tier_manual=A")
        equal(lin.sync()["refused"], 1, "one column is not a rep's")
        entry = lin.json("inbox")[0]
        lin.run("inbox", "resend", entry["id"], "tier_manual=")
        lin.sync()
        equal(lin.json("status")["needs_you"], 0, "corrected")
        equal(firm.query("SELECT city FROM customer WHERE no = 'C1'"), [{"city": "Shanghai"}], "arrived")


if __name__ == "__main__":
    main(globals())
