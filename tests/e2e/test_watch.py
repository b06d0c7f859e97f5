#!/usr/bin/env python3
"""`legwork sync --watch`: what others send arrives without being asked for, a server that goes away
and comes back is found again, and a watch ends when it is told to."""
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import check, equal, main
from sample import firm_with_reps

SECONDS = 40  # how long something may take on a slow machine; nothing here measures


def until(holds, what, seconds=SECONDS):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return
        time.sleep(0.2)
    check(False, f"{what} didn't happen within {seconds} s")


def note_of(device):
    return device.json("show", "customer", "L1")["note"]


def end(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.communicate(timeout=SECONDS)
    finally:
        process.kill()
        process.wait()


def test_a_change_arrives_by_itself():
    with firm_with_reps() as firm:
        phone, tablet = firm.device("lin", "phone"), firm.device("lin", "tablet")
        phone.sync()
        tablet.sync()
        watch = phone.start("sync", "--watch")
        try:
            tablet.set("customer", "L1", note="from the tablet")
            tablet.sync()
            until(lambda: note_of(phone) == "from the tablet", "the tablet's note on the phone")
            refused = phone.run("sync", expect=1)
            check("sync" in refused.err.lower(), f"a second sync says so: {refused}")
            phone.set("customer", "L1", note="from the phone")
            until(lambda: phone.json("status")["pending"] == 0, "sending what is written meanwhile")
            check(watch.poll() is None, "the watch goes on")
        finally:
            end(watch)
        equal(firm.query("SELECT note FROM customer WHERE no = 'L1'"), [{"note": "from the phone"}],
              "the server's note")
        phone.healthy()


def test_work_saved_while_a_sync_runs():
    """It isn't in that sync any more, so it needs one of its own, at once and not at the next poll."""
    with firm_with_reps() as firm:
        phone = firm.device("lin", "phone")
        phone.sync()
        watch = phone.start("sync", "--watch")
        try:
            for i in range(40):
                phone.set("customer", "L1", note=f"note {i}")
                if i % 8 == 7:
                    until(lambda: phone.json("status")["pending"] == 0, f"sending note {i}", 8)
        finally:
            end(watch)
        equal(firm.query("SELECT note FROM customer WHERE no = 'L1'"), [{"note": "note 39"}], "note")


def test_one_sync_for_what_was_saved():
    """A command writes more than what is to be sent, and before it; that is no reason to sync."""
    with firm_with_reps() as firm:
        phone = firm.device("lin", "phone")
        phone.sync()
        watch = phone.start("sync", "--watch")
        syncs = lambda: firm.log.read_text().count("route=SYNC")
        try:
            until(lambda: "route=LIVE" in firm.log.read_text() or syncs() >= 2, "the watch's first sync")
            time.sleep(1)
            before = syncs()
            for i in range(5):
                phone.set("customer", "L1", note=f"note {i}")
                until(lambda: phone.json("status")["pending"] == 0, f"sending note {i}")
                time.sleep(0.3)
            equal(syncs() - before, 5, "syncs for five notes")
        finally:
            end(watch)


def test_a_server_that_comes_back():
    with firm_with_reps() as firm:
        phone, tablet = firm.device("lin", "phone"), firm.device("lin", "tablet")
        phone.sync()
        tablet.sync()
        watch = phone.start("sync", "--watch")
        try:
            time.sleep(1)
            firm.kill()
            time.sleep(1)
            check(watch.poll() is None, "a server that goes away doesn't end a watch")
            firm.start()
            tablet.set("customer", "L1", note="after the restart")
            tablet.sync()
            until(lambda: note_of(phone) == "after the restart", "the note after the restart")
        finally:
            end(watch)
        phone.healthy()


main(globals())
