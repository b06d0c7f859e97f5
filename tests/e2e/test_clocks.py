#!/usr/bin/env python3
"""Devices whose clocks are years off: work gets through with its right time, and people are told which
clock looks suspicious, on the device and at the server, in both languages."""
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from legwork import check, environment, equal, main, skip
from sample import firm_with_reps


def listed(firm):
    return {d["no"]: d["clock"] for d in firm.admin("device", "list", "--json").json()}


def said_by(device, chinese=False):
    env = environment(LEGWORK_LANG="zh" if chinese else "en")
    return device.run("status", env=env).out


def test_suspicious_clocks_are_named():
    if shutil.which("faketime") is None:
        skip("faketime isn't installed")
    with firm_with_reps() as firm:
        right, ahead, behind = (firm.device("lin", name) for name in ("right", "ahead", "behind"))
        faketime = ("faketime", "--exclude-monotonic", "-f")
        ahead.prefix, behind.prefix = (*faketime, "+10y"), (*faketime, "-10y")
        for device, no in ((right, "L1"), (ahead, "L1"), (behind, "L2")):
            device.sync()
            device.set("customer", no, note=f"from {device.name}")
            equal(device.sync()["refused"], 0, "what is refused for a clock")
        equal([d.json("status")["clock"]["suspicious"] for d in (right, ahead, behind)],
              [False, True, True], "what the devices say")
        check("suspicious" not in said_by(right), "nothing about a clock that is right")
        check("ahead of the server" in said_by(ahead) and "automatic" in said_by(ahead), said_by(ahead))
        check("behind the server" in said_by(behind), said_by(behind))
        check("时钟可疑" in said_by(ahead, chinese=True), said_by(ahead, chinese=True))
        clocks = listed(firm)
        equal(clocks["D1"], None, "the right clock in the server's list")
        check(clocks["D2"].startswith("suspicious: +5"), f"ten years ahead: {clocks}")
        check(clocks["D3"].startswith("suspicious: -5"), f"ten years behind: {clocks}")
        marks = {c["device"]: c["clock_suspicious"] for c in
                 firm.admin("history", "customer", "L1", "--json").json()["changes"]}
        equal(marks, {0: False, 1: False, 2: True}, "whose clock the history of the customer marks")
        off = firm.admin("history", "customer", "L2", "--json").json()["changes"][-1]["clock_ms"]
        check(abs(off + 10 * 365.25 * 86400000) < 3 * 86400000, f"by how much it was off then: {off}")
        said = firm.admin("history", "customer", "L1").out
        check(said.count("clock suspicious: +5") == 1, said)
        check("时钟可疑: +5" in firm.admin("history", "customer", "L1", env=environment(LEGWORK_LANG="zh")).out,
              "in Chinese")
        at = firm.query("SELECT note FROM customer WHERE no = 'L1'")[0]["note"]
        equal(at, "from ahead", "the later of two notes, whatever its clock said")
        ahead.prefix = ()
        ahead.sync()
        check(ahead.json("status")["clock"]["suspicious"], "a clock that was set back is told of for a day")
        check("was set by" in said_by(ahead), said_by(ahead))
        check("set by" in listed(firm)["D2"], f"at the server as well: {listed(firm)}")


main(globals())
