#!/usr/bin/env python3
"""A byte of a replica's file flips: verify finds it, and mends the row without fetching the rest."""
import pathlib
import sqlite3
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import check, equal, main
from sample import firm_with_reps


def flip(path, before, after):
    """In the file itself, as a disk would; the log beside it was taken in first."""
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    bytes_before = path.read_bytes()
    check(before in bytes_before, "the text stands in the file")
    path.write_bytes(bytes_before.replace(before, after))


def test_a_flipped_byte():
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        for i in range(20):
            lin.new("task", title=f"task {i}", state="open", note=f"bring {i} boxes of chalk number {i:04}")
        lin.sync()
        verified = lin.json("verify")
        equal((verified["digest"], verified["contents"], verified["repaired"]), (True, True, 0), "all is well")
        flip(lin.replica, b"chalk number 0007", b"chalk number 0O07")
        lin.new("task", title="waiting", state="open")
        equal(lin.sync()["pulled"], 0, "a sync looks at numbers alone")
        verified = lin.json("verify")
        equal((verified["digest"], verified["contents"], verified["repaired"]), (True, True, 1), "one row was mended")
        notes = [row["note"] for row in lin.sql("SELECT note FROM task WHERE title = 'task 7'")]
        equal(notes, ["bring 7 boxes of chalk number 0007"], "the server's value is back")
        equal(lin.json("verify")["repaired"], 0, "and nothing is left to mend")
        equal(firm.query("SELECT count(*) AS n FROM task"), [{"n": 21}], "the waiting task went up")


main(globals())
