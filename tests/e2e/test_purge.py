#!/usr/bin/env python3
"""What was deleted is let go once every live device has heard of it: by hand, and by the server itself."""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import check, equal, main
from sample import firm_with_reps

SECONDS_MAX = 60


def holds_back(firm):
    return {d["no"]: (d["holds_back"], d["since"] is not None)
            for d in firm.admin("device", "list", "--json").json()}


def deleted_task(lin, tablet):
    """A task that was deleted on one device, while the other hasn't heard of it."""
    task = lin.new("task", title="bring chalk", state="open")["id"]
    for device in (lin, tablet, tablet):
        device.sync()
    lin.run("delete", "task", task)
    lin.sync()
    lin.sync()
    lin.sync() # this one shows what the one before has brought


def tombstones(firm):
    return firm.query("SELECT count(*) AS n FROM task WHERE _deleted_at IS NOT NULL")[0]["n"]


def test_purge_typed():
    with firm_with_reps(goods=False) as firm:
        lin, tablet = firm.device("lin"), firm.device("lin", "tablet")
        firm.device("sam").sync()
        deleted_task(lin, tablet)
        equal(holds_back(firm), {"D1": (0, False), "D2": (1, True), "D3": (0, False)}, "who holds back")
        check("Purged: 0 deleted rows" in firm.admin("purge").out, "the tablet holds it back")
        equal(tombstones(firm), 1, "deleted rows that are kept")
        tablet.sync()
        tablet.sync()
        equal(holds_back(firm)["D2"], (0, False), "what the tablet holds back, having heard")
        check("Purged: 1 deleted rows" in firm.admin("purge").out, "nobody holds it back")
        equal(tombstones(firm), 0, "deleted rows that are kept")
        firm.admin("verify")


def test_the_server_purges_by_itself():
    with firm_with_reps(goods=False) as firm:
        lin, tablet = firm.device("lin"), firm.device("lin", "tablet")
        deleted_task(lin, tablet)
        tablet.sync()
        tablet.sync()
        equal(tombstones(firm), 1, "the next purge is an hour away")
        firm.stop()
        firm.start() # and begins with one
        end = time.monotonic() + SECONDS_MAX
        while tombstones(firm) > 0 and time.monotonic() < end:
            time.sleep(0.2)
        equal(tombstones(firm), 0, "deleted rows that are kept")
        firm.stop()
        log = firm.log.read_text(errors="replace")
        check("event=purged tombstones=1 departures=0" in log, f"a line in the log: {log[-600:]}")
        firm.admin("verify")


main(globals())
