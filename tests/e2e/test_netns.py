#!/usr/bin/env python3
"""Reps who work and sync while the kernel drops packets between them and the server: none, one in ten,
three in ten, all of one direction, all of both. Nobody stands still, and once it is over everything that
was saved is on the server exactly once.

Skipped where network namespaces or nftables can't be had (support/netns.py)."""
import pathlib
import re
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import Device, check, equal, main, run
from netns import Net
from sample import firm_with_reps

# What is dropped on the way up and down, and for how many seconds. Syncs run all the time, so each
# change of weather finds some in their middle.
RAIN = {"up": "10", "down": "10"}
WEATHER = (({}, 1), (RAIN, 3), ({"up": "30", "down": "30"}, 8), (RAIN, 2), ({"up": "all"}, 4), (RAIN, 3),
           ({"down": "all"}, 4), (RAIN, 3), ({"up": "all", "down": "all"}, 6))
SYNC_S = 65  # three tries of a sync, each given up after 18 s of silence, with their pauses
HEALED_S = 40  # for a watch to bring and fetch everything by itself
KEYS = ("connections", "half_open", "live_streams", "work_queue", "writer_queue")


class Rep(threading.Thread):
    """One device whose owner logs visits, and syncs after each unless the device watches."""

    def __init__(self, firm, net, login, name, customer):
        super().__init__(daemon=True)
        self.device = Device(firm, name)
        self.device.prefix = net.at_devices
        self.device.enroll(firm.invite(login))
        self.device.sync()
        self.customer = customer
        self.notes, self.syncs, self.wrong = [], [], None
        self.watch = None
        self.home_time = threading.Event()

    def begin_watch(self):
        self.watch = self.device.start("sync", "--watch")

    def end_watch(self):
        self.watch.send_signal(signal.SIGTERM)
        try:
            self.watch.communicate(timeout=20)
        finally:
            self.watch.kill()
            self.watch.wait()

    def visit(self):
        self.notes.append(f"{self.device.name} {len(self.notes):04d}")
        self.device.run("visit", "log", self.customer, "--outcome", "other", "--note", self.notes[-1])
        self.device.set("customer", self.customer, note=self.notes[-1])

    def run(self):
        try:
            while not self.home_time.is_set():
                self.visit()
                if self.watch is not None:
                    check(self.watch.poll() is None, f"{self.device.name}: the watch has ended")
                    self.home_time.wait(0.5)
                    continue
                begin = time.monotonic()
                code = self.device.run("sync", expect=(0, 3)).code
                self.syncs.append((code, time.monotonic() - begin))
        except Exception as e:  # told by the main thread
            self.wrong = f"{type(e).__name__} of {self.device.name}: {e}"


def metrics(firm):
    url = f"http://127.0.0.1:{firm.metrics_port}/metrics"
    text = run([*firm.prefix, "curl", "--silent", "--fail", url]).out
    return {k: int(float(v)) for k, v in re.findall(r"^legwork_(\w+) (\S+)$", text, re.M)}


def until(holds, what, seconds):
    end = time.monotonic() + seconds
    while not holds():
        check(time.monotonic() < end, f"{what} within {seconds} s")
        time.sleep(0.2)


def weather_passes(net, reps):
    for rule, seconds in WEATHER:
        before = sum(len(r.syncs) for r in reps), sum(len(r.notes) for r in reps)
        net.rule(**rule)
        time.sleep(seconds)
        up, down = net.dropped()
        syncs, notes = (sum(len(r.syncs) for r in reps) - before[0], sum(len(r.notes) for r in reps) - before[1])
        print(f"{rule}: {seconds} s, dropped {up} up, {down} down; {notes} visits, {syncs} syncs ended", flush=True)
        for way, dropped in (("up", up), ("down", down)):
            unasked = way == "down" and rule.get("up") == "all"  # what nobody could ask for
            check(dropped > 0 or way not in rule or unasked, f"{rule}: nothing was dropped {way}")
    net.rule()


def all_go_home(reps):
    """Whatever a sync was at, it ends within its own limits."""
    for r in reps:
        r.home_time.set()
    for r in reps:
        r.join(SYNC_S + 20)
    for r in reps:
        check(not r.is_alive(), f"{r.device.name} still syncs")
        check(r.wrong is None, r.wrong)
        worst = max((s for _, s in r.syncs), default=0)
        print(f"{r.device.name}: {len(r.notes)} visits, {len(r.syncs)} syncs, of them"
              f" {sum(code != 0 for code, _ in r.syncs)} without connection, the longest {worst:.1f} s", flush=True)
        check(worst < SYNC_S, f"{r.device.name}: a sync took {worst:.0f} s")


def all_is_well(firm, reps, watching):
    """Each visit on the server once, the same everywhere, and nothing left in the server."""
    notes = sorted(n for r in reps for n in r.notes)
    for r in reps:
        if r is not watching:
            r.device.sync()
            equal(r.device.json("status")["pending"], 0, f"pending of {r.device.name}")
    of_lin = [n for r in reps if r.customer == "L1" for n in r.notes]
    until(lambda: watching.device.json("status")["pending"] == 0 and
          len(watching.device.json("list", "visit")) == len(of_lin), "a watch brings and fetches all", HEALED_S)
    watching.end_watch()
    seen = [row["note"] for row in firm.query("SELECT note FROM visit ORDER BY note")]
    equal(seen, notes, "visits on the server")
    for r in reps:
        r.device.sync()
        own = sorted(row["note"] for row in r.device.json("list", "visit"))
        equal(own, sorted(n for o in reps if o.customer == r.customer for n in o.notes), f"visits on {r.device.name}")
        r.device.run("verify")
        r.device.healthy()
    until(lambda: all(metrics(firm)[k] == 0 for k in KEYS), "the server lets go of everybody", 20)
    firm.healthy()


def test_packets_are_lost():
    with Net() as net, firm_with_reps(goods=False, host=net.server_address, prefix=net.at_server,
                                      port=7443) as firm:
        reps = [Rep(firm, net, *who) for who in (("lin", "phone of lin", "L1"), ("lin", "tablet of lin", "L1"),
                                                 ("sam", "phone of sam", "S1"), ("sam", "laptop of sam", "S1"))]
        watching = reps[1]
        watching.begin_watch()
        try:
            for r in reps:
                r.start()
            weather_passes(net, reps)
            all_go_home(reps)
            all_is_well(firm, reps, watching)
        finally:
            for r in reps:
                r.home_time.set()
            if watching.watch.poll() is None:
                watching.end_watch()


main(globals())
