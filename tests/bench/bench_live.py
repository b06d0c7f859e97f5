#!/usr/bin/env python3
"""Live streams: how long a change takes from one device's commit to another one's table, with nobody
else there and beside a crowd of idle streams; what an idle stream costs the server; and how a crowd comes
back after the server was started again, an ordinary device syncing among it.

    python3 tests/bench/bench_live.py [STREAMS]      10,000 unless said; at most 17,000

The crowd (crowd.py) is held by processes of 2,500 each, so that none needs many descriptors."""
import os
import pathlib
import re
import resource
import socket
import sqlite3
import sys
import threading
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import crowd
from sample import firm_with_reps

COMMITS = 200
IDLE_S = 35 # more than a keep-alive's interval
BEYOND = 20 # devices more than there may be streams


# ---- figures ----

def metric(firm, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{firm.metrics_port}/metrics") as answer:
        return int(float(re.search(rf"^legwork_{name} (\S+)$", answer.read().decode(), re.M)[1]))


def rss(firm):
    status = pathlib.Path(f"/proc/{firm.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])


def cpu(firm):
    fields = pathlib.Path(f"/proc/{firm.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def show(what, took):
    at = lambda p: took[min(len(took) - 1, int(len(took) * p))]
    print(f"{what}: p50 {at(.5):.1f} ms, p90 {at(.9):.1f} ms, p99 {at(.99):.1f} ms, worst"
          f" {took[-1]:.1f} ms ({len(took)} times)", flush=True)


# ---- from commit to table ----

def value(replica):
    return replica.execute("SELECT note FROM customer WHERE no = 'L1'").fetchone()[0]


def wait_for(replica, text):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if value(replica) == text:
            return time.monotonic()
        time.sleep(0.0005)
    raise SystemExit(f"{text!r} never arrived")


def latencies(sender, receiver, commits):
    """From the moment at which the sender's table shows the commit to the receiver's."""
    a = sqlite3.connect(f"file:{sender.replica}?mode=ro", uri=True)
    b = sqlite3.connect(f"file:{receiver.replica}?mode=ro", uri=True)
    took = []
    for i in range(commits):
        text = f"live {time.time()} {i}"
        command = sender.start("set", "customer", "L1", f"note={text}")
        start = wait_for(a, text)
        took.append((wait_for(b, text) - start) * 1000)
        command.communicate()
        time.sleep(0.05)
    return sorted(took)


def floor(folder, commits):
    """The least that it could take here: a message over TCP, twice, and each time a durable commit; the
    second one is looked for as above."""
    middle, last = (sqlite3.connect(folder / name, isolation_level=None, check_same_thread=False)
                    for name in ("floor-middle.db", "floor-last.db"))
    for db in (middle, last):
        db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (x);"
                         "INSERT INTO t VALUES ('')")
    listener = socket.create_server(("127.0.0.1", 0))
    out = socket.create_connection(listener.getsockname())
    peer = listener.accept()[0]

    def store(sock, db, onwards=None):
        while text := sock.recv(256):
            db.execute("UPDATE t SET x = ?", (text.decode(),))
            if onwards:
                onwards.send(text)
    ends = socket.socketpair()
    threads = [threading.Thread(target=store, args=(peer, middle, ends[0]), daemon=True),
               threading.Thread(target=store, args=(ends[1], last), daemon=True)]
    for t in threads:
        t.start()
    reader = sqlite3.connect(f"file:{folder / 'floor-last.db'}?mode=ro", uri=True)
    took = []
    for i in range(commits):
        start = time.monotonic()
        out.send(f"{i}".encode())
        while reader.execute("SELECT x FROM t").fetchone()[0] != f"{i}":
            time.sleep(0.0005)
        took.append((time.monotonic() - start) * 1000)
    return sorted(took)


# ---- the crowd ----

def gather(firm, numbers):
    before, start, used = rss(firm), time.monotonic(), cpu(firm)
    held = crowd.Crowd(firm.port, numbers)
    until(lambda: held.sum("live") == len(numbers), 900, f"{len(numbers)} streams", held)
    took = time.monotonic() - start
    time.sleep(2)
    streams = metric(firm, "live_streams")
    print(f"{streams} live streams in {took:.1f} s ({len(numbers) / took:.0f} a second; {held.sum('lost')} lost,"
          f" {held.sum('refused')} refused meanwhile), {(cpu(firm) - used) / len(numbers) * 1000:.2f} ms of the server's CPU each;"
          f" memory of the server {rss(firm) / 1024:.0f} MiB,"
          f" {(rss(firm) - before) / len(numbers):.1f} KiB a stream", flush=True)
    return held


def until(holds, seconds, what, held):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise SystemExit(f"{what}: not within {seconds} s; {held.sum('live')} are there")
        time.sleep(0.05)


def rest(firm, count):
    metric(firm, "loop_late_max_microseconds") # begins anew
    before, hints, start = cpu(firm), metric(firm, "hints_total"), time.monotonic()
    time.sleep(IDLE_S)
    took = time.monotonic() - start
    print(f"idle: {(cpu(firm) - before) / took * 100:.2f} % of a core, {(metric(firm, 'hints_total') - hints) / took:.0f}"
          f" keep-alives a second, loop late by at most {metric(firm, 'loop_late_max_microseconds') / 1000:.1f} ms;"
          f" memory {rss(firm) / 1024:.0f} MiB, {rss(firm) / count:.1f} KiB a stream all in all", flush=True)


def one_beyond(firm, held, numbers, bystander):
    """More devices than streams: those beyond are told to poll, and everybody's syncs are served."""
    before = held.sum("refused")
    until(lambda: held.sum("refused") >= before + BEYOND, 60, "refusals", held)
    start = time.monotonic()
    bystander.sync()
    print(f"beyond {len(numbers) - BEYOND} streams: {metric(firm, 'live_streams')} held, {BEYOND} told to come later; an"
          f" ordinary sync takes {(time.monotonic() - start) * 1000:.0f} ms", flush=True)


def syncs_meanwhile(bystander, stop, took):
    while not stop.is_set():
        start = time.monotonic()
        done = bystander.run("--json", "sync", expect=None, timeout=60)
        took.append(((time.monotonic() - start) * 1000, done.code))
        time.sleep(0.25)


def come_back(firm, held, count, bystander, what, least_s, more_s):
    """The server ends and starts; all of the crowd want their streams back."""
    held.come_back_after(least_s, more_s)
    resumed = held.sum("resumed")
    firm.stop()
    until(lambda: held.sum("live") == 0, 30, "the end of the streams", held)
    firm.start()
    lost, start = held.sum("lost"), time.monotonic()
    stop, took = threading.Event(), []
    ordinary = threading.Thread(target=syncs_meanwhile, args=(bystander, stop, took))
    ordinary.start()
    until(lambda: held.sum("live") == count, 900, "all of them back", held)
    all_back, used = time.monotonic() - start, cpu(firm)
    stop.set()
    ordinary.join()
    good = sorted(t for t, code in took if code == 0)
    print(f"{what}: all {count} back {all_back:.1f} s after the start ({held.sum('resumed') - resumed} by a resumed"
          f" session, {held.sum('lost') - lost} tries lost), {used:.1f} s of the server's CPU; {len(good)} of {len(took)} ordinary syncs beside them done,"
          f" p50 {good[len(good) // 2]:.0f} ms, worst {good[-1]:.0f} ms", flush=True)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with firm_with_reps() as firm:
        phone, tablet = firm.device("lin", "phone"), firm.device("lin", "tablet")
        bystander = firm.device("mei", "bystander")
        firm.device("sam", "crowd")
        firm.stop()
        firm.options = ["--streams", str(count + 2)]
        numbers = crowd.enrol(firm, count + BEYOND)
        firm.start()
        watches = []
        for device in (phone, tablet):
            device.sync()
            watches.append(device.start("sync", "--watch"))
        bystander.sync()
        try:
            time.sleep(1.5)
            show("floor: two messages, two durable commits", floor(firm.dir, COMMITS))
            show("commit to the other table", latencies(tablet, phone, COMMITS))
            held = gather(firm, numbers[:count])
            rest(firm, count)
            show(f"commit to the other table beside {count} idle streams", latencies(tablet, phone, COMMITS))
            more = crowd.Crowd(firm.port, numbers[count:])
            one_beyond(firm, more, numbers, bystander)
            more.end()
            come_back(firm, held, count, bystander, "restart, each waits 15 to 30 s as a watch does", 15, 15)
            come_back(firm, held, count, bystander, "restart, nobody waits", 0, 0)
            held.end()
        finally:
            for w in watches:
                w.kill()
                w.communicate()


main()
