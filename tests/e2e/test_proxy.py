#!/usr/bin/env python3
"""What networks do to a sync: it is cut at any byte of either direction, stalls, crawls, is answered
by somebody else. Nothing is lost, nothing is applied twice, and the server keeps nothing of it.

LEGWORK_LONG=1 cuts at each byte; else as many as fit SECONDS, spread over all of them."""
import os
import pathlib
import re
import sys
import threading
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import check, equal, main
from proxy import DOWN, UP, Fault, Portal, Proxy, enrolled_through, http_answer, self_signed
from sample import firm_with_reps

CUTS = 45  # a direction
SECONDS = 22  # for the cuts of a direction
GROWTH_MAX = 16 << 20  # of the server's memory over a hundred cuts
KEYS = ("connections", "half_open", "live_streams", "work_queue", "writer_queue")


def metrics(firm):
    with urllib.request.urlopen(f"http://127.0.0.1:{firm.metrics_port}/metrics") as answer:
        text = answer.read().decode()
    return {k: int(float(v)) for k, v in re.findall(r"^legwork_(\w+) (\S+)$", text, re.M)}


def rss(firm):
    status = pathlib.Path(f"/proc/{firm.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


def nothing_stays(firm):
    """Counters fall back to zero once everybody has left."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        now = metrics(firm)
        if all(now[k] == 0 for k in KEYS):
            return
        time.sleep(0.1)
    equal({k: now[k] for k in KEYS}, dict.fromkeys(KEYS, 0), "what the server still holds")


class Pair:
    """Two devices of one rep behind the proxy; each visit is one's to bring and the other's to fetch."""

    def __init__(self, firm):
        self.firm = firm
        self.proxy = Proxy(firm.port)
        self.devices = [enrolled_through(self.proxy, firm, "lin", n) for n in ("phone", "tablet")]
        self.notes = []
        for device in self.devices:
            device.sync()

    def visit(self, device):
        self.notes.append(f"visit {len(self.notes):05d}")
        device.run("visit", "log", "L1", "--outcome", "other", "--note", self.notes[-1])

    def check(self):
        for device in self.devices * 2:
            device.sync()
        seen = [row["note"] for row in self.firm.query("SELECT note FROM visit ORDER BY note")]
        equal(seen, self.notes, "visits on the server")
        for device in self.devices:
            equal(device.json("status")["pending"], 0, f"pending of {device.name}")
            equal(len(device.json("list", "visit")), len(self.notes), f"visits on {device.name}")
            device.run("verify")
            device.healthy()
        nothing_stays(self.firm)
        self.firm.healthy()


def measure(pair):
    """Bytes of one sync that brings and fetches, up and down; the second one resumes its TLS session."""
    for device in pair.devices:
        pair.visit(device)
        pair.proxy.reset()
        device.sync()
    return {UP: pair.proxy.up, DOWN: pair.proxy.down}


def cut_everywhere(pair, way, length):
    step = 1 if os.environ.get("LEGWORK_LONG") else max(1, length // CUTS)
    cuts = 0
    end = time.monotonic() + (SECONDS if step > 1 else 36000)
    for at in range(0, length + step, step):
        device = pair.devices[cuts % 2]
        pair.visit(device)
        pair.proxy.fault = Fault(cut=way, at=at, reset=cuts % 4 >= 2)
        device.run("sync", expect=(0, 3))
        pair.proxy.fault = None
        cuts += 1
        if time.monotonic() > end:
            break
    print(f"cuts {way}: {cuts}, at every {step} of {length} bytes", flush=True)
    return cuts


def test_cut_at_every_byte():
    with firm_with_reps() as firm:
        pair = Pair(firm)
        lengths = measure(pair)
        before = rss(firm)
        cuts = sum(cut_everywhere(pair, way, lengths[way]) for way in (UP, DOWN))
        print(f"cuts: {cuts}; memory grew by {(rss(firm) - before) >> 10} KiB", flush=True)
        check(cuts >= 20, f"only {cuts} cuts")
        pair.check()
        check(rss(firm) - before < GROWTH_MAX, f"memory from {before} to {rss(firm)}")


def test_slow_lines():
    with firm_with_reps() as firm:
        pair = Pair(firm)
        for fault in (Fault(rate=8000, lasting=True), Fault(delay=0.3, lasting=True),
                      Fault(rate=8000, delay=0.2, lasting=True)):
            for device in pair.devices:
                pair.visit(device)
                pair.proxy.fault = fault
                start = time.monotonic()
                answer = device.sync()
                equal(answer["pushed"], 1, f"{fault}: {answer}")
                print(f"{fault.rate} B/s, {fault.delay} s: {time.monotonic() - start:.1f} s", flush=True)
        pair.proxy.fault = None
        pair.check()


def test_silent_lines():
    """A direction stalls, or the line is dead and nobody says so: within 30 s the device gives it up
    and goes on over a new one."""
    with firm_with_reps() as firm:
        pairs = []
        faults = (Fault(stall=UP, at=900), Fault(stall=DOWN, at=300), Fault(cut=DOWN, at=300, dead=True))
        for i, fault in enumerate(faults):
            proxy = Proxy(firm.port)
            device = enrolled_through(proxy, firm, "lin", f"device {i}")
            device.sync()
            device.run("visit", "log", "L1", "--outcome", "other", "--note", f"silent {i}")
            proxy.fault = fault
            pairs.append((proxy, device))
        took = []

        def sync(device):
            start = time.monotonic()
            result = device.run("sync", expect=(0, 3))
            took.append((device.name, result.code, time.monotonic() - start))

        threads = [threading.Thread(target=sync, args=(device,)) for _, device in pairs]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        print(took, flush=True)
        equal(len(took), len(faults), "syncs that ended")
        for name, code, seconds in took:
            equal(code, 0, f"exit status of {name}")
            check(10 < seconds < 40, f"{name} needed {seconds} s")
        seen = {row["note"] for row in firm.query("SELECT note FROM visit")}
        equal(seen, {f"silent {i}" for i in range(len(faults))}, "visits on the server")


def test_captive_portals():
    """Somebody else answers in the server's place: nothing is told to them, nothing changes, the
    person hears what to do, and the next sync goes through."""
    with firm_with_reps() as firm:
        pair = Pair(firm)
        device = pair.devices[0]
        own = self_signed(firm.dir)
        html = http_answer("200 OK")
        firms = (firm.data / "tls.pem", firm.data / "tls.key")  # worse than any portal can be
        portals = {
            "a page in the clear": Portal(html),
            "its own certificate": Portal(html, (own,)),
            "its own certificate, h2": Portal(html, (own,), ("h2",)),
            "the firm's certificate, a page": Portal(html, firms),
            "the firm's certificate, a redirect": Portal(
                http_answer("302 Found", b"", "Location: https://login.hotel/"), firms),
            "the firm's certificate, a sign-in": Portal(
                http_answer("511 Network Authentication Required"), firms),
        }
        pair.visit(device)
        before = device.json("status")
        for name, portal in portals.items():
            pair.proxy.strange = portal
            result = device.run("sync", expect=3)
            check(len(result.err.strip()) > 0, f"{name}: nothing is said")
            check(portal.certificate == firms or b"sync" not in portal.heard,
                  f"{name} heard {portal.heard!r}")
            now = device.json("status")
            equal(now["pending"], before["pending"], f"pending after {name}")
        pair.proxy.strange = None
        pair.check()


main(globals())
