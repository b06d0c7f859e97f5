#!/usr/bin/env python3
"""Backups of a running server, and what comes back after a restore."""
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import LEGWORKD, Firm, check, environment, equal, main, run, skip


def backup(firm, name, *more, expect=0):
    return firm.admin("backup", firm.dir / name, *more, expect=expect)


def restore(firm, name, expect=0):
    return firm.admin("restore", firm.dir / name, expect=expect)


def names(firm):
    return sorted(r["name"] for r in firm.query("SELECT name FROM customer"))


def test_work_comes_back():
    with Firm() as firm:
        firm.user("lin", "rep")
        firm.start()
        lin = firm.device("lin")
        lin.new("customer", name="Old House")
        lin.sync()
        made = backup(firm, "b1", "--json").json()
        check(made["bytes"] > 0 and len(made["sha256"]) == 64, made)
        lin.new("customer", name="Tea House")
        lin.sync()
        late = firm.device("lin", "late")
        late.new("customer", name="Late House")
        equal(late.sync()["accepted"], 1, "the device enrolled after the backup")
        refused = restore(firm, "b1", expect=1)
        check("stop it first" in refused.err, refused)
        firm.stop()
        said = restore(firm, "b1")
        check("timeline 2" in said.out, said)
        check(list(firm.data.glob("store.db.before-2*")), "the old store is put aside")
        equal(names(firm), ["Old House"], "as the backup was")
        report = firm.admin("restore", "--report", "--json").json()
        equal(sum(r["missing"] for r in report["changes"] if r["scope"] == "book"), 2, f"{report}")
        equal(len(report["awaited"]), 1, "the one device that the backup knows")
        firm.start()
        lin.new("customer", name="Pending House")
        back = lin.run("sync")
        check("restored from a backup" in back.err, back)
        late.run("sync")
        equal(names(firm), ["Late House", "Old House", "Pending House", "Tea House"], "all is there")
        late.run("sync")
        lin.run("verify")
        late.run("verify")
        report = firm.admin("restore", "--report", "--json").json()
        equal(sum(r["missing"] for r in report["changes"] if r["scope"] == "book"), 0, f"{report}")
        equal(report["awaited"], [], "all have come")
        firm.stop()
        firm.healthy()


def test_a_row_of_nobody_goes_to_quarantine():
    with Firm() as firm:
        firm.user("lin", "rep")
        firm.start()
        lin = firm.device("lin")
        lin.sync()
        backup(firm, "b1")
        csv = firm.dir / "customers.csv"
        book = firm.query("SELECT b.id FROM book b JOIN person p ON p.id = b.home_of_id"
                          " WHERE p.login = 'lin'")[0]["id"]
        csv.write_text(f"name,book_id\nImported House,{book}\n")
        firm.admin("import", "customer", csv, "--map", "name=name,book_id=book_id")
        lin.sync()
        equal([r["name"] for r in lin.sql("SELECT name FROM customer")], ["Imported House"], "it is here")
        firm.stop()
        restore(firm, "b1")
        firm.start()
        lin.run("sync")
        equal(names(firm), [], "nobody has written it")
        waiting = firm.admin("quarantine", "list", "--json").json()
        customers = [q["no"] for q in waiting if "Imported" in
                     firm.admin("quarantine", "show", q["no"]).out]
        equal(len(customers), 1, f"{waiting}")
        shown = firm.admin("quarantine", "show", customers[0], "--json").json()
        equal((shown["table"], shown["now"], shown["row"]["name"]),
              ("customer", "absent", "Imported House"), "shown")
        firm.admin("quarantine", "release", customers[0])
        equal(names(firm), ["Imported House"], "released")
        firm.admin("quarantine", "release", customers[0], expect=1)
        lin.run("sync")
        equal([r["name"] for r in lin.sql("SELECT name FROM customer")], ["Imported House"], "and there again")
        lin.run("verify")


def test_a_killed_backup_replaces_nothing():
    with Firm() as firm:
        firm.user("lin", "rep")
        firm.start()
        lin = firm.device("lin")
        for n in range(30):
            lin.new("customer", name=f"House {n}", address="x" * 200)
        lin.sync()
        backup(firm, "b")
        good = (firm.dir / "b").read_bytes()
        for seed in range(12):
            process = subprocess.Popen([LEGWORKD, "--data", firm.data, "backup", firm.dir / "b", "--replace"],
                                       env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(random.Random(seed).random() * 0.12)
            process.kill()
            if process.wait() == -signal.SIGKILL:
                there = (firm.dir / "b").read_bytes()
                if there != good: # it was done but for the record
                    firm.admin("backup", firm.dir / f"check{seed}")
                run(["sqlite3", firm.dir / "b", "PRAGMA integrity_check"])
                good = there
        backup(firm, "b", "--replace")
        check(not (firm.dir / "b.partial").exists(), "nothing is left behind")
        firm.stop()
        restore(firm, "b")
        equal(len(names(firm)), 30, "whole")


def test_damaged_files_are_refused():
    with Firm() as firm:
        backup(firm, "b")
        whole = (firm.dir / "b").read_bytes()
        store = (firm.data / "store.db").read_bytes()
        for what, content in (("cut", whole[:len(whole) * 2 // 3]), ("cut in a page", whole[:-100]),
                              ("nothing", b""), ("no database", b"hello\n" * 1000),
                              ("a byte changed", whole[:-50] + bytes([whole[-50] ^ 1]) + whole[-49:]),
                              ("a store, not a backup", store)):
            (firm.dir / "bad").write_bytes(content)
            refused = restore(firm, "bad", expect=1)
            check("nothing was changed" in refused.err or "bad" in refused.err, f"{what}\n{refused}")
            equal((firm.data / "store.db").read_bytes(), store, f"{what}: the store is as it was")
        firm.admin("restore", firm.dir / "missing", expect=1)
        chinese = run([LEGWORKD, "--data", firm.data, "restore", firm.dir / "bad"], expect=1,
                      env=environment(LEGWORK_LANG="zh"))
        check("未做任何改动" in chinese.err, chinese)
        firm.healthy()


def test_no_room_for_a_backup():
    with Firm() as firm:
        small = firm.dir / "small"
        small.mkdir()
        if os.getuid() != 0 or run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", small], expect=None).code != 0:
            skip("only root may mount a small disk")
        try:
            (small / "b").write_bytes(b"good")
            refused = firm.admin("backup", small / "b", "--replace", expect=1)
            check("the disk is full" in refused.err, refused)
            equal((small / "b").read_bytes(), b"good", "what was there")
            equal(os.listdir(small), ["b"], "no half of it is left")
        finally:
            run(["umount", small])
        refused = backup(firm, "server", expect=1)
        check("isn't a file" in refused.err, refused)
        backup(firm, "b")
        check("exists already" in backup(firm, "b", expect=1).err, "no overwriting")


def test_the_old_server_stops():
    with Firm() as firm:
        firm.user("lin", "rep")
        firm.start()
        lin = firm.device("lin")
        lin.sync()
        backup(firm, "b1")
        other = firm.dir / "elsewhere"
        other.mkdir(mode=0o700)
        for name in ("ca.pem", "ca.key", "tls.pem", "tls.key", "ledger"):
            shutil.copy2(firm.data / name, other / name)
        firm.stop()
        old, firm.data = firm.data, other
        restore(firm, "b1")
        firm.start()
        lin.run("sync")
        firm.stop()
        firm.data = old # nobody told it
        firm.start()
        process, firm.process = firm.process, None
        lin.new("customer", name="Tea House")
        refused = lin.run("sync", expect=3)
        check("replaced by a restored one" in refused.err, refused)
        process.wait(20)
        check("superseded" in firm.log.read_text(), "logged")
        stopped = run([LEGWORKD, "--data", old, "serve", "--listen", f"127.0.0.1:{firm.port}"], expect=1)
        check("restored elsewhere" in stopped.err, stopped)
        firm.admin("user", "add", "x", "--name", "x", "--role", "rep", expect=1)
        firm.data = other
        firm.start()
        equal(lin.sync()["accepted"], 1, "the new one takes it")


if __name__ == "__main__":
    main(globals())
