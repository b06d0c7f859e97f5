#!/usr/bin/env python3
"""A byte of a replica's file flips: verify finds it, and mends the row without fetching the rest. And a
server's file that was replaced by an older one, whole in itself, is known by what it lacks."""
import contextlib
import pathlib
import shutil
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


def later(device):
    """As if minutes had gone by since its last look at its own rows."""
    with contextlib.closing(sqlite3.connect(device.replica, isolation_level=None)) as db:
        db.execute("UPDATE patrol SET at = 0")


def test_a_flipped_byte_that_nobody_asks_for():
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        for i in range(20):
            lin.new("task", title=f"task {i}", state="open", note=f"bring {i} boxes of chalk number {i:04}")
        lin.sync()
        later(lin)
        lin.sync()
        flip(lin.replica, b"chalk number 0007", b"chalk number 0O07")
        later(lin)
        said = lin.run("sync").err
        check("event=repair" in said, f"told in the log\n{said}")
        notes = [row["note"] for row in lin.sql("SELECT note FROM task WHERE title = 'task 7'")]
        equal(notes, ["bring 7 boxes of chalk number 0007"], "the server's value is back after a plain sync")
        later(lin)
        check("event=repair" not in lin.run("sync").err, "and nothing is left to mend")


def test_a_flipped_byte_of_the_store():
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        for i in range(20):
            lin.new("task", title=f"task {i}", state="open", note=f"bring {i} boxes of chalk number {i:04}")
        lin.sync()
        firm.admin("verify")
        firm.stop()
        row = firm.query("SELECT id FROM task WHERE title = 'task 7'")[0]["id"]
        flip(firm.data / "store.db", b"7 boxes of chalk number 0007", b"7 boxes of chalk number 0O07")
        said = firm.admin("verify", expect=1).err
        check(f"row isn't what was written: task {row} note: is \"bring 7 boxes of chalk number 0O07\", was"
              " \"bring 7 boxes of chalk number 0007\"" in said, f"table, row, column and both values\n{said}")
        check("entry doesn't fit its hash" in said, "what the change log has of it was flipped as well")
        check("verify --repair-rows" in said, "and what to do")
        check("task " + row in firm.admin("verify", "--json", expect=1).json()["findings"], "in JSON as well")
        firm.start()
        lin.sync()
        said = firm.admin("verify", "--repair-rows", expect=1).err
        check(f"put back: task {row} note" in said and "row isn't" not in said, f"beside a server that runs\n{said}")
        lin.sync()
        notes = [row["note"] for row in lin.sql("SELECT note FROM task WHERE title = 'task 7'")]
        equal(notes, ["bring 7 boxes of chalk number 0007"], "devices get it again")
        check('"bring 7' in firm.admin("history", "task", row, "--json").out, "history tells of it")


def test_values_that_a_hand_changed():
    """No byte alone tells what it was: the change log does, or an admin says that it stays."""
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        lin.new("task", title="chalk", state="open", note="bring chalk")
        lin.sync()
        with contextlib.closing(sqlite3.connect(firm.data / "store.db", isolation_level=None)) as db:
            db.execute("UPDATE task SET note = 'bring money'")
            db.execute("UPDATE person SET name = 'Somebody', login = 'nobody' WHERE login = 'lin'")
        said = firm.admin("verify", expect=1).err
        check('note: is "bring money", was "bring chalk" (entry ' in said, f"the change log knows it\n{said}")
        check("in which column can't be told" in said, "of the server's own writes it doesn't")
        said = firm.admin("verify", "--repair-rows", expect=1).err
        check("put back: task" in said and "row isn't what was written: person" in said, said)
        equal(firm.query("SELECT note FROM task"), [{"note": "bring chalk"}], "put back")
        check("accepted as it is: person" in firm.admin("verify", "--accept-rows").err, "somebody's word")
        firm.admin("verify")


def keep_store(firm, path):
    """The stopped server's store as one file."""
    with contextlib.closing(sqlite3.connect(firm.data / "store.db")) as db:  # a copy would drop its locks
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    shutil.copy(firm.data / "store.db", path)


def serve_from(firm, path):
    for end in ("-wal", "-shm"):
        (firm.data / f"store.db{end}").unlink(missing_ok=True)
    shutil.copy(path, firm.data / "store.db")


def test_an_older_store_in_place_of_the_newer():
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        firm.stop()
        keep_store(firm, firm.dir / "older.db")
        firm.start()
        lin.new("task", title="since then", state="open")
        lin.sync()
        firm.admin("backup", firm.dir / "backup.db")
        firm.admin("verify")
        firm.stop()
        keep_store(firm, firm.dir / "newer.db")
        serve_from(firm, firm.dir / "older.db")
        result = firm.admin("verify", expect=1)
        check("cut or replaced: the ledger knows another entry" in result.err, f"the older file is known\n{result}")
        check("the ledger knows" in firm.admin("verify", "--json", expect=1).json()["findings"], "in JSON as well")
        # The last entry cut from the newer one, with all that its tables say of it.
        serve_from(firm, firm.dir / "newer.db")
        firm.admin("verify")
        with contextlib.closing(sqlite3.connect(firm.data / "store.db", isolation_level=None)) as db:
            db.execute("ATTACH ? AS older", (str(firm.dir / "older.db"),))
            for table in ("change_row", "change_log"):
                db.execute(f"DELETE FROM {table} WHERE no > (SELECT max(no) FROM older.change_log)")
            db.execute("UPDATE scope SET head = (SELECT o.head FROM older.scope o WHERE o.no = scope.no)")
        result = firm.admin("verify", expect=1)
        check("cut or replaced: backup " in result.err and "backup.db holds another head: " in result.err,
              f"the backup that knew it is named\n{result}")


def test_a_head_that_nobody_knows():
    """A device shows what it was told of the change log; what the log doesn't know is said at once."""
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        with sqlite3.connect(lin.replica) as db:
            changed = db.execute("UPDATE cursor SET head = zeroblob(16) WHERE head IS NOT NULL").rowcount
            db.execute("UPDATE device_state SET heads_at = 0")
        check(changed > 0, "the device holds heads")
        lin.sync()
        lin.sync()
        lines = [line for line in firm.log.read_text().splitlines() if "event=chain_alarm" in line]
        equal(len(lines), 1, "said once, though it syncs on")
        check(f"heads={changed}" in lines[0] and "device=" in lines[0], lines[0])
        check("cut or replaced: device D" in firm.admin("verify", expect=1).err, "and by verify")


def test_a_repair_that_gives_up_is_told():
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        firm.stop()
        with sqlite3.connect(firm.data / "store.db") as db:
            db.execute("UPDATE scope SET rows = rows + 1 WHERE rows > 0")
        firm.start()
        said = lin.run("sync").err
        check("event=repair" in said and "end=gave_up" in said, f"what the device logs: {said!r}")
        check("event=repair" not in lin.run("sync").err, "not begun again by each sync")


main(globals())
