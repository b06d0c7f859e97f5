#!/usr/bin/env python3
"""A line that dies without a word: wherever a sync stands, it is given up within half a minute, told in
one line, and done over another connection; `status` counts it."""
import pathlib
import re
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import Device, Failed, check, equal, main
from sample import firm_with_reps
from silent import SilentRelay

GIVEN_UP_S = 30   # the promise
SLOW_S = 20       # what a busy machine may add to a whole command


def enrolled(firm, name, relays):
    """A device that reaches the server through a relay of its own, synced once."""
    relay = SilentRelay(firm.port)
    relays.append(relay)
    device = Device(firm, name)
    device.enroll(firm.invite("lin").replace(f":{firm.port}", f":{relay.port}"))
    device.sync()
    (device.home / "tls.session").unlink(missing_ok=True)
    return device, relay


def syncs_in_spite(device, relay, no, stalled):
    """One sync through a relay that goes silent for its first connection."""
    device.set("customer", no, note=f"from {device.name}")
    begin = time.monotonic()
    result = device.run("--json", "sync")
    took = time.monotonic() - begin
    check(took < GIVEN_UP_S + SLOW_S, f"{device.name}: a sync took {took:.0f} s")
    said = result.json()
    equal(said["accepted"] + said["merged"], 1, f"{device.name}: what went out")
    lines = re.findall(r"event=stall.*", result.err)
    equal(len(lines), 1 if stalled else 0, f"{device.name}: stalls told: {result}")
    equal(device.json("status")["stalls"], len(lines), f"{device.name}: stalls counted")
    check(relay.connections > 3, f"{device.name}: {relay.connections} connections")
    if stalled:
        for field in ("state=", "last=", "up=", "down=", "age_ms="):
            check(field in lines[0], f"{field} in {lines[0]}")
        check("given up" in device.run("status").out, "status says so in words")


def watches_in_spite(device, relay, no):
    """The connection under a watch dies while nothing happens; then something does."""
    watch = device.start("sync", "--watch")
    try:
        time.sleep(2)
        relay.silence()
        device.set("customer", no, note=f"from {device.name}")
        begin = time.monotonic()
        while device.json("status")["pending"] > 0:
            took = time.monotonic() - begin
            check(took < GIVEN_UP_S + SLOW_S, f"{device.name}: nothing went out in {took:.0f} s")
            time.sleep(0.5)
        check(device.json("status")["stalls"] >= 1, f"{device.name}: the stall is counted")
        check(device.json("status")["sync_age_ms"] < 60000, "the age of the last good sync")
        check(watch.poll() is None, "the watch goes on")
    finally:
        watch.send_signal(signal.SIGTERM)
        try:
            watch.communicate(timeout=GIVEN_UP_S)
        finally:
            watch.kill()


def test_silence_at_several_points():
    relays, wrong = [], []
    with firm_with_reps() as firm:
        def guarded(work, *args):
            try:
                work(*args)
            except Failed as e:
                wrong.append(str(e))
        try:
            hello = enrolled(firm, "hello", relays)
            asked = enrolled(firm, "asked", relays)
            answer = enrolled(firm, "answer", relays)
            watch = enrolled(firm, "watch", relays)
            hello[1].go_silent(down=10)       # in the middle of the server's handshake
            asked[1].go_silent(up=700)        # the request itself doesn't arrive whole
            answer[1].go_silent(down=1150)    # handshake done, the answer never comes whole
            jobs = [threading.Thread(target=guarded, args=args) for args in (
                (syncs_in_spite, *hello, "L1", False), (syncs_in_spite, *asked, "L1", True),
                (syncs_in_spite, *answer, "L2", True), (watches_in_spite, *watch, "L2"))]
            for job in jobs:
                job.start()
            for job in jobs:
                job.join()
        finally:
            for relay in relays:
                relay.close()
    check(not wrong, "\n".join(wrong))


main(globals())
