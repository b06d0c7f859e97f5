#!/usr/bin/env python3
"""The server's store is slow, or asked for a lot: requests beyond the queues are told 503 early, what
needs no store goes on, and a manager's query harms no sync."""
import pathlib
import re
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import LEGWORKD, check, environment, equal, main, run
from sample import firm_with_reps
from test_wire import SYNC, wired

DEVICES = 5
EACH = 200  # a device's burst
CA_SECONDS_MAX = 2


def test_a_store_that_is_held():
    with wired() as w:
        floods = []
        for n in range(DEVICES):
            w.key = w.firm.dir / f"key{n}"
            w.state = w.enrol(w.firm.invite("lin"), w.key)[1][0]["state"]
            body = w.file(w.hello())
            headers = [a for k, v in (SYNC | w.sign(body.read_bytes())).items() for a in ("-H", f"{k}: {v}")]
            floods.append(["h2load", "-n", str(EACH), "-c", "10", "-m", "20", "-d", str(body), *headers,
                           w.url + "/v1/sync"])
        other = sqlite3.connect(w.firm.data / "store.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        running = [subprocess.Popen(f, stdout=subprocess.PIPE, text=True) for f in floods]
        time.sleep(1)
        slowest = 0
        for _ in range(10):
            begin = time.monotonic()
            equal(w.ask("GET", "/v1/ca")[0], 200, "what needs no store")
            slowest = max(slowest, time.monotonic() - begin)
        print(f"slowest GET /v1/ca: {slowest:.2f} s; loop late: {w.metric('loop_late_max_microseconds')} us")
        check(slowest < CA_SECONDS_MAX, f"GET /v1/ca took {slowest:.1f} s")
        check(w.metric("writer_queue") + w.metric("work_queue") <= 512 + 256, "the queues are bounded")
        check(w.metric('requests_total{route="SYNC",status="503"}') > 0, "some are told to come again, early")
        begin = time.monotonic()
        said = [process.communicate(timeout=60)[0] for process in running]
        check(time.monotonic() - begin < 25, f"nobody waits as long as a device does: {time.monotonic() - begin:.0f} s")
        other.execute("ROLLBACK")
        other.close()
        answered = sum(sum(map(int, re.search(r"(\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", out).groups()))
                       for out in said)
        equal(answered, DEVICES * EACH, "each has an answer")
        equal(w.sync()[0], 200, "a sync afterwards")
        w.well("a slow store")


def test_queries_beside_syncs():
    """Five tables against each other: the query is stopped after its two seconds, with syncs beside it
    all the while."""
    cross = "SELECT count(*) FROM customer a, customer b, customer c, customer d, customer e, customer f"
    with firm_with_reps(goods=False) as firm:
        rows = "".join(f"N{i},Shop {i}\n" for i in range(300))
        table = firm.dir / "more.csv"
        table.write_text("no,name\n" + rows)
        firm.admin("import", "customer", table)
        lin = firm.device("lin")
        lin.sync()
        queries = [subprocess.Popen([LEGWORKD, "--data", firm.data, "query", cross], env=environment(),
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        syncs = 0
        slowest = 0
        while any(q.poll() is None for q in queries):
            lin.new("task", title=f"beside {syncs}", state="open")
            begin = time.monotonic()
            equal(lin.sync()["accepted"], 1, "a sync beside the queries")
            slowest = max(slowest, time.monotonic() - begin)
            syncs += 1
        print(f"{syncs} syncs, the slowest {slowest:.2f} s")
        check(syncs > 0 and slowest < 5, f"{syncs} syncs, the slowest {slowest:.1f} s")
        for q in queries:
            _, err = q.communicate()
            check(q.returncode == 1 and "too long" in err, f"each query was stopped: {q.returncode} {err}")
        equal(firm.query("SELECT count(*) AS n FROM task"), [{"n": syncs}], "all of it arrived")


def test_a_backup_beside_syncs():
    with firm_with_reps(goods=False) as firm:
        table = firm.dir / "many.csv"
        table.write_text("name,address\n" + "".join(f"Shop {i},{'x' * 200}\n" for i in range(4000)))
        firm.admin("import", "customer", table)
        lin = firm.device("lin")
        lin.sync()
        target = firm.dir / "backup.db"
        backup = subprocess.Popen([LEGWORKD, "--data", firm.data, "backup", target], env=environment(),
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        syncs = 0
        while backup.poll() is None or syncs < 3:
            lin.new("task", title=f"{syncs}", state="open")
            equal(lin.sync()["accepted"], 1, "a sync beside the backup")
            syncs += 1
        _, err = backup.communicate()
        equal(backup.returncode, 0, f"the backup\n{err}")
        equal(run(["sqlite3", target, "PRAGMA integrity_check"]).out.strip(), "ok", "the backup")
        there = int(run(["sqlite3", target, "SELECT count(*) FROM task"]).out)
        check(0 <= there <= syncs, f"{there} of {syncs} tasks are in it")
        refused = firm.admin("backup", target, expect=1)
        check("--replace" in refused.err, f"nothing is overwritten by accident\n{refused}")


if __name__ == "__main__":
    main(globals())
