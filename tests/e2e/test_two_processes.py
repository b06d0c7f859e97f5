#!/usr/bin/env python3
"""Two programs on one replica: commands beside each other and beside a sync, a backup tool that copies
the file, and somebody who holds it for long."""
import pathlib
import sqlite3
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import check, equal, main, run
from sample import firm_with_reps

EACH = 12


def test_two_at_once():
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        for n in range(EACH):
            at_once = [lin.start("new", "task", f"title={who} {n}", "state=open") for who in ("left", "right")]
            at_once.append(lin.start("sync"))
            for process in at_once:
                _, err = process.communicate(timeout=60)
                equal(process.returncode, 0, f"{process.args}\n{err}")
        lin.healthy()
        lin.sync()
        equal(len(firm.query("SELECT id FROM task")), 2 * EACH, "all of both, once")
        lin.run("verify")


def test_somebody_holds_the_file():
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        copy = firm.dir / "copy.db"
        for n in range(5):
            saved = lin.start("new", "task", f"title={n}", "state=open")
            run(["sqlite3", lin.replica, f".backup {copy}"])
            _, err = saved.communicate(timeout=60)
            equal(saved.returncode, 0, f"saved beside a backup\n{err}")
        equal(run(["sqlite3", copy, "PRAGMA integrity_check"]).out.strip(), "ok", "the copy")
        other = sqlite3.connect(lin.replica, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        begin = time.monotonic()
        held = lin.run("new", "task", "title=in vain", "state=open", expect=1)
        check("Another program is using" in held.err, f"it says so\n{held}")
        check(time.monotonic() - begin > 5, "it waited a while before it gave up")
        equal(len(lin.json("list", "task")), 5, "reading goes on")
        later = lin.start("new", "task", "title=a little later", "state=open")
        time.sleep(1)
        other.execute("ROLLBACK")
        other.close()
        _, err = later.communicate(timeout=60)
        equal(later.returncode, 0, f"who waits gets its turn\n{err}")
        lin.healthy()
        lin.sync()
        equal(len(firm.query("SELECT id FROM task")), 6, "what was said to be saved")


if __name__ == "__main__":
    main(globals())
