#!/usr/bin/env python3
"""Live streams: how long a change takes from one device's commit to another one's table, with nobody
else there and beside a crowd of idle streams, and what an idle stream costs the server.

    python3 tests/bench/bench_live.py [STREAMS]      10,000 unless said; at most 18,000

Streams are held by processes of 2,500 each, so that no process needs many descriptors."""
import base64
import ctypes
import ctypes.util
import hashlib
import multiprocessing
import os
import pathlib
import re
import resource
import sqlite3
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import rawh2
from sample import firm_with_reps

COMMITS = 200
EACH = 2500  # streams a process
SODIUM = ctypes.CDLL(ctypes.util.find_library("sodium"))


# ---- devices that only listen ----

def key_of(number):
    public, secret = ctypes.create_string_buffer(32), ctypes.create_string_buffer(64)
    SODIUM.crypto_sign_seed_keypair(public, secret, hashlib.sha256(b"%d" % number).digest())
    return public.raw, secret.raw


def keyid_of(public):
    return base64.urlsafe_b64encode(hashlib.sha256(public).digest()[:9]).decode()


def enrol_crowd(firm, count):
    """Straight into the store, as the newest device's person, who holds another book than those who
    are measured: nobody in the crowd is hinted about them. The server doesn't run."""
    store = sqlite3.connect(firm.data / "store.db")
    columns = [row[1] for row in store.execute("PRAGMA table_info(device_key)")]
    names = ", ".join(columns)
    template = dict(zip(columns, store.execute(f"SELECT {names} FROM device_key ORDER BY number DESC"
                                             " LIMIT 1").fetchone()))
    numbers = range(100, 100 + count)
    for number in numbers:
        public, _ = key_of(number)
        row = dict(template, number=number, device=os.urandom(16), key_id=keyid_of(public),
                   public_key=public, token=os.urandom(16), token_pending=os.urandom(16))
        if "family" in row:
            row["family"] = number
        store.execute(f"INSERT INTO device_key ({names}) VALUES ({', '.join('?' * len(columns))})",
                      [row[c] for c in columns])
    store.commit()
    store.close()
    return numbers


def live_request(number):
    public, secret = key_of(number)
    params = f'("@method" "@path");created={int(time.time())};keyid="{keyid_of(public)}"'
    text = f'"@method": GET\n"@path": /v1/live\n"@signature-params": {params}'.encode()
    signature = ctypes.create_string_buffer(64)
    SODIUM.crypto_sign_detached(signature, None, text, ctypes.c_ulonglong(len(text)), secret)
    block = rawh2.head("GET", "/v1/live", signature_input="s=" + params,
                       signature=f"s=:{base64.b64encode(signature.raw).decode()}:")
    return rawh2.frame(rawh2.HEADERS, rawh2.END_STREAM | rawh2.END_HEADERS, 1, block)


def hold(port, numbers, ready, leave):
    """One process's streams, open until `leave`."""
    held, refused = [], 0
    for number in numbers:
        try:
            c = rawh2.Connection(port)
            c.send(rawh2.PREFACE + rawh2.frame(rawh2.SETTINGS, 0, 0) + live_request(number))
            if len(held) % 500 == 0 and c.first_status() != 200:
                refused += 1
            held.append(c)
        except OSError:
            refused += 1
    ready.put((len(held), refused))
    leave.wait()


# ---- figures ----

def metric(firm, name):
    import urllib.request
    with urllib.request.urlopen(f"http://127.0.0.1:{firm.metrics_port}/metrics") as answer:
        return int(float(re.search(rf"^legwork_{name} (\S+)$", answer.read().decode(), re.M)[1]))


def rss(firm):
    status = pathlib.Path(f"/proc/{firm.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])


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


def show(what, took):
    at = lambda p: took[min(len(took) - 1, int(len(took) * p))]
    print(f"{what}: p50 {at(.5):.1f} ms, p90 {at(.9):.1f} ms, p99 {at(.99):.1f} ms, worst"
          f" {took[-1]:.1f} ms ({len(took)} commits)", flush=True)


def crowd(firm, numbers):
    before, start = rss(firm), time.monotonic()
    ready, leave = multiprocessing.Queue(), multiprocessing.Event()
    parts = [numbers[i:i + EACH] for i in range(0, len(numbers), EACH)]
    holders = [multiprocessing.Process(target=hold, args=(firm.port, part, ready, leave), daemon=True)
               for part in parts]
    for h in holders:
        h.start()
    sums = [ready.get() for _ in holders]
    took = time.monotonic() - start
    end = time.monotonic() + 30
    while metric(firm, "live_streams") < len(numbers) and time.monotonic() < end:
        time.sleep(0.2)
    time.sleep(2)
    streams = metric(firm, "live_streams")
    print(f"{streams} live streams ({sum(r for _, r in sums)} refused) in {took:.0f} s; memory of the"
          f" server {rss(firm) / 1024:.0f} MiB, {(rss(firm) - before) / max(1, streams):.1f} KiB a stream",
          flush=True)
    return holders, leave


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with firm_with_reps() as firm:
        phone, tablet = firm.device("lin", "phone"), firm.device("lin", "tablet")
        firm.device("sam", "crowd")
        firm.stop()
        numbers = enrol_crowd(firm, count)
        firm.start()
        watches = []
        for device in (phone, tablet):
            device.sync()
            watches.append(device.start("sync", "--watch"))
        try:
            time.sleep(1.5)
            show("commit to the other table", latencies(tablet, phone, COMMITS))
            holders, leave = crowd(firm, numbers)
            show(f"the same beside {count} idle streams", latencies(tablet, phone, COMMITS))
            leave.set()
            for h in holders:
                h.join()
        finally:
            for w in watches:
                w.kill()
                w.communicate()


main()
