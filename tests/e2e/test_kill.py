#!/usr/bin/env python3
"""kill -9 of client and server at random points, at least a hundred times: nothing is lost, nothing
happens twice, and both files stay whole.

Each round types work at a rep's device, starts a sync (sometimes a command), and kills a process after
a random time within what the last undisturbed one took. What a command said was saved is written
down; at the end all of it, and nothing else, is on the server once. The seed is printed; give it as
LEGWORK_SEED to have the same choices again."""
import os
import random
import subprocess
import time
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import check, equal, main
from sample import firm_with_reps

KILLS = 100
SECONDS_MAX = 240


class Killer:
    def __init__(self, firm, seed):
        self.firm = firm
        self.rng = random.Random(seed)
        self.devices = [firm.device("lin"), firm.device("sam")]
        self.kills = {"sync": 0, "command": 0, "server": 0}
        self.said = []  # notes of visits that a command called saved
        self.maybe = []  # of commands killed before they answered
        self.span = {"sync": 0.3, "command": 0.05}
        self.serial = 0
        for device in self.devices:
            device.sync()

    def work(self, device):
        """One visit, typed in full."""
        self.serial += 1
        note = f"visit {self.serial:05d}"
        customer = self.rng.choice(("L1", "L2") if device.name == "lin" else ("S1", "S2"))
        words = ("visit", "log", customer, "--outcome", "other", "--note", note)
        return note, words

    def type(self, device):
        note, words = self.work(device)
        start = time.monotonic()
        device.run(*words)
        self.span["command"] = time.monotonic() - start
        self.said.append(note)

    def kill_command(self, device):
        note, words = self.work(device)
        process = device.start(*words)
        time.sleep(self.rng.uniform(0, self.span["command"] * 1.1))
        if process.poll() is None:
            process.kill()
            self.kills["command"] += 1
        out, _ = process.communicate()
        saved = process.returncode == 0
        (self.said if saved else self.maybe).append(note)
        del out

    def sync(self, device):
        start = time.monotonic()
        device.run("sync")
        self.span["sync"] = max(0.02, time.monotonic() - start)

    def kill_sync(self, device):
        process = device.start("sync")
        time.sleep(self.rng.uniform(0, self.span["sync"] * 1.1))
        if process.poll() is None:
            process.kill()
            self.kills["sync"] += 1
        process.communicate()

    def kill_server(self, device):
        process = device.start("sync")
        time.sleep(self.rng.uniform(0, self.span["sync"] * 1.1))
        self.firm.kill()
        self.kills["server"] += 1
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        check(process.returncode in (0, 3), f"a sync whose server died ended with {process.returncode}")
        self.firm.start()

    def round(self):
        device = self.rng.choice(self.devices)
        for _ in range(self.rng.randrange(4)):
            self.type(device)
        action = self.rng.choices((self.kill_command, self.kill_sync, self.kill_server, self.sync),
                                  (3, 5, 4, 1))[0]
        action(device)


def test_a_hundred_kills():
    seed = int(os.environ.get("LEGWORK_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
    print(f"seed {seed}", flush=True)
    with firm_with_reps() as firm:
        killer = Killer(firm, seed)
        end = time.monotonic() + SECONDS_MAX
        while sum(killer.kills.values()) < KILLS and time.monotonic() < end:
            killer.round()
        print(f"kills: {killer.kills}, visits: {len(killer.said)}", flush=True)
        check(sum(killer.kills.values()) >= KILLS, f"only {killer.kills} in {SECONDS_MAX} s")

        for device in killer.devices:
            answer = device.sync()
            equal((answer["refused"], answer["parked"]), (0, 0), f"{device.name}: {answer}")
            equal(device.json("status")["pending"], 0, f"pending of {device.name}")
        notes = [row["note"] for row in firm.query("SELECT note FROM visit ORDER BY note")]
        twice = sorted({n for n in notes if notes.count(n) > 1})
        equal(twice, [], "visits that are there twice")
        equal(sorted(set(killer.said) - set(notes)), [], "saved visits that were lost")
        equal(sorted(set(notes) - set(killer.said) - set(killer.maybe)), [], "visits that nobody typed")
        for device in killer.devices:
            held = {row["note"] for row in device.json("list", "visit")}
            mine = {row["note"] for row in firm.query(
                "SELECT v.note FROM visit v JOIN person p ON p.id = v.person_id"
                f" WHERE p.login = '{device.name}'")}
            equal(held, mine, f"visits on {device.name} and on the server")
            device.healthy()
            device.run("verify")
        firm.healthy()


main(globals())
