#!/usr/bin/env python3
"""A full disk, a read-only folder, a folder that goes: the command fails with a clear text, the replica
stays whole, and what was saved still gets to the server."""
import os
import resource
import shutil
import sqlite3
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import Device, check, equal, main, run
from sample import firm_with_reps


def fill_until_refused(device, **options):
    """Writes tasks until one fails; gives the failure and how many were saved before it."""
    text = "长" * 2000
    for saved in range(2000):
        result = device.run("new", "task", f"title={saved}", "state=open", f"note={text}", expect=(0, 1), **options)
        if result.code == 1:
            return result, saved
    raise AssertionError("the disk never got full")


def after_the_failure(device, result, saved):
    said = result.err.lower()
    check("disk" in said or "space" in said or "full" in said or "write" in said,
          f"the text says what is wrong\n{result}")
    device.healthy()
    equal(len(device.json("list", "task")) > 0, True, "rows are listed")
    equal(device.sql("SELECT count(*) AS n FROM task"), [{"n": saved}], "what was called saved is there")


def test_a_full_disk():
    """Root mounts a small tmpfs; anybody else limits the size of files, which SQLite meets alike."""
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        small = firm.dir / "small"
        small.mkdir()
        mounted = os.getuid() == 0 and run(
            ["mount", "-t", "tmpfs", "-o", "size=10m", "tmpfs", small], expect=None).code == 0
        try:
            if mounted:
                shutil.copytree(lin.home, small / "lin")
                lin.home = small / "lin"
                result, saved = fill_until_refused(lin)
            else:
                size = lin.replica.stat().st_size + 300_000
                result, saved = fill_until_refused(
                    lin, limits=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))
            check(saved > 0, "some fitted")
            after_the_failure(lin, result, saved)
            if mounted:
                run(["mount", "-o", "remount,size=64m", small])
            lin.new("task", title="space again", state="open")
            equal(lin.sync()["refused"], 0, "with space again, the sync goes on")
            equal(firm.query("SELECT count(*) AS n FROM task"), [{"n": saved + 1}], "all of it arrived")
            lin.run("verify")
        finally:
            if mounted:
                run(["umount", small])


def fill(folder, but=0):
    """To the last byte but some, as other programs do."""
    with open(folder / "of others", "ab", buffering=0) as f:
        try:
            while f.write(bytes(4096)):
                pass
        except OSError:
            f.truncate(f.tell() - but)


def test_a_full_disk_still_uploads():
    """The device keeps a reserve that only a sync may use."""
    with firm_with_reps(goods=False) as firm:
        if os.getuid() != 0:
            print("   (needs root for a small tmpfs)")
            return
        lin = firm.device("lin")
        lin.sync()
        equal((lin.home / "reserve").stat().st_size, 8 << 20, "the reserve is made when there is room")
        os.truncate(lin.home / "reserve", 4 << 20)
        lin.sync()
        equal((lin.home / "reserve").stat().st_size, 8 << 20, "a smaller one, of an older program, grows")
        small = firm.dir / "small"
        small.mkdir()
        if run(["mount", "-t", "tmpfs", "-o", "size=10m", "tmpfs", small], expect=None).code != 0:
            print("   (this machine doesn't let root mount)")
            return
        try:
            shutil.copytree(lin.home, small / "lin")
            lin.home = small / "lin"
            fill(small, but=800_000)
            _, saved = fill_until_refused(lin)
            fill(small)
            check((lin.home / "reserve").exists(), "saving leaves the reserve alone")
            equal(lin.sync()["accepted"], saved, "on a full disk, what was saved goes to the server")
            equal(firm.query("SELECT count(*) AS n FROM task"), [{"n": saved}], "all of it arrived")
            check(not (lin.home / "reserve").exists(), "the reserve was used")
            (small / "of others").unlink()
            run(["mount", "-o", "remount,size=64m", small])
            lin.sync()
            check((lin.home / "reserve").exists(), "with space again there is one again")
            lin.run("verify")
        finally:
            run(["umount", small])


def test_a_full_disk_during_the_first_sync():
    with firm_with_reps() as firm:
        if os.getuid() != 0:
            print("   (needs root for a small tmpfs)")
            return
        boss = firm.device("mei")
        for i in range(60):
            boss.new("memo", text=f"{i} " + "文" * 3000)
        boss.sync()
        small = firm.dir / "small"
        small.mkdir()
        if run(["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", small], expect=None).code != 0:
            print("   (this machine doesn't let root mount)")
            return
        try:
            other = firm.device("mei", "small/mei")
            first = other.run("sync", expect=(0, 1))
            check(first.code == 0 or first.err.strip(), "a reason")
            other.healthy()
            run(["mount", "-o", "remount,size=64m", small])
            other.sync()
            equal(other.sql("SELECT count(*) AS n FROM memo"), [{"n": 60}], "all memos")
            other.run("verify")
        finally:
            run(["umount", small])


def as_nobody():
    """Root may write anywhere; so the read-only test steps down."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)


def test_a_read_only_folder():
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        customers = lin.json("list", "customer")
        firm.dir.chmod(0o755)
        for path in [lin.home, *lin.home.iterdir()]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        try:
            result = lin.run("new", "memo", "text=x", expect=1, limits=as_nobody)
            check(any(w in result.err.lower() for w in ("read-only", "permission", "written")), f"a clear text\n{result}")
        finally:
            lin.home.chmod(0o755)
            for path in lin.home.iterdir():
                path.chmod(0o644)
            (lin.home / "device.key").chmod(0o600)
        lin.healthy()
        equal(lin.sql("SELECT count(*) AS n FROM memo"), [{"n": 0}], "nothing half-written")
        lin.new("memo", text="goes on")
        lin.sync()


def test_a_folder_that_goes():
    """The folder is removed between two commands, or the replica while a sync has it open: a clear text,
    no crash, and nothing is made anew in its place."""
    with firm_with_reps(goods=False) as firm:
        lin = firm.device("lin")
        lin.sync()
        lin.new("task", title="before", state="open")
        away = firm.dir / "away"
        lin.home.rename(away)
        for words in (("new", "task", "title=x", "state=open"), ("list", "task"), ("sync",), ("status",)):
            result = lin.run(*words, expect=1)
            check("enroll" in result.err and str(lin.home) in result.err, f"what is wrong, and where\n{result}")
        check(not lin.home.exists(), "nothing is made in its place")
        away.rename(lin.home)
        watch = lin.start("sync", "--watch")
        time.sleep(3)
        kept = firm.dir / "kept"
        kept.mkdir()
        for file in list(lin.home.glob("replica.db*")):
            file.rename(kept / file.name)
        firm.admin("move", "S1", "--to", "lin") # which the watch hears of
        time.sleep(3)
        ended = watch.poll()
        watch.terminate()
        _, err = watch.communicate(timeout=30)
        check(ended in (None, 1) and watch.returncode in (0, 1), f"no crash: {ended} {watch.returncode}\n{err}")
        check(not lin.replica.exists(), "nothing is made in its place")
        for file in kept.iterdir():
            file.rename(lin.home / file.name)
        lin.healthy()
        lin.sync()
        equal(firm.query("SELECT title FROM task"), [{"title": "before"}], "what was saved is on the server")
        lin.run("verify")


def copy_with_log(firm, device):
    """The home as a crash leaves it: the last work stands in the file's log alone."""
    reader = sqlite3.connect(device.replica) # keeps the commands from folding the log in
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM task").fetchall()
    for n in range(5):
        device.new("task", title=f"{device.name} {n}", state="open")
    copy = Device(firm, f"{device.name}, copied")
    shutil.copytree(device.home, copy.home)
    reader.close()
    return copy


def test_files_beside_the_replica():
    """Its index of the log is removed, the log itself, or another replica's log stands in its place: what
    can be there is there, the rest comes from the server, and nobody's work becomes somebody else's."""
    with firm_with_reps(goods=False) as firm:
        lin, sam = firm.device("lin"), firm.device("sam")
        for device in (lin, sam):
            device.sync()
        ours, theirs = copy_with_log(firm, lin), copy_with_log(firm, sam)
        for case, wanted in (("no index", 5), ("no log", 0), ("another's log", None)):
            device = Device(firm, case)
            shutil.copytree(ours.home, device.home)
            (device.home / "replica.db-shm").unlink()
            if case == "no log":
                (device.home / "replica.db-wal").unlink()
            elif case == "another's log":
                shutil.copy(theirs.home / "replica.db-wal", device.home)
            if wanted is not None:
                equal(len(device.json("list", "task")), wanted, f"tasks with {case}")
            for _ in range(2):
                device.sync()
            device.healthy()
            device.run("verify")
        sam.sync()
        rows = firm.query("SELECT p.login, t.title FROM task t JOIN person p ON p.id = t.person_id")
        equal({(r["login"], r["title"].split()[0]) for r in rows}, {("lin", "lin"), ("sam", "sam")}, "whose they are")
        equal(len(rows), 10, "each once")


main(globals())
