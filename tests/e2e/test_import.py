#!/usr/bin/env python3
"""CSV by hand: what is wrong is told by line and field and nothing goes in; what is only unusual
goes in; what went in can be undone until somebody has worked on it."""
import csv
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import Firm, check, equal, main


def imports(firm, text, *args, table="customer", expect=0, name="file.csv"):
    path = firm.dir / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return firm.admin("import", table, path, *args, expect=expect)


def count(firm, table="customer"):
    return firm.query(f"SELECT count(*) AS n FROM {table} WHERE _deleted_at IS NULL")[0]["n"]


def test_what_is_unusual_goes_in():
    files = {
        "as Windows writes it": "\ufeffno,name\r\n1,茶庄\r\n2,Café\r\n",
        "quotes": 'no,name\n1,"Tea, and more"\n2,"the ""best"" tea"\n',
        "a mark before a quote": '\ufeff"no","name"\n"1","a"\n"2","b"\n',
        "line breaks in a field": 'no,name,note\n1,a,"first\nsecond"\n2,b,"x\r\ny"\n',
        "no newline at the end": "no,name\n1,a\n2,b",
        "empty lines": "no,name\n\n1,a\n\n2,b\n\n",
        "capitals and blanks": "no,name,kind\n1, a ,CUSTOMER\n2,b,Prospect\n",
    }
    for what, text in files.items():
        with Firm() as firm:
            imports(firm, text)
            equal(count(firm), 2, what)


# what it says, the table, the file, what is typed behind it, "line: field" and a word of the reason
WRONG = [
    ("one column too few", "customer", "no,name\n1,a\n2\n3,c\n", [], "file.csv:3: 2", "number of columns"),
    ("one column too many", "customer", "no,name\n1,a,x\n", [], "file.csv:2: 3", "number of columns"),
    ("not UTF-8", "customer", b"no,name\n1,M\xfcnster\n", [], "file.csv:2: 2", "UTF-8"),
    ("a stray quote", "customer", 'no,name\n1,5" pipe\n', [], "file.csv:2: 2", "quote"),
    ("a quote that never ends", "customer", 'no,name\n1,"a\n2,b\n', [], "file.csv:2: 2", "never ends"),
    ("a needed value", "customer", "no,name\n1,\n", [], "file.csv:2: name", "needed"),
    ("not a choice", "customer", "no,name,kind\n1,a,friend\n", [], "file.csv:2: kind", "choices"),
    ("not a number", "product", "sku,name,cost\n1,a,cheap\n", [], "file.csv:2: cost", "right form"),
    ("half a cent", "product", "sku,name,cost\n1,a,1.005\n", [], "file.csv:2: cost", "2 decimals"),
    ("not a day", "price_list", "name,valid_from\na,2026-02-30\n", [], "file.csv:2: valid_from", "form"),
    ("too long", "customer", f"no,name\n1,{'x' * 201}\n", [], "file.csv:2: name", "too long"),
    ("a number twice", "customer", "no,name\n1,a\n1,b\n", [], "file.csv:3: no", "exists already"),
    ("a SKU twice", "product", "sku,name\n1,a\n1,b\n", [], "file.csv:3: sku", "exists already"),
    ("a key twice", "customer", "no,name\n1,a\n1,b\n", ["--key", "no"], "file.csv:3: no", "exists already"),
    ("who is that?", "contact", "who,name\nnobody,a\n", ["--map", "who=customer_id:no"],
     "file.csv:2: customer_id", "not found (nobody)"),
    ("an unknown manager", "person", "login,name,boss\na,A,z\n",
     ["--map", "boss=manager_id:login", "--set", "role=rep"], "file.csv:2: manager_id", "not found (z)"),
    ("a login with a blank", "person", "login,name\na b,A\n", ["--set", "role=rep"],
     "file.csv:2: login", "form"),
]


def test_what_is_wrong_is_told_and_nothing_goes_in():
    with Firm() as firm:
        for what, table, text, args, where, reason in WRONG:
            before = count(firm, table)
            r = imports(firm, text, *args, table=table, expect=1)
            check(where in r.err and reason in r.err, f"{what}: {where!r}, {reason!r}\n{r}")
            check("nothing was imported" in r.err, f"{what}\n{r}")
            equal(count(firm, table), before, what)
        firm.healthy()


def test_all_that_is_wrong_in_one_run():
    with Firm() as firm:
        errors = firm.dir / "errors.csv"
        text = "no,name,kind\n1,a,friend\n2,b,customer\n3\n4,,dealer\n" + "5,\"x,y\n"
        r = imports(firm, text, "--errors", errors, "--json", expect=1)
        equal(r.json()["errors"], 4, "errors counted")
        rows = list(csv.DictReader(errors.read_text(encoding="utf-8").splitlines()))
        equal([(x["line"], x["field"], x["code"]) for x in rows],
              [("2", "kind", "not_a_choice"), ("4", "2", "wrong_count"), ("5", "name", "required"),
               ("6", "2", "unterminated_quote")], "the error file")
        many = "no,name\n" + "".join(f"{i},\n" for i in range(100))
        r = imports(firm, many, expect=1)
        check("and 80 more" in r.err, f"the rest is counted\n{r}")


def test_the_head():
    with Firm() as firm:
        equal("empty" in imports(firm, "", expect=1).err, True, "an empty file")
        r = imports(firm, "a,a\n1,2\n", expect=1)
        check("two columns are called a" in r.err, f"{r}")
        r = imports(firm, "x,y\n1,2\n", expect=1)
        check("no column" in r.err, f"nothing fits\n{r}")
        r = imports(firm, "x,y\n1,2\n", "--map", "z=name", expect=1)
        check("no column z" in r.err, f"{r}")
        for args in (["--map", "x=nonsense"], ["--map", "x"], ["--set", "name"], ["--value", "x=y"],
                     ["--map", "x=name", "--key", "no"], ["--map", "x=name,y=name"],
                     ["--map", "x=book_id:nonsense"], ["--nonsense"]):
            imports(firm, "x,y\n1,2\n", *args, expect=2)
        firm.admin("import", "nonsense", firm.dir / "file.csv", expect=2)
        firm.admin("import", "kept_value", firm.dir / "file.csv", expect=2)
        firm.admin("import", "customer", expect=2)
        firm.admin("import", "customer", firm.dir / "nowhere.csv", expect=1)
        equal(count(firm), 0, "nothing went in")


def test_a_dry_run_only_tells():
    with Firm() as firm:
        r = imports(firm, "no,name,fax\n1,a,9\n", "--dry-run")
        check("no → no" in r.out and "ignored: fax" in r.out and "would make 1" in r.out, f"{r}")
        equal(count(firm), 0, "nothing is there")
        equal(firm.admin("import", "undo", 1, expect=1).code, 1, "no batch either")


def test_values_and_formats():
    with Firm() as firm:
        imports(firm, "customer,stage,when\nA,Won,31.12.2025 23:30\nB,Lost,1.1.2026 0:05\nC,?,NULL\n",
                "--map", "customer=name,stage=kind,when=next_follow_at", "--null", "NULL",
                "--date-format", "%d.%m.%Y %H:%M", "--value", "kind:Won=customer,*=prospect",
                "--set", "country=中国")
        rows = firm.query("SELECT name, kind, country, next_follow_at AS t FROM customer ORDER BY 1")
        equal(rows, [{"name": "A", "kind": "customer", "country": "中国", "t": 1767195000000},
                     {"name": "B", "kind": "prospect", "country": "中国", "t": 1767197100000},
                     {"name": "C", "kind": "prospect", "country": "中国", "t": None}], "rows")


def test_a_key_changes_what_is_there():
    with Firm() as firm:
        imports(firm, "no,name,city\n1,a,x\n2,b,x\n")
        r = imports(firm, "no,name,city\n1,a,x\n2,b,y\n3,c,y\n", "--key", "no", "--json").json()
        equal((r["new"], r["changed"]), (1, 1), "counts")
        equal(firm.query("SELECT no, city FROM customer ORDER BY no"),
              [{"no": "1", "city": "x"}, {"no": "2", "city": "y"}, {"no": "3", "city": "y"}], "rows")
        firm.admin("import", "undo", 1, expect=1) # a later import touched row 2
        firm.admin("import", "undo", r["batch"])
        equal(firm.query("SELECT no, city FROM customer WHERE _deleted_at IS NULL ORDER BY no"),
              [{"no": "1", "city": "x"}, {"no": "2", "city": "x"}], "as before")
        firm.admin("import", "undo", 1)
        equal(count(firm), 0, "all gone")
        firm.healthy()


def test_undo_spares_what_somebody_changed():
    with Firm() as firm:
        imports(firm, "no,name\n1,a\n2,b\n")
        firm.user("lin", "rep")
        firm.admin("move", "1", "--to", "lin")
        r = firm.admin("import", "undo", 1, expect=1)
        check("nothing was undone" in r.err and "1 rows" in r.err, f"{r}")
        equal(count(firm), 2, "both are there")


main(globals())
