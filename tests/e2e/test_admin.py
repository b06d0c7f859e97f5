#!/usr/bin/env python3
"""legworkd's commands as an operator types them: right and wrong, in both languages; and SQL that a
manager types, with all that it may not do."""
import pathlib
import stat
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import LEGWORKD, Firm, check, environment, equal, main, run


def test_usage():
    for args in ([], ["nonsense"], ["user"], ["user", "add"], ["user", "add", "a"],
                 ["user", "add", "a", "--name"], ["invite"], ["move", "x"], ["query"],
                 ["query", "SELECT 1", "--report", "team_day"], ["query", "--report", "nonsense"],
                 ["query", "SELECT 1", "--format", "xml"], ["import", "customer"],
                 ["init"], ["init", "--company", "A", "--currency", "yuan"],
                 ["init", "--company", "A", "--timezone", "Nowhere/Nowhere"],
                 ["init", "--company", "A", "--host", "a b"], ["init", "--company", "A", "--admin", "x"],
                 ["user", "add", "a", "--name", "b", "--name", "c"], ["verify", "--nonsense"]):
        r = run([LEGWORKD, "--data", "/nonexistent/data", *args], expect=2)
        check(r.err and not r.out, f"the reason is told on stderr\n{r}")
    check("legworkd [--data DIR]" in run([LEGWORKD, "--help"]).out, "help")
    run([LEGWORKD, "user", "list"], expect=1) # no data directory named
    r = run([LEGWORKD, "--data", "/nonexistent/data", "user", "list"], expect=1)
    check("init" in r.err, f"says what to do\n{r}")
    r = run([LEGWORKD, "nonsense"], expect=2, env=environment(LEGWORK_LANG="zh"))
    check("未知命令" in r.err, f"in Chinese\n{r}")


def test_init_is_whole_or_nothing():
    with Firm() as firm:
        names = sorted(p.name for p in firm.data.iterdir())
        equal(names, ["ca.key", "ca.pem", "ledger", "store.db", "tls.key", "tls.pem"], "files")
        for path in [firm.data, *firm.data.iterdir()]:
            equal(stat.S_IMODE(path.stat().st_mode) & 0o077, 0, f"nobody else reads {path.name}")
        before = (firm.data / "ca.pem").read_bytes()
        firm.admin("init", "--company", "Other", expect=1)
        equal((firm.data / "ca.pem").read_bytes(), before, "the first firm is untouched")
        other = firm.dir / "other"
        run([LEGWORKD, "--data", other, "init", "--company", "A", "--admin", "x",
             "--password-file", firm.dir / "nowhere"], expect=1)
        short = firm.dir / "short"
        short.write_text("short\n")
        run([LEGWORKD, "--data", other, "init", "--company", "A", "--admin", "x",
             "--password-file", short], expect=1)
        equal([p.name for p in firm.dir.iterdir() if "other" in p.name], [], "nothing is left")
        out = run(["openssl", "x509", "-in", firm.data / "tls.pem", "-noout", "-dates"]).out
        check("1970" in out and "2049" in out, f"valid for any clock\n{out}")


def test_people():
    with Firm() as firm:
        firm.user("mei", "manager", name="陈美", team="上海")
        firm.user("lin", "rep", manager="mei", team="上海")
        rows = {p["login"]: p for p in firm.admin("user", "list", "--json").json()}
        equal((rows["lin"]["manager"], rows["lin"]["team"], rows["mei"]["name"]),
              ("mei", "上海", "陈美"), "as typed")
        equal(firm.query("SELECT count(*) AS n FROM team")[0]["n"], 1, "one team of that name")
        equal(firm.query("SELECT count(*) AS n FROM book_holder")[0]["n"], 3, "a book each")
        for args in (["add", "lin", "--name", "x", "--role", "rep"],
                     ["add", "x", "--name", "x", "--role", "boss"],
                     ["add", "x", "--name", "", "--role", "rep"],
                     ["add", "a b", "--name", "x", "--role", "rep"],
                     ["add", "x", "--name", "x", "--role", "rep", "--manager", "nobody"],
                     ["edit", "nobody", "--name", "x"], ["edit", "lin", "--role", "boss"],
                     ["disable", "nobody"]):
            r = firm.admin("user", *args, expect=1)
            check(r.err.startswith("legworkd: "), f"the reason\n{r}")
        equal(len(firm.admin("user", "list", "--json").json()), 3, "nobody came by mistake")
        firm.admin("user", "edit", "lin", "--title", "主管", "--manager", "")
        row = firm.query("SELECT title, manager_id FROM person WHERE login = 'lin'")[0]
        equal(row, {"title": "主管", "manager_id": None}, "changed and cleared")
        firm.admin("user", "disable", "lin")
        check("disabled" in firm.admin("invite", "lin", expect=1).err, "no device for them")
        firm.admin("invite", "nobody", expect=1)
        firm.healthy()


def test_invitations():
    with Firm() as firm:
        firm.user("lin", "rep")
        head, address, ca, secret = firm.admin("invite", "lin").out.strip().split(",")
        equal((head, address, len(ca), len(secret)), ("lw1", "127.0.0.1:8443", 43, 27), "the line")
        other = firm.admin("invite", "lin", "--host", "::1", "--port", 9000).out.strip().split(",")
        equal(other[1], "[::1]:9000", "another address")
        equal(other[2], ca, "the same CA")
        check(other[3] != secret, "another secret")
        check("█" in firm.admin("invite", "lin", "--qr").out, "a QR code")
        store = (firm.data / "store.db").read_bytes() + (firm.data / "store.db-wal").read_bytes() \
            if (firm.data / "store.db-wal").exists() else (firm.data / "store.db").read_bytes()
        check(secret.encode() not in store, "the store doesn't know the secret")
        for args in (["--hours", 25], ["--hours", 0], ["--port", 70000], ["--host", "a,b"]):
            firm.admin("invite", "lin", *args, expect=2)


def test_sql_reads_and_nothing_else():
    with Firm() as firm:
        equal(firm.query("SELECT login FROM person"), [{"login": "root"}], "a SELECT")
        equal(firm.query("WITH a(x) AS (VALUES (1), (2)) SELECT sum(x) AS s FROM a; -- so"),
              [{"s": 3}], "WITH, a comment behind")
        before = (firm.data / "store.db").read_bytes()
        for sql in ("INSERT INTO team (id) VALUES (x'00')", "UPDATE person SET role = 'admin'",
                    "DELETE FROM person", "DROP TABLE person", "CREATE TEMP TABLE x (a)",
                    "CREATE TEMP TRIGGER t AFTER INSERT ON team BEGIN SELECT 1; END",
                    "PRAGMA user_version = 5", "PRAGMA table_info(person)", "ATTACH 'x.db' AS x",
                    "VACUUM INTO 'copy.db'", "SELECT load_extension('x')", "BEGIN",
                    "SELECT writefile('x', 'y')", "SELECT 1; SELECT 2", "SELECT 1; DELETE FROM person",
                    "WITH x AS (SELECT 1) DELETE FROM person RETURNING id", "nonsense", ""):
            r = firm.admin("query", sql, expect=1)
            check(not r.out, f"no rows\n{r}")
        equal((firm.data / "store.db").read_bytes(), before, "the store is as it was")


def test_secrets_are_no_tables():
    with Firm() as firm:
        never = firm.admin("query", "SELECT * FROM never_was", expect=1).err
        for table in ("password", "device_key", "invitation", "store_state", "verdict", "epoch_closed",
                      "change_log", "memo", "sqlite_master"):
            r = firm.admin("query", f"SELECT * FROM {table}", expect=1)
            equal(r.err, never.replace("never_was", table), f"as if {table} weren't there")
            firm.admin("query", f"SELECT (SELECT count(*) FROM {table})", expect=1)
            firm.admin("query", f"SELECT 1 FROM person WHERE EXISTS (SELECT 1 FROM {table})", expect=1)


def test_limits():
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT "
    with Firm() as firm:
        start = time.monotonic()
        r = firm.admin("query", endless + "count(*) FROM c", expect=1)
        check(time.monotonic() - start < 6, "stopped in time")
        check("too long" in r.err, f"says which limit\n{r}")
        r = firm.admin("query", endless + "x FROM c", expect=1)
        check("10000 rows" in r.err, f"says which limit\n{r}")
        equal(len(firm.query(endless + "x FROM c LIMIT 10000")), 10000, "the last row that may come")
        for sql in ("SELECT randomblob(1000000000)", "SELECT 'x' LIKE printf('%.5000c', '%')",
                    endless + "printf('%.100000c', 'x') FROM c LIMIT 1000"):
            r = firm.admin("query", "--format", "json", sql, expect=None)
            check(r.code == 1 and not r.out, f"{sql} was answered with {len(r.out)} characters")


def test_formats():
    with Firm() as firm:
        sql = "SELECT '=1+1' AS a, -5 AS b, 'x,\"y\"' AS c, NULL AS d, x'00112233445566778899aabbccddeeff' AS e"
        out = firm.admin("query", sql, "--format", "csv").out.replace("\r\n", "\n")
        equal(out, "a,b,c,d,e\n'=1+1,-5,\"x,\"\"y\"\"\",,00112233-4455-6677-8899-aabbccddeeff\n", "CSV")
        equal(firm.query("SELECT 'a\nb' AS a, 1.5 AS b, NULL AS c, '茶' AS d"),
              [{"a": "a\nb", "b": 1.5, "c": None, "d": "茶"}], "JSON")
        equal(firm.query("SELECT 1 AS a WHERE 0"), [], "no rows")
        out = firm.admin("query", "SELECT '茶' AS a, 1 AS n UNION SELECT 'tea', 20 ORDER BY n").out
        equal(out, "a     n\n茶    1\ntea  20\n", "wide characters take two columns")
        out = firm.admin("query", "SELECT 'a\x1b[31m\u202eb' AS a").out
        check("\x1b" not in out and "\u202e" not in out, "nothing moves the terminal's cursor")


def test_an_empty_day():
    with Firm() as firm:
        firm.user("lin", "rep", name="林晓")
        rows = firm.report("team_day", "--from", "2026-11-23", "--to", "2026-11-24")
        equal([(r["day"], r["login"]) for r in rows],
              [("2026-11-23", "lin"), ("2026-11-24", "lin")], "a row for each rep and day")
        equal({k: rows[0][k] for k in ("planned", "visited", "productive", "strike_rate", "orders",
                                       "order_value", "collected", "complete_up_to")},
              {"planned": 0, "visited": 0, "productive": 0, "strike_rate": None, "orders": 0,
               "order_value": 0, "collected": 0, "complete_up_to": None}, "nothing happened")
        equal(firm.report("team_day", "--team", "nobody"), [], "no such team")
        for args in (["--from", "yesterday"], ["--from", "2026-02-30"],
                     ["--from", "2026-11-24", "--to", "2026-11-23"]):
            firm.admin("query", "--report", "team_day", *args, expect=2)


main(globals())
