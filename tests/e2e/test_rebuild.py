#!/usr/bin/env python3
"""Pages of a replica go bad after work offline: the file is made anew, and the work gets to the server."""
import pathlib
import sqlite3
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import check, equal, main
from sample import firm_with_reps


def pages_of(path):
    """Which pages each table or index has, leaves first; the log beside the file is taken in."""
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        size = db.execute("PRAGMA page_size").fetchone()[0]
        roots = dict(db.execute("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0"))
    data = path.read_bytes()

    def walk(page):
        at = (page - 1) * size + (100 if page == 1 else 0)
        if data[at] not in (2, 5):
            return [page]
        cells = int.from_bytes(data[at + 3:at + 5], "big")
        below = [int.from_bytes(data[at + 8:at + 12], "big")]
        for i in range(cells):
            cell = int.from_bytes(data[at + 12 + 2 * i:at + 14 + 2 * i], "big")
            start = (page - 1) * size + cell
            below.append(int.from_bytes(data[start:start + 4], "big"))
        return [leaf for child in below for leaf in walk(child)] + [page]

    return size, {name: walk(root) for name, root in roots.items()}


def spoil(path, size, pages):
    with open(path, "r+b") as f:
        for page in pages:
            f.seek((page - 1) * size)
            f.write(b"\xff" * size)


def offline_work(lin, count):
    for i in range(count):
        lin.new("task", title=f"offline {i}", state="open", note="x" * 200)


def titles(firm):
    return [r["title"] for r in firm.query("SELECT title FROM task WHERE title LIKE 'offline%'")]


def verified(lin):
    result = lin.json("verify")
    equal((result["integrity"], result["digest"], result["contents"]), (True, True, True), "all is well")
    lin.healthy()


def test_pages_of_several_tables():
    with firm_with_reps() as firm:
        lin = firm.device("lin")
        for i in range(60):
            lin.new("memo", title=f"memo {i}", text="known to the server " * 10)
        lin.sync()
        offline_work(lin, 30)
        size, pages = pages_of(lin.replica)
        spoil(lin.replica, size, [pages["customer"][0], pages["product"][-1], pages["memo"][1], pages["memo"][3]])
        result = lin.run("verify", expect=1)
        check("verify --rebuild" in result.err, "verify says what to do")
        rebuilt = lin.json("verify", "--rebuild")
        equal((rebuilt["rebuilt"], rebuilt["waiting"], rebuilt["lost"]), (True, 30, 0), "all work was kept")
        check(pathlib.Path(rebuilt["kept"]).exists(), "the damaged file is kept")
        lin.sync()
        verified(lin)
        equal(len(titles(firm)), 30, "the work is on the server")
        equal(lin.sql("SELECT count(*) AS n FROM memo"), [{"n": 60}], "what was lost came back")
        equal(lin.json("verify", "--rebuild")["rebuilt"], False, "nothing is left to do")


def test_the_outbox():
    """An insert's entry holds no values: it is logged again from its row."""
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        offline_work(lin, 120)
        size, pages = pages_of(lin.replica)
        check(len(pages["outbox"]) > 2, "several pages of unsent work")
        spoil(lin.replica, size, pages["outbox"][1:2])
        rebuilt = lin.json("verify", "--rebuild")
        check(rebuilt["logged_anew"] > 0, "entries were made anew")
        equal(rebuilt["lost"], 0, "nothing is lost")
        lin.sync()
        verified(lin)
        equal(len(set(titles(firm))), 120, "the work is on the server")
        equal(len(titles(firm)), 120, "once")


def test_rows_of_unsent_work():
    """Values that stood in a page that is gone are lost, and are named."""
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        offline_work(lin, 60)
        size, pages = pages_of(lin.replica)
        spoil(lin.replica, size, pages["task"][2:3])
        rebuilt = lin.json("verify", "--rebuild")
        check(0 < rebuilt["lost"] < 40, "some of it is lost")
        check(" task " in rebuilt["lost_work"], "and named")
        lin.sync()
        verified(lin)
        equal(len(titles(firm)), 60 - rebuilt["lost"], "the rest is on the server")


def test_the_header():
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        offline_work(lin, 5)
        pages_of(lin.replica)
        with open(lin.replica, "r+b") as f:
            f.write(b"\xff" * 100)
        result = lin.run("status", expect=1)
        check("verify --rebuild" in result.err, "every command says what to do")
        rebuilt = lin.json("verify", "--rebuild")
        equal((rebuilt["waiting"], rebuilt["lost"]), (5, 0), "all work was kept")
        lin.sync()
        verified(lin)
        equal(len(titles(firm)), 5, "the work is on the server")


def test_a_damaged_store_is_not_served():
    with firm_with_reps() as firm:
        firm.stop()
        store = firm.data / "store.db"
        size, pages = pages_of(store)
        spoil(store, size, [pages["change_log"][0]])
        before = store.read_bytes()
        refused = firm.admin("serve", "--listen", f"127.0.0.1:{firm.port}", "--metrics", "none", expect=1)
        check("legworkd restore" in refused.err, "it says what to do")
        equal(store.read_bytes(), before, "and leaves the file as it is")


main(globals())
