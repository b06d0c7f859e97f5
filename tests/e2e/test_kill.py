#!/usr/bin/env python3
"""kill -9 of client and server under load, three hundred times: nothing is lost, nothing happens
twice, and both files stay whole.

Four devices work at once: each types visits, syncs, and has its commands and syncs killed after a
random time within what an undisturbed one takes; the server is killed and started again beside them
all the while. What a command said was saved is written down; at the end all of it, and nothing else,
is on the server once. The seed is printed; LEGWORK_SEED gives the same choices again, though not the
same moments."""
import os
import random
import threading
import time
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import Failed, check, equal, main
from sample import firm_with_reps

KILLS = 300
SERVER_KILLS = 60  # of these
SECONDS_MAX = 240


class Worker(threading.Thread):
    """One device and its user."""

    def __init__(self, device, seed, total):
        super().__init__(daemon=True)
        self.device = device
        self.rng = random.Random(f"{seed} {device.name}")
        self.total = total
        self.kills = {"sync": 0, "command": 0}
        self.said = []  # notes of visits that a command called saved
        self.maybe = []  # of commands killed before they answered
        self.span = {"sync": 0.2, "command": 0.05}
        self.serial = 0
        self.failure = None
        device.sync()

    def work(self):
        """One visit, typed in full."""
        self.serial += 1
        note = f"{self.device.name} {self.serial:05d}"
        customer = self.rng.choice(("S1", "S2") if self.device.name.startswith("sam") else ("L1", "L2"))
        return note, ("visit", "log", customer, "--outcome", "other", "--note", note)

    def type(self):
        note, words = self.work()
        start = time.monotonic()
        self.device.run(*words)
        self.span["command"] = time.monotonic() - start
        self.said.append(note)

    def kill(self, what, words):
        """Its exit status; None: it was killed."""
        process = self.device.start(*words)
        time.sleep(self.rng.uniform(0, self.span[what] * 1.1))
        ended = process.poll()
        if ended is None:
            process.kill()
            self.kills[what] += 1
        process.communicate()
        return ended

    def kill_command(self):
        note, words = self.work()
        saved = self.kill("command", words) == 0
        (self.said if saved else self.maybe).append(note)

    def kill_sync(self):
        self.kill("sync", ("sync",))

    def sync(self):
        start = time.monotonic()
        code = self.device.run("sync", expect=(0, 3)).code
        if code == 0:
            self.span["sync"] = max(0.02, time.monotonic() - start)

    def run(self):
        try:
            while not self.total.enough():
                for _ in range(self.rng.randrange(2)):
                    self.type()
                self.rng.choices((self.kill_command, self.kill_sync, self.sync), (4, 6, 1))[0]()
        except (Failed, OSError, ValueError) as e:
            self.failure = e
            self.total.failed = True


class Total:
    def __init__(self, firm, seed):
        self.firm = firm
        self.rng = random.Random(seed)
        self.server = 0
        self.slowest_start = 0
        self.failed = False
        self.end = time.monotonic() + SECONDS_MAX
        names = (("lin", "lin phone"), ("lin", "lin tablet"), ("sam", "sam phone"), ("sam", "sam tablet"))
        self.workers = [Worker(firm.device(login, name), seed, self) for login, name in names]

    def kills(self):
        return self.server + sum(sum(w.kills.values()) for w in self.workers)

    def enough(self):
        done = self.kills() >= KILLS and self.server >= SERVER_KILLS
        return done or self.failed or time.monotonic() > self.end

    def kill_server(self):
        time.sleep(self.rng.uniform(0.05, 0.7))
        self.firm.kill()
        self.server += 1
        start = time.monotonic()
        self.firm.start()
        self.slowest_start = max(self.slowest_start, time.monotonic() - start)

    def run(self):
        for worker in self.workers:
            worker.start()
        while not self.enough():
            self.kill_server()
        for worker in self.workers:
            worker.join()
            if worker.failure is not None:
                raise worker.failure


def check_devices(firm, workers):
    """Twice: what one of a person's devices brings, the other fetches."""
    for worker in workers + workers:
        answer = worker.device.sync()
        equal((answer["refused"], answer["parked"]), (0, 0), f"{worker.device.name}: {answer}")
        equal(worker.device.json("status")["pending"], 0, f"pending of {worker.device.name}")
    for worker in workers:
        login = worker.device.name.split()[0]
        held = {row["note"] for row in worker.device.json("list", "visit")}
        mine = {row["note"] for row in firm.query(
            "SELECT v.note FROM visit v JOIN person p ON p.id = v.person_id"
            f" WHERE p.login = '{login}'")}
        equal(held, mine, f"visits on {worker.device.name} and on the server")
        worker.device.healthy()
        worker.device.run("verify")


def check_visits(firm, workers):
    said = {note for w in workers for note in w.said}
    maybe = {note for w in workers for note in w.maybe}
    notes = [row["note"] for row in firm.query("SELECT note FROM visit ORDER BY note")]
    equal(sorted({n for n in notes if notes.count(n) > 1}), [], "visits that are there twice")
    equal(sorted(said - set(notes)), [], "saved visits that were lost")
    equal(sorted(set(notes) - said - maybe), [], "visits that nobody typed")


def test_three_hundred_kills():
    seed = int(os.environ.get("LEGWORK_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
    print(f"seed {seed}", flush=True)
    with firm_with_reps() as firm:
        total = Total(firm, seed)
        start = time.monotonic()
        total.run()
        commands = sum(w.kills["command"] for w in total.workers)
        syncs = sum(w.kills["sync"] for w in total.workers)
        print(f"kills: {total.kills()} (server {total.server}, sync {syncs}, command {commands}) in"
              f" {time.monotonic() - start:.0f} s; visits {sum(len(w.said) for w in total.workers)};"
              f" slowest start of the server {total.slowest_start:.2f} s", flush=True)
        check(total.kills() >= KILLS and total.server >= SERVER_KILLS, f"too few in {SECONDS_MAX} s")
        check_devices(firm, total.workers)
        check_visits(firm, total.workers)
        firm.healthy()


main(globals())
